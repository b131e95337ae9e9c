"""Image sets as .npz files: five arrays by name, no pickles."""

import math
import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from hyperzoo.errors import ImageError
from hyperzoo.images.files import file_errors, replacing
from hyperzoo.images.image_set import ImageSet

KEYS = ("train_images", "train_labels", "validation_images", "validation_labels", "class_names")
MAX_BYTES = 16 * 2**30


def load_npz(path: Path, *, size: int, channels: int, name: str | None = None) -> ImageSet:
    """Load an image set from an .npz file.

    The file holds `train_images` and `validation_images`, uint8 [image, height, width, channel];
    `train_labels` and `validation_labels`, integers [image]; `class_names`, text [class]. Other
    arrays are ignored. Nothing is loaded before all headers are found to be right.

    Args:
        path: the file.
        size: height and width that the images must have, in pixels.
        channels: channels that the images must have.
        name: the image set's name; None for the file's.

    Returns:
        The images, uint8 [image, size, size, channels].

    Raises:
        ImageError: the file is damaged, lacks an array, or an array is not as expected.
    """
    if not path.is_file():
        raise ImageError(f"{path}: expected an .npz file, but there is no such file")
    try:
        with zipfile.ZipFile(path) as archive:
            _check_headers(archive, size, channels)
            arrays = {key: _read_array(archive, key) for key in KEYS}
        class_names = tuple(str(class_name) for class_name in arrays.pop("class_names"))
        for split in ("train", "validation"):
            arrays[f"{split}_labels"] = arrays[f"{split}_labels"].astype(np.int64)
        return ImageSet(name=name or path.stem, class_names=class_names, **arrays)
    except ImageError as error:
        raise ImageError(f"{path}: {error}") from error
    except Exception as error:  # A damaged zip file can raise almost anything.
        raise ImageError(
            f"{path}: expected an .npz file, but it is damaged or something else ({error}); "
            "make or download it again"
        ) from error


def write_npz(images: ImageSet, path: Path) -> None:
    """Write an image set to an .npz file, completely or not at all.

    Raises:
        ImageError: the file can't be written.
    """
    arrays: dict[str, NDArray[Any]] = {
        "train_images": images.train_images,
        "train_labels": images.train_labels,
        "validation_images": images.validation_images,
        "validation_labels": images.validation_labels,
        "class_names": np.array(images.class_names),
    }
    with file_errors(), replacing(path) as file:
        np.savez(file, allow_pickle=False, **arrays)


def _check_headers(archive: zipfile.ZipFile, size: int, channels: int) -> None:
    """Check all arrays by their headers, so that no memory is taken for a file that is no good."""
    missing = [key for key in KEYS if f"{key}.npy" not in archive.namelist()]
    if missing:
        raise ImageError(f"no arrays {', '.join(missing)}; expected {', '.join(KEYS)}")
    total = 0
    for key in KEYS:
        with archive.open(f"{key}.npy") as file:
            shape, dtype = _read_header(file)
            held = archive.getinfo(f"{key}.npy").file_size - file.tell()
        _check_array(key, shape, dtype, size, channels)
        declared = math.prod(shape) * dtype.itemsize
        if declared != held:
            raise ImageError(f"{key}: shape {shape} of {dtype} takes {declared} bytes, got {held}")
        total += declared
    if total > MAX_BYTES:
        raise ImageError(
            f"the arrays take {total} bytes, more than {MAX_BYTES // 2**30} GiB; "
            "use fewer or smaller images"
        )


def _check_array(
    key: str, shape: tuple[int, ...], dtype: np.dtype[Any], size: int, channels: int
) -> None:
    got = f"got {dtype} {shape}"
    if dtype.hasobject:
        raise ImageError(f"{key}: pickled objects are refused; save a plain array")
    if key == "class_names":
        if dtype.kind != "U" or len(shape) != 1:
            raise ImageError(f"{key}: expected text [class], {got}")
    elif key.endswith("_labels"):
        if dtype.kind not in "iu" or len(shape) != 1:
            raise ImageError(f"{key}: expected integers [image], {got}")
    elif dtype != np.uint8 or len(shape) != 4:
        raise ImageError(f"{key}: expected uint8 [image, height, width, channel], {got}")
    elif shape[1:] != (size, size, channels):
        height, width, depth = shape[1:]
        raise ImageError(
            f"{key}: expected images of {size}x{size} pixels with {channels} channels, got "
            f"{height}x{width} with {depth}; set images.size = {height} and "
            f"images.channels = {depth}, or use other images"
        )


def _read_header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    elif version == (2, 0):
        shape, _, dtype = np.lib.format.read_array_header_2_0(file)
    else:
        raise ValueError(f"npy format {version} is not for plain arrays")
    return shape, dtype


def _read_array(archive: zipfile.ZipFile, key: str) -> NDArray[Any]:
    with archive.open(f"{key}.npy") as file:
        return np.ascontiguousarray(np.lib.format.read_array(file, allow_pickle=False))
