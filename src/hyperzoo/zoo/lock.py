"""A folder's lock: one writer at a time, on file systems with and without locks of their own.

Where the file system has locks (flock), the system gives ours back when the process ends, however
it ends. Network file systems often have none. There a second file, created exclusively, is the
lock; it outlives a process that is killed, so it says who made it.
"""

import errno
import fcntl
import json
import logging
import os
import socket
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Self
from uuid import uuid4

from hyperzoo.errors import ZooLockedError

LOCK_FILE = ".lock"
OWNER_FILE = ".lock-owner"

_ENOTSUPP = 524
"""What some NFS servers answer; Linux has no name for it outside of the kernel."""
_NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.EBADF, _ENOTSUPP)
_MAX_BYTES = 10_000

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Owner:
    """Who holds a lock that is a file.

    Attributes:
        host: the machine's name.
        process: the process's number there.
        started: when it took the lock, for people.
        job: the batch system's number of its job; "" outside of one.
        life: tells this process from others that had its number before or have it elsewhere.
        token: tells this lock from all others.
    """

    host: str
    process: int
    started: str
    job: str
    life: str
    token: str

    def __str__(self) -> str:
        job = f", Slurm job {self.job}" if self.job else ""
        return f"process {self.process} on {self.host}{job}, since {self.started}"

    @property
    def has_ended(self) -> bool:
        """Whether its process is known to have ended: it was one of this machine's."""
        mine = _life(os.getpid())
        if not mine or self.host != socket.gethostname():
            return False
        # The same start of the machine and the same namespace of process numbers, or no saying.
        if self.life.rpartition(" ")[0] != mine.rpartition(" ")[0]:
            return False
        return _life(self.process) != self.life


class FolderLock:
    """A lock that is held until it is released; `take_lock` makes it."""

    def __init__(self, folder: Path, descriptor: int, owner: Owner | None) -> None:
        self._folder = folder
        self._descriptor: int | None = descriptor
        self._owner = owner

    @property
    def is_held(self) -> bool:
        """Whether it is held; not so when it was released, or broken by somebody."""
        if self._descriptor is None:
            return False
        return self._owner is None or _read_owner(self._folder / OWNER_FILE) == self._owner

    def release(self) -> None:
        """Give the lock back."""
        if self._descriptor is None:
            return
        if self._owner is not None and self.is_held:
            (self._folder / OWNER_FILE).unlink(missing_ok=True)
        os.close(self._descriptor)
        self._descriptor = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def take_lock(folder: Path, *, break_lock: bool = False, seconds: float = 0) -> FolderLock:
    """Take a folder's lock.

    Args:
        folder: a folder that is there.
        seconds: how long to try; by default once.
        break_lock: take a lock that is a file from whoever holds it. One that the system keeps is
            never taken: its holder lives.

    Raises:
        ZooLockedError: somebody holds it; the message says who, where that is known.
        OSError: the folder can't be written to.
    """
    ends = time.monotonic() + seconds
    while True:
        try:
            return _try_lock(folder, break_lock)
        except ZooLockedError:
            if time.monotonic() >= ends:
                raise
            time.sleep(0.05)


def _try_lock(folder: Path, break_lock: bool) -> FolderLock:
    descriptor = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        refusal = _flock(folder, descriptor)
        # Also under a lock of the system's: another machine may see this file system without.
        if os.path.lexists(folder / OWNER_FILE):
            _break(folder, break_lock)
        owner = None
        if refusal is not None:
            owner = _create_owner(folder)
            _say_once(folder, refusal.strerror or str(refusal))
    except BaseException:
        os.close(descriptor)
        raise
    return FolderLock(folder, descriptor, owner)


@cache
def _say_once(folder: Path, reason: str) -> None:
    """Say that a file is the lock; once a process, which may take it for every part."""
    _logger.warning(
        "the file system of %s has no locks (%s): the file %s is the lock; if a run is killed on "
        "another machine, go on with --break-lock",
        folder,
        reason,
        OWNER_FILE,
    )


def lock_owner(folder: Path) -> Owner | None:
    """Who holds a folder's lock, where that is a file; None if nobody, or nobody that it names."""
    return _read_owner(folder / OWNER_FILE)


def _flock(folder: Path, descriptor: int) -> OSError | None:
    """Take the system's lock; what it says where the file system has none."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ZooLockedError(
            f"another run is writing to {folder}; wait until it has finished, stop it, or give "
            "another folder"
        ) from None
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        return error
    return None


def _create_owner(folder: Path) -> Owner:
    owner, path = _this_process(), folder / OWNER_FILE
    try:
        file = path.open("x", encoding="utf-8")
    except FileExistsError:
        raise ZooLockedError(_held_by_file(folder)) from None
    try:
        with file:
            file.write(json.dumps(asdict(owner)))
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return owner


def _break(folder: Path, break_lock: bool) -> None:
    """Remove a lock that is a file: one whose holder has ended, or any if that is asked for.

    Raises:
        ZooLockedError: it is to be left alone.
    """
    path = folder / OWNER_FILE
    found = _read_owner(path)
    ended = found is not None and found.has_ended
    if not ended and not break_lock:
        raise ZooLockedError(_held_by_file(folder))
    breaking = folder / f"{OWNER_FILE}-breaking"
    if break_lock:
        breaking.unlink(missing_ok=True)
    # One at a time: or a second would remove the lock that the first then makes.
    try:
        os.close(os.open(breaking, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        raise ZooLockedError(_held_by_file(folder)) from None
    try:
        if _read_owner(path) != found:
            raise ZooLockedError(_held_by_file(folder))
        path.unlink(missing_ok=True)
    finally:
        breaking.unlink(missing_ok=True)
    why = "that process has ended" if ended else "as asked"
    _logger.warning("broke the lock of %s, held by %s: %s", folder, found or "nobody knows", why)


def _this_process() -> Owner:
    return Owner(
        host=socket.gethostname(),
        process=os.getpid(),
        started=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        job=os.environ.get("SLURM_JOB_ID", ""),
        life=_life(os.getpid()),
        token=uuid4().hex,
    )


def _life(process: int) -> str:
    """The machine's start, the namespace of process numbers, and when a process began.

    Returns:
        "" where the system does not say; without the last where there is no such process.
    """
    try:
        machine = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        namespace = os.readlink("/proc/self/ns/pid").replace(" ", "")  # noqa: PTH115
    except OSError:
        return ""
    try:
        # The command's name, in brackets, may hold anything; the times come after it.
        status = Path(f"/proc/{process}/stat").read_text("utf-8", errors="replace")
        began = status.rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        began = ""
    return f"{machine} {namespace} {began}"


def _read_owner(path: Path) -> Owner | None:
    """Who holds a lock that is a file; None where the file does not say."""
    try:
        with path.open("rb") as file:
            entries = json.loads(file.read(_MAX_BYTES))
        owner = Owner(**entries)
    except (OSError, ValueError, TypeError, RecursionError):
        return None
    texts = (owner.host, owner.started, owner.job, owner.life, owner.token)
    sane = all(isinstance(t, str) and len(t) < 300 and t.isprintable() for t in texts)
    return owner if sane and type(owner.process) is int else None


def _held_by_file(folder: Path) -> str:
    path = folder / OWNER_FILE
    owner = _read_owner(path)
    who = owner or "a process that it does not name"
    return (
        f"another run is writing to {folder}: {path} is held by {who}. Wait until it has finished, "
        "or stop it; if it has ended already, take its lock with --break-lock (break_lock=True "
        "in Python)"
    )
