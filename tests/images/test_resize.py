import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from hyperzoo.images.resize import resize_bilinear


def reference(image: NDArray[np.uint8], size: int) -> NDArray[np.float64]:
    """The definition, pixel by pixel, in float64 and without rounding."""
    height, width, channels = image.shape
    resized = np.empty((size, size, channels))
    for i in range(size):
        for j in range(size):
            y, x = (i + 0.5) * height / size - 0.5, (j + 0.5) * width / size - 0.5
            y0, x0 = int(np.floor(y)), int(np.floor(x))
            resized[i, j] = sum(
                (1 - abs(y - row))
                * (1 - abs(x - column))
                * image[np.clip(row, 0, height - 1), np.clip(column, 0, width - 1)].astype(float)
                for row in (y0, y0 + 1)
                for column in (x0, x0 + 1)
            )
    return resized


def noise(height: int, width: int, channels: int = 3, seed: int = 0) -> NDArray[np.uint8]:
    shape = (height, width, channels)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize(
    ("height", "width", "size"), [(320, 427, 32), (8, 8, 32), (9, 31, 10), (1, 1, 5), (50, 3, 1)]
)
def test_agrees_with_the_definition_and_with_torch(height: int, width: int, size: int):
    image = noise(height, width)
    resized = resize_bilinear(image, size)
    assert (resized.dtype, resized.shape) == (np.uint8, (size, size, 3))
    tensor = torch.from_numpy(image).permute(2, 0, 1)[None].float()
    by_torch = torch.nn.functional.interpolate(
        tensor, (size, size), mode="bilinear", align_corners=False, antialias=False
    )[0].permute(1, 2, 0)
    for other in (reference(image, size), by_torch.numpy()):
        assert np.abs(resized - other).max() <= 0.501
        assert (resized == np.rint(other)).mean() > 0.97


def test_known_values_of_tensorflow():
    # tf.image.resize([[0, 100, 200, 255]] * 4, (2, 2)) averages the middle of each pair, ...
    row = np.array([0, 100, 200, 255], np.uint8)
    image = np.broadcast_to(row[None, :, None], (4, 4, 1))
    np.testing.assert_array_equal(resize_bilinear(image, 2)[0, :, 0], [50, 228])
    # ... and enlarging takes quarters, with the edges held.
    small = np.array([[[0], [100]], [[100], [200]]], np.uint8)
    np.testing.assert_array_equal(resize_bilinear(small, 4)[0, :, 0], [0, 25, 75, 100])
    np.testing.assert_array_equal(resize_bilinear(small, 4)[1, :, 0], [25, 50, 100, 125])


@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    channels=st.sampled_from([1, 3]),
    size=st.integers(1, 48),
    seed=st.integers(0, 2**32),
)
def test_properties(height: int, width: int, channels: int, size: int, seed: int):
    image = noise(height, width, channels, seed)
    resized = resize_bilinear(image, size)
    assert resized.min() >= image.min()
    assert resized.max() <= image.max()
    # Rows and columns are treated alike, up to the order of rounding.
    turned = resize_bilinear(image.swapaxes(0, 1), size).swapaxes(0, 1)
    assert np.abs(turned.astype(int) - resized).max() <= 1
    np.testing.assert_array_equal(resize_bilinear(resized, size), resized)
    grey = np.full_like(image, 77)
    assert (resize_bilinear(grey, size) == 77).all()


def test_several_images_at_once_are_the_same_bits():
    images = np.random.default_rng(0).integers(0, 256, (5, 7, 9, 3), dtype=np.uint8)
    one_by_one = np.stack([resize_bilinear(image, 11) for image in images])
    np.testing.assert_array_equal(resize_bilinear(images, 11), one_by_one)
