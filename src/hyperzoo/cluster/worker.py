"""What runs on each machine: makes pieces, delivers them, and collects when nobody else does."""

import secrets
import shutil
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass

from hyperzoo.cluster.beats import Heart, beats, forget_workers, pieces_worked_on
from hyperzoo.cluster.work import Told, Work
from hyperzoo.errors import ClusterError, HyperzooError, ZooLockedError, ZooWriteError
from hyperzoo.zoo.bundle import Bundle, check_deliverable, deliver

DRAIN_MARGIN = 1.25
"""A piece is begun only if this many times the longest one so far still fits into the time."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a worker did.

    Attributes:
        made: pieces that it made and delivered.
        found: pieces of its share that others had made or delivered.
        left: pieces that it had no time for, of those that it would have made next.
    """

    made: tuple[str, ...]
    found: tuple[str, ...]
    left: tuple[str, ...]


def run_worker(
    work: Work,
    names: Sequence[str],
    *,
    others: Sequence[str] = (),
    seconds: float | None = None,
    told: Told = lambda steps: None,
) -> Outcome:
    """Make pieces of work that nobody has made yet: its own first, then those of others.

    Each is delivered when it is done, and put in place at once unless another process holds the
    lock, which then does it in turn. A worker that is killed loses what it was making, no more.

    Args:
        work: the work.
        names: this worker's pieces.
        others: pieces of other workers, with which it helps when its own are done: those that
            nobody works on, or only somebody who has shown no sign of life for long.
        seconds: how long it may run; what may not end in that time is not begun. The first piece
            is always begun, since nobody knows how long one takes.
        told: is told of steps.

    Raises:
        ClusterError: the disk has no room for the next pieces.
        ZooWriteError: the disk refused; if it would refuse a bundle, that is found before one is
            made.
    """
    ends = None if seconds is None else time.monotonic() + seconds
    made: list[str] = []
    longest = 0.0
    left: tuple[str, ...] = ()
    with Heart(work.folder) as heart:
        try:
            while todo := _next(work, names, others, made):
                started = time.monotonic()
                if ends is not None and longest and started + DRAIN_MARGIN * longest > ends:
                    left = tuple(todo)
                    break
                batch = work.together(todo)
                _check_space(work, batch)
                check_deliverable(work.folder)
                heart.works_on(batch)
                with closing(work.maker.make(batch, told)) as bundles:
                    for bundle in bundles:
                        made.append(bundle.piece)
                        _deliver(work, bundle)
                        _collect(work, once=True)
                longest = max(longest, time.monotonic() - started)
        except HyperzooError:
            # What others delivered while this one held the lock is nobody else's to take.
            with suppress(HyperzooError):
                _collect(work, once=False)
            raise
        _collect(work, once=False)
    if not work.waiting():
        forget_workers(work.folder)
    found = tuple(name for name in names if name not in {*made, *left})
    return Outcome(made=tuple(made), found=found, left=left)


def _next(
    work: Work, names: Sequence[str], others: Sequence[str], made: Sequence[str]
) -> list[str]:
    """What to make next, in order; empty if there is nothing to do."""
    waiting = [name for name in work.waiting() if name not in made]
    worked_on = pieces_worked_on(work.folder)
    own = [name for name in waiting if name in set(names)]
    # What somebody else seems to be making comes last; but its own share a worker sees through.
    if free := [name for name in own if name not in worked_on]:
        return free
    if own:
        return own
    waiting = [name for name in waiting if name in set(others)]
    if not waiting:
        return []
    free = [name for name in waiting if name not in worked_on]
    if not free:
        alive = {
            piece for beat in beats(work.folder) if not beat.is_silent for piece in beat.pieces
        }
        free = [name for name in waiting if name not in alive]
    # Anywhere, so that many helpers do not all take the same.
    first = secrets.randbelow(len(free)) if free else 0
    return free[first:]


def _deliver(work: Work, bundle: Bundle) -> None:
    """Deliver a bundle, unless somebody else was faster."""
    if bundle.piece in work.finished():
        return
    try:
        deliver(bundle, work.folder)
    except ZooWriteError:
        # With the last piece in place, whatever is half-written is swept away.
        if bundle.piece not in work.finished():
            raise


def _collect(work: Work, *, once: bool) -> None:
    # Who holds the lock takes what lies there in turn, or the next one who delivers does.
    with suppress(ZooLockedError):
        work.collect(once=once)


def _check_space(work: Work, names: Sequence[str]) -> None:
    needed, free = work.bytes_needed(names), shutil.disk_usage(work.folder).free
    if free < needed:
        raise ClusterError(
            f"no room for the next pieces: {work.folder} has {free / 1e6:,.0f} MB free, "
            f"{', '.join(names[:3])}{', ...' * (len(names) > 3)} may take {needed / 1e6:,.0f} MB; "
            "all finished parts are kept. Make room, then run the same command again to go on"
        )
