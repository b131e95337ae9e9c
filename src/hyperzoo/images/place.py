"""What a file or folder of images is, told by its content."""

import gzip
import zlib
from pathlib import Path, PurePosixPath
from zipfile import BadZipFile, ZipFile

from hyperzoo.errors import ImageError
from hyperzoo.images.described import described, described_inside
from hyperzoo.images.imagenette import is_imagenette
from hyperzoo.images.published import tell_archive, tell_file, tell_folder

NAMED = ("digits", "imagenette")
"""Images that need no path."""

HELP = (
    f"{' or '.join(NAMED)}, or a path: an npz file, a folder of folders, a .tgz or .zip archive "
    "of one, or MNIST's, CIFAR's, SVHN's or STL-10's files; or hub:OWNER/NAME"
)


def kind_of_place(path: Path) -> str:
    """The source of `load_images` that reads a path: "npz", "folder", "cifar10", ...

    Raises:
        ImageError: there is no such path, or it is none of these.
        OSError: it can't be read.
    """
    if not path.exists():
        raise ImageError(f"no images at {path}; expected {HELP}")
    if path.is_dir():
        names = [
            PurePosixPath(split, folder.name, "_.jpeg")
            for top in (path, *sorted(path.iterdir()))
            for split in ("train", "val")
            if (top / split).is_dir()
            for folder in (top / split).iterdir()
            if folder.is_dir() and not folder.name.startswith(".")
        ]
        return "imagenette" if is_imagenette(names) else tell_folder(path) or "folder"
    with path.open("rb") as file:
        start = file.read(512)
    arrays = holds_arrays(path)
    if arrays:
        return "npz"
    if (source := tell_file(path)) is not None:
        return source
    if start.startswith(b"\x1f\x8b"):
        return _kind_of_archive(path)
    zipped = start.startswith((b"PK\x03\x04", b"PK\x05\x06"))
    if arrays is None and path.suffix.lower() == ".npz":
        return "npz"  # it is none of these, and the reader that is asked for tells what it is
    if zipped:
        return _kind_of_archive(path)
    raise ImageError(f"{path}: expected {HELP}; got {described(start)}")


_OF_NETWORKS = {"/data.pkl": "a file of torch.save", "/model.weights.h5": "a Keras 3 model"}
"""Names of files in zip archives that hold something else."""


def _kind_of_archive(path: Path) -> str:
    start = _first_unzipped(path)
    if start.startswith(b"\0\0\x08"):
        raise ImageError(f"{path}: expected {HELP}; got {described(start)}")
    if start and (inside := described_inside(start)):
        raise ImageError(f"{path}: expected {HELP}; got {inside}")
    source, names = tell_archive(path)
    for ending, what in _OF_NETWORKS.items():
        if any(f"/{name}".endswith(ending) for name in names):
            raise ImageError(f"{path}: expected {HELP}; got {what}, no images")
    return source or ("imagenette" if is_imagenette(names) else "folder")


def _first_unzipped(path: Path) -> bytes:
    """The first bytes of what a gzip file holds; none where it is another file or damaged."""
    try:
        with gzip.open(path) as file:
            return file.read(512)
    except (OSError, EOFError, zlib.error):
        return b""


def holds_arrays(path: Path) -> bool | None:
    """Whether a zip holds arrays, as .npz files do; None for what is no zip, or a damaged one."""
    try:
        with ZipFile(path) as archive:
            return any(name.endswith(".npy") for name in archive.namelist())
    except (OSError, BadZipFile, NotImplementedError, ValueError):
        return None
