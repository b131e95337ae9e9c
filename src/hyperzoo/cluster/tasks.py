"""What has become of the tasks of a zoo's submissions: by one call of squeue, and by their logs."""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from hyperzoo.cluster import slurm
from hyperzoo.cluster.work import CLUSTER_FOLDER, Shard, read_pieces
from hyperzoo.errors import ClusterError, ZooError
from hyperzoo.zoo.files import read_file, write_file

PIECES_FILE = "pieces"
LOGS_FOLDER = "logs"
_RECORD = "submission.json"
_BEGAN = "began"
_MAX_BYTES = 2**20
_TAIL = 4000
"""Bytes of a log's end that are read."""
_WELL = re.compile(r"shard [0-9]|.*: took [0-9]")
# Slurm's are those of slurmstepd, which may give its node's name: "slurmstepd-n3: error: ...".
_ERROR = re.compile(r"(?:slurmstepd\S*: )?error: (.*)")


@dataclass(frozen=True, kw_only=True)
class Task:
    """A worker or a collector that was submitted.

    Attributes:
        name: as Slurm has it, e.g. "4711_3".
        pieces: its share; none of a collector.
        log: where it writes what it has to say.
        state: as Slurm has it, e.g. "running"; "" when it has ended; None if that is not known.
    """

    name: str
    pieces: tuple[str, ...]
    log: Path
    state: str | None


@dataclass(frozen=True, kw_only=True)
class Queue:
    """What Slurm has of a zoo's submissions.

    Attributes:
        submissions: the tasks of each submission, the newest one first.
        unknown: why Slurm can't be asked; "" if it was.
    """

    submissions: tuple[tuple[Task, ...], ...]
    unknown: str

    @property
    def tasks(self) -> list[Task]:
        """The tasks of all submissions, the newest submission first."""
        return [task for tasks in self.submissions for task in tasks]

    @property
    def states(self) -> Counter[str]:
        """How many tasks that have not ended are in which state."""
        return Counter(task.state for task in self.tasks if task.state)


def submissions(zoo: Path) -> list[Path]:
    """The folders of a zoo's submissions, the oldest first."""
    return sorted((zoo / CLUSTER_FOLDER).glob("run-*"))


def write_submission(folder: Path, jobs: Sequence[str], tasks: int, largest: int) -> None:
    """Note what was submitted.

    Args:
        folder: the submission's.
        jobs: numbers of the arrays' jobs and, last, of the collector's, as far as submitted.
        tasks: workers of all arrays together.
        largest: how many an array has; the last one has the rest.
    """
    record = {"jobs": list(jobs), "tasks": tasks, "largest": largest}
    write_file(folder / _RECORD, (json.dumps(record) + "\n").encode())


def note_begin(pieces: Path) -> None:
    """Note that a worker has begun, if it is the first of its submission.

    Args:
        pieces: the list of pieces that it was given: a submission's, or any other, of which nothing
            is noted.
    """
    if (pieces.parent / LOGS_FOLDER).is_dir():
        with suppress(OSError):  # another was the first, or the rate will be unknown
            (pieces.parent / _BEGAN).open("x").close()


def first_began(submission: Path) -> float | None:
    """When the first worker of a submission began, by the file system's clock; None if none has."""
    try:
        return (submission / _BEGAN).stat().st_mtime
    except OSError:
        return None


def submitted_states(zoo: Path) -> Counter[str]:
    """How many tasks of all submissions are in which state, by one call of squeue.

    Raises:
        ClusterError: Slurm can't be asked.
    """
    return Counter(slurm.states(_jobs(submissions(zoo))).values())


def submitted_tasks(zoo: Path) -> Queue:
    """All tasks of a zoo's submissions, by one call of squeue; none of a zoo without."""
    folders = submissions(zoo)[::-1]
    states: dict[str, str] | None = None
    unknown = ""
    try:
        states = slurm.states(_jobs(folders))
    except ClusterError as error:
        unknown = str(error)
    return Queue(
        submissions=tuple(tuple(_tasks(folder, states)) for folder in folders), unknown=unknown
    )


def failure(task: Task) -> str | None:
    """Why a task ended otherwise than it should have; None if it did not, or has not ended.

    Exit codes do not tell: a task that was killed ends in many ways. What it says last does: when
    it ends by itself, drained or done, a worker names its shard, a collector what it took.
    """
    if task.state:
        return None
    try:
        with task.log.open("rb") as file:
            file.seek(max(0, task.log.stat().st_size - _TAIL))
            lines = file.read().decode("utf-8", errors="replace").splitlines()
    except OSError:
        return "it never began: cancelled before" if task.state == "" else None
    # A task that runs again writes on in its log.
    for line in reversed(lines):
        if _WELL.match(line):
            return None
        if error := _ERROR.match(line):
            return error[1].strip("* ")
    # Where Slurm can't be asked, it may still run.
    return "it ended without a word: killed, or its node was lost" if task.state == "" else None


def _tasks(folder: Path, states: Mapping[str, str] | None) -> list[Task]:
    def task(name: str, pieces: Sequence[str]) -> Task:
        state = None if states is None else states.get(name, "")
        log = folder / LOGS_FOLDER / f"{name}.out"
        return Task(name=name, pieces=tuple(pieces), log=log, state=state)

    record, jobs = _read_record(folder), _jobs([folder])
    count, largest = record.get("tasks"), record.get("largest")
    try:
        names = read_pieces(folder / PIECES_FILE)
    except ClusterError:
        names = []
    if not jobs or not isinstance(count, int) or not isinstance(largest, int) or largest < 1:
        # Submitted by hand: what there is is known by the logs.
        return [task(log.stem, ()) for log in sorted((folder / LOGS_FOLDER).glob("*.out"))]
    count = min(count, len(names))
    arrays = -(-count // largest)
    # Those of an array that was refused are not there.
    submitted = range(min(count, largest * len(jobs)))
    workers = [
        task(f"{jobs[number // largest]}_{number % largest}", Shard(number, count).of(names))
        for number in submitted
    ]
    return workers + [task(job, ()) for job in jobs[arrays:]]


def _jobs(folders: Sequence[Path]) -> list[str]:
    jobs = [job for folder in folders for job in _listed(_read_record(folder).get("jobs"))]
    return [job for job in jobs if isinstance(job, str) and job.isdecimal() and job.isascii()]


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _read_record(folder: Path) -> dict[str, object]:
    try:
        record = json.loads(read_file(folder / _RECORD, _MAX_BYTES))
    except (OSError, ZooError, ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}
