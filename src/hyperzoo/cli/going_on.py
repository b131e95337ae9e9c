"""Progress of a generation, and what is said of one that was interrupted."""

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hyperzoo.cli.console import err
from hyperzoo.cli.progress import counting_meter
from hyperzoo.errors import ZooError
from hyperzoo.generation.registry import Meter
from hyperzoo.words import counted
from hyperzoo.zoo import open_zoo


@contextmanager
def fitting(done: Path | None = None) -> Iterator[Meter]:
    """The meter of a fit.

    Args:
        done: the folder in which the parts that are done are kept.
    """
    try:
        with counting_meter("step of the fit", "steps of the fit") as meter:
            yield meter
    except KeyboardInterrupt:
        parts = 0 if done is None else len(list(done.glob("*.safetensors")))
        kept = "a fit is kept when it is done, so nothing was; begin again with"
        if parts:
            classes = counted(parts, "class", "classes")
            kept = f"what is done of the fit, {classes}, is kept in {done}; go on with"
        err.print(f"interrupted: {kept}\n  {_again(None)}", markup=False)
        raise  # typer exits with status 130


@contextmanager
def making(folder: Path, saved: Path | None, *, fitted: bool) -> Iterator[Meter]:
    """The meter of a zoo, whose parts are kept when it is interrupted.

    Args:
        folder: the zoo's.
        saved: where the generator was kept by this run.
        fitted: whether this run fitted it, and has kept nothing of the fit.
    """
    try:
        with counting_meter("network on disk", "networks on disk") as meter:
            yield meter
    except KeyboardInterrupt:
        again = " (the fit is made again: --save FILE keeps it)" if fitted and not saved else ""
        err.print(
            f"interrupted: {_kept(folder)} networks are kept in {folder}; go on{again} with\n"
            f"  {_again(saved)}",
            markup=False,
        )
        raise  # typer exits with status 130


def _again(saved: Path | None) -> str:
    """The command, with the generator's file where the fit was kept in one."""
    words = list(sys.argv[1:])
    if saved is not None:
        words = _without(words, "--save", "--method", "--split")
        words += ["--with", str(saved)]
    return shlex.join(["hyperzoo", *words])


def _without(words: list[str], *options: str) -> list[str]:
    """A command line without some options and their values."""
    kept: list[str] = []
    skip = False
    for word in words:
        if not skip and word.partition("=")[0] not in options:
            kept.append(word)
        skip = not skip and word in options
    return kept


def _kept(folder: Path) -> str:
    """How many networks are on disk, in words."""
    try:
        zoo = open_zoo(folder)
    except ZooError:
        return "no"
    return f"{len(zoo)} of {zoo.planned}"
