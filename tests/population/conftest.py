import pytest

from hyperzoo.images import ImageSet, load_images
from tests.helpers import few


@pytest.fixture(scope="session")
def digits() -> ImageSet:
    """Real digits, 32x32 RGB, few enough for a test."""
    return few(load_images("digits"), 150, 60)


@pytest.fixture(scope="session")
def grey_digits() -> ImageSet:
    """Real digits, 32x32 grey, few enough for a test."""
    return few(load_images("digits", channels=1), 150, 60)
