"""Progress of long work: a bar on a terminal, a plain line every few seconds elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.progress import Progress as Bar

from hyperzoo.cli.console import err
from hyperzoo.words import counted

if TYPE_CHECKING:
    from hyperzoo.train import Meter, Progress

LINE_EVERY = 5.0
"""Seconds between plain lines."""


class _Lines:
    """Plain lines of progress: one every few seconds, and the last, where there was one before.

    Args:
        at_once: print the first line as soon as it is there.
    """

    def __init__(self, *, at_once: bool = False) -> None:
        self._printed, self._latest = "", ""
        self._at_once, self._last = at_once, time.monotonic()

    def tell(self, line: str) -> None:
        """Say how far the work is."""
        self._latest = line
        is_first = self._at_once and not self._printed
        if is_first or time.monotonic() - self._last >= LINE_EVERY:
            self.end(always=True)

    def end(self, *, always: bool = False) -> None:
        """Print the latest line; nothing where no line was printed: the work was short."""
        if (self._printed or always) and self._latest != self._printed:
            self._printed, self._last = self._latest, time.monotonic()
            err.print(self._latest)


@contextmanager
def training_meter() -> Iterator["Meter"]:
    """A meter for `train_zoo`: networks, epochs, networks a second, time left."""
    started = time.monotonic()
    if not err.is_terminal:
        lines = _Lines(at_once=True)
        yield lambda progress: lines.tell(_training_line(progress, time.monotonic() - started))
        lines.end()
        return
    columns = (BarColumn(), TaskProgressColumn(), TextColumn("{task.description}"))
    with Bar(*columns, console=err, transient=True) as bar:
        task = bar.add_task("starting", total=None)

        def draw(progress: "Progress") -> None:
            line = _training_line(progress, time.monotonic() - started)
            bar.update(
                task, description=line, total=progress.epochs_planned, completed=progress.epochs
            )

        yield draw


def _training_line(progress: "Progress", seconds: float) -> str:
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
    shown = f"{rate:.3g}"
    return f"{line}, {shown} {'network' if shown == '1' else 'networks'}/s, {duration(left)} left"


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
    with counting_meter("image") as meter:
        yield meter


@contextmanager
def counting_meter(
    one: str, many: str | None = None
) -> Iterator[Callable[[int, int | None], None]]:
    """A meter that is told how many of how many are done.

    Args:
        one: what is counted, as a single one is called.
        many: what several are called; None for `one` with an "s".
    """
    if not err.is_terminal:
        lines = _Lines()
        yield lambda done, total: lines.tell(
            f"{done:,} of {counted(total, one, many)}" if total else counted(done, one, many)
        )
        lines.end()
        return
    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
    )
    with Bar(*columns, console=err, transient=True) as bar:
        task = bar.add_task(many or f"{one}s", total=None)
        yield lambda done, total: bar.update(
            task,
            description=counted(done if total is None else total, one, many).partition(" ")[2],
            completed=done,
            total=total,
        )
