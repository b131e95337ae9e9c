"""Signs of life: each worker keeps a small file that says where it runs and what it works on."""

import json
import os
import shutil
import socket
import threading
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self
from uuid import uuid4

WORKERS_FOLDER = ".workers"
BEAT_EVERY = 20.0
"""Seconds."""
SILENT_AFTER = 120.0
"""Seconds without a sign of life, after which a worker is taken for dead."""

_MAX_BYTES = 2**20


@dataclass(frozen=True, kw_only=True)
class Beat:
    """A worker's sign of life.

    Attributes:
        host: the machine's name.
        process: the process's number there.
        job: the batch system's job, e.g. "4711_3"; "" outside of one.
        pieces: what it works on now.
        began: when it began, by its own clock, in seconds since 1970; None where it does not say.
        age: seconds since the last sign.
    """

    host: str
    process: int
    job: str
    pieces: tuple[str, ...]
    began: float | None = None
    age: float = 0.0

    @property
    def is_silent(self) -> bool:
        """Whether the worker is taken for dead."""
        return self.age > SILENT_AFTER


class Heart:
    """Keeps a worker's files fresh until it is left, and then removes them.

    There is one a piece that it works on, named after the piece, so that others see by one look
    at the folder what is being worked on. Where they can't be written, the work goes on without.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / WORKERS_FOLDER
        self._token = uuid4().hex
        self._began = time.time()
        self._files: tuple[Path, ...] = ()
        self._left = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)

    def works_on(self, pieces: Sequence[str]) -> None:
        """Say what comes next."""
        beat = Beat(
            host=socket.gethostname(),
            process=os.getpid(),
            job=_job(),
            pieces=tuple(pieces),
            began=self._began,
        )
        old = self._files
        self._files = tuple(self._folder / f"{piece}.{self._token}" for piece in pieces)
        with suppress(OSError):
            self._folder.mkdir(exist_ok=True)
            for file in self._files:
                file.write_text(json.dumps(asdict(beat)), "utf-8")
        self._remove(set(old) - set(self._files))

    def _remove(self, files: Iterable[Path]) -> None:
        for file in files:
            with suppress(OSError):
                file.unlink(missing_ok=True)

    def _beat(self) -> None:
        while not self._left.wait(BEAT_EVERY):
            for file in self._files:
                with suppress(OSError):
                    os.utime(file)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._left.set()
        self._thread.join()
        self._remove(self._files)
        with suppress(OSError):
            self._folder.rmdir()  # only if no other worker is left


def pieces_worked_on(folder: Path) -> set[str]:
    """The pieces that workers say they work on, dead ones included: by one look at a folder."""
    try:
        names = os.listdir(folder / WORKERS_FOLDER)  # noqa: PTH208
    except OSError:
        return set()
    return {name.partition(".")[0] for name in names if not name.startswith(".")}


def _job() -> str:
    array, task = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    return f"{array}_{task}" if array and task else os.environ.get("SLURM_JOB_ID", "")


def beats(folder: Path) -> list[Beat]:
    """The signs of life of all workers of a folder, those that have fallen silent included.

    Ages are by the clock of the file system's machine, which also dates the signs.
    """
    found: dict[tuple[str, int], Beat] = {}
    try:
        files = sorted((folder / WORKERS_FOLDER).glob("[!.]*"))
        if not files:
            return []
        now = _file_system_time(folder / WORKERS_FOLDER)
    except OSError:
        return []
    for file in files:
        with suppress(OSError, ValueError, TypeError, KeyError, RecursionError):
            age = now - file.stat().st_mtime
            with file.open("rb") as opened:
                beat = _parse(json.loads(opened.read(_MAX_BYTES)), age)
            found[beat.host, beat.process] = beat
    return [found[key] for key in sorted(found)]


def forget_workers(folder: Path) -> None:
    """Remove all signs, also what killed workers left; for when there is no more work to do."""
    shutil.rmtree(folder / WORKERS_FOLDER, ignore_errors=True)


def _parse(entries: dict[str, object], age: float) -> Beat:
    pieces, began = entries["pieces"], entries.get("began")
    if not isinstance(pieces, list):
        raise ValueError("pieces must be a list")
    texts = [str(entries["host"]), str(entries["job"]), *map(str, pieces)]
    if not all(text.isprintable() and len(text) < 300 for text in texts):
        raise ValueError("a text is not printable or too long")
    return Beat(
        host=texts[0],
        process=int(str(entries["process"])),
        job=texts[1],
        pieces=tuple(texts[2:]),
        began=None if began is None else float(str(began)),
        age=age,
    )


def _file_system_time(folder: Path) -> float:
    probe = folder / f".{uuid4().hex}"
    try:
        probe.touch()
        return probe.stat().st_mtime
    finally:
        probe.unlink(missing_ok=True)
