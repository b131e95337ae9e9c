"""Where prepared images are kept, and how files are written whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from hyperzoo.errors import ImageError


def check_shape(size: int, channels: int) -> None:
    """Refuse image shapes that no image set can have.

    Raises:
        ImageError: size is not within 1 to 4096, or channels neither 1 nor 3.
    """
    if not 1 <= size <= 4096:
        raise ImageError(f"images.size: expected 1 to 4096 pixels, got {size}")
    if channels not in (1, 3):
        raise ImageError(f"images.channels: expected 1 (grey) or 3 (RGB), got {channels}")


def check_there(path: Path, expected: str) -> None:
    """Refuse a path where nothing lies.

    Args:
        path: the path.
        expected: what should lie there.

    Raises:
        ImageError: nothing does.
    """
    if not path.exists():
        raise ImageError(
            f"{path}: there is no such file or folder; expected {expected}; correct images.path, "
            "or say where they lie with --images"
        )


def cache_file(name: str, folder: Path | None = None) -> Path:
    """Where a prepared file lies.

    Args:
        name: the file's name.
        folder: the folder itself; None for `images` within the folder that the environment
            variable HYPERZOO_CACHE names, or else within the user's cache folder of this system.
    """
    if folder is None:
        from platformdirs import user_cache_dir

        cache = os.environ.get("HYPERZOO_CACHE") or user_cache_dir("hyperzoo")
        folder = Path(cache).expanduser() / "images"
    return folder / name


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a file that takes the place of `path` once it is complete, and never before.

    A failure leaves the folder as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def file_errors() -> Iterator[None]:
    """Turn what the system says of a file into an ImageError that names the file."""
    try:
        yield
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        raise ImageError(
            f"{place}{error.strerror or error}; check that the path exists and may be read or "
            "written (HYPERZOO_CACHE sets another cache folder)"
        ) from error
