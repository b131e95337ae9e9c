from dataclasses import replace

import numpy as np

from hyperzoo.plan import PlannedNetwork
from hyperzoo.population.task import (
    dropout_masks,
    image_order,
    noisy_labels,
    targets,
    training_images,
)
from tests.architectures.declarations import EVERY

NETWORK = PlannedNetwork(class_name="dog", index=3, learning_rate=1e-3, batch_size=4)
LABELS = np.array([0, 1, 2, 1, 0, 2, 2, 0, 0, 2] * 30)
CLASSES = ("cat", "dog", "owl")


def test_targets():
    assert targets(NETWORK, "one-vs-all", LABELS[:4], CLASSES).tolist() == [0, 1, 0, 1]
    assert targets(NETWORK, "multi-class", LABELS[:4], CLASSES).tolist() == [0, 1, 2, 1]
    both = replace(NETWORK, class_name="dog+owl")
    assert targets(both, "subset-vs-rest", LABELS[:4], CLASSES).tolist() == [0, 1, 1, 1]


def test_all_images_are_seen_once_an_epoch_in_an_order_of_its_own():
    images = training_images(NETWORK, targets(NETWORK, "one-vs-all", LABELS, CLASSES), 0, None)
    first, second = (image_order(NETWORK, images, 0, epoch) for epoch in (1, 2))
    assert sorted(first) == sorted(second) == list(range(300))
    assert not np.array_equal(first, second)
    assert np.array_equal(first, image_order(NETWORK, images, 0, 1))


def test_sampled_negatives_are_drawn_for_each_network():
    own = targets(NETWORK, "one-vs-all", LABELS, CLASSES)
    images = training_images(NETWORK, own, 0, 0.5)
    assert own[images].sum() == own.sum() == 60
    assert len(images) == 120
    assert (np.diff(images) > 0).all()
    other = PlannedNetwork(class_name="dog", index=4, learning_rate=1e-3, batch_size=4)
    assert not np.array_equal(images, training_images(other, own, 0, 0.5))
    # A quarter positive asks for 180 of 240 negatives; a hundredth for more than there are.
    assert len(training_images(NETWORK, own, 0, 0.25)) == 240
    assert len(training_images(NETWORK, own, 0, 0.01)) == 300


def test_the_order_is_a_permutation_of_the_subset():
    images = training_images(NETWORK, targets(NETWORK, "one-vs-all", LABELS, CLASSES), 0, 0.5)
    assert sorted(image_order(NETWORK, images, 0, 1)) == images.tolist()


def test_a_share_of_the_images_is_drawn_for_each_network():
    own = targets(NETWORK, "one-vs-all", LABELS, CLASSES)
    images = training_images(NETWORK, own, 0, None, 0.25)
    assert len(images) == len(set(images)) == 75
    assert (np.diff(images) > 0).all()
    other = PlannedNetwork(class_name="dog", index=4, learning_rate=1e-3, batch_size=4)
    assert not np.array_equal(images, training_images(other, own, 0, None, 0.25))
    assert images[:4].tolist() == SHARE  # part of a network's identity: it must never change
    assert len(training_images(NETWORK, own, 0, None, 1e-9)) == 1
    # Negatives are drawn among the network's own images.
    balanced = training_images(NETWORK, own, 0, 0.5, 0.25)
    assert set(balanced) <= set(images)
    assert own[balanced].mean() == 0.5


SHARE = [5, 8, 9, 10]


def test_label_noise_is_symmetric_and_each_network_s_own():
    labels = np.arange(30_000) % 3
    assert noisy_labels(NETWORK, labels, 3, 0, 0.0) is labels
    told = noisy_labels(NETWORK, labels, 3, 0, 0.2)
    changed = told != labels
    assert abs(changed.mean() - 0.2) < 4 * (0.2 * 0.8 / 30_000) ** 0.5
    steps = (told - labels)[changed] % 3
    assert set(steps) == {1, 2}
    assert abs((steps == 1).mean() - 0.5) < 4 * 0.5 / changed.sum() ** 0.5
    other = PlannedNetwork(class_name="dog", index=4, learning_rate=1e-3, batch_size=4)
    assert not np.array_equal(told, noisy_labels(other, labels, 3, 0, 0.2))
    assert np.flatnonzero(changed)[:4].tolist() == NOISE  # pinned, like all that is drawn


NOISE = [1, 11, 27, 31]


def test_dropouts_are_drawn_for_each_network_epoch_and_step():
    architecture = EVERY["dropped out"]
    masks = dropout_masks(architecture, NETWORK, 0, 1, 0, 7)
    assert {name: mask.shape for name, mask in masks.items()} == {
        "dropout1": (1, 10, 11, 7),
        "dropout2": (6, 10, 11, 7),
        "dropout3": (4, 3, 3, 7),
        "dropout4": (12, 1, 1, 7),
    }
    for name, rate in (("dropout1", 0.1), ("dropout2", 0.5)):
        share = 1 - masks[name].mean()
        assert abs(share - rate) < 4 * (rate * (1 - rate) / masks[name].size) ** 0.5
    other = PlannedNetwork(class_name="dog", index=4, learning_rate=1e-3, batch_size=4)
    for drawn in (
        dropout_masks(architecture, NETWORK, 0, 2, 0, 7),
        dropout_masks(architecture, NETWORK, 0, 1, 1, 7),
        dropout_masks(architecture, NETWORK, 1, 1, 0, 7),
        dropout_masks(architecture, other, 0, 1, 0, 7),
    ):
        assert not np.array_equal(drawn["dropout2"], masks["dropout2"])
    again = dropout_masks(architecture, NETWORK, 0, 1, 0, 7)
    assert all(np.array_equal(again[name], mask) for name, mask in masks.items())


def test_dropouts_are_pinned_and_none_without_a_dropout():
    """Part of a network's identity: the bits must never change."""
    masks = dropout_masks(EVERY["dropped out"], NETWORK, 0, 1, 0, 7)
    assert np.packbits(masks["dropout2"])[:6].tolist() == PINNED
    assert dropout_masks(EVERY["cnn-s"], NETWORK, 0, 1, 0, 7) == {}


PINNED = [123, 72, 98, 172, 35, 147]
