"""How far the workers of a zoo have come, by what lies in its folder and what Slurm says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from hyperzoo.cluster.beats import Beat, beats
from hyperzoo.cluster.tasks import Queue, Task, failure, first_began, submissions, submitted_tasks
from hyperzoo.cluster.work import CLUSTER_FOLDER
from hyperzoo.words import counted
from hyperzoo.zoo import layout
from hyperzoo.zoo.bundle import lying_bundles, refused_bundles
from hyperzoo.zoo.document import read_document
from hyperzoo.zoo.part_bundle import piece_name

_LONGEST_PAUSE = 6 * 3600.0
"""Seconds between two parts, after which a zoo was left alone rather than slow."""


_HANGS = ", or it hangs: Slurm has it running"


@dataclass(frozen=True, kw_only=True)
class Failure:
    """What did not do what it should have.

    Attributes:
        what: a task, a worker or a bundle.
        pieces: parts that it should have made, that have not been made since, and that nobody
            works on; may be empty.
        why: what is known of the reason.
        log: where it says more; None where it has no log.
    """

    what: str
    pieces: tuple[str, ...]
    why: str
    log: Path | None


@dataclass(frozen=True, kw_only=True)
class Status:
    """How far a zoo has come. Each part is either done, running, waiting or failed.

    Attributes:
        networks, networks_planned: networks in complete parts, and of the whole zoo.
        done: complete parts.
        delivered: parts, of those that wait, that wait in bundles to be put in place.
        running: parts that workers with a sign of life work on.
        waiting: parts that nobody works on.
        failed: parts that nobody works on, and whose task or worker has failed, or whose bundle
            was refused; those that a submitted task is yet to make only wait.
        failures: those tasks, workers and bundles.
        workers: the workers that show a sign of life.
        queue: what Slurm has of the zoo's submissions.
        seconds_a_part: of all workers together, since the first of them began; None where that, or
            a part that was finished since, is not known.
    """

    networks: int
    networks_planned: int
    done: int
    delivered: int
    running: int
    waiting: int
    failed: int
    failures: tuple[Failure, ...]
    workers: tuple[Beat, ...]
    queue: Queue
    seconds_a_part: float | None

    @property
    def parts(self) -> int:
        """Parts of the whole zoo."""
        return self.done + self.running + self.waiting + self.failed

    @property
    def seconds_left(self) -> float | None:
        """How long the rest takes at the rate so far; None where that is not known."""
        if self.seconds_a_part is None:
            return None
        return self.seconds_a_part * (self.parts - self.done - self.delivered)


def zoo_status(folder: Path) -> Status:
    """Look at a zoo's folder and, if it was submitted, ask Slurm once.

    Nothing is changed, and no lock is needed.

    Raises:
        ZooNotFoundError: the folder holds no zoo.
        ZooFormatError: the zoo is damaged.
    """
    plan = read_document(folder).plan()
    names = set(map(piece_name, range(len(plan))))
    # In the order in which a part goes from one to the next, so that none is lost on the way.
    signs = beats(folder)
    queue = submitted_tasks(folder)
    delivered = {lying.piece for lying in lying_bundles(folder)} & names
    numbers = {number for number in layout.marked_parts(folder) if number < len(plan)}
    missing = names - set(map(piece_name, numbers))
    delivered &= missing
    alive, dead = _alive_and_dead(signs, queue.tasks)
    running = {piece for beat in alive for piece in beat.pieces} & missing - delivered
    failures = _failures(folder, dead, queue, missing - delivered - running)
    failed = {piece for found in failures for piece in found.pieces}
    return Status(
        networks=sum(len(plan[number]) for number in numbers),
        networks_planned=sum(map(len, plan)),
        done=len(numbers),
        delivered=len(delivered),
        running=len(running),
        waiting=len(missing - running - failed),
        failed=len(failed),
        failures=tuple(failures),
        workers=alive,
        queue=queue,
        seconds_a_part=_seconds_a_part(folder, numbers, _beginning(folder, alive)),
    )


def _alive_and_dead(
    signs: Sequence[Beat], tasks: Sequence[Task]
) -> tuple[tuple[Beat, ...], dict[Beat, str]]:
    """The workers that live, and the others with what is known of their end.

    Of its own tasks Slurm knows at once whether one has ended; of other workers, silence tells.
    """
    states = {task.name: task.state for task in tasks}
    alive, dead = [], {}
    for beat in signs:
        state = states.get(beat.job)
        if state == "":
            dead[beat] = "it ended without a word: killed, or its node was lost"
        elif state is not None and state.startswith("pending"):
            dead[beat] = "killed; Slurm is to start it again"
        elif beat.is_silent:
            dead[beat] = f"silent for {counted(round(beat.age / 60), 'minute')}: killed, or cut off"
        else:
            alive.append(beat)
    again = {beat.job for beat in alive}
    for beat in dead:
        if states.get(beat.job) == "running" and beat.job not in again:
            dead[beat] += _HANGS
    return tuple(alive), dead


def _failures(
    folder: Path, dead: Mapping[Beat, str], queue: Queue, idle: set[str]
) -> list[Failure]:
    """What has failed, and which of the parts that nobody works on it leaves: each part once."""
    hung = {beat.job for beat, why in dead.items() if why.endswith(_HANGS)}
    to_come = [task.pieces for task in queue.tasks if task.state and task.name not in hung]
    left = idle.difference(*to_come)
    found = []

    def add(what: str, pieces: set[str], why: str, log: Path | None, *, always: bool) -> None:
        own = tuple(sorted(left & pieces))
        left.difference_update(own)
        if own or always:
            found.append(Failure(what=what, pieces=own, why=why, log=log))

    for path in refused_bundles(folder):
        piece = path.name.partition(".")[0]
        add(f"bundle {path.name}", {piece}, "it was refused", path, always=True)
    newer: set[str] = set()  # of a part, its latest task tells
    for number, tasks in enumerate(queue.submissions):
        for task in tasks:
            own = set(task.pieces) - newer
            if (number == 0 or left & own) and (why := failure(task)):
                add(f"task {task.name}", own, why, task.log, always=number == 0)
        newer.update(*(task.pieces for task in tasks))
    logs = {task.name: task.log for task in queue.tasks}
    for beat, why in dead.items():
        add(_worker(beat), set(beat.pieces), why, logs.get(beat.job), always=beat.job in hung)
    return found


def _worker(beat: Beat) -> str:
    job = f", job {beat.job}" if beat.job else ""
    return f"process {beat.process} on {beat.host}{job}"


def _beginning(folder: Path, alive: Sequence[Beat]) -> float | None:
    """When the workers of the latest submission began, or of those that live the first."""
    for submission in reversed(submissions(folder)):
        if (began := first_began(submission)) is not None:
            return began
    return min((beat.began for beat in alive if beat.began is not None), default=None)


def _seconds_a_part(folder: Path, parts: set[int], began: float | None) -> float | None:
    """Mean time between parts, by when their marks were written by those who made them.

    Workers that began together finish together: without the time before their first parts, these
    would seem to have been made at once.
    """
    if began is None and (folder / CLUSTER_FOLDER).exists():
        return None
    times = []
    for number in parts:
        try:
            times.append((folder / layout.models_file(number)).stat().st_mtime)
        except OSError:
            continue
    if began is not None:
        times = [began, *(time for time in times if time > began)]
    pauses = [later - earlier for earlier, later in pairwise(sorted(times))]
    working = [pause for pause in pauses if pause < _LONGEST_PAUSE]
    return sum(working) / len(working) if working else None
