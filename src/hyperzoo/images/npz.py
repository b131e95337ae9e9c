"""Image sets as .npz files: arrays by name, no pickles."""

import math
import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from hyperzoo.errors import ImageError
from hyperzoo.images.described import AGAIN, described
from hyperzoo.images.files import check_there, replacing
from hyperzoo.images.fit import RawImages, fit_images
from hyperzoo.images.image_set import ImageSet
from hyperzoo.images.keys import Keys, choose_keys
from hyperzoo.words import ACCENTS, composed

MAX_BYTES = 16 * 2**30

Header = tuple[tuple[int, ...], np.dtype[Any]]
"""Shape and type of an array."""


def load_npz(path: Path, *, size: int, channels: int, name: str | None = None) -> ImageSet:
    """Load an image set from an .npz file.

    The file holds `train_images` and `validation_images`, uint8 [image, height, width, channel]
    or [image, height, width]; `train_labels` and `validation_labels`, integers [image] or
    [image, 1]; and `class_names`, text [class]. Other names that are in use, such as Keras's
    `x_train`, are taken for these (see `choose_keys`). Without class names the classes are called
    by their labels. Other arrays are passed over. Nothing is loaded before all headers are found
    to be right.

    Args:
        path: the file.
        size: height and width in pixels; images of others are resized as `resize_bilinear` does.
        channels: 3 for RGB, 1 for grey; images that have another number are converted.
        name: the image set's name; None for the file's.

    Returns:
        The images, uint8 [image, size, size, channels].

    Raises:
        ImageError: the file is damaged, lacks an array, or an array is not as expected.
    """
    check_there(path, "an .npz file")
    if path.is_dir():
        raise ImageError(f"{path}: expected an .npz file, got a folder; give a file in it")
    try:
        with zipfile.ZipFile(path) as archive:
            keys, notes = _check_headers(archive, size, channels)
            arrays = {role: _read_array(archive, key) for role, key in keys.items()}
        if arrays["train_images"].size and arrays["train_images"].max() <= 1:
            notes = [*notes, "no pixel of the training images is above 1, of 255: nearly black"]
        raw = _raw(arrays, notes)
        return fit_images(raw, name or path.stem, size=size, channels=channels)
    except ImageError as error:
        raise ImageError(f"{path}: {error}") from error
    except Exception as error:  # A damaged zip file can raise almost anything.
        with path.open("rb") as file:
            start = file.read(512)
        got = described(start, AGAIN)
        if start.startswith(b"PK"):
            got = f"one that is damaged ({error}); {AGAIN}"
        raise ImageError(f"{path}: expected an .npz file, got {got}") from error


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
    try:
        with replacing(path) as file:
            np.savez(file, allow_pickle=False, **arrays)
    except OSError as error:
        raise ImageError(
            f"can't write {path}: {error.strerror or error}; make room or mend the cause, then run "
            "the same command again"
        ) from error


def _check_headers(archive: zipfile.ZipFile, size: int, channels: int) -> tuple[Keys, list[str]]:
    """Check all arrays by their headers, so that no memory is taken for a file that is no good."""
    members = [name for name in archive.namelist() if name.endswith(".npy")]
    keys, notes = choose_keys([name.removesuffix(".npy") for name in members])
    headers: dict[str, Header] = {}
    total = 0
    for role, key in keys.items():
        with archive.open(f"{key}.npy") as file:
            shape, dtype = _read_header(file)
            held = archive.getinfo(f"{key}.npy").file_size - file.tell()
        if not shape:
            raise ImageError(f"{key}: expected an array, got a single {dtype}")
        declared = math.prod(shape) * dtype.itemsize
        if declared != held and not dtype.hasobject:
            raise ImageError(f"{key}: shape {shape} of {dtype} takes {declared} bytes, got {held}")
        total += declared
        if role.endswith("_images") and shape[1:] != (size, size, channels):
            total += shape[0] * size * size * channels  # of what they are made into
        headers[role] = shape, dtype
    if total > MAX_BYTES:
        raise ImageError(
            f"the arrays take {total} bytes, more than {MAX_BYTES // 2**30} GiB; "
            "use fewer or smaller images"
        )
    for role, key in keys.items():
        _check_array(archive, key, role, *headers[role])
    return keys, notes


def _check_array(
    archive: zipfile.ZipFile, key: str, role: str, shape: tuple[int, ...], dtype: np.dtype[Any]
) -> None:
    got = f"got {dtype} {shape}"
    if dtype.hasobject:
        raise ImageError(f"{key}: pickled objects are refused; save a plain array")
    if 0 in shape[:1]:
        what = role.rpartition("_")[2]  # images, labels, names
        raise ImageError(f"{key}: there are no {what} in it, {got}; {AGAIN}")
    if role == "class_names":
        if dtype.kind != "U" or len(shape) != 1:
            raise ImageError(f"{key}: expected text [class], {got}")
    elif role.endswith("_labels"):
        _check_labels(key, shape, dtype, got)
    elif len(shape) == 4 and shape[3] not in (1, 3) and shape[1] in (1, 3):
        raise ImageError(
            f"{key}: expected uint8 [image, height, width, channel], {got}: the channels seem to "
            f"come second; save {key}.transpose(0, 2, 3, 1)"
        )
    elif len(shape) not in (3, 4) or 0 in shape[1:]:
        raise ImageError(f"{key}: expected uint8 [image, height, width, channel], {got}")
    elif len(shape) == 4 and shape[3] not in (1, 3):
        drop = f"; save {key}[..., :3] to drop the transparency" * (shape[3] == 4)
        raise ImageError(
            f"{key}: expected 1 channel (grey) or 3 (RGB), {got} [image, height, width, channel]"
            f"{drop}"
        )
    elif dtype != np.uint8:
        raise ImageError(
            f"{key}: expected uint8 from 0 to 255, {got}{_as_bytes(archive, key, dtype)}"
        )


def _check_labels(key: str, shape: tuple[int, ...], dtype: np.dtype[Any], got: str) -> None:
    if len(shape) == 2 and shape[1] > 1 and dtype.kind in "iufb":
        raise ImageError(
            f"{key}: expected integers [image], {got}: if they are one-hot, save "
            f"{key}.argmax(axis=1)"
        )
    if dtype.kind == "U" and len(shape) == 1:
        raise ImageError(
            f"{key}: expected integers [image], {got}; save class_names, {key} = "
            f"numpy.unique({key}, return_inverse=True), and the same classes for the other split"
        )
    if dtype.kind not in "iu" or shape[1:] not in ((), (1,)) or not shape:
        whole = f"; save {key}.astype(int)" * (dtype.kind == "f")
        raise ImageError(f"{key}: expected integers [image], {got}{whole}")


def _as_bytes(archive: zipfile.ZipFile, key: str, dtype: np.dtype[Any]) -> str:
    """How to make bytes of numbers of another type, as far as their range tells."""
    if dtype.kind not in "iuf":
        return ""
    array = _read_array(archive, key)
    if not array.size or not np.isfinite(array).all():
        return "; some are not finite" if array.size else ""
    low, high = array.min(), array.max()
    if low >= 0 and high <= 1 and dtype.kind == "f":
        how = f"save ({key} * 255).round().astype('uint8')"
    elif low >= 0 and high <= 255:
        how = f"save {key}.round().astype('uint8')"
    else:
        how = "scale them to 0 to 255 first"
    return f" from {low:g} to {high:g}; {how}"


def _raw(arrays: dict[str, NDArray[Any]], notes: list[str]) -> RawImages:
    """The arrays with a channel axis and with labels [image]; says what had to be done."""
    said = dict.fromkeys(notes)
    for split in ("train", "validation"):
        images, labels = arrays[f"{split}_images"], arrays[f"{split}_labels"]
        if labels.ndim == 2:
            said[f"labels [image, 1] are taken for [image] ({split})"] = None
        if images.ndim == 3:
            said["images without a channel axis are taken for grey"] = None
            images = images[..., None]
        arrays[f"{split}_images"], arrays[f"{split}_labels"] = images, labels.reshape(-1)
    names = arrays.pop("class_names", None)
    given = None if names is None else tuple(map(str, names))
    class_names = None if given is None else tuple(map(composed, given))
    if class_names != given:
        said[ACCENTS] = None
    return RawImages(**arrays, class_names=class_names, notes=tuple(said))


def _read_header(file: IO[bytes]) -> Header:
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
