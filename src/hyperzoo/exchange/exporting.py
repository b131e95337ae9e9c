"""Writes a zoo in another format: all of it, or nothing."""

import shutil
import tempfile
from pathlib import Path

from hyperzoo.errors import HyperzooError, ZooMismatchError, ZooNotFoundError, ZooWriteError
from hyperzoo.exchange import FORMATS
from hyperzoo.exchange.format import Meter, Writer
from hyperzoo.images import ImageSet
from hyperzoo.zoo import Zoo


def export_zoo(
    zoo: Zoo,
    format: str,
    folder: str | Path,
    *,
    force: bool = False,
    images: ImageSet | None = None,
    meter: Meter | None = None,
) -> int:
    """Write a zoo's networks in another format.

    The files get their names when all are written: an interrupted export leaves nothing.

    Args:
        zoo: the zoo.
        format: name of a format that is written, one of `exchange.FORMATS`.
        folder: where the files go; made if it is not there.
        force: also into a folder that holds other files; files of the same name are replaced.
        images: the images that the zoo was trained on, for the plots' ROC curves.
        meter: is told how many networks of how many are written.

    Returns:
        How many files were written.

    Raises:
        ValueError: there is no such format, or it is only read.
        ZooNotFoundError: the zoo has no networks yet.
        ZooMismatchError: the folder holds other files; or the images are others than the zoo's.
        ZooWriteError: the disk refused.
        MissingExtraError: a package that the format takes is not installed.
    """
    write, target = _writer(format), Path(folder)
    if not len(zoo):
        raise ZooNotFoundError(f"{zoo.path} has no networks to export; train it first")
    try:
        _check_target(target, force)
        target.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
        try:
            written = write(zoo, staging, images=images, meter=meter)
            _move(staging, target)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    except OSError as error:
        if isinstance(error, HyperzooError):
            raise
        raise ZooWriteError(
            f"can't export to {target}: {error.strerror or error}; nothing was written. Make "
            "room or mend the cause, then run the same command again"
        ) from error
    return written


def _writer(name: str) -> Writer:
    entry = FORMATS.get(name)
    if entry is None or entry.write is None:
        known = ", ".join(sorted(n for n, f in FORMATS.items() if f.write is not None))
        raise ValueError(f"no format {name!r} to export to; expected one of {known}")
    return entry.write


def _check_target(target: Path, force: bool) -> None:
    if target.exists() and not target.is_dir():
        raise ZooMismatchError(f"{target} is a file; give a folder to export to")
    if force or not target.exists():
        return
    others = sorted(file.name for file in target.iterdir())
    if others:
        raise ZooMismatchError(
            f"{target} holds other files ({', '.join(others[:3])}{', ...' * (len(others) > 3)}); "
            "give an empty or a new folder, or --force to write beside and over them"
        )


def _move(staging: Path, target: Path) -> None:
    """Give what was written its name; one file at a time where others are there already."""
    staging.chmod(0o777 & ~_umask())
    if not target.exists() or not any(target.iterdir()):
        # Atomic: an empty folder of that name is replaced.
        staging.replace(target)
        return
    for file in sorted(staging.rglob("*")):
        place = target / file.relative_to(staging)
        if file.is_dir():
            place.mkdir(exist_ok=True)
        else:
            file.replace(place)


def _umask() -> int:
    """The process's mask for new files; temporary folders are made for their owner alone."""
    import os

    mask = os.umask(0o022)
    os.umask(mask)
    return mask
