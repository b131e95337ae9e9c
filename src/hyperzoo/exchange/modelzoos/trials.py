"""A folder of Ray Tune's trials: settings, figures by epoch, and where checkpoints lie.

Everything here is JSON or a name; of what programs pickle beside it nothing is opened.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hyperzoo.errors import ForeignFileError
from hyperzoo.exchange.content import TEXTS, Content, check_content, decoded
from hyperzoo.words import printable

PARAMS, RESULT, CHECKPOINT = "params.json", "result.json", "checkpoints"
TYPE = "model::type"
FIGURES = ("train_loss", "train_acc", "test_loss", "test_acc")
"""In the order of a zoo's history."""

_NOT_RUN = -999.0
"""Stands in the results where an epoch had no training."""

_MAX_BYTES, _MAX_LINE, _MOST_LINES = 2**20, 2**20, 100_001
_MOST_LEVELS = 5
_FOLDER = re.compile(r"checkpoint_(?P<epoch>[0-9]{1,6})")

Figures = tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A training run.

    Attributes:
        folder: where it lies.
        key: the path of that inside the folder that is imported.
        config: its settings.
        checkpoints: epoch -> file of `torch.save`.
        figures: epoch -> figures in the order of `FIGURES`, NaN where nothing is told.
        cut: whether the last line of its results is no JSON: training was killed.
    """

    folder: Path
    key: str
    config: Mapping[str, Any]
    checkpoints: Mapping[int, Path]
    figures: Mapping[int, Figures]
    cut: bool


def trial_folders(root: Path) -> Iterator[Path]:
    """The folders of trials in a folder and some levels below, in the order of their names.

    Such a folder has a `params.json` that tells a network's type, or results that do.
    """
    for here, folders, names in _walk(root):
        if PARAMS in names or RESULT in names:
            try:
                is_trial = TYPE in config_of(here)
            except (ForeignFileError, OSError):
                # Reading it says what is wrong.
                is_trial = any(map(_FOLDER.fullmatch, folders))
            if is_trial:
                folders.clear()
                yield here


def folders_of_checkpoints(root: Path) -> Iterator[Path]:
    """The folders that hold checkpoints, whether or not they tell what of."""
    for here, folders, _ in _walk(root):
        found = [own for own in folders if _FOLDER.fullmatch(own)]
        if any(_is_file(here / own / CHECKPOINT) for own in found):
            folders.clear()
            yield here


def _walk(root: Path) -> Iterator[tuple[Path, list[str], list[str]]]:
    """Folders with the names of those in them and of files; names taken away are passed over."""
    for place, folders, names in os.walk(root):
        here = Path(place)
        if len(here.relative_to(root).parts) >= _MOST_LEVELS:
            folders.clear()
        folders[:] = sorted(own for own in folders if not (here / own).is_symlink())
        yield here, folders, names


def config_of(folder: Path) -> Mapping[str, Any]:
    """A trial's settings: those of `params.json`, else of its first result.

    Raises:
        ForeignFileError: the file is damaged.
    """
    path = folder / PARAMS
    if _is_file(path):
        return _object(_text(path), str(path))
    first = next(_lines(folder / RESULT), None) if _is_file(folder / RESULT) else None
    try:
        config = json.loads(first or "{}").get("config")
    except (ValueError, AttributeError, RecursionError):
        config = None
    return config if isinstance(config, dict) else {}


def read_trial(folder: Path, root: Path) -> Trial:
    """Read what a trial says of itself; its checkpoints are not opened.

    Raises:
        ForeignFileError: its settings or results are damaged, or it has two checkpoints of an
            epoch.
    """
    checkpoints: dict[int, Path] = {}
    for entry in sorted(folder.iterdir()):
        match, file = _FOLDER.fullmatch(entry.name), entry / CHECKPOINT
        if match is None or entry.is_symlink() or not _is_file(file):
            continue
        epoch = int(match["epoch"])
        if epoch in checkpoints:
            raise ForeignFileError(
                f"{file} and {checkpoints[epoch]} are both of epoch {epoch}; keep one"
            )
        checkpoints[epoch] = file
    results, cut = _results(folder / RESULT)
    return Trial(
        folder=folder,
        key=printable(folder.relative_to(root).as_posix()),
        config=config_of(folder),
        checkpoints=dict(sorted(checkpoints.items())),
        figures=_by_epoch(results, checkpoints),
        cut=cut,
    )


def _is_file(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _text(path: Path) -> str:
    size = path.stat().st_size
    if size > _MAX_BYTES:
        raise ForeignFileError(f"{path}: expected at most {_MAX_BYTES} bytes, got {size}")
    check_content(path, "JSON", TEXTS)
    try:
        return decoded(path.read_bytes())
    except UnicodeDecodeError as error:
        raise ForeignFileError(f"{path}: not UTF-8 text: {error}") from error


def _object(text: str, source: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ForeignFileError(f"{source}: not JSON, or cut short: {error}") from error
    if not isinstance(found, dict):
        raise ForeignFileError(f"{source}: expected a JSON object, got {type(found).__name__}")
    return found


def _lines(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        for _ in range(_MOST_LINES):
            line = file.readline(_MAX_LINE)
            if not line:
                return
            if len(line) == _MAX_LINE:
                raise ForeignFileError(f"{path}: a line has more than {_MAX_LINE} characters")
            if line.strip():
                yield line
    raise ForeignFileError(f"{path}: expected at most {_MOST_LINES} lines")


def _results(path: Path) -> tuple[list[dict[str, Any]], bool]:
    """One JSON object a line; and whether the last is cut short."""
    if not _is_file(path):
        return [], False
    check_content(path, "lines of JSON", (Content.EMPTY, *TEXTS))
    lines = list(_lines(path))
    found = []
    for number, line in enumerate(lines, start=1):
        try:
            found.append(_object(line, f"{path}, line {number}"))
        except ForeignFileError:
            if number < len(lines):
                raise
            return found, True
    return found, False


def _by_epoch(results: list[dict[str, Any]], checkpoints: Mapping[int, Path]) -> dict[int, Figures]:
    """Figures by epoch: that which a line says it is of, else by the number of the line.

    The first line is of epoch 0 where training wrote a checkpoint before it began.
    """
    told = [line.get("training_iteration") for line in results]
    epochs = [epoch for epoch in told if type(epoch) is int and 0 <= epoch < _MOST_LINES]
    if len(epochs) < len(told):  # else, of a trial that was resumed, the later line counts
        first = 0 if len(results) == max(checkpoints, default=-1) + 1 else 1
        epochs = list(range(first, first + len(results)))
    return {
        epoch: tuple(_figure(line.get(name)) for name in FIGURES)
        for epoch, line in zip(epochs, results, strict=True)
    }


def _figure(value: object) -> float:
    """A number; infinite where training failed, NaN where nothing is told."""
    number = number_of(value)
    if number is None or number == _NOT_RUN:
        return np.nan
    return np.inf if number != number else number


def number_of(value: object) -> float | None:
    """A number of JSON as float64; None for anything else, and for what float64 can't hold."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    try:
        return float(value)
    except OverflowError:
        return None
