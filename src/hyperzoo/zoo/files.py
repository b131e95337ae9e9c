"""Writing files so that each is either complete or not there."""

import contextlib
import os
from pathlib import Path

from hyperzoo.errors import ZooWriteError

TEMPORARY_SUFFIX = ".partial"
"""Readers ignore files with this ending; the next run removes them."""


def write_file(path: Path, content: bytes) -> None:
    """Write a file completely or not at all, and let nothing be lost when the power fails.

    Raises:
        ZooWriteError: the system refused; what was there before is still there.
    """
    temporary = path.with_name(path.name + TEMPORARY_SUFFIX)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
            _sync_folder(path.parent)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise ZooWriteError(
            f"can't write {path}: {error.strerror or error}; all finished parts are kept. Make "
            "room or mend the cause, then run the same command again to go on"
        ) from error


def _sync_folder(folder: Path) -> None:
    # Makes the new name itself durable; a folder can't be opened for that on Windows.
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
