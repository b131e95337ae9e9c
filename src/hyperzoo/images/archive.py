"""Images in a .tgz or .zip archive; nothing is unpacked to disk."""

import gzip
import io
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath

from hyperzoo.errors import ImageError
from hyperzoo.images.decode import MAX_FILE_BYTES, EncodedImage, Key
from hyperzoo.images.described import described


def read_archive(
    path: Path, key_of: Callable[[PurePosixPath], Key | None]
) -> Iterator[EncodedImage]:
    """Read the images in an archive, in the archive's order.

    Args:
        path: the archive.
        key_of: says what the image at a path in the archive is, or None when it is not wanted.

    Raises:
        ImageError: the archive is damaged or truncated, or a member is too large, a link, a
            device, or has a path that leads out of the archive.
    """
    with _damage_told(path):
        for name, read in _members(path):
            key = key_of(PurePosixPath(name))
            if key is not None:
                yield EncodedImage(key, f"{path}: {name}", read())


def archive_names(path: Path) -> list[PurePosixPath]:
    """The paths of all files in an archive.

    Raises:
        ImageError: as `read_archive` does.
    """
    return list(iterate_names(path))


def iterate_names(path: Path, most: int | None = None) -> Iterator[PurePosixPath]:
    """The paths of all files in an archive, one after another.

    Args:
        path: the archive.
        most: how many bytes a file in it may have; None for as many as an image's.

    Raises:
        ImageError: as `read_archive` does.
    """
    with _damage_told(path):
        for name, _ in _members(path, most):
            yield PurePosixPath(name)


def read_members(
    path: Path, wanted: Callable[[PurePosixPath], bool], most: int
) -> dict[PurePosixPath, bytes]:
    """The content of some files in an archive.

    Args:
        path: the archive.
        wanted: says whether the file of a path is wanted.
        most: how many bytes a file in the archive may have, and all that are wanted together.

    Raises:
        ImageError: as `read_archive` does, or the files have more bytes.
    """
    contents: dict[PurePosixPath, bytes] = {}
    left = most
    with _damage_told(path):
        for name, read in _members(path, most):
            if wanted(place := PurePosixPath(name)):
                if place in contents:
                    raise ImageError(f"{path}: there are two files {name!r}; keep one")
                content = read()
                left -= len(content)
                if left < 0:
                    raise ImageError(f"{path}: refused, because its files take over {most} bytes")
                contents[place] = content
    return contents


_Members = Iterator[tuple[str, Callable[[], bytes]]]
"""Path of every file, and its content, which can be read until the next is asked for."""


def _members(path: Path, most: int | None = None) -> _Members:
    most = MAX_FILE_BYTES if most is None else most
    with path.open("rb") as file:
        start = file.read(512)
    if start.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _zip_members(path, most)
    if start.startswith(b"\x1f\x8b"):
        return _tar_members(path, most)
    got = described(start, "give the folder, or download it again")
    raise ImageError(f"{path}: expected a .tgz or .zip archive, got {got}")


@contextmanager
def _damage_told(path: Path) -> Iterator[None]:
    try:
        yield
    except (ImageError, FileNotFoundError, PermissionError):
        raise
    except Exception as error:  # A damaged archive can raise almost anything.
        raise ImageError(
            f"{path}: expected a .tgz or .zip archive, but it is damaged, truncated, encrypted or "
            f"something else ({error}); download it again"
        ) from error


def _tar_members(path: Path, most: int) -> _Members:
    # tarfile by itself takes a truncated archive for a shorter one; gzip does not.
    with gzip.open(path) as unzipped:
        limited = _Limited(unzipped, path)
        with tarfile.open(fileobj=limited, mode="r|") as tar:
            for member in tar:
                _check(path, member.name, member.isfile() or member.isdir(), member.size, most)
                limited.restart(member.size)
                file = tar.extractfile(member)
                if file is not None:
                    yield member.name, file.read
        # On to the very end, where gzip compares its checksum.
        while unzipped.read(2**20):
            pass


def _zip_members(path: Path, most: int) -> _Members:
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            # What made the file may have left no mode, or only permissions.
            kind = stat.S_IFMT(member.external_attr >> 16)
            plain = kind in (0, stat.S_IFREG, stat.S_IFDIR)
            _check(path, member.filename, plain, member.file_size, most)
            if not member.is_dir():
                yield member.filename, partial(archive.read, member)


def _check(path: Path, name: str, plain: bool, size: int, most: int) -> None:
    # Nothing is unpacked, so nothing could happen; but an archive like that is not to be trusted.
    place = PurePosixPath(name.replace("\\", "/"))
    if place.is_absolute() or ".." in place.parts:
        raise ImageError(f"{path}: refused, because the path {name!r} leads out of it")
    if not plain:
        raise ImageError(f"{path}: refused, because {name!r} is a link or a device")
    if size > most:
        raise ImageError(
            f"{path}: refused, because {name!r} has {size} bytes, more than {most // 2**20} MiB"
        )


class _Limited(io.RawIOBase):
    """A file that refuses to give more than a member and its headers may take.

    tarfile reads a member's extended headers into memory, whatever their size.
    """

    def __init__(self, file: gzip.GzipFile, path: Path) -> None:
        self._file = file
        self._path = path
        self.restart(0)

    def restart(self, size: int) -> None:
        self._left = size + MAX_FILE_BYTES

    def read(self, size: int = -1) -> bytes:
        content = self._file.read(size)
        self._left -= len(content)
        if self._left < 0:
            raise ImageError(f"{self._path}: refused, because a member's headers are too large")
        return content
