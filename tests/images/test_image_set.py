import dataclasses

import numpy as np
import pytest

from hyperzoo.errors import ImageError
from hyperzoo.images import ImageSet
from tests.images.samples import random_set


def changed(**changes: object) -> ImageSet:
    return dataclasses.replace(random_set(), **changes)


IMAGES = random_set().train_images


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"class_names": ("cat",)}, "expected 2 classes or more, got 1"),
        ({"class_names": ("cat", "cat")}, "class names are not unique"),
        ({"class_names": ("cat", "a/b")}, "class name 'a/b' must consist of"),
        ({"class_names": ("cat", "dog", "eel")}, "train split: no images of eel"),
        ({"train_images": IMAGES[..., :2]}, r"got uint8 \(9, 6, 6, 2\)"),
        ({"train_images": IMAGES.astype(float)}, r"got float64 \(9, 6, 6, 3\)"),
        ({"train_images": IMAGES[:, :5]}, r"have shape \(5, 6, 3\), validation images \(6, 6, 3"),
        ({"train_labels": np.zeros(9, np.int32)}, "expected one int64 label an image"),
        ({"train_labels": np.full(9, 2)}, "labels run from 2 to 2, expected 0 to 1"),
    ],
)
def test_arrays_that_do_not_fit(changes: dict, message: str):
    with pytest.raises(ImageError, match=f"image set 'random'.*{message}"):
        changed(**changes)


def test_the_fingerprint_covers_all_but_the_name():
    first = random_set()
    assert changed(name="other").fingerprint == first.fingerprint
    others = [
        changed(class_names=("cat", "eel")),
        changed(train_images=255 - first.train_images),
        changed(train_labels=first.train_labels[::-1] * 0 + np.arange(9) // 5),
        changed(validation_images=255 - first.validation_images),
        changed(validation_labels=1 - first.validation_labels),
    ]
    assert len({images.fingerprint for images in [first, *others]}) == 6


def test_images_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        random_set().train_images[0] = 0


def test_classes_are_left_out_of_both_splits_once_and_it_is_said():
    three = changed(
        class_names=("cat", "dog", "owl"),
        train_labels=np.arange(9) % 3,
        validation_labels=np.array([2, 0, 1, 2]),
    )
    left = three.without(["dog"])
    assert left.class_names == ("cat", "owl")
    assert left.train_labels.tolist() == [0, 1, 0, 1, 0, 1]
    assert left.validation_labels.tolist() == [1, 0, 1]
    assert np.array_equal(left.train_images, three.train_images[[0, 2, 3, 5, 6, 8]])
    assert np.array_equal(left.validation_images, three.validation_images[[0, 1, 3]])
    assert left.notes == (
        "left out, as the recipe asks: the 3 training and 1 validation images of dog",
    )
    assert left.without(["dog"]) is left
    assert three.without([]) is three
    with pytest.raises(ImageError, match="has no class 'eel' to leave out"):
        left.without(["dog", "eel"])
    with pytest.raises(ImageError, match="expected 2 classes or more, got 1"):
        three.without(["dog", "cat"])
