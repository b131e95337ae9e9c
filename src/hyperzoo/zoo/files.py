"""Files, written so that each is either complete or not there, and read so that none surprises."""

import contextlib
import errno
import os
import stat
import tempfile
from collections.abc import Sequence
from pathlib import Path

from hyperzoo.errors import ZooFormatError, ZooWriteError

_TEMPORARY_SUFFIX = ".partial"

GO_ON = (
    "all finished parts are kept. Make room or mend the cause, then run the same command again to "
    "go on"
)
"""What to do where a file of a zoo's, or of other work by parts, can't be written."""

ANEW = "nothing of it is written. Make room or mend the cause, then run the same command again"
"""What to do where a file that stands alone can't be written."""


def temporary_for(path: Path) -> Path:
    """Where a file is written before it gets its name.

    The leading dot hides it from whoever reads a folder's files by a pattern or as a data set.
    """
    return path.with_name(f".{path.name}{_TEMPORARY_SUFFIX}")


def is_temporary(path: Path) -> bool:
    """Whether a file is what a killed run left half-written."""
    return path.name.startswith(".") and path.name.endswith(_TEMPORARY_SUFFIX)


def write_file(path: Path, content: bytes, *, otherwise: str = ANEW) -> None:
    """Write a file completely or not at all, and let nothing be lost when the power fails.

    Args:
        path: the file; its folders are made if they are not there.
        content: all of it.
        otherwise: what is then, and what to do, where the system refuses.

    Raises:
        ZooWriteError: the system refused; what was there before is still there.
    """
    temporary = temporary_for(path)
    try:
        _make_folder(path.parent)
        try:
            with temporary.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
            sync_folder(path.parent)
        except BaseException:  # an interruption from the keyboard included
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise ZooWriteError(
            f"can't write {path}: {error.strerror or error}; {otherwise}"
        ) from error


def check_file(path: Path, *, otherwise: str) -> None:
    """Refuse a file that can't be written, before the work rather than after it.

    Args:
        path: the file; what it holds stays.
        otherwise: as of `write_file`.

    Raises:
        ZooWriteError: as `write_file` would.
    """
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        # Under the name that it would have: it may be too long.
        tried = _nearest(path.parent) / temporary_for(path).name
        try:
            tried.open("wb").close()
        finally:
            with contextlib.suppress(OSError):
                tried.unlink(missing_ok=True)
    except OSError as error:
        raise ZooWriteError(
            f"can't write {path}: {error.strerror or error}; {otherwise}"
        ) from error


def check_writable(folder: Path) -> None:
    """Check that files can be made in a folder, or in that which it would be made in.

    Raises:
        OSError: they can't.
    """
    with tempfile.TemporaryFile(dir=_nearest(folder)):
        pass


def _nearest(folder: Path) -> Path:
    """The folder, or the first above it that is there."""
    return next(place for place in (folder, *folder.absolute().parents) if place.exists())


def place_files(places: Sequence[tuple[Path, Path]]) -> None:
    """Give files that are complete and on the disk second names, each in one step.

    Where the file system has no hard links they are copied. When this returns, the new names are
    on the disk as well.

    Args:
        places: source and new name of each.

    Raises:
        ZooWriteError: the system refused; what was there before is still there.
    """
    for source, path in places:
        _place_file(source, path)
    try:
        for folder in {path.parent for _, path in places}:
            sync_folder(folder)
    except OSError as error:
        raise ZooWriteError(f"can't write {folder}: {error.strerror or error}") from error


def _place_file(source: Path, path: Path) -> None:
    temporary = temporary_for(path)
    try:
        _make_folder(path.parent)
        try:
            temporary.unlink(missing_ok=True)
            if not source.stat().st_mode & stat.S_IRUSR:
                raise PermissionError  # a second name would be as unreadable: a copy is not
            os.link(source, temporary, follow_symlinks=False)
            temporary.replace(path)
        finally:
            # Two names of one file stay two names when one is renamed to the other.
            temporary.unlink(missing_ok=True)
    except OSError:
        try:
            content = source.read_bytes()
        except OSError as error:
            raise ZooWriteError(f"can't read {source}: {error.strerror or error}") from error
        write_file(path, content, otherwise=GO_ON)


def read_file(path: Path, limit: int) -> bytes:
    """Read a small file.

    Args:
        path: the file.
        limit: the most bytes that it may have.

    Raises:
        FileNotFoundError: there is none; also when a folder on the way is none.
        ZooFormatError: it is not a regular file, too large, or can't be read.
    """
    try:
        size = regular_size(path)
        if size > limit:
            raise ZooFormatError(f"{path}: expected at most {limit} bytes, got {size}")
        return path.read_bytes()
    except NotADirectoryError as error:
        raise FileNotFoundError(error.errno, error.strerror, str(path)) from None
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ZooFormatError(f"{path} can't be read: {error.strerror or error}") from error


def regular_size(path: Path) -> int:
    """The size in bytes of a regular file, or of one that a link leads to.

    To open a pipe would wait for ever, to read a device would never end.

    Raises:
        OSError: there is no such file.
        ZooFormatError: it is something else, such as a folder or a pipe.
    """
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise ZooFormatError(f"{path}: expected a regular file")
    return status.st_size


def _make_folder(folder: Path) -> None:
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Make new names in a folder durable."""
    # A folder can't be opened for that on Windows.
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
