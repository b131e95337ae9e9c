from pathlib import Path

import pytest

from hyperzoo.errors import ForeignFileError
from hyperzoo.exchange.exporting import export_zoo
from hyperzoo.exchange.metrics_csv import (
    COLUMNS,
    Figure,
    MetricsCsv,
    read_metrics_csv,
)
from hyperzoo.zoo import open_zoo
from hyperzoo.zoo.document import NetworkKey
from tests.exchange.format_contract import FormatContract
from tests.zoo.makers import make_zoo

HEADER = "Class,Count,Accuracy,Precision,Recall,F1 Score,AUC\n"


class TestMetricsCsv(FormatContract):
    format = MetricsCsv()


def table(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "metrics.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_figures_and_how_finely_they_are_printed(tmp_path: Path):
    path = table(tmp_path, "\ufeff" + HEADER + "church,649,0.91,,0.5,4.11e-1,1\r\n")
    assert MetricsCsv().recognises(path)
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
    assert not MetricsCsv().recognises(table(tmp_path, "name,size\na,1\n"))
    assert not MetricsCsv().recognises(table(tmp_path, b"\xff" * 5000))
