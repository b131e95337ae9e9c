"""A submission: the missing parts, frozen in a list, and the jobs that share them out."""

import logging
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hyperzoo.cluster import slurm
from hyperzoo.cluster.tasks import (
    LOGS_FOLDER,
    PIECES_FILE,
    submissions,
    submitted_states,
    write_submission,
)
from hyperzoo.cluster.training import prepare_zoo
from hyperzoo.cluster.work import CLUSTER_FOLDER, write_pieces
from hyperzoo.errors import ClusterError, ZooLockedError, ZooWriteError
from hyperzoo.images import ImageSet
from hyperzoo.recipe import Recipe
from hyperzoo.words import counted
from hyperzoo.zoo import layout
from hyperzoo.zoo.bundle import lying_bundles
from hyperzoo.zoo.document import read_document
from hyperzoo.zoo.files import write_file
from hyperzoo.zoo.lock import take_lock
from hyperzoo.zoo.part_bundle import piece_name
from hyperzoo.zoo.write import PATIENCE, collect_bundles

_logger = logging.getLogger(__name__)

_LEAVE = 60.0
"""Seconds of a job's time that are for starting and leaving."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is asked of Slurm.

    Attributes:
        tasks: workers; each is a task of an array.
        cpus: cores a task.
        time: a task's time limit as Slurm takes it; None for the site's default.
        seconds: the same in seconds.
        at_once: tasks that may run at one time; None for as many as there is room for.
        partition: where to run; None for the site's default.
        more: more options for sbatch, as they are.
        worker: more options for `hyperzoo work`.
    """

    tasks: int
    cpus: int
    time: str | None
    seconds: float | None
    at_once: int | None
    partition: str | None
    more: tuple[str, ...]
    worker: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Submission:
    """What was made ready, and submitted if that was asked for.

    Attributes:
        folder: holds the script, the list of parts and the logs.
        parts: how many parts are to be made.
        tasks: how many tasks share them out.
        commands: what was called, or is to be called; the collector's has the place JOBS.
        jobs: numbers of the arrays' jobs; empty if nothing was submitted.
        collector: number of the collector's job; "" if nothing was submitted.
    """

    folder: Path
    parts: int
    tasks: int
    commands: tuple[tuple[str, ...], ...]
    jobs: tuple[str, ...]
    collector: str


def submit_zoo(
    recipe: Recipe,
    zoo: Path,
    request: Request,
    *,
    images: ImageSet | Path | None = None,
    dry_run: bool = False,
    anyway: bool = False,
    break_lock: bool = False,
) -> Submission | None:
    """Submit arrays of workers for a zoo's missing parts, and a collector after them.

    If no part is missing but some are only delivered, these are put in place at once.

    Args:
        recipe: what to train.
        zoo: the zoo's folder, on a disk that all nodes see under this path.
        request: what is asked of Slurm.
        images: images, or where they lie, in place of the recipe's own.
        dry_run: make zoo, script and list ready, but submit nothing.
        anyway: also while an earlier submission runs. Parts are then made twice, which does no
            harm but takes time.
        break_lock: as for `train_zoo`.

    Returns:
        What was submitted; None if the zoo lacks no part.

    Raises:
        ClusterError: an earlier submission runs, or Slurm refused.
        ImageError, ZooMismatchError, ZooLockedError, ZooWriteError: as for `train_zoo`.
    """
    zoo = zoo.resolve()
    earlier = submissions(zoo)
    if not dry_run and not anyway:
        _check_idle(zoo)
    largest = _largest_array(dry_run)
    prepare_zoo(recipe, zoo, images=images, break_lock=break_lock)
    with _one_at_a_time(zoo, break_lock):
        if not dry_run and not anyway and submissions(zoo) != earlier:
            _check_idle(zoo)  # somebody else has submitted meanwhile
        return _submit_missing(zoo, request, largest, dry_run=dry_run)


@contextmanager
def _one_at_a_time(zoo: Path, break_lock: bool) -> Iterator[None]:
    """Hold a lock of submissions' own: the zoo's is for workers, which may begin at once."""
    try:
        lock = take_lock(zoo / CLUSTER_FOLDER, break_lock=break_lock, seconds=PATIENCE)
    except ZooLockedError as error:
        raise ClusterError(
            f"somebody else is submitting {zoo} at this moment ({error}); see `hyperzoo status "
            f"{zoo}`, then submit again"
        ) from error
    except OSError as error:
        raise _refused_by_disk(zoo / CLUSTER_FOLDER, error) from error
    with lock:
        yield


def _refused_by_disk(path: Path, error: OSError) -> ZooWriteError:
    return ZooWriteError(
        f"can't write {path}: {error.strerror or error}; make room or mend the cause, then submit "
        "again"
    )


def _submit_missing(
    zoo: Path, request: Request, largest: int, *, dry_run: bool
) -> Submission | None:
    names = _missing(zoo)
    if not names and lying_bundles(zoo):
        # Nobody is left who would: all who delivered them found the lock held.
        taken = collect_bundles(zoo, patience=PATIENCE).parts
        _logger.warning("%s of %s delivered before put in place", counted(len(taken), "part"), zoo)
        names = _missing(zoo)
    if not names:
        return None
    tasks = min(request.tasks, len(names))
    folder = _new_folder(zoo)
    write_pieces(folder / PIECES_FILE, names)
    write_file(folder / "work.sh", _work_script(zoo, folder, request, tasks).encode())
    write_file(folder / "collect.sh", _collect_script(zoo, folder, request).encode())
    arrays = _array_commands(folder, request, tasks, largest)
    collector = (_AFTER, str(folder / "collect.sh"))

    def note(jobs: Sequence[str]) -> None:
        write_submission(folder, jobs, tasks, largest)

    jobs, number = ((), "") if dry_run else _submit(folder, arrays, collector, note)
    return Submission(
        folder=folder,
        parts=len(names),
        tasks=tasks,
        commands=tuple(("sbatch", *command) for command in (*arrays, collector)),
        jobs=jobs,
        collector=number,
    )


def _submit(
    folder: Path,
    arrays: Sequence[Sequence[str]],
    collector: tuple[str, str],
    note: Callable[[Sequence[str]], None],
) -> tuple[tuple[str, ...], str]:
    """Submit arrays, and the collector after them; each is noted as soon as it is submitted."""
    jobs: list[str] = []
    try:
        for command in (*arrays, collector):
            after = [argument.replace("JOBS", ":".join(jobs)) for argument in command[:-1]]
            jobs.append(slurm.submit([*after, command[-1]]))
            note(jobs)
    except ClusterError as error:
        if jobs:
            zoo = folder.parent.parent
            raise ClusterError(
                f"{error}\nBut jobs {', '.join(jobs)} are submitted already. What came after is "
                f"not: run `hyperzoo collect {zoo}` when they are over, or end them with scancel"
            ) from None
        shutil.rmtree(folder, ignore_errors=True)
        raise
    except BaseException:
        if not jobs:
            shutil.rmtree(folder, ignore_errors=True)
        raise
    return tuple(jobs[:-1]), jobs[-1]


def _largest_array(dry_run: bool) -> int:
    try:
        return slurm.largest_array()
    except ClusterError:
        if dry_run:  # may be far from any Slurm
            return slurm.DEFAULT_ARRAY
        raise


def _missing(zoo: Path) -> list[str]:
    count = len(read_document(zoo).plan())
    there = set(map(piece_name, layout.marked_parts(zoo)))
    there |= {lying.piece for lying in lying_bundles(zoo)}
    return [name for name in map(piece_name, range(count)) if name not in there]


def _check_idle(zoo: Path) -> None:
    found = submitted_states(zoo)
    if found:
        shown = ", ".join(f"{count} {state}" for state, count in found.items())
        raise ClusterError(
            f"an earlier submission for {zoo} is not over ({shown}): see `hyperzoo status {zoo}`, "
            "or end it with scancel. To submit anyway, give --anyway: parts are then made twice"
        )


def _new_folder(zoo: Path) -> Path:
    """A folder for this submission, whoever else submits at the same time."""
    number = 1
    while True:
        folder = zoo / CLUSTER_FOLDER / f"run-{number:04}"
        try:
            folder.mkdir(parents=True)
            (folder / LOGS_FOLDER).mkdir()
        except FileExistsError:
            number += 1
        except OSError as error:
            raise _refused_by_disk(folder, error) from error
        else:
            return folder


def _array_commands(
    folder: Path, request: Request, tasks: int, largest: int
) -> list[tuple[str, ...]]:
    """What sbatch is given for each array; the last argument is the array's first shard."""
    commands: list[tuple[str, ...]] = []
    for first in range(0, tasks, largest):
        count = min(largest, tasks - first)
        options = [f"--array=0-{count - 1}"]
        if request.at_once is not None:
            options[0] += f"%{request.at_once}"
            if first:  # Slurm limits each array by itself, so the next begins where one ends
                options.append(_AFTER)
        commands.append((*options, str(folder / "work.sh"), str(first)))
    return commands


def _work_script(zoo: Path, folder: Path, request: Request, tasks: int) -> str:
    options = [
        f"--cpus-per-task={request.cpus}",
        *([f"--time={request.time}"] if request.time else []),
        "--requeue",
        *request.more,
    ]
    time = []
    if request.seconds is not None:
        seconds = int(max(request.seconds - _LEAVE, request.seconds / 2))
        time = ["--time", f"{seconds // 60}:{seconds % 60:02}"]
    work = ["work", str(zoo), "--pieces", str(folder / PIECES_FILE), "--workers", str(request.cpus)]
    command = shlex.join([*_HYPERZOO, *work, *time, *request.worker])
    return f"""{_head(folder, request, "work", "%A_%a", options)}
# A task of an array: makes its share of the parts that the file `pieces` lists. The argument is the
# number of the array's first share, for sites that do not allow all tasks in one array.
exec {command} --shard "$((SLURM_ARRAY_TASK_ID + ${{1:-0}}))/{tasks}"
"""


def _collect_script(zoo: Path, folder: Path, request: Request) -> str:
    command = shlex.join([*_HYPERZOO, "collect", str(zoo)])
    # With the workers' time limit and options: what a site demands of them it demands of this too.
    time = [f"--time={request.time}"] if request.time else []
    options = ["--cpus-per-task=1", *time, *request.more]
    return f"""{_head(folder, request, "collect", "%j", options)}
# Puts in place what the workers could not while another process held the zoo's lock.
exec {command}
"""


_AFTER = "--dependency=afterany:JOBS"
"""For sbatch; JOBS stands for the jobs that are submitted before."""

# What runs this very hyperzoo, whatever PATH a node has.
_HYPERZOO = (sys.executable, "-c", "from hyperzoo.cli import main; main()")


def _head(folder: Path, request: Request, what: str, log: str, options: Sequence[str]) -> str:
    # Slurm replaces what follows a percent sign.
    logs = str(folder / LOGS_FOLDER).replace("%", "%%")
    own = [
        f"--job-name=hyperzoo-{what}",
        f'--output="{logs}/{log}.out"',
        "--open-mode=append",
        *([f"--partition={request.partition}"] if request.partition else []),
        *options,
    ]
    return "#!/bin/bash\n" + "\n".join(f"#SBATCH {option}" for option in own)
