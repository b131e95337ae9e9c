"""`hyperzoo work`, `collect` and `status`: what runs on each machine, and how far all have come."""

import re
from pathlib import Path
from typing import Annotated

import typer

from hyperzoo.cli.console import err, out
from hyperzoo.cli.progress import counting_meter, duration
from hyperzoo.cluster.status import Failure, Status, zoo_status
from hyperzoo.cluster.tasks import LOGS_FOLDER, Queue, note_begin, submissions
from hyperzoo.cluster.training import open_training
from hyperzoo.cluster.work import Shard, parse_shard, read_pieces
from hyperzoo.cluster.worker import run_worker
from hyperzoo.errors import BundleError, ClusterError
from hyperzoo.population import Device, EngineName
from hyperzoo.words import counted, printable
from hyperzoo.zoo import layout
from hyperzoo.zoo.bundle import INCOMING_FOLDER, lying_bundles, refused_bundles
from hyperzoo.zoo.document import read_document
from hyperzoo.zoo.lock import lock_owner
from hyperzoo.zoo.part_bundle import piece_name
from hyperzoo.zoo.write import collect_bundles

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
    break_lock: Annotated[
        bool,
        typer.Option(
            "--break-lock",
            help="Take the lock that a killed run left, on file systems without locks.",
        ),
    ] = False,
) -> None:
    """Put in place what workers have delivered; they do so themselves while they run.

    Where bundles are refused, or can't be read, the others are put in place; the exit status is 1.
    """
    before = refused_bundles(folder)
    taken = collect_bundles(folder, break_lock=break_lock)
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


def status(folder: Folder) -> None:
    """Parts done, running, waiting and failed; workers, rate and time left; what failed, and logs.

    Every part is one of the four. Delivered ones wait to be put in place.
    """
    for line in _lines(folder, zoo_status(folder)):
        out.print(line, markup=False)


def _lines(folder: Path, found: Status) -> list[str]:
    delivered = f" ({found.delivered} delivered)" if found.delivered else ""
    lines = [
        f"zoo       {folder}",
        f"networks  {found.networks:,} of {found.networks_planned:,}",
        f"parts     {found.done} of {found.parts} done, {found.running} running, "
        f"{found.waiting} waiting{delivered}, {found.failed} failed",
    ]
    hosts = sorted({beat.host for beat in found.workers})
    if hosts:
        shown = ", ".join(hosts[:4]) + ", ..." * (len(hosts) > 4)
        lines.append(
            f"workers   {len(found.workers)} on {counted(len(hosts), 'machine')} ({shown})"
        )
    if found.seconds_a_part is not None and found.seconds_left:
        rate = 3600 / max(found.seconds_a_part, 1e-9)
        lines.append(f"rate      {rate:,.3g} parts an hour, {duration(found.seconds_left)} left")
    if (owner := lock_owner(folder)) is not None:
        lines.append(f"lock      {owner}")
    lines += _slurm_lines(folder, found.queue)
    lines += [f"failed    {_failure(failure)}" for failure in found.failures[:_SHOWN]]
    if (more := len(found.failures) - _SHOWN) > 0:
        lines.append(f"failed    and {more} more")
    return lines


_SHOWN = 20
"""Failures that are shown one by one."""


def _slurm_lines(folder: Path, queue: Queue) -> list[str]:
    """What Slurm says of a zoo's submissions; nothing of a zoo without."""
    made = submissions(folder)
    if not made:
        return []
    shown = ", ".join(f"{count} {state}" for state, count in sorted(queue.states.items()))
    if queue.unknown:
        shown = f"not known: {queue.unknown.splitlines()[0]}"
    return [f"slurm     {shown or 'no task is left'}", f"logs      {made[-1] / LOGS_FOLDER}"]


def _failure(found: Failure) -> str:
    pieces = ", ".join(found.pieces[:3]) + ", ..." * (len(found.pieces) > 3)
    left = f", which leaves {pieces}" if pieces else ""
    where = f"; see {found.log}" if found.log else ""
    return printable(f"{found.what}: {found.why}{left}{where}")
