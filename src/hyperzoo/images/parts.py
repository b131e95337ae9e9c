"""Images of a class divided by what they look like: more classes where a data set has few.

Everything is computed in whole numbers, so that an image is in the same part on every machine.
"""

from collections.abc import Mapping
from dataclasses import replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from hyperzoo.errors import ImageError
from hyperzoo.images.image_set import ImageSet

Values = NDArray[np.int64]


def brightness(images: NDArray[np.uint8]) -> Values:
    """Sum of all bytes of each image."""
    return np.asarray(images.sum(axis=(1, 2, 3), dtype=np.int64))


def warmth(images: NDArray[np.uint8]) -> Values:
    """How much more red than blue each image has; 0 for grey ones."""
    of_channels = images.sum(axis=(1, 2), dtype=np.int64)
    return np.asarray(of_channels[:, 0] - of_channels[:, -1])


def edges(images: NDArray[np.uint8]) -> Values:
    """Sum of the differences between neighbours, across and down: how much detail there is."""
    wide = images.astype(np.int16)
    found = np.zeros(len(images), np.int64)
    for axis in (1, 2):
        found += np.abs(np.diff(wide, axis=axis)).sum(axis=(1, 2, 3), dtype=np.int64)
    return found


MEASURES = {"brightness": brightness, "warmth": warmth, "edges": edges}


def in_parts(images: ImageSet, parts: Mapping[str, int]) -> ImageSet:
    """The same images with every class divided into parts, which are the classes then.

    The training images of a class are cut into equal parts along every measure; validation images
    go where they fall by the same limits. Parts are numbered from 1, from little to much:
    "church.2" is the second along the one measure, "church.2.1" of two measures.

    Args:
        images: images as they are, or in these very parts, which are given back.
        parts: measure -> how many parts; those of 1 divide nothing.

    Returns:
        Images in the same order with other labels, which is noted.

    Raises:
        ImageError: the images are in other parts, or a part of a class would have no images.
    """
    wanted = tuple((name, parts[name]) for name in MEASURES if parts.get(name, 1) > 1)
    if images.parts == wanted:
        return images
    if images.parts:
        raise ImageError(
            f"image set '{images.name}' is in parts by {_words(images.parts)}, not by "
            f"{_words(wanted) or 'nothing'}; give the images as they are"
        )
    splits = {
        "training": (images.train_images, images.train_labels),
        "validation": (images.validation_images, images.validation_labels),
    }
    new = {split: labels.copy() for split, (_, labels) in splits.items()}
    for name, count in wanted:
        values = {split: MEASURES[name](shown) for split, (shown, _) in splits.items()}
        for label in range(len(images.class_names)):
            ordered = np.sort(values["training"][images.train_labels == label])
            # The highest value of every part but the last; images as high go into the same part.
            limits = ordered[[len(ordered) * part // count - 1 for part in range(1, count)]]
            for split, (_, labels) in splits.items():
                rows = labels == label
                part = np.searchsorted(limits, values[split][rows])
                new[split][rows] = new[split][rows] * count + part
    each = [range(1, count + 1) for _, count in wanted]
    numbers = [".".join(map(str, places)) for places in product(*each)]
    names = tuple(f"{name}.{number}" for name in images.class_names for number in numbers)
    for split, labels in new.items():
        counts = np.bincount(labels, minlength=len(names))
        if not counts.all():
            raise ImageError(
                f"image set '{images.name}': by {_words(wanted)}, {names[int(counts.argmin())]} "
                f"would have no {split} images; ask for fewer parts"
            )
    return replace(
        images,
        class_names=names,
        train_labels=new["training"],
        validation_labels=new["validation"],
        parts=wanted,
        notes=(
            *images.notes,
            f"every class is divided by {_words(wanted)}, as the recipe asks: {len(names)} classes "
            f"of {images.class_names[0]}.{numbers[0]}'s kind",
        ),
    )


def _words(parts: tuple[tuple[str, int], ...]) -> str:
    return " and ".join(f"{name} ({count})" for name, count in parts)
