"""STL-10's binary files.

Images are 96x96 RGB: the red plane, the green, the blue, each column by column. Labels are 1 to 10.

Reference: A. Coates, H. Lee and A. Ng, "An analysis of single-layer networks in unsupervised
feature learning", AISTATS 2011; https://cs.stanford.edu/~acoates/stl10/ ("Testing protocol" and the
description of the binary files).
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from hyperzoo.errors import ImageError
from hyperzoo.images.described import AGAIN, described
from hyperzoo.images.fit import RawImages, fit_names
from hyperzoo.images.published.labels import check_count, check_range, lines

_CLASSES = 10
_SHAPE = (3, 96, 96)


def parse_stl10(contents: Mapping[str, bytes]) -> RawImages:
    """The labelled images of STL-10.

    Args:
        contents: train_X.bin, train_y.bin, test_X.bin, test_y.bin and, where it is there,
            class_names.txt.

    Raises:
        ImageError: a file has another size or label than it can have, or they do not fit.
    """
    arrays = {}
    for split in ("train", "test"):
        images = _parse_images(contents[f"{split}_X.bin"], f"{split}_X.bin")
        labels = np.frombuffer(contents[f"{split}_y.bin"], np.uint8)
        check_count(split, images, labels)
        check_range(f"{split}_y.bin", labels, 1, _CLASSES)
        arrays[split] = images, labels
    class_names: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()
    if "class_names.txt" in contents:
        class_names, notes = fit_names(lines(contents["class_names.txt"]))
        if len(class_names) != _CLASSES:
            raise ImageError(f"class_names.txt: expected 10 names, got {len(class_names)}; {AGAIN}")
        arrays = {split: (images, labels - 1) for split, (images, labels) in arrays.items()}
    return RawImages(
        train_images=arrays["train"][0],
        train_labels=arrays["train"][1],
        validation_images=arrays["test"][0],
        validation_labels=arrays["test"][1],
        class_names=class_names,
        notes=notes,
    )


def _parse_images(content: bytes, name: str) -> NDArray[np.uint8]:
    size = _SHAPE[0] * _SHAPE[1] * _SHAPE[2]
    if not content or len(content) % size:
        raise ImageError(
            f"{name}: expected images of {size} bytes, got {len(content)} bytes, "
            + described(content[:64], "the file is cut off or damaged; download it again")
        )
    planes = np.frombuffer(content, np.uint8).reshape(-1, *_SHAPE)  # [image, channel, column, row]
    return planes.transpose(0, 3, 2, 1)
