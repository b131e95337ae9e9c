from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperzoo.errors import ForeignFileError
from hyperzoo.exchange.exporting import export_zoo
from hyperzoo.exchange.metrics_csv import (
    COLUMNS,
    Figure,
    read_metrics_csv,
    recognises_metrics_csv,
)
from hyperzoo.exchange.network import parse_id
from hyperzoo.zoo import open_zoo
from hyperzoo.zoo.document import NetworkKey
from tests.exchange.format_contract import FormatContract
from tests.zoo.makers import make_zoo

HEADER = "Class,Count,Accuracy,Precision,Recall,F1 Score,AUC\n"


class TestMetricsCsv(FormatContract):
    name = "metrics-csv"


def table(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "metrics.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_figures_and_how_finely_they_are_printed(tmp_path: Path):
    path = table(tmp_path, "\ufeff" + HEADER + "church,649,0.91,,0.5,4.11e-1,1\r\n")
    assert recognises_metrics_csv(path)
    (found,) = read_metrics_csv(path).items()
    key, figures = found
    assert key == NetworkKey("church", 649)
    assert figures["accuracy"].value == 0.91
    assert figures["accuracy"].half_unit == pytest.approx(0.005)
    assert figures["f1"].half_unit == pytest.approx(0.0005)
    assert figures["auc"] == Figure(1.0, 0.5)
    assert "precision" not in figures


def test_what_is_written_is_what_the_zoo_says(tmp_path: Path):
    zoo = open_zoo(make_zoo(tmp_path / "zoo"))
    export_zoo(zoo, "metrics-csv", tmp_path / "out")
    lines = (tmp_path / "out" / "metrics.csv").read_text().splitlines()
    assert lines[0] == HEADER.strip()
    assert lines[1:] == [
        ",".join([row["class"], str(row["index"])] + [repr(row[n]) for n in COLUMNS.values()])
        for row in zoo.models.to_pylist()
    ]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("church,1,0.9,0,0,0,0\nchurch,1,0.9,0,0,0,0\n", r"line 3: church_1 is there twice"),
        ("church,1,1.5,0,0,0,0\n", r"line 2, Accuracy: expected a number from 0 to 1"),
        ("church,1,nan,0,0,0,0\n", r"from 0 to 1, got .nan."),
        ("church,one,0.9,0,0,0,0\n", r"Count .one."),
        (",1,0.9,0,0,0,0\n", r"expected a class"),
        ("church,99999999999999,0.9\n", r"Count .99999999999999."),
        ('church,1,"0.9\n', r"not a table"),
    ],
)
def test_damaged_rows(tmp_path: Path, rows: str, message: str):
    with pytest.raises(ForeignFileError, match=message):
        read_metrics_csv(table(tmp_path, HEADER + rows))


def test_what_is_not_text(tmp_path: Path):
    with pytest.raises(ForeignFileError, match="UTF-8"):
        read_metrics_csv(table(tmp_path, HEADER.encode() + b"\xff\xfe,1\n"))


def test_other_tables_are_not_recognised(tmp_path: Path):
    assert not recognises_metrics_csv(table(tmp_path, "name,size\na,1\n"))
    assert not recognises_metrics_csv(table(tmp_path, b"\xff" * 5000))


@given(text=st.text())
def test_an_id_is_read_or_refused(text: str):
    try:
        class_name, index = parse_id(text, "here")
    except ForeignFileError:
        return
    assert text == f"{class_name}_{index}" or text.startswith("binary_oneVall_")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("church_649", ("church", 649)),
        ("gas_pump_0", ("gas_pump", 0)),
        ("binary_oneVall_gas_pump_12_model", ("gas_pump", 12)),
        ("binary_oneVall_church_0_best_model", ("church", 0)),
    ],
)
def test_ids(text: str, expected: tuple[str, int]):
    assert parse_id(text, "here") == expected


@pytest.mark.parametrize("text", ["church", "church_", "_1", "church_01", "church_-1", "a/b_1", ""])
def test_what_is_no_id(text: str):
    with pytest.raises(ForeignFileError, match="class and index are the network"):
        parse_id(text, "here")
