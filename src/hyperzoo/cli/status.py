"""`hyperzoo status`: how far all that work at a zoo have come."""

from pathlib import Path
from typing import Annotated

import typer

from hyperzoo.cli.console import out
from hyperzoo.cli.progress import duration
from hyperzoo.cluster.status import Failure, Status, zoo_status
from hyperzoo.cluster.tasks import LOGS_FOLDER, Queue, submissions
from hyperzoo.words import counted, printable
from hyperzoo.zoo.lock import lock_owner


def status(
    folder: Annotated[Path, typer.Argument(help="The zoo's folder.", show_default=False)],
) -> None:
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
