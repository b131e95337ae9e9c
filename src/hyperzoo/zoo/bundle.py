"""Bundles: finished pieces of work, on their way to the one process that may write to a folder.

A worker never touches what others read. It leaves a bundle in the hidden folder `.incoming`: a
folder with the files that the piece comes to, and a record of who made them of what. Whoever holds
the lock checks it and puts the files in place.
"""

import errno
import hashlib
import json
import os
import re
import reprlib
import shutil
import socket
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from hyperzoo.errors import BundleError, BundleUnreadableError, ZooWriteError
from hyperzoo.zoo.files import (
    GO_ON,
    is_temporary,
    read_file,
    sync_folder,
    temporary_for,
    write_file,
)

INCOMING_FOLDER = ".incoming"
RECORD_FILE = "bundle.json"

_FORMAT = "hyperzoo-bundle"
_FORMAT_VERSION = 1
_REFUSED = ".refused"
_MAX_BYTES = 2**20
_NAME = re.compile(r"([a-z0-9-]+)\.[0-9a-f]{32}")


@dataclass(frozen=True, kw_only=True, eq=False)
class Bundle:
    """A finished piece of work.

    Attributes:
        piece: the piece's name: small letters, digits and dashes, such as "part-00003".
        facts: what it was made of and by whom: a JSON object.
        files: path within the bundle, with "/" -> content.
    """

    piece: str
    facts: Mapping[str, Any]
    files: Mapping[str, bytes]


@dataclass(frozen=True)
class Lying:
    """A bundle in the incoming folder; nothing of it has been looked at but its name."""

    piece: str
    path: Path


def maker() -> dict[str, str]:
    """Who makes a bundle, for people."""
    job = os.environ.get("SLURM_JOB_ID", "")
    return {"host": socket.gethostname(), "process": str(os.getpid()), "job": job}


def deliver(bundle: Bundle, folder: Path) -> Path:
    """Write a bundle so that it is there whole or not at all.

    Args:
        bundle: the bundle.
        folder: the folder that the work is for.

    Returns:
        The bundle's folder.

    Raises:
        ZooWriteError: the disk refused; nothing of the bundle is left.
        BundleError: the incoming folder is a link.
    """
    path = _incoming(folder) / f"{bundle.piece}.{uuid4().hex}"
    temporary = temporary_for(path)
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in bundle.files.items()}
    record = {
        "format": _FORMAT,
        "format_version": _FORMAT_VERSION,
        "piece": bundle.piece,
        "facts": dict(bundle.facts),
        "sha256": digests,
    }
    sealed = json.dumps(record | {"seal": _seal(record)}, indent=1).encode()
    try:
        for name, content in (*bundle.files.items(), (RECORD_FILE, sealed)):
            write_file(temporary / name, content, otherwise=GO_ON)
        temporary.rename(path)
        sync_folder(path.parent)
    except BaseException as error:
        shutil.rmtree(temporary, ignore_errors=True)
        if isinstance(error, OSError) and not isinstance(error, ZooWriteError):
            raise ZooWriteError(
                f"can't write {path}: {error.strerror or error}; make room or mend the cause, "
                "then run the same command again to go on"
            ) from error
        raise
    return path


def check_deliverable(folder: Path) -> None:
    """Check that a bundle can be delivered, before hours are spent on making one.

    Raises:
        ZooWriteError: the folder can't be written to.
        BundleError: it is a link.
    """
    probe = temporary_for(_incoming(folder) / f"probe.{uuid4().hex}")
    try:
        probe.parent.mkdir(exist_ok=True)
        probe.mkdir()
        probe.rmdir()
    except FileNotFoundError:
        pass  # swept away meanwhile, by whoever put the last piece in place
    except OSError as error:
        raise ZooWriteError(
            f"can't write to {probe.parent}: {error.strerror or error}; nothing is made that could "
            "not be delivered. Mend the cause, then run the same command again"
        ) from error


def lying_bundles(folder: Path) -> list[Lying]:
    """The bundles that wait to be taken, in order of their pieces' names.

    Raises:
        BundleError: the incoming folder is a link, or can't be read.
    """
    return sorted(
        (
            Lying(match[1], folder / INCOMING_FOLDER / name)
            for name in _names(folder)
            if (match := _NAME.fullmatch(name))
        ),
        key=lambda lying: (lying.piece, lying.path),
    )


def refused_bundles(folder: Path) -> list[Path]:
    """The bundles that were refused and set aside.

    Raises:
        BundleError: as for `lying_bundles`.
    """
    names = _names(folder)
    return sorted(folder / INCOMING_FOLDER / name for name in names if name.endswith(_REFUSED))


def _incoming(folder: Path) -> Path:
    """The folder for bundles; never one elsewhere, from which things would be taken and removed."""
    incoming = folder / INCOMING_FOLDER
    if incoming.is_symlink():
        raise BundleError(
            f"{incoming} is a link: expected a folder; bundles are neither left nor taken through "
            "it. Remove the link, then run the same command again"
        )
    return incoming


def _names(folder: Path) -> list[str]:
    incoming = _incoming(folder)
    try:
        return os.listdir(incoming)  # noqa: PTH208  (one call, also of thousands)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise BundleError(
            f"{incoming} can't be read: {error.strerror or error}; mend that (does it belong to "
            "another user?), then run the same command again"
        ) from error


def discard(path: Path) -> None:
    """Remove a bundle whose piece is in place."""
    shutil.rmtree(path, ignore_errors=True)


def set_aside(path: Path) -> None:
    """Keep a bundle that is refused, for people, where no collector looks at it again.

    Raises:
        ZooWriteError: the disk refused.
    """
    try:
        path.rename(path.with_name(path.name + _REFUSED))
    except FileNotFoundError:
        pass  # another process was faster
    except OSError as error:
        raise ZooWriteError(
            f"can't set {path} aside: {error.strerror or error}; delete it"
        ) from error


def sweep(folder: Path) -> None:
    """Remove what killed workers left half-written; for when no piece is missing any more."""
    for name in _names(folder):
        path = folder / INCOMING_FOLDER / name
        if is_temporary(path):
            shutil.rmtree(path, ignore_errors=True)
    with suppress(OSError):
        (folder / INCOMING_FOLDER).rmdir()  # only if nothing is left


def read_record(lying: Lying) -> dict[str, Any]:
    """Read what a bundle says of itself.

    Returns:
        "facts" and "sha256", both objects whose content is still hostile.

    Raises:
        BundleError: the record is missing, was changed, or is that of another piece.
        BundleUnreadableError: it can't be read.
    """
    name = lying.path.name
    _check_readable(lying, RECORD_FILE)
    flaw = f"bundle {name}: {RECORD_FILE} is missing, cut short or has been changed"
    try:
        if lying.path.is_symlink() or (lying.path / RECORD_FILE).is_symlink():
            raise BundleError(f"bundle {name}: expected a folder and files, got links")
        record = json.loads(read_file(lying.path / RECORD_FILE, _MAX_BYTES))
        seal = record.pop("seal")
    except BundleError:
        raise
    except (OSError, ValueError, RecursionError, KeyError, AttributeError, TypeError):
        raise BundleError(flaw) from None
    facts, digests = record.get("facts"), record.get("sha256")
    if seal != _seal(record) or not isinstance(facts, dict) or not isinstance(digests, dict):
        raise BundleError(flaw)
    if (record.get("format"), record.get("format_version")) != (_FORMAT, _FORMAT_VERSION):
        raise BundleError(
            f"bundle {name}: expected {_FORMAT} {_FORMAT_VERSION}, got another format or version; "
            "let all machines use the same hyperzoo"
        )
    if record.get("piece") != lying.piece:
        raise BundleError(
            f"bundle {name}: its record is that of another piece: expected {lying.piece!r}, got "
            f"{reprlib.repr(record.get('piece'))}"
        )
    return {"facts": facts, "sha256": digests}


def check_names(lying: Lying, digests: Mapping[str, Any], expected: Collection[str]) -> None:
    """Check that a bundle has just the files that it should, all of them regular.

    Args:
        lying: the bundle.
        digests: path within the bundle -> SHA-256, as its record says.
        expected: the files that a bundle of this piece has; no other path is ever opened.

    Raises:
        BundleError: with the file that is missing or does not belong.
        BundleUnreadableError: the folder or a file can't be read.
    """
    name = lying.path.name
    try:
        found = _regular_files(lying.path) - {RECORD_FILE}
    except OSError as error:
        raise _unreadable(lying, error) from error
    for where, names in (("among its files", found), ("in its record", set(digests))):
        for other in sorted(names ^ set(expected)):
            what = "is missing" if other in expected else "does not belong"
            raise BundleError(f"bundle {name}: {other!r:.100} {what} {where}")
    for file in sorted(expected):
        _check_readable(lying, file)


def _check_readable(lying: Lying, file: str) -> None:
    """Tell what can't be read, which may be sound, from what is damaged.

    Raises:
        BundleUnreadableError: the file is there, or may be, but can't be opened.
    """
    try:
        # So that neither a link is followed nor a pipe waited for.
        os.close(os.open(lying.path / file, os.O_RDONLY | _UNFOLLOWED))
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.ENXIO):  # a link, a socket: told of elsewhere
            raise _unreadable(lying, error) from error


_UNFOLLOWED = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


def _unreadable(lying: Lying, error: OSError) -> BundleUnreadableError:
    return BundleUnreadableError(
        f"bundle {lying.path.name} can't be read: {error.strerror or error}"
    )


def check_digest(lying: Lying, digests: Mapping[str, Any], file: str) -> None:
    """Check that one of a bundle's files is whole and unchanged.

    Raises:
        BundleError: it is not.
        BundleUnreadableError: that can't be told.
    """
    name = lying.path.name
    try:
        with (lying.path / file).open("rb") as opened:
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        raise _unreadable(lying, error) from error
    if digest != digests[file]:
        raise BundleError(
            f"bundle {name}: {file} is cut short or has been changed: its SHA-256 is "
            f"{digest[:16]}..., expected {reprlib.repr(digests[file])}"
        )


def _regular_files(path: Path) -> set[str]:
    """The files of a bundle; a link, a pipe or a device among them is refused unopened."""
    names = set()
    for file in _below(path):
        name = file.relative_to(path).as_posix()
        if file.is_symlink() or not (file.is_dir() or file.is_file()):
            raise BundleError(f"bundle {path.name}: {name!r} is no regular file")
        if file.is_file():
            names.add(name)
    return names


def _below(path: Path) -> Iterator[Path]:
    """All that is in a folder; one within it that can't be read is an error, not an empty one."""
    for file in path.iterdir():
        yield file
        if file.is_dir() and not file.is_symlink():
            yield from _below(file)


def _seal(record: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()
