"""Resizing as TensorFlow does it, so that others get the same images."""

import numpy as np
from numpy.typing import NDArray


def resize_bilinear(image: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Resize an image to a square, bilinear, without antialiasing.

    The same as `tf.image.resize(image, (size, size), method="bilinear", antialias=False)`:
    half-pixel centres, edges clamped, interpolation in float32 first along the width, then along
    the height. The aspect ratio is not kept. The result is rounded to the nearest integer, halves
    to the even one.

    Args:
        image: uint8 [height, width, channel], or several, [..., height, width, channel].
        size: height and width of the result in pixels, 1 or more.

    Returns:
        uint8 [..., size, size, channel].
    """
    height, width = image.shape[-3:-1]
    upper, lower, down = _neighbours(height, size)
    left, right, across = _neighbours(width, size)
    down, across = down[:, None, None], across[:, None]

    def row(y: NDArray[np.intp]) -> NDArray[np.float32]:
        # Gathering only the needed pixels: a photo has a hundred times as many.
        start = image[..., y[:, None], left, :].astype(np.float32)
        return start + (image[..., y[:, None], right, :].astype(np.float32) - start) * across

    top = row(upper)
    return np.rint(top + (row(lower) - top) * down).astype(np.uint8)


def _neighbours(
    pixels: int, size: int
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]:
    """For each of `size` new pixels: the old pixel before, the one after, and the way between.

    The way is float32 in [0, 1), and is computed in float32 as TensorFlow does.
    """
    scale = np.float32(pixels) / np.float32(size)
    centre = (np.arange(size, dtype=np.float32) + np.float32(0.5)) * scale - np.float32(0.5)
    floor = np.floor(centre)
    before = np.maximum(floor, 0).astype(np.intp)
    after = np.minimum(np.ceil(centre), pixels - 1).astype(np.intp)
    return before, after, centre - floor
