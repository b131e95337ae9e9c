"""Images in folders, one folder a class, on the disk or in an archive."""

import os
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path, PurePosixPath

from hyperzoo.errors import ImageError
from hyperzoo.images.archive import archive_names, read_archive
from hyperzoo.images.decode import MAX_FILE_BYTES, EncodedImage, Key, decode_images
from hyperzoo.images.files import check_there
from hyperzoo.images.image_set import ImageSet
from hyperzoo.images.layout import LAYOUT, Children, find_layout, is_image


def load_folder(path: Path, *, size: int, channels: int) -> ImageSet:
    """Load images from folders, one a class, as `find_layout` finds them.

    Args:
        path: the folder, or a .tgz or .zip archive of it.
        size: height and width to resize to, in pixels.
        channels: 3 for RGB, 1 for grey.

    Returns:
        The images, uint8 [image, size, size, channels].

    Raises:
        ImageError: another layout, a class without images, a file that can't be decoded, or a
            link that leads out of the folder.
    """
    check_there(path, f"a folder or an archive with {LAYOUT}")
    if not path.is_dir():
        return _load_archive(path, size, channels)
    found = find_layout(lambda place: children(path / place), str(path))
    files = {key: path / place for place, key in found.files.items()}
    for file in files.values():
        check_file(path, file)
    return decode_images(
        read_files(files),
        name=path.resolve().name,
        place=path,
        class_names=found.class_names,
        size=size,
        channels=channels,
        notes=found.notes,
        turned=True,
    )


def _load_archive(path: Path, size: int, channels: int) -> ImageSet:
    names = archive_names(path)
    found = find_layout(_archive_children(names), str(path))
    return decode_images(
        read_archive(path, found.files.get),
        name=path.name.partition(".")[0] or path.name,
        place=path,
        class_names=found.class_names,
        size=size,
        channels=channels,
        total=len(found.files),
        notes=found.notes,
        turned=True,
    )


def _archive_children(names: Collection[PurePosixPath]) -> Children:
    """The folders and files of an archive by the folder that they are in."""
    folders: defaultdict[PurePosixPath, set[str]] = defaultdict(set)
    files: defaultdict[PurePosixPath, set[str]] = defaultdict(set)
    for name in names:
        # What macOS adds to a zip is no image.
        if any(part.startswith((".", "__MACOSX")) for part in name.parts):
            continue
        files[name.parent].add(name.name)
        for folder in (name.parent, *name.parent.parents):
            if folder.name:
                folders[folder.parent].add(folder.name)
    return lambda place: (sorted(folders.get(place, ())), sorted(files.get(place, ())))


def list_images(root: Path, folder: Path, suffixes: Collection[str]) -> list[Path]:
    """A folder's image files, sorted by name.

    Raises:
        ImageError: a link leads out of `root`, or something is not a file.
    """
    files = [folder / name for name in children(folder)[1] if is_image(name, suffixes)]
    for file in files:
        check_file(root, file)
    return files


def read_files(files: Mapping[Key, Path]) -> Iterator[EncodedImage]:
    """Read image files one after another.

    Raises:
        ImageError: a file is too large.
    """
    for key, file in files.items():
        if file.stat().st_size > MAX_FILE_BYTES:
            raise ImageError(f"{file}: larger than {MAX_FILE_BYTES // 2**20} MiB; remove it")
        yield EncodedImage(key, str(file), file.read_bytes())


def children(folder: Path) -> tuple[list[str], list[str]]:
    """The folders and the files in a folder, sorted, hidden ones aside; none if there is none."""
    names: tuple[list[str], list[str]] = ([], [])
    if folder.is_dir():
        with os.scandir(folder) as entries:
            for entry in entries:
                if not entry.name.startswith("."):
                    names[not entry.is_dir()].append(entry.name)
    return sorted(names[0]), sorted(names[1])


def check_file(root: Path, file: Path) -> None:
    """Refuse what is no file, or a link that leads out of the folder.

    Raises:
        ImageError: it is so.
    """
    if not file.resolve().is_relative_to(root.resolve()):
        raise ImageError(f"{file}: the link leads out of {root}; put the file itself there")
    if not file.is_file():
        raise ImageError(f"{file}: expected a file, got a broken link or a device; remove it")
