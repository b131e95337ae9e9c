"""From the files of a published data set to an image set."""

import gzip
import io
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath

from hyperzoo.errors import ImageError
from hyperzoo.images.archive import read_members
from hyperzoo.images.files import check_there
from hyperzoo.images.fit import RawImages, fit_images
from hyperzoo.images.folder import check_file
from hyperzoo.images.image_set import ImageSet
from hyperzoo.images.layout import instead_of
from hyperzoo.images.published import names
from hyperzoo.images.published.cifar import parse_binary, parse_python
from hyperzoo.images.published.idx import parse_idx_set
from hyperzoo.images.published.names import Form, Group, find_groups, is_known
from hyperzoo.images.published.stl10 import parse_stl10
from hyperzoo.images.published.svhn import parse_svhn
from hyperzoo.images.published.tell import choose_group, group_of_file, known_paths, most_bytes

Contents = Mapping[str, bytes]
"""A form's file -> its bytes."""

_PLACES = "their archive, the folder that it unpacks to, or one of them"
_BLOCK = 2**20
_PARSERS: dict[Form, Callable[[Contents], RawImages]] = {
    names.IDX: parse_idx_set,
    names.CIFAR10_PYTHON: lambda contents: parse_python(contents, "labels"),
    names.CIFAR10_BINARY: lambda contents: parse_binary(contents, "labels"),
    names.CIFAR100_PYTHON: lambda contents: parse_python(contents, "fine_labels"),
    names.CIFAR100_BINARY: lambda contents: parse_binary(contents, "fine_labels"),
    names.SVHN: parse_svhn,
    names.STL10: parse_stl10,
}
_COARSE: dict[Form, Callable[[Contents], RawImages]] = {
    names.CIFAR100_PYTHON: lambda contents: parse_python(contents, "coarse_labels"),
    names.CIFAR100_BINARY: lambda contents: parse_binary(contents, "coarse_labels"),
}


def load_published(source: str, path: Path, *, size: int, channels: int) -> ImageSet:
    """Load a data set from the files that its authors publish.

    The test split is taken for validation. Images keep the order of the files.

    Args:
        source: one of `SOURCES`: "idx" (MNIST and what has its form), "cifar10", "cifar100" (its
            100 fine labels), "cifar100-coarse" (its 20 coarse ones), "svhn" or "stl10".
        path: the archive, the folder that it unpacks to or one around it, or one of the files, for
            which the others are taken from its folder.
        size: height and width to resize to, in pixels.
        channels: 3 for RGB, 1 for grey.

    Returns:
        The images, uint8 [image, size, size, channels].

    Raises:
        ImageError: a file is missing, damaged or other than it should be.
    """
    check_there(path, f"the files of {source}: {_PLACES}")
    group, contents = _read(path, source)
    coarse = source == "cifar100-coarse"
    try:
        raw = (_COARSE if coarse else _PARSERS)[group.form](contents)
    except ImageError as error:
        raise ImageError(f"{path}: {error}") from error
    images = fit_images(raw, _name(group, path, source), size=size, channels=channels)
    return images.with_notes(*_notes(group, path))


def _read(path: Path, source: str) -> tuple[Group, Contents]:
    """The data set at a path, and its files."""
    if path.is_dir():
        group = _checked(choose_group(find_groups(known_paths(path)), str(path)), path, source)
        return group, _from_folder(group, path)
    if is_known(path.name) and (found := group_of_file(path)) is not None:
        return _checked(found, path, source), _from_folder(found, path.parent)
    most = most_bytes(path.stat().st_size)
    members = read_members(path, lambda place: is_known(place.name), most)
    group = _checked(choose_group(find_groups(members), str(path)), path, source)
    return group, {
        name: _unzipped(members[place], place.name) for name, place in group.files.items()
    }


def _checked(group: Group | None, path: Path, source: str) -> Group:
    wanted = source.removesuffix("-coarse")
    if group is None or group.form.source != wanted:
        instead = "no files of a known data set" if group is None else group.form.source
        packed = instead_of(str(path), known_paths(path)) if path.is_dir() else ""
        fitting = packed or f"give {_PLACES}"
        if group is not None:
            fitting = f"set images.source = '{instead}'"
        raise ImageError(f"{path}: expected the files of {wanted}, got {instead}; {fitting}")
    if group.missing:
        there = ", ".join(place.name for place in group.files.values())
        raise ImageError(
            f"{path}: of {group.form.source}, {', '.join(group.missing)} "
            f"{'is' if len(group.missing) == 1 else 'are'} missing; there "
            f"{'is' if len(group.files) == 1 else 'are'} {there}; put all files in one folder"
        )
    return group


def _from_folder(group: Group, root: Path) -> Contents:
    contents = {}
    for name, place in group.files.items():
        file = root / place
        check_file(root, file)
        contents[name] = _unzipped(file.read_bytes(), place.name)
    return contents


def _unzipped(content: bytes, name: str) -> bytes:
    """A file's content, out of its gzip where it is in one, whatever it is called."""
    if not content.startswith(b"\x1f\x8b"):
        return content
    most = most_bytes(len(content))
    unzipped = bytearray()
    try:
        with gzip.open(io.BytesIO(content)) as file:
            while block := file.read(_BLOCK):
                unzipped += block
                if len(unzipped) > most:
                    raise ImageError(f"{name}: refused, because more than {most} bytes come of it")
    except (OSError, EOFError, zlib.error) as error:
        raise ImageError(f"{name}: damaged or cut off ({error}); download it again") from error
    return bytes(unzipped)


def _name(group: Group, path: Path, source: str) -> str:
    """The image set's name: the data set's, or that of the folder or archive of idx files."""
    if group.form is not names.IDX:
        return source
    if group.prefix:
        return group.prefix
    if path.is_file() and not is_known(path.name):
        return path.name.partition(".")[0] or path.name
    around = (path if path.is_dir() else path.parent).resolve() / group.folder
    named = [folder.name for folder in (around, *around.parents) if folder.name]
    return next((name for name in named if name != "raw"), source)


def _notes(group: Group, path: Path) -> list[str]:
    notes = []
    if path.is_file() and is_known(path.name):
        others = [place.name for place in group.files.values() if place.name != path.name]
        notes.append(f"taken from the same folder: {', '.join(others)}")
    if group.spare:
        notes.append(f"passed over, as it is there unpacked: {_few(group.spare)}")
    if group.others:
        notes.append(f"passed over: {_few(group.others)}")
    if group.prefix.lower().startswith("emnist"):
        notes.append("EMNIST's images lie on their side in its files, and stay so")
    notes.append("the test split is taken for validation")
    return notes


def _few(listed: tuple[PurePosixPath, ...] | tuple[str, ...]) -> str:
    more = f", and {len(listed) - 8} more" if len(listed) > 8 else ""
    return ", ".join(str(one) for one in listed[:8]) + more
