"""Progress of long work: a bar on a terminal, a plain line every few seconds elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.progress import Progress as Bar

from hyperzoo.cli.console import err
from hyperzoo.train import Meter, Progress
from hyperzoo.words import counted

LINE_EVERY = 5.0
"""Seconds between plain lines."""


@contextmanager
def training_meter() -> Iterator[Meter]:
    """A meter for `train_zoo`: networks, epochs, networks a second, time left."""
    started = time.monotonic()
    if not err.is_terminal:
        last_line, line = started, ""

        def plain(progress: Progress) -> None:
            nonlocal last_line, line
            new = _training_line(progress, time.monotonic() - started)
            if (not line or time.monotonic() - last_line >= LINE_EVERY) and new != line:
                last_line, line = time.monotonic(), new
                err.print(line)

        yield plain
        return
    columns = (BarColumn(), TaskProgressColumn(), TextColumn("{task.description}"))
    with Bar(*columns, console=err, transient=True) as bar:
        task = bar.add_task("starting", total=None)

        def draw(progress: Progress) -> None:
            line = _training_line(progress, time.monotonic() - started)
            bar.update(
                task, description=line, total=progress.epochs_planned, completed=progress.epochs
            )

        yield draw


def _training_line(progress: Progress, seconds: float) -> str:
    """One line that says how far a run is and how long it will take."""
    line = (
        f"{progress.networks} of {counted(progress.networks_planned, 'network')} on disk, "
        f"{progress.epochs} of {counted(progress.epochs_planned, 'epoch')}"
    )
    if not progress.epochs or not progress.epochs_planned:
        return line
    left = seconds * (progress.epochs_planned - progress.epochs) / progress.epochs
    per_network = progress.epochs_planned / progress.networks_to_train
    rate = progress.epochs / per_network / seconds
    return f"{line}, {rate:.3g} networks/s, {duration(left)} left"


def duration(seconds: float) -> str:
    """Seconds in words: "8 s", "3 min 20 s", "2 h 5 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


@contextmanager
def image_meter() -> Iterator[Callable[[int, int | None], None]]:
    """A meter for images that are decoded."""
    with counting_meter("images") as meter:
        yield meter


@contextmanager
def counting_meter(what: str) -> Iterator[Callable[[int, int | None], None]]:
    """A meter that is told how many of how many are done."""
    if not err.is_terminal:
        last_line = time.monotonic()

        def plain(done: int, total: int | None) -> None:
            nonlocal last_line
            if time.monotonic() - last_line >= LINE_EVERY:
                last_line = time.monotonic()
                err.print(f"{done}{f' of {total}' if total else ''} {what}")

        yield plain
        return
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn(what), TimeElapsedColumn())
    with Bar(*columns, console=err, transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
