"""`metrics.csv.gz`: a row for each row of the matrix: settings of the run, epoch, figures."""

import csv
import gzip
import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from hyperzoo.errors import ForeignFileError
from hyperzoo.exchange.content import Content, look

KEY, STEP = "modeldir", "step"
FIGURES = ("train_loss", "train_accuracy", "test_loss", "test_accuracy")
"""In the order of a zoo's history."""

LAST_EPOCH = 86
"""Of the published zoo, where a file does not say `config.epochs`."""

_MAX_LINE = 64 * 1024
_MOST_COLUMNS = 200
_UNKNOWN = ("", "nan", "none", "null", "n/a", "na")
_DAMAGE = (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error)


@dataclass(frozen=True, kw_only=True, eq=False)
class Table:
    """The table, its rows by run.

    Attributes:
        keys: `modeldir` of each run, in the order in which they first come.
        first_rows: int64 [run], the first row of each.
        runs: int64 [row], which run a row is of.
        epochs: int64 [row].
        figures: float64 [row, figure] in the order of `FIGURES`; NaN where nothing is told.
        told: bool [figure], which of them the file has.
        settings: name of every column `config.*` without that word -> its cell for each run.
        has_epochs: whether the file tells epochs.
    """

    keys: list[str]
    first_rows: NDArray[np.int64]
    runs: NDArray[np.int64]
    epochs: NDArray[np.int64]
    figures: NDArray[np.float64]
    told: NDArray[np.bool_]
    settings: dict[str, list[str]]
    has_epochs: bool


def read_metrics(path: Path, rows: int) -> Table:
    """Read the table, line by line.

    Args:
        path: the file, compressed by gzip or not.
        rows: how many rows the matrix has: more are not read.

    Raises:
        ForeignFileError: it is damaged or cut short, has another number of rows, or rows of one
            run contradict one another.
    """
    try:
        with _opened(path) as file:
            return _parse(_lines(file, path), path, rows)
    except _DAMAGE as error:
        raise ForeignFileError(
            f"{path}: it can't be read to its end: {error}; it may be cut short, so get it again"
        ) from error


def _opened(path: Path) -> IO[str]:
    if look(path) is Content.GZIP:
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open("rt", encoding="utf-8-sig", newline="")


def _lines(file: IO[str], path: Path) -> Iterator[str]:
    """The lines, none longer than a table of this kind has, and each with its end."""
    line = "\n"
    while line.endswith(("\n", "\r")) and (line := file.readline(_MAX_LINE)):
        if len(line) == _MAX_LINE:
            raise ForeignFileError(f"{path}: a line has more than {_MAX_LINE} characters")
        yield line
    if line:
        raise ForeignFileError(
            f"{path}: its last line has no end, so it may be cut short; get it again, or end the "
            "line if it is whole"
        )


def _parse(lines: Iterator[str], path: Path, rows: int) -> Table:
    reader = csv.reader(lines, strict=True)
    header = [name.strip() for name in next(reader, [])]
    _check_header(header, path)
    place = {name: number for number, name in enumerate(header)}
    config = {name: place[name] for name in header if name.startswith("config.")}
    numbers: dict[str, int] = {}
    settings: list[tuple[str, ...]] = []
    texts: dict[str, str] = {}  # each text once, however often it comes
    runs, epochs, first = np.empty(rows, np.int64), np.empty(rows, np.int64), list[int]()
    figures = np.full((rows, len(FIGURES)), np.nan)
    told = [(column, place[name]) for column, name in enumerate(FIGURES) if name in place]
    row = 0
    for cells in reader:
        if not cells:
            continue
        line = f"{path}, line {reader.line_num}"
        if len(cells) != len(header):
            raise ForeignFileError(
                f"{line}: expected {len(header)} cells as in the header, got {len(cells)}; is the "
                "file cut short?"
            )
        if row == rows:
            raise ForeignFileError(
                f"{path}: it has more rows than the matrix of weights, which has {rows}; both must "
                "be of one download"
            )
        key = cells[place[KEY]]
        own = tuple(texts.setdefault(cells[n], cells[n]) for n in config.values())
        run = numbers.setdefault(key, len(numbers))
        if run == len(settings):
            settings.append(own)
            first.append(row)
        elif own != settings[run]:
            name = next(n for n, a, b in zip(config, own, settings[run], strict=True) if a != b)
            raise ForeignFileError(
                f"{line}: {name} is not that of the row {first[run] + 1} with the same {KEY} "
                f"({key[:80]!r})"
            )
        runs[row] = run
        epochs[row] = _epoch(cells[place[STEP]], line) if STEP in place else -1
        for column, number in told:
            figures[row, column] = _figure(cells[number], f"{line}, {FIGURES[column]}")
        row += 1
    if row < rows:
        raise ForeignFileError(
            f"{path}: it has {row} rows, but the matrix of weights has {rows}; it may be cut "
            "short, so get both again"
        )
    return Table(
        keys=list(numbers),
        first_rows=np.array(first, np.int64),
        runs=runs,
        epochs=epochs,
        figures=figures,
        told=np.array([name in place for name in FIGURES]),
        settings={
            name.removeprefix("config."): [own[n] for own in settings]
            for n, name in enumerate(config)
        },
        has_epochs=STEP in place,
    )


def _check_header(header: list[str], path: Path) -> None:
    twice = sorted({name for name in header if name and header.count(name) > 1})
    missing = [name for name in (KEY, "config.activation") if name not in header]
    if twice or missing or len(header) > _MOST_COLUMNS:
        raise ForeignFileError(
            f"{path}: expected the columns {KEY}, {STEP}, config.activation and the like, each "
            f"once; missing: {', '.join(missing) or 'none'}; there twice: "
            f"{', '.join(twice)[:200] or 'none'}"
        )


def _epoch(text: str, line: str) -> int:
    whole, _, zeros = text.strip().partition(".")  # 86.0, where pandas had gaps to fill
    if not (whole.isascii() and whole.isdigit()) or len(whole) > 6 or zeros.strip("0"):
        raise ForeignFileError(f"{line}: expected an epoch as {STEP}, got {text[:40]!r}")
    return int(whole)


def _figure(text: str, place: str) -> float:
    if text.strip().lower() in _UNKNOWN:
        return math.nan
    return number_in(text, place)


def number_in(text: str, place: str) -> float:
    """A number of a cell, which may be infinite or NaN.

    Raises:
        ForeignFileError: it is none.
    """
    try:
        return float(text) if len(text) <= 40 else float("")
    except ValueError:
        raise ForeignFileError(f"{place}: expected a number, got {text[:40]!r}") from None
