"""Writes a zoo in another format: all of it, or nothing that anybody sees."""

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hyperzoo.errors import ExportError, HyperzooError, ZooLockedError, did_you_mean
from hyperzoo.exchange.format import Export, Format, Meter, no_meter
from hyperzoo.exchange.registry import FORMATS
from hyperzoo.images import ImageSet
from hyperzoo.zoo import Zoo, open_zoo
from hyperzoo.zoo.lock import take_lock

_WORKSHOP = ".hyperzoo-export.partial"


def export_zoo(
    zoo: Zoo | str | Path,
    format: str,
    folder: str | Path,
    *,
    force: bool = False,
    images: ImageSet | None = None,
    meter: Meter | None = None,
) -> int:
    """Write a zoo's networks in another format.

    The files are made in a hidden folder within `folder` and get their names when all of them are
    on the disk. An export that is interrupted before leaves nothing; the next one removes what a
    killed one left.

    Args:
        zoo: the zoo, or its folder.
        format: the name of a format that writes, e.g. "keras-h5"; see `FORMATS`.
        folder: where the files go; made if it is not there.
        force: write into a folder that holds other files; those of the same names are replaced.
        images: the images that the zoo was trained on, for formats that need them.
        meter: is told how many networks of how many are written.

    Returns:
        How many files were written.

    Raises:
        ExportError: there is no such format, the folder holds other files, is inside the zoo or
            can't be written to, or the zoo has no networks.
        ZooFormatError: the zoo is damaged.
        MissingExtraError: the format needs an optional package that is not installed.
    """
    chosen = _format(format)
    zoo = zoo if isinstance(zoo, Zoo) else open_zoo(zoo)
    folder = Path(folder)
    if not len(zoo):
        raise ExportError(f"{zoo.path} holds no complete part: there is nothing to export")
    if folder.resolve().is_relative_to(zoo.path.resolve()):
        raise ExportError(f"{folder} is inside the zoo; give a folder outside of it")
    try:
        with _workshop(folder, force) as workshop:
            export = Export(zoo=zoo, folder=workshop, images=images, meter=meter or no_meter)
            count = chosen.write(export)
            _publish(workshop, folder)
    except OSError as error:
        if isinstance(error, HyperzooError):
            raise
        raise ExportError(
            f"can't write to {folder}: {error.strerror or error}; nothing was written. Make room "
            "or mend the cause, or give another folder"
        ) from error
    return count


def hint_at(name: str, known: Iterable[str]) -> str:
    """What to put into a message behind a format that is not written."""
    # `keras` is read only: those who ask for it want what Keras loads.
    return did_you_mean("keras-h5" if name.lower() in ("keras", "h5", "hdf5") else name, known)


def _format(name: str) -> Format:
    known = [format.name for format in FORMATS.values() if format.writes]
    if name not in known:
        hint = hint_at(name, known)
        raise ExportError(f"no format '{name}' to write{hint} (known: {', '.join(known)})")
    return FORMATS[name]


@contextmanager
def _workshop(folder: Path, force: bool) -> Iterator[Path]:
    """An empty folder that is nobody else's and is gone afterwards, with all that is in it."""
    _check_free(folder, force)
    is_new = not folder.exists()
    workshop = folder / _WORKSHOP
    workshop.mkdir(parents=True, exist_ok=True)
    try:
        lock = take_lock(workshop)
    except ZooLockedError:
        raise ExportError(
            f"another export is writing to {folder}; wait until it has finished, or give another "
            f"folder; if it has ended already, delete {workshop}"
        ) from None
    try:
        files = workshop / "files"
        shutil.rmtree(files, ignore_errors=True)  # what a killed export left
        files.mkdir()
        yield files
    finally:
        shutil.rmtree(workshop, ignore_errors=True)
        lock.release()
        if is_new:
            with suppress(OSError):
                folder.rmdir()  # only if nothing has come into it


def _check_free(folder: Path, force: bool) -> None:
    if folder.exists() and not folder.is_dir():
        raise ExportError(f"{folder} is a file; give a folder")
    if force or not folder.exists():
        return
    others = sorted(file.name for file in folder.iterdir() if not file.name.startswith("."))
    if others:
        more = ", ..." if len(others) > 3 else ""
        raise ExportError(
            f"{folder} holds other files ({', '.join(others[:3])}{more}); give an empty or a new "
            "folder, or --force to write beside them and replace those of the same names"
        )


def _publish(workshop: Path, folder: Path) -> None:
    """Give the finished files their names, each in one step."""
    files = sorted(file for file in workshop.rglob("*") if file.is_file())
    for file in files:
        if (folder / file.relative_to(workshop)).is_dir():
            raise ExportError(
                f"{folder / file.relative_to(workshop)} is a folder where a file should go; move "
                "it away, or give another folder"
            )
    # One barrier for thousands of files: all are on the disk before the first gets its name.
    os.sync()
    for file in files:
        target = folder / file.relative_to(workshop)
        target.parent.mkdir(parents=True, exist_ok=True)
        file.replace(target)
