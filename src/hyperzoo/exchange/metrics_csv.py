"""The published metrics file: a row a network."""

import csv
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hyperzoo.errors import ForeignFileError
from hyperzoo.exchange.format import Format, Meter, magic
from hyperzoo.images import ImageSet
from hyperzoo.zoo import Zoo
from hyperzoo.zoo.document import NetworkKey

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
_MAX_BYTES = 256 * 2**20


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
        path: the file. Columns that are not in `COLUMNS` are passed over; empty cells too.

    Returns:
        Network -> name in a zoo -> figure.

    Raises:
        ForeignFileError: a row is damaged or there twice; the message says which line.
    """
    size = path.stat().st_size
    if size > _MAX_BYTES:
        raise ForeignFileError(f"{path}: expected at most {_MAX_BYTES} bytes, got {size}")
    try:
        # strict: a quote that never ends is an error, not the rest of the file.
        rows = csv.DictReader(
            io.StringIO(path.read_bytes().decode("utf-8-sig"), newline=""), strict=True
        )
        found: dict[NetworkKey, Metrics] = {}
        for row in rows:
            place = f"{path}, line {rows.line_num}"
            key = _key(row, place)
            if key in found:
                raise ForeignFileError(f"{place}: {key.class_name}_{key.index} is there twice")
            found[key] = {
                name: figure
                for column, name in COLUMNS.items()
                if (figure := _figure(row.get(column), f"{place}, {column}")) is not None
            }
    except (UnicodeDecodeError, csv.Error) as error:
        raise ForeignFileError(f"{path}: not a table as UTF-8 text: {error}") from error
    return found


def _key(row: Mapping[str, str | None], place: str) -> NetworkKey:
    count = (row.get("Count") or "").strip()
    name = (row.get("Class") or "").strip()
    if not name or not (count.isascii() and count.isdigit() and len(count) < 13):
        raise ForeignFileError(
            f"{place}: expected a class and its network's number, got Class {name[:40]!r} and "
            f"Count {count[:40]!r}"
        )
    return NetworkKey(name, int(count))


def _figure(text: str | None, place: str) -> Figure | None:
    text = (text or "").strip()
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise ForeignFileError(f"{place}: expected a number from 0 to 1, got {text[:40]!r}")
    mantissa, _, exponent = text.lower().partition("e")
    decimals = len(mantissa.partition(".")[2]) - int(exponent or 0)
    return Figure(value, 0.5 * 10.0**-decimals)


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
        first = magic(path, 4096).partition(b"\n")[0].decode("utf-8-sig", errors="replace")
        return {"Class", "Count"} <= {cell.strip() for cell in first.split(",")}

    def write(
        self,
        zoo: Zoo,
        folder: Path,
        meter: Meter | None = None,
        *,
        images: ImageSet | None = None,
    ) -> int:
        """`metrics.csv`; metrics that are not known are left empty."""
        with (folder / FILE_NAME).open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(_HEADER)
            for row in zoo.models.to_pylist():
                figures = [row[name] for name in COLUMNS.values()]
                cells = ["" if value is None else repr(value) for value in figures]
                writer.writerow([row["class"], row["index"], *cells])
        if meter is not None:
            meter(len(zoo), len(zoo))
        return 1
