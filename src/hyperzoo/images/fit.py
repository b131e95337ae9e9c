"""Pixels and labels of others, made into an image set: size, colours, names of classes."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyperzoo.errors import ImageError
from hyperzoo.images.image_set import ImageSet
from hyperzoo.images.resize import resize_bilinear

MAX_BYTES = 16 * 2**30
_BLOCK = 64
"""Images resized at once: enough for NumPy, and few in memory as floats."""


@dataclass(frozen=True, kw_only=True)
class RawImages:
    """Images as a file has them.

    Attributes:
        train_images: uint8 [image, height, width, channel], 1 or 3 channels.
        train_labels: integers [image].
        validation_images: uint8 [image, height, width, channel], of any size.
        validation_labels: integers [image].
        class_names: the names of labels 0, 1, ...; None where classes have none.
        notes: what was assumed so far.
    """

    train_images: NDArray[np.uint8]
    train_labels: NDArray[np.integer[Any]]
    validation_images: NDArray[np.uint8]
    validation_labels: NDArray[np.integer[Any]]
    class_names: tuple[str, ...] | None
    notes: tuple[str, ...] = ()


def fit_images(raw: RawImages, name: str, *, size: int, channels: int) -> ImageSet:
    """Resize and recolour images, and name their classes.

    Without names the classes are called by their labels, those that there are in rising order.

    Args:
        raw: the images.
        name: the image set's name.
        size: height and width to resize to, in pixels; as `resize_bilinear` does.
        channels: 3 for RGB, 1 for grey; RGB becomes grey as in images that come from files.

    Returns:
        The images, uint8 [image, size, size, channels], with notes of what was done.

    Raises:
        ImageError: a label has no name, or a class has no image in a split.
    """
    notes = dict.fromkeys(raw.notes)
    class_names = raw.class_names
    labels = (raw.train_labels.astype(np.int64), raw.validation_labels.astype(np.int64))
    if class_names is None:
        there = np.unique(np.concatenate(labels))
        labels = (np.searchsorted(there, labels[0]), np.searchsorted(there, labels[1]))
        class_names = tuple(there.astype(str).tolist())
    images = []
    count = len(raw.train_images) + len(raw.validation_images)
    check_memory(count * size * size * channels)
    for pixels in (raw.train_images, raw.validation_images):
        fitted, said = _fit(pixels, size, channels)
        images.append(fitted)
        notes.update(dict.fromkeys(said))
    if raw.class_names is None:
        shown = ", ".join([*class_names[:3], "..."][: len(class_names)])
        notes[f"no class_names: the classes are called by their labels, {shown}"] = None
    return ImageSet(
        name=name,
        class_names=class_names,
        train_images=images[0],
        train_labels=labels[0],
        validation_images=images[1],
        validation_labels=labels[1],
        notes=tuple(notes),
    )


def check_memory(count: int) -> None:
    """Refuse images that take too many bytes.

    Raises:
        ImageError: they take more than `MAX_BYTES`.
    """
    if count > MAX_BYTES:
        raise ImageError(
            f"the images take {count} bytes, more than {MAX_BYTES // 2**30} GiB; use fewer or "
            "smaller images"
        )


def fit_names(names: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Make names of classes fit for ids and files: other characters become one '_'.

    Returns:
        The names, and what is to be said of it.

    Raises:
        ImageError: two names become the same.
    """
    fitted = tuple(re.sub(r"[^\w.-]+", "_", name).strip("_") or "_" for name in names)
    changed = [f"{old!r} to {new!r}" for old, new in zip(names, fitted, strict=True) if old != new]
    if len(set(fitted)) != len(set(names)):
        twice = next(new for new in fitted if fitted.count(new) > 1)
        raise ImageError(
            f"two classes would be called {twice!r}, as class names consist of letters, digits, "
            "'_', '-' and '.'; rename them"
        )
    if not changed:
        return fitted, ()
    more = f", and {len(changed) - 3} more" if len(changed) > 3 else ""
    return fitted, (f"class names changed: {', '.join(changed[:3])}{more}",)


def to_grey(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """RGB made grey as in images that come from files.

    Args:
        images: uint8 [image, height, width, 3].

    Returns:
        uint8 [image, height, width, 1].
    """
    from PIL import Image

    grey = np.empty((*images.shape[:3], 1), np.uint8)
    for index, image in enumerate(images):
        grey[index, ..., 0] = np.asarray(Image.fromarray(np.ascontiguousarray(image)).convert("L"))
    return grey


def _fit(
    images: NDArray[np.uint8], size: int, channels: int
) -> tuple[NDArray[np.uint8], list[str]]:
    notes = []
    if images.shape[3] != channels:
        notes.append("grey images made RGB" if channels == 3 else "RGB images made grey")
        images = images.repeat(3, axis=3) if channels == 3 else to_grey(images)
    height, width = images.shape[1:3]
    if (height, width) != (size, size):
        notes.append(f"images resized from {height}x{width} to {size}x{size} pixels")
        resized = np.empty((len(images), size, size, channels), np.uint8)
        for start in range(0, len(images), _BLOCK):
            block = images[start : start + _BLOCK]
            resized[start : start + _BLOCK] = resize_bilinear(block, size)
        images = resized
    return images, notes
