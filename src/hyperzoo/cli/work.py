"""`hyperzoo work` and `collect`: what runs on each machine, and what it delivers."""

import re
from pathlib import Path
from typing import Annotated

import typer

from hyperzoo.cli.console import err, out
from hyperzoo.cli.progress import counting_meter
from hyperzoo.cli.recipe_options import BreakLock
from hyperzoo.cluster.tasks import note_begin
from hyperzoo.cluster.training import open_training
from hyperzoo.cluster.work import Shard, parse_shard, read_pieces
from hyperzoo.cluster.worker import run_worker
from hyperzoo.errors import BundleError, ClusterError
from hyperzoo.population import Device, EngineName
from hyperzoo.words import counted
from hyperzoo.zoo import layout
from hyperzoo.zoo.bundle import INCOMING_FOLDER, lying_bundles, refused_bundles
from hyperzoo.zoo.document import read_document
from hyperzoo.zoo.part_bundle import piece_name
from hyperzoo.zoo.write import PATIENCE, collect_bundles

Folder = Annotated[Path, typer.Argument(help="The zoo's folder.", show_default=False)]


def work(
    folder: Folder,
    shard: Annotated[
        str, typer.Option(help="This worker's share: 0/100 is the first of a hundred.")
    ] = "0/1",
    pieces: Annotated[
        Path | None,
        typer.Option(help="Share out the parts that this file lists, rather than all."),
    ] = None,
    time: Annotated[
        str | None,
        typer.Option(help="Begin no part that may not end in this time: 2:00:00 or minutes."),
    ] = None,
    images: Annotated[
        Path | None, typer.Option(help="Where the images lie; default: as the zoo was prepared.")
    ] = None,
    engine: Annotated[EngineName, typer.Option(help="What trains.")] = "auto",
    device: Annotated[Device, typer.Option(help="Where it trains.")] = "auto",
    workers: Annotated[int, typer.Option(min=0, help="Threads on a CPU; 0: one a core.")] = 0,
) -> None:
    """Train a share of a zoo's parts, beside any number of other workers on any machines.

    Whose share is done helps with the parts of others.
    """
    seconds = None if time is None else seconds_of(time)
    share = parse_shard(shard)
    training = open_training(folder, images=images, engine=engine, device=device, workers=workers)
    listed = training.pieces if pieces is None else read_pieces(pieces)
    if pieces is not None:
        note_begin(pieces)
    steps = 0
    with counting_meter("epoch trained", "epochs trained") as meter:

        def told(count: int) -> None:
            nonlocal steps
            steps += count
            meter(steps, None)

        outcome = run_worker(training, share.of(listed), others=listed, seconds=seconds, told=told)
    out.print(_outcome(share, len(outcome.made), len(outcome.found), len(outcome.left)))
    if delivered := len({lying.piece for lying in lying_bundles(folder)}):
        err.print(
            f"{counted(delivered, 'part waits', 'parts wait')} to be put in place, for another "
            "process holds the zoo's lock; it takes what waits, or `hyperzoo collect` does"
        )


def _outcome(share: Shard, made: int, found: int, left: int) -> str:
    line = (
        f"shard {share.number}/{share.total}: trained {counted(made, 'part')}, found {found} done"
    )
    if left:
        line += f"; no time for {left} more, so run the same command again"
    return line


def seconds_of(text: str) -> float:
    """Read a time as Slurm takes it: minutes, minutes:seconds, hours:minutes:seconds, days-hours.

    Raises:
        ClusterError: it is none.
    """
    match = re.fullmatch(
        r"(?:([0-9]{1,4})-)?([0-9]{1,6})(?::([0-9]{1,2}))?(?::([0-9]{1,2}))?", text
    )
    if match is None:
        raise ClusterError(f"expected a time such as 90, 2:00:00 or 1-12:00:00, got {text!r}")
    days, *rest = match.groups()
    first, second, third = (None if entry is None else int(entry) for entry in rest)
    if days is not None:  # days-hours[:minutes[:seconds]]
        hours, minutes, seconds = first or 0, second or 0, third or 0
    elif third is not None:
        hours, minutes, seconds = first or 0, second or 0, third
    else:
        hours, minutes, seconds = 0, first or 0, second or 0
    return 86400.0 * int(days or 0) + 3600 * hours + 60 * minutes + seconds


def collect(
    folder: Folder,
    break_lock: BreakLock = False,
) -> None:
    """Put in place what workers have delivered; they do so themselves while they run.

    Where bundles are refused, or can't be read, the others are put in place; the exit status is 1.
    """
    before = refused_bundles(folder)
    taken = collect_bundles(folder, break_lock=break_lock, patience=PATIENCE)
    done = {piece_name(part) for part in layout.marked_parts(folder)}
    parts = len(read_document(folder).plan())
    out.print(
        f"{folder}: took {counted(len(taken.parts), 'part')}, {len(done)} of {parts} are done",
        markup=False,
    )
    refused = list(taken.refused)
    for path in before:
        if path.exists() and path.name.partition(".")[0] not in done:
            refused.append(f"bundle {path.name}: refused before")
    if refused:
        listed = "\n  ".join(refused)
        raise BundleError(
            f"{counted(len(refused), 'bundle')} refused, and kept in {folder / INCOMING_FOLDER} "
            f"for you to look at; run the same `submit` or `train` again, which makes the parts "
            f"anew, and then delete them:\n  {listed}"
        )
    if taken.unreadable:
        listed = "\n  ".join(taken.unreadable)
        raise BundleError(
            f"{counted(len(taken.unreadable), 'bundle')} can't be read, and may be sound: left in "
            f"{folder / INCOMING_FOLDER}; make them readable (do they belong to another user?), "
            f"then run `hyperzoo collect {folder}` again:\n  {listed}"
        )
