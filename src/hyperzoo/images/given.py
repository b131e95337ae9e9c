"""A few images of a class, or of several, that are given to make networks from."""

import hashlib
import warnings
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hyperzoo.errors import ImageError
from hyperzoo.images.decode import Decoded, EncodedImage, Key, decode_square, in_threads
from hyperzoo.images.files import file_errors
from hyperzoo.images.fit import check_memory
from hyperzoo.images.folder import children, list_images, read_files
from hyperzoo.images.layout import SUFFIXES, is_image
from hyperzoo.words import composed, counted, is_fit

LAYOUT = "images of one class (the folder's name), or a folder a class with images in each"


@dataclass(frozen=True, kw_only=True, eq=False)
class GivenImages:
    """Images by their class, all of one size.

    Attributes:
        name: what they are, for people.
        images: class -> uint8 [image, height, width, channel], classes by name, one image or more.
        notes: what was left out or changed when they were read, a line each.

    Raises:
        ImageError: there are none, of other shapes, or a class's name is not fit.
    """

    name: str
    images: Mapping[str, NDArray[np.uint8]]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        shapes = {own.shape[1:] for own in self.images.values()}
        if len(shapes) != 1 or any(own.ndim != 4 or not len(own) for own in self.images.values()):
            raise ImageError(
                f"given images '{self.name}': expected one or more images of every class, of one "
                f"shape, got {', '.join(str(own.shape) for own in self.images.values()) or 'none'}"
            )
        for name, own in self.images.items():
            if own.dtype != np.uint8:
                raise ImageError(f"given images '{self.name}': expected uint8, got {own.dtype}")
            if not is_fit(name):
                raise ImageError(
                    f"given images '{self.name}': class name {name!r} must consist of letters, "
                    "digits, '_', '-' and '.'; rename the folder"
                )

    def __len__(self) -> int:
        return sum(map(len, self.images.values()))

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes, sorted."""
        return tuple(sorted(self.images))

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 (hex) over names of classes, shapes and pixels."""
        digest = hashlib.sha256(b"hyperzoo given images 1\n")
        for name in self.class_names:
            digest.update(f"{name}\n{self.images[name].shape}\n".encode())
            digest.update(np.ascontiguousarray(self.images[name]).tobytes())
        return digest.hexdigest()


def load_given(folder: str | Path, *, size: int, channels: int) -> GivenImages:
    """Read images of one class, or of several, as image sets of folders are read.

    Args:
        folder: with images, which are then of the class that is called as the folder is; or with
            folders, one a class. Images are taken in the order of their files' names.
        size: height and width to resize to, in pixels.
        channels: 3 for RGB, 1 for grey.

    Raises:
        ImageError: another layout, a file that can't be decoded, or a link that leads out of the
            folder.
    """

    def decode(image: EncodedImage) -> Decoded:
        return decode_square(image, size=size, channels=channels, turned=True)

    folder = Path(folder).expanduser()
    with file_errors():
        files, notes = _files(folder)
        names = list(files)
        check_memory(sum(map(len, files.values())) * size * size * channels)
        keys = {
            Key("train", label, file.name): file
            for label, name in enumerate(files)
            for file in files[name]
        }
        images: dict[str, list[NDArray[np.uint8]]] = {name: [] for name in files}
        left_out: Counter[str] = Counter()
        with warnings.catch_warnings():
            # Of odd EXIF data, for example. Damage that matters is an error.
            warnings.filterwarnings("ignore", module=r"PIL\.")
            for image, decoded in in_threads(decode, read_files(keys)):
                images[names[image.key.label]].append(decoded.pixels)
                left_out.update(decoded.left_out)
    return GivenImages(
        name=folder.resolve().name,
        images={name: np.stack(own) for name, own in images.items()},
        notes=(
            *notes,
            *(f"{what} in {n} of {len(keys)} images" for what, n in sorted(left_out.items())),
        ),
    )


def _files(folder: Path) -> tuple[dict[str, list[Path]], list[str]]:
    """Class -> its images' files, sorted, and what is to be said of it."""
    if not folder.is_dir():
        found = "it is a file" if folder.exists() else "there is no such folder"
        raise ImageError(f"{folder}: {found}; expected a folder with {LAYOUT}; give one")
    folders, names = children(folder)
    own = list_images(folder, folder, SUFFIXES)
    passed_over = sum(not is_image(name) for name in names)
    classes: dict[str, list[Path]] = {}
    if own:
        classes[composed(folder.resolve().name)] = own
        if folders:
            raise ImageError(
                f"{folder}: images beside {counted(len(folders), 'folder')} ({folders[0]}); "
                f"expected {LAYOUT}: give one of the folders, or move the images"
            )
    for name in folders:
        inner, beside = children(folder / name)
        images = list_images(folder, folder / name, SUFFIXES)
        if not images:
            held = f"{counted(len(inner), 'folder')}, {counted(len(beside), 'other file')}"
            raise ImageError(
                f"{folder / name}: no images, but {held}; expected {LAYOUT}, of the suffixes "
                f"{', '.join(SUFFIXES)}"
            )
        if composed(name) in classes:
            raise ImageError(f"{folder}: two folders of the class '{composed(name)}'; keep one")
        classes[composed(name)] = images
        passed_over += len(inner) + sum(not is_image(one) for one in beside)
    if not classes:
        but = f", but {counted(len(names), 'other file')}" if names else ""
        raise ImageError(
            f"{folder}: no images{but}; expected {LAYOUT}, of the suffixes {', '.join(SUFFIXES)}"
        )
    what = counted(passed_over, "file or folder", "files or folders")
    notes = [f"passed over: {what} beside the images"] * bool(passed_over)
    return dict(sorted(classes.items())), notes
