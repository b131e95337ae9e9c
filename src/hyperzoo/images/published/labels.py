"""Checks that labels fit to images and names."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyperzoo.errors import ImageError
from hyperzoo.images.described import AGAIN


def check_count(name: str, images: NDArray[np.uint8], labels: NDArray[np.integer[Any]]) -> None:
    """Check that there is a label an image.

    Raises:
        ImageError: there are more or fewer.
    """
    if len(images) != len(labels):
        raise ImageError(
            f"{name}: {len(images)} images, but {len(labels)} labels; the files do not belong "
            "together, or one is damaged; download both again"
        )


def check_range(name: str, labels: NDArray[np.integer[Any]], first: int, last: int) -> None:
    """Check that labels lie within a range.

    Raises:
        ImageError: one does not.
    """
    wrong = labels[(labels < first) | (labels > last)]
    if wrong.size:
        raise ImageError(
            f"{name}: expected labels {first} to {last}, got {wrong[0]}; the file is damaged; "
            f"{AGAIN}"
        )


def lines(content: bytes) -> tuple[str, ...]:
    """The names in a text file that has one a line."""
    text = content.decode("utf-8-sig", "replace")  # Windows' editors put a mark first
    return tuple(line.strip() for line in text.splitlines() if line.strip())
