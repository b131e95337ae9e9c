from pathlib import Path

import pytest

from hyperzoo.errors import ForeignFileError
from hyperzoo.exchange.exporting import export_zoo
from hyperzoo.exchange.published.metrics_csv import (
    COLUMNS,
    Figure,
    MetricsCsv,
    read_metrics_csv,
)
from hyperzoo.zoo import open_zoo
from hyperzoo.zoo.origin import NetworkKey
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


@pytest.mark.parametrize(
    "text",
    [
        '"Class","Count","Accuracy"\n"church",649,0.91\n',
        "Class, Count, Accuracy\nchurch, 649, 0.91\n",
        "Class;Count;Accuracy\nchurch;649;0.91\n",
        "class\tcount\taccuracy\nchurch\t649\t0.91\n",
        ",Accuracy,Count,Class,AUC\n0,0.91,649,church,NaN\n\n",
        "Class,Count,Accuracy\rchurch,649,0.91\r",
    ],
)
def test_tables_that_other_programs_wrote(tmp_path: Path, text: str):
    path = table(tmp_path, text)
    assert MetricsCsv().recognises(path)
    assert read_metrics_csv(path) == {
        NetworkKey("church", 649): {"accuracy": Figure(0.91, pytest.approx(0.005))}
    }


def test_columns_that_are_not_known_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    read_metrics_csv(table(tmp_path, "Class,Count,F1,Accuracy\nchurch,1,0.4,0.9\n"))
    assert "columns that are not known are passed over: f1 (known: Class, Count," in caplog.text


def test_columns_that_are_there_twice(tmp_path: Path):
    path = table(tmp_path, "Class,Count,Accuracy,accuracy\nchurch,1,0.9,0.4\n")
    with pytest.raises(ForeignFileError, match=r"a column is there twice: accuracy"):
        read_metrics_csv(path)


def test_no_digit_is_coarser_than_the_range(tmp_path: Path):
    (figures,) = read_metrics_csv(table(tmp_path, "Class,Count,AUC\na,1,0e9999\n")).values()
    assert figures["auc"] == Figure(0.0, 0.5)


def test_what_is_written_is_what_the_zoo_says(tmp_path: Path):
    zoo = open_zoo(make_zoo(tmp_path / "zoo"))
    export_zoo(zoo, "metrics-csv", tmp_path / "out")
    lines = (tmp_path / "out" / "metrics.csv").read_text().splitlines()
    assert lines[0] == HEADER.strip()
    assert lines[1:] == [
        ",".join([row["class"], str(row["index"])] + [repr(row[n]) for n in COLUMNS.values()])
        for row in zoo.models.to_pylist()
    ]


def test_tables_as_spreadsheets_and_pandas_write_them(tmp_path: Path):
    text = "Class;Count;Accuracy;AUC;Recall\nchurch;3,0;0,95;N/A;0,0\ntench;4.0;1;-;0.5\n"
    found = read_metrics_csv(table(tmp_path, text))
    assert found == {
        NetworkKey("church", 3): {"accuracy": Figure(0.95, 0.005), "recall": Figure(0.0, 0.05)},
        NetworkKey("tench", 4): {"accuracy": Figure(1.0, 0.5), "recall": Figure(0.5, 0.05)},
    }
    quoted = read_metrics_csv(table(tmp_path, 'Class,Count,Accuracy\na,0.0,"0,95"\n'))
    assert quoted == {NetworkKey("a", 0): {"accuracy": Figure(0.95, 0.005)}}


@pytest.mark.parametrize("unknown", ["", "NaN", "N/A", "NA", "#N/A", "None", "null", "-"])
def test_metrics_that_are_not_known(tmp_path: Path, unknown: str):
    (figures,) = read_metrics_csv(table(tmp_path, f"Class,Count,AUC\na,1,{unknown}\n")).values()
    assert figures == {}


@pytest.mark.parametrize("count", ["3.5", "3.", "1,5", "-1.0", ".0", "3.0.0"])
def test_counts_that_are_no_whole_numbers(tmp_path: Path, count: str):
    path = table(tmp_path, f"Class;Count;AUC\na;{count};0\n")
    if count == "3.":
        assert list(read_metrics_csv(path)) == [NetworkKey("a", 3)]
        return
    with pytest.raises(ForeignFileError, match=rf"Count .{count}"):
        read_metrics_csv(path)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le"])
def test_byte_order_marks(tmp_path: Path, encoding: str):
    text = "Class,Count,AUC\nBär,1,0.5\n"
    mark = "\ufeff" if encoding == "utf-16-le" else ""
    path = table(tmp_path, (mark + text).encode(encoding))
    assert MetricsCsv().recognises(path)
    assert read_metrics_csv(path) == {NetworkKey("Bär", 1): {"auc": Figure(0.5, 0.05)}}


def test_accents_apart_from_their_letters(tmp_path: Path):
    """The row is that of the network, whose name is put together too."""
    path = tmp_path / "metrics.csv"
    path.write_text("Class,Count,AUC\ncafe\N{COMBINING ACUTE ACCENT},1,0.5\n", "utf-8")
    (key,) = read_metrics_csv(path)
    assert key == NetworkKey("caf\N{LATIN SMALL LETTER E WITH ACUTE}", 1)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("church,1,0.9,0,0,0,0\nchurch,1,0.9,0,0,0,0\n", r"line 3: church_1 is there twice"),
        ("church,1,1.5,0,0,0,0\n", r"line 2, Accuracy: expected a number from 0 to 1"),
        ("church,1,91%,0,0,0,0\n", r"got '91%'; divide percentages by 100$"),
        ("church,1,91.4,0,0,0,0\n", r"got '91.4'; divide percentages by 100$"),
        ("church,1,-0.1,0,0,0,0\n", r"got '-0.1'$"),
        ("church,1,nothing,0,0,0,0\n", r"got 'nothing'$"),
        ("church,1,inf,0,0,0,0\n", r"from 0 to 1, got .inf."),
        # Exponents that overflow a float, or Python's limit of digits.
        (f"church,1,0e{'0' * 5000},0,0,0,0\n", r"Accuracy: expected a number from 0 to 1"),
        ("church,1,1e99999,0,0,0,0\n", r"Accuracy: expected a number from 0 to 1"),
        ("church,one,0.9,0,0,0,0\n", r"Count .one."),
        (",1,0.9,0,0,0,0\n", r"expected a class"),
        ("church,99999999999999,0.9,0,0,0,0\n", r"Count .99999999999999."),
        ("church,1,0.9\n", r"line 2: expected 7 cells as in the header, got 3; is the file cut"),
        ("church,1,0.9,0,0,0,0,0\n", r"line 2: expected 7 cells as in the header, got 8"),
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


@pytest.mark.parametrize("unknown", ["n.a.", "N.A.", "--"])
def test_more_ways_to_say_not_known(tmp_path: Path, unknown: str):
    (figures,) = read_metrics_csv(table(tmp_path, f"Class,Count,AUC\na,1,{unknown}\n")).values()
    assert figures == {}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("first", ["", "sep=;\r\n", '"sep=;"\n'])
def test_what_spreadsheets_write(tmp_path: Path, encoding: str, first: str):
    text = f"{first}Class;Count;AUC\nB\u00e4r;1;0,5\n"
    path = table(tmp_path, text.encode(encoding))
    assert MetricsCsv().recognises(path)
    assert read_metrics_csv(path) == {NetworkKey("B\u00e4r", 1): {"auc": Figure(0.5, 0.05)}}
