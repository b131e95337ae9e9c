"""The published metrics file: a row a network."""

import csv
import io
import logging
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hyperzoo.errors import ForeignFileError
from hyperzoo.exchange.content import decoded, magic
from hyperzoo.exchange.format import Export, Format
from hyperzoo.words import composed
from hyperzoo.zoo.origin import NetworkKey

COLUMNS = {
    "Accuracy": "accuracy",
    "Precision": "precision",
    "Recall": "recall",
    "F1 Score": "f1",
    "AUC": "auc",
}
"""The file's columns beside Class and Count, and what a zoo calls them."""

FILE_NAME = "metrics.csv"
_HEADER = ["Class", "Count", *COLUMNS]
_DELIMITERS = ",;\t"
_MAX_BYTES = 256 * 2**20
_MAX_HEADER = 4096
_MAX_DIGITS = 40
_UNKNOWN = ("", "nan", "n/a", "na", "#n/a", "none", "null", "-", "--", "n.a.", "n.a")
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Figure:
    """A figure of the file, and how finely it was printed.

    Attributes:
        value: in [0, 1].
        half_unit: half a unit of the last digit that was printed.
    """

    value: float
    half_unit: float


Metrics = Mapping[str, Figure]


def read_metrics_csv(path: Path) -> dict[NetworkKey, Metrics]:
    """Metrics by network.

    Args:
        path: the file: columns in any order, their names in any case, between commas, semicolons
            or tabs, decimals with a point or a comma. Columns that are not in `COLUMNS` are passed
            over with a warning; empty cells, NaN and N/A are metrics that are not known.

    Returns:
        Network -> name in a zoo -> figure.

    Raises:
        ForeignFileError: a row is damaged or there twice; the message says which line.
    """
    size = path.stat().st_size
    if size > _MAX_BYTES:
        raise ForeignFileError(f"{path}: expected at most {_MAX_BYTES} bytes, got {size}")
    try:
        text = decoded(path.read_bytes())
        header, delimiter = _header(text)
        _check_header(header, path)
        # strict: a quote that never ends is an error, not the rest of the file.
        rows = csv.reader(
            io.StringIO(text, newline=""), delimiter=delimiter, strict=True, skipinitialspace=True
        )
        next(rows, None)
        if _separator(text):
            next(rows, None)
        found: dict[NetworkKey, Metrics] = {}
        for cells in filter(None, rows):
            place = f"{path}, line {rows.line_num}"
            if len(cells) != len(header):
                why = (
                    "is the file cut short?"
                    if len(cells) < len(header)
                    else "are there decimal commas? then divide the cells by semicolons"
                )
                raise ForeignFileError(
                    f"{place}: expected {len(header)} cells as in the header, got {len(cells)}; "
                    f"{why}"
                )
            row = dict(zip(header, cells, strict=True))
            key = _key(row, place)
            if key in found:
                raise ForeignFileError(f"{place}: {key.class_name}_{key.index} is there twice")
            found[key] = {
                name: figure
                for column, name in COLUMNS.items()
                if (figure := _figure(row.get(column.lower(), ""), f"{place}, {column}"))
            }
    except (UnicodeDecodeError, csv.Error) as error:
        raise ForeignFileError(f"{path}: not a table as UTF-8 text: {error}") from error
    return found


def _header(text: str) -> tuple[list[str], str]:
    """The names of a table's columns, in lower case, and what stands between them."""
    lines = text[:_MAX_HEADER].splitlines()
    line = "".join(lines[1:2] if _separator(text) else lines[:1])
    for delimiter in _DELIMITERS:
        cells = next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [])
        names = [cell.strip().lower() for cell in cells]
        if {"class", "count"} <= set(names):
            return names, delimiter
    raise csv.Error("its first line has no columns Class and Count")


def _separator(text: str) -> bool:
    """Whether the first line tells Excel what stands between the cells, as `sep=;` does."""
    return re.match(r"\"?sep=.\"?[\r\n]", text, re.IGNORECASE) is not None


def _check_header(header: list[str], path: Path) -> None:
    twice = sorted(name for name in set(header) if name and header.count(name) > 1)
    if twice:
        raise ForeignFileError(f"{path}: a column is there twice: {', '.join(twice)[:200]}")
    known = {name.lower() for name in _HEADER}
    if strangers := sorted(set(header) - known - {""}):
        _logger.warning(
            "%s: columns that are not known are passed over: %s (known: %s)",
            path,
            ", ".join(strangers)[:200],
            ", ".join(_HEADER),
        )


def _key(row: Mapping[str, str], place: str) -> NetworkKey:
    count, name = row["count"].strip(), composed(row["class"].strip())
    # A table that pandas wrote has 3.0 for 3, where numbers were missing.
    count, _, zeros = count.replace(",", ".").partition(".")
    is_whole = count.isascii() and count.isdigit() and len(count) < 13 and not zeros.strip("0")
    if not name or not is_whole:
        raise ForeignFileError(
            f"{place}: expected a class and its network's number, got Class {name[:40]!r} and "
            f"Count {row['count'][:40]!r}"
        )
    return NetworkKey(name, int(count))


def _figure(text: str, place: str) -> Figure | None:
    text = text.strip().lower().replace(",", ".")
    if text in _UNKNOWN:
        return None
    try:
        value = float(text) if len(text) <= _MAX_DIGITS else math.nan
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        remedy = "; divide percentages by 100" * (text.endswith("%") or 1 < value <= 100)
        raise ForeignFileError(f"{place}: expected a number from 0 to 1, got {text[:40]!r}{remedy}")
    mantissa, _, exponent = text.partition("e")
    decimals = len(mantissa.partition(".")[2]) - int(exponent or 0)
    # At least 0, for 0e9 is a number from 0 to 1 too.
    return Figure(value, 0.5 * 10.0 ** -max(decimals, 0))


class MetricsCsv(Format):
    """One table for all networks; it is read beside networks, which it has none of."""

    name = "metrics-csv"
    description = "the published table of metrics, a row a network"
    reads_metrics = True
    writes = True

    def recognises(self, path: Path) -> bool:
        """By the suffix and the header."""
        if path.suffix.lower() != ".csv":
            return False
        try:
            _header(decoded(magic(path, _MAX_HEADER), errors="replace"))
        except csv.Error:
            return False
        return True

    def write(self, export: Export) -> int:
        """`metrics.csv`; metrics that are not known are left empty."""
        zoo = export.zoo
        with (export.folder / FILE_NAME).open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(_HEADER)
            for row in zoo.models.to_pylist():
                figures = [row[name] for name in COLUMNS.values()]
                cells = ["" if value is None else repr(value) for value in figures]
                writer.writerow([row["class"], row["index"], *cells])
        export.meter(len(zoo), len(zoo))
        return 1
