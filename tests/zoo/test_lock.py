"""Locks, also on file systems that have none: there, flock is made to answer as they do."""

import errno
import fcntl
import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from hyperzoo.errors import ZooLockedError, ZooWriteError
from hyperzoo.zoo import verify_zoo
from hyperzoo.zoo.lock import OWNER_FILE, Owner, _this_process, lock_owner, take_lock
from tests.zoo.makers import finished, make_zoo, recipe, writer

ANSWERS = [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.EBADF, 524]


def without_locks(monkeypatch: pytest.MonkeyPatch, answer: int = errno.ENOLCK) -> None:
    def flock(_descriptor: int, _operation: int) -> None:
        raise OSError(answer, os.strerror(answer))

    monkeypatch.setattr(fcntl, "flock", flock)


def left_by(folder: Path, owner: Owner) -> None:
    (folder / OWNER_FILE).write_text(json.dumps(asdict(owner)))


def elsewhere(**changes: Any) -> Owner:
    """A lock of a process on another machine."""
    return replace(_this_process(), host="node17", process=4711, **changes)


@pytest.mark.parametrize("answer", ANSWERS)
def test_a_file_system_without_locks(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    answer: int,
):
    without_locks(monkeypatch, answer)
    zoo = tmp_path / "zoo"
    # The file that a run leaves that had a lock of the system's is no lock.
    zoo.mkdir()
    (zoo / ".lock").touch()
    with writer(zoo) as first:
        assert f"{zoo} has no locks ({os.strerror(answer)})" in caplog.text
        with pytest.raises(ZooLockedError, match=rf"process {os.getpid()} on .*, since 20.*UTC"):
            writer(zoo)
        assert lock_owner(zoo) is not None
        first.write_part(0, finished(first.parts[0], recipe()))
    assert lock_owner(zoo) is None
    assert not (zoo / OWNER_FILE).exists()
    make_zoo(zoo)
    assert len(caplog.records) == 1  # said once, though the lock was taken twice
    assert verify_zoo(zoo).problems == ()


def test_another_answer_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    without_locks(monkeypatch, errno.EIO)
    with pytest.raises(ZooWriteError, match="Input/output error"):
        writer(tmp_path / "zoo")
    assert not (tmp_path / "zoo" / OWNER_FILE).exists()


HOLD = """
import fcntl, os, sys
from pathlib import Path
from hyperzoo.zoo.lock import take_lock

def flock(_descriptor, _operation):
    raise OSError(38, os.strerror(38))

fcntl.flock = flock
lock = take_lock(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def test_a_killed_process_of_this_machine_holds_no_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    without_locks(monkeypatch)
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"SLURM_JOB_ID": "815"},
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(ZooLockedError, match=rf"process {process.pid} on .*Slurm job 815"):
            take_lock(tmp_path)
        process.send_signal(signal.SIGKILL)
    with take_lock(tmp_path) as lock:
        assert lock.is_held
    assert f"held by process {process.pid}" in caplog.text
    assert "that process has ended" in caplog.text
    assert sorted(file.name for file in tmp_path.iterdir()) == [".lock"]


def test_a_process_that_had_this_number_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    without_locks(monkeypatch)
    me = _this_process()
    machine, _, began = me.life.rpartition(" ")
    left_by(tmp_path, replace(me, life=f"{machine} {int(began) - 1}"))
    take_lock(tmp_path).release()


@pytest.mark.parametrize(
    "owner",
    [
        elsewhere(),
        replace(_this_process(), life="another-start pid:[1] 7"),
        replace(_this_process(), life=""),
    ],
    ids=["another machine", "another start or container", "a system that does not say"],
)
def test_a_process_that_can_not_be_seen_keeps_its_lock_until_it_is_broken(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    owner: Owner,
):
    left_by(tmp_path, owner)
    # Also where this machine's view of the file system has locks.
    for _ in range(2):
        with pytest.raises(ZooLockedError, match=rf"{owner.process} on .* with --break-lock"):
            take_lock(tmp_path)
        without_locks(monkeypatch)
    with take_lock(tmp_path, break_lock=True) as lock:
        assert lock.is_held
        assert f"held by {owner}: as asked" in caplog.text
    assert not (tmp_path / OWNER_FILE).exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"4711\nnode17\n",
        b"[" * 5000,
        b'{"host": 1}',
        b"\xff",
        json.dumps(asdict(elsewhere()) | {"process": True}).encode(),
        json.dumps(asdict(elsewhere()) | {"job": "\x1b[2J"}).encode(),
    ],
)
def test_a_lock_that_names_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes):
    (tmp_path / OWNER_FILE).write_bytes(content)
    without_locks(monkeypatch)
    with pytest.raises(ZooLockedError, match="held by a process that it does not name"):
        take_lock(tmp_path)
    take_lock(tmp_path, break_lock=True).release()


def test_a_lock_of_the_systems_can_not_be_broken(tmp_path: Path):
    with take_lock(tmp_path), pytest.raises(ZooLockedError, match="another run is writing to"):
        take_lock(tmp_path, break_lock=True)


def test_whose_lock_was_broken_writes_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    without_locks(monkeypatch)
    zoo = tmp_path / "zoo"
    with writer(zoo) as first, writer(zoo, break_lock=True) as second:
        with pytest.raises(ZooWriteError, match="another run has broken its lock"):
            first.write_part(0, finished(first.parts[0], recipe()))
        first.close()
        second.write_part(0, finished(second.parts[0], recipe()))


def test_one_at_a_time_breaks_a_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    without_locks(monkeypatch)
    left_by(tmp_path, replace(elsewhere(), host=_this_process().host, process=2**31 - 1))
    (tmp_path / f"{OWNER_FILE}-breaking").touch()  # as left by one that was killed on the way
    with pytest.raises(ZooLockedError, match="--break-lock"):
        take_lock(tmp_path)
    take_lock(tmp_path, break_lock=True).release()
    assert sorted(file.name for file in tmp_path.iterdir()) == [".lock"]


def test_a_full_disk_leaves_no_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    without_locks(monkeypatch)

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            take_lock(tmp_path)
    take_lock(tmp_path).release()
