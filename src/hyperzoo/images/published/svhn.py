"""SVHN's cropped digits ("format 2"), in MATLAB files of version 5.

A file has X, uint8 [row, column, channel, image], and y, numbers [image, 1], 1 to 10; 10 stands for
the digit 0.

Reference: Y. Netzer et al., "Reading digits in natural images with unsupervised feature learning",
2011; http://ufldl.stanford.edu/housenumbers/ ("Format 2: Cropped Digits").
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyperzoo.errors import ImageError
from hyperzoo.images.described import AGAIN
from hyperzoo.images.digits import CLASS_NAMES
from hyperzoo.images.fit import RawImages
from hyperzoo.images.published.labels import check_count, check_range
from hyperzoo.images.published.mat import read_mat
from hyperzoo.images.published.tell import most_bytes


def parse_svhn(contents: Mapping[str, bytes]) -> RawImages:
    """The digits of SVHN's files.

    Args:
        contents: train_32x32.mat and test_32x32.mat.

    Raises:
        ImageError: a file is damaged, or lacks X or y.
    """
    train, train_labels = _parse(contents["train_32x32.mat"], "train_32x32.mat")
    test, test_labels = _parse(contents["test_32x32.mat"], "test_32x32.mat")
    return RawImages(
        train_images=train,
        train_labels=train_labels,
        validation_images=test,
        validation_labels=test_labels,
        class_names=CLASS_NAMES,
        notes=("label 10 is taken for the digit 0",),
    )


def _parse(content: bytes, name: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    try:
        arrays = read_mat(content, ("X", "y"), most_bytes(len(content)))
    except ImageError as error:
        raise ImageError(f"{name}: {error}") from error
    images, labels = arrays.get("X"), arrays.get("y")
    if images is None or images.dtype != np.uint8 or images.ndim != 4 or images.shape[2] != 3:
        raise ImageError(
            f"{name}: expected X, uint8 [row, column, 3, image], got {_shown(images)}; the cropped "
            "digits (format 2) are read, download these"
        )
    if labels is None or labels.ndim != 2 or min(labels.shape) != 1:
        raise ImageError(f"{name}: expected y, numbers [image, 1], got {_shown(labels)}; {AGAIN}")
    images, labels = images.transpose(3, 0, 1, 2), labels.reshape(-1)
    if not images.size:
        raise ImageError(
            f"{name}: there are no images in it; X has shape {arrays['X'].shape}; {AGAIN}"
        )
    check_count(name, images, labels)
    if not (labels % 1 == 0).all():  # not-a-numbers among them
        raise ImageError(f"{name}: expected whole numbers as labels; it is damaged; {AGAIN}")
    check_range(name, labels, 1, 10)
    return images, labels.astype(np.int64) % 10


def _shown(array: NDArray[Any] | None) -> str:
    return "nothing" if array is None else f"{array.dtype} {array.shape}"
