"""Images in a .tgz archive, read as a stream; nothing is unpacked to disk."""

import gzip
import io
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

from hyperzoo.errors import ImageError
from hyperzoo.images.decode import MAX_FILE_BYTES, EncodedImage, Key


def read_archive(
    path: Path, key_of: Callable[[PurePosixPath], Key | None]
) -> Iterator[EncodedImage]:
    """Read the images in a .tgz archive, in the archive's order.

    Args:
        path: the archive.
        key_of: says what the image at a path in the archive is, or None when it is not wanted.

    Raises:
        ImageError: the archive is damaged or truncated, or a member is too large, a link, a
            device, or has a path that leads out of the archive.
    """
    try:
        # tarfile by itself takes a truncated archive for a shorter one; gzip does not.
        with gzip.open(path) as unzipped:
            limited = _Limited(unzipped, path)
            with tarfile.open(fileobj=limited, mode="r|") as tar:
                for member in tar:
                    limited.restart()
                    _check_member(path, member)
                    key = key_of(PurePosixPath(member.name))
                    file = None if key is None else tar.extractfile(member)
                    if key is not None and file is not None:
                        yield EncodedImage(key, f"{path}: {member.name}", file.read())
            # On to the very end, where gzip compares its checksum.
            while unzipped.read(2**20):
                pass
    except (ImageError, FileNotFoundError, PermissionError):
        raise
    except Exception as error:
        raise ImageError(
            f"{path}: expected a .tgz archive, but it is damaged, truncated or something else "
            f"({error}); download it again"
        ) from error


def _check_member(path: Path, member: tarfile.TarInfo) -> None:
    # Nothing is unpacked, so nothing could happen; but an archive like that is not to be trusted.
    place = PurePosixPath(member.name.replace("\\", "/"))
    if place.is_absolute() or ".." in place.parts:
        raise ImageError(f"{path}: refused, because the path {member.name!r} leads out of it")
    if not (member.isfile() or member.isdir()):
        raise ImageError(f"{path}: refused, because {member.name!r} is a link or a device")
    if member.size > MAX_FILE_BYTES:
        raise ImageError(
            f"{path}: refused, because {member.name!r} has {member.size} bytes, "
            f"more than {MAX_FILE_BYTES // 2**20} MiB"
        )


class _Limited(io.RawIOBase):
    """A file that refuses to give more than a member and its headers may take.

    tarfile reads a member's extended headers into memory, whatever their size.
    """

    def __init__(self, file: gzip.GzipFile, path: Path) -> None:
        self._file = file
        self._path = path
        self.restart()

    def restart(self) -> None:
        self._left = 2 * MAX_FILE_BYTES

    def read(self, size: int = -1) -> bytes:
        content = self._file.read(size)
        self._left -= len(content)
        if self._left < 0:
            raise ImageError(f"{self._path}: refused, because a member's headers are too large")
        return content
