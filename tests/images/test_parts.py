"""Classes divided by what images look like: values by hand, no image lost, the same everywhere."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hyperzoo.errors import ImageError
from hyperzoo.images import ImageSet
from hyperzoo.images.parts import MEASURES, brightness, edges, in_parts, warmth
from tests.images.test_image_set import changed


def two_classes(train: list[int], validation: list[int], own: list[int]) -> ImageSet:
    """Images of one colour; of `own` labels each."""

    def flat(values: list[int]) -> np.ndarray:
        return np.array(values, np.uint8).reshape(-1, 1, 1, 1) * np.ones((1, 2, 2, 3), np.uint8)

    return ImageSet(
        name="flat",
        class_names=("cat", "owl"),
        train_images=flat(train),
        train_labels=np.array(own),
        validation_images=flat(validation),
        validation_labels=np.array(own),
    )


def test_measures_of_known_images():
    images = np.zeros((2, 2, 2, 3), np.uint8)
    images[1, 0, 1] = (200, 10, 50)
    assert brightness(images).tolist() == [0, 260]
    assert warmth(images).tolist() == [0, 150]
    assert warmth(images[..., :1]).tolist() == [0, 0]
    assert edges(images).tolist() == [0, 520]  # to the left of it, and below


def test_parts_are_cut_by_training_images_alone():
    """Values that are as high go together, and validation images by the limits of training."""
    images = two_classes([9, 1, 5, 200, 100, 90], [1, 2, 255, 90, 91, 120], [0, 0, 0, 1, 1, 1])
    found = in_parts(images, {"brightness": 3, "edges": 1})
    assert found.class_names == ("cat.1", "cat.2", "cat.3", "owl.1", "owl.2", "owl.3")
    assert found.train_labels.tolist() == [2, 0, 1, 5, 4, 3]
    # The limits are 1 and 5, and 90 and 100.
    assert found.validation_labels.tolist() == [0, 1, 2, 3, 4, 5]
    assert found.train_images is images.train_images
    assert found.notes == (
        "every class is divided by brightness (3), as the recipe asks: 6 classes of cat.1's kind",
    )
    assert found.fingerprint != images.fingerprint
    assert in_parts(found, {"brightness": 3}) is found
    assert in_parts(images, {"brightness": 1}) is images


def test_what_can_not_be_divided_is_refused():
    images = two_classes([9, 1, 5, 7, 7, 7], [1, 2, 255, 7, 7, 7], [0, 0, 0, 1, 1, 1])
    with pytest.raises(ImageError, match=r"by brightness \(3\), owl.2 would have no training"):
        in_parts(images, {"brightness": 3})
    with pytest.raises(ImageError, match=r"brightness \(2\), cat.2 would have no validation"):
        in_parts(
            two_classes([9, 1, 5, 7, 8, 9], [1, 1, 1, 7, 8, 9], [0, 0, 0, 1, 1, 1]),
            {"brightness": 2},
        )
    with pytest.raises(ImageError, match="is in parts by brightness"):
        in_parts(
            in_parts(changed_widely(np.random.default_rng(0)), {"brightness": 2}), {"edges": 2}
        )


def changed_widely(generator: np.random.Generator) -> ImageSet:
    """Forty and forty images of two classes, all different."""

    def drawn() -> np.ndarray:
        return generator.integers(0, 256, (40, 4, 4, 3), np.uint8)

    own = np.arange(40) % 2
    return changed(
        train_images=drawn(), train_labels=own, validation_images=drawn(), validation_labels=own
    )


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(sorted(MEASURES)), st.integers(2, 3))
def test_parts_are_equal_and_in_order(seed: int, measure: str, count: int):
    images = changed_widely(np.random.default_rng(seed))
    try:
        found = in_parts(images, {measure: count})
    except ImageError:
        assume(False)  # no validation image in a part
    assert np.array_equal(found.train_labels // count, images.train_labels)
    values = MEASURES[measure](found.train_images)
    for label in range(2):
        own = [values[found.train_labels == label * count + part] for part in range(count)]
        assert all(a.max() < b.min() for a, b in pairwise(own))
        if len(set(np.concatenate(own).tolist())) == 20:
            assert max(map(len, own)) - min(map(len, own)) <= 1
