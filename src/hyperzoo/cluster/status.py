"""How far the workers of a zoo have come, by what lies in its folder."""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from hyperzoo.cluster.beats import Beat, beats
from hyperzoo.zoo import layout
from hyperzoo.zoo.bundle import lying_bundles, refused_bundles
from hyperzoo.zoo.document import read_document
from hyperzoo.zoo.part_bundle import piece_name

_RECENT = 50
"""Parts by which the rate is judged."""
_LONGEST_PAUSE = 6 * 3600.0
"""Seconds between two parts, after which a zoo was left alone rather than slow."""


@dataclass(frozen=True, kw_only=True)
class Status:
    """How far a zoo has come.

    Attributes:
        networks, networks_planned: networks in complete parts, and of the whole zoo.
        done: complete parts.
        delivered: parts that wait in bundles to be put in place.
        running: parts that workers with a sign of life work on.
        waiting: parts that nobody works on.
        workers: the workers that show a sign of life.
        silent: those that have shown none for long: killed, or their machine is gone.
        refused: bundles that were refused and set aside.
        seconds_a_part: by the parts finished last; None where too few are.
    """

    networks: int
    networks_planned: int
    done: int
    delivered: int
    running: int
    waiting: int
    workers: tuple[Beat, ...]
    silent: tuple[Beat, ...]
    refused: tuple[Path, ...]
    seconds_a_part: float | None

    @property
    def parts(self) -> int:
        """Parts of the whole zoo."""
        return self.done + self.delivered + self.running + self.waiting

    @property
    def seconds_left(self) -> float | None:
        """How long the rest takes at the rate so far; None where that is not known."""
        if self.seconds_a_part is None:
            return None
        return self.seconds_a_part * (self.running + self.waiting)


def zoo_status(folder: Path) -> Status:
    """Look at a zoo's folder; nothing is changed, and no lock is needed.

    Raises:
        ZooNotFoundError: the folder holds no zoo.
        ZooFormatError: the zoo is damaged.
    """
    plan = read_document(folder).plan()
    numbers = {number for number in layout.marked_parts(folder) if number < len(plan)}
    names = {piece_name(number) for number in range(len(plan))}
    done = {piece_name(number) for number in numbers}
    delivered = {lying.piece for lying in lying_bundles(folder)} & names - done
    signs = beats(folder)
    alive = tuple(beat for beat in signs if not beat.is_silent)
    worked_on = {piece for beat in alive for piece in beat.pieces}
    running = worked_on & names - done - delivered
    return Status(
        networks=sum(len(plan[number]) for number in numbers),
        networks_planned=sum(map(len, plan)),
        done=len(done),
        delivered=len(delivered),
        running=len(running),
        waiting=len(names - done - delivered - running),
        workers=alive,
        silent=tuple(beat for beat in signs if beat.is_silent),
        refused=tuple(refused_bundles(folder)),
        seconds_a_part=_seconds_a_part(folder, numbers),
    )


def _seconds_a_part(folder: Path, parts: set[int]) -> float | None:
    """Mean time between the last parts, by when their marks were written by those who made them."""
    times = []
    for number in parts:
        try:
            times.append((folder / layout.models_file(number)).stat().st_mtime)
        except OSError:
            continue
    recent = sorted(times)[-_RECENT:]
    pauses = [later - earlier for earlier, later in pairwise(recent)]
    working = [pause for pause in pauses if pause < _LONGEST_PAUSE]
    return sum(working) / len(working) if working else None
