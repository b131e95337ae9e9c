"""What a network is asked to learn: its images, their order, and its targets.

Every engine takes these from here, so that they are the same for all of them.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from hyperzoo.architectures import Architecture, varied
from hyperzoo.architectures.layers import Dropout
from hyperzoo.plan import PlannedNetwork, TaskKind, positives_of
from hyperzoo.randomness import permutation, raw_words, stream_key, uniforms


def own_architecture(architecture: Architecture, network: PlannedNetwork) -> Architecture:
    """The architecture with the activation and the dropout that are drawn for one network."""
    return varied(architecture, activation=network.activation, dropout=network.dropout)


def one_of_each(cohort: Iterable[PlannedNetwork]) -> list[PlannedNetwork]:
    """A network of every activation that is drawn: an engine that runs these runs all."""
    return list({network.activation: network for network in cohort}.values())


def targets(
    network: PlannedNetwork,
    kind: TaskKind,
    labels: NDArray[np.int64],
    class_names: Sequence[str],
) -> NDArray[np.int64]:
    """The targets of one network.

    Args:
        network: the network.
        kind: the task's kind.
        labels: [image], indices into `class_names`.
        class_names: the images' classes.

    Returns:
        int64 [image]: 1 for the network's class, or for every class of its subset, and 0 for all
        others; or the labels themselves for a multi-class network.
    """
    if kind == "multi-class":
        return labels
    own_labels = [class_names.index(name) for name in positives_of(network.class_name)]
    return np.isin(labels, own_labels).astype(np.int64)


def training_images(
    network: PlannedNetwork,
    network_targets: NDArray[np.int64],
    seed: int,
    positive_fraction: float | None,
    train_fraction: float = 1.0,
) -> NDArray[np.int64]:
    """The training images that one network sees in every epoch.

    Args:
        network: the network.
        network_targets: [image], as `targets` gives them.
        seed: the recipe's seed.
        positive_fraction: None for all images; otherwise all positives and as many negatives,
            drawn once for the network, as make the positives that share (at most all there are).
        train_fraction: the share of all images from which these are taken, drawn for the network:
            round(train_fraction * images), and one at least.

    Returns:
        int64 [training_image], positions among all training images, in increasing order.
    """
    own = np.arange(len(network_targets))
    if train_fraction < 1:
        order = permutation(seed, network.class_name, network.index, "train_fraction", len(own))
        own = np.sort(order[: max(round(train_fraction * len(own)), 1)])
    if positive_fraction is None:
        return own
    positives, negatives = (own[network_targets[own] == target] for target in (1, 0))
    wanted = round(len(positives) * (1 - positive_fraction) / positive_fraction)
    count = min(max(wanted, 1), len(negatives))
    order = permutation(seed, network.class_name, network.index, "negatives", len(negatives))
    return np.sort(np.concatenate([positives, negatives[order[:count]]]))


def noisy_labels(
    network: PlannedNetwork, labels: NDArray[np.int64], classes: int, seed: int, noise: float
) -> NDArray[np.int64]:
    """The labels of the training images as one network is told them.

    Symmetric noise: each label is another class with probability `noise`, every other class being
    as likely. (Patrini et al., "Making deep neural networks robust to label noise", 2017.)

    Args:
        network: the network.
        labels: int64 [image], 0 to classes - 1.
        classes: how many there are, two or more.
        seed: the recipe's seed.
        noise: 0 to below 1.

    Returns:
        int64 [image], the same array where there is no noise.
    """
    if noise == 0:
        return labels
    drawn = uniforms(seed, network.class_name, network.index, "label_noise", 2 * len(labels))
    changed, by = drawn[::2] < noise, drawn[1::2]
    others = (labels + 1 + np.floor(by * (classes - 1)).astype(np.int64)) % classes
    return np.where(changed, others, labels)


def image_order(
    network: PlannedNetwork, images: NDArray[np.int64], seed: int, epoch: int
) -> NDArray[np.int64]:
    """The order in which one network meets its images in one epoch.

    Args:
        network: the network.
        images: [training_image], as `training_images` gives them.
        seed: the recipe's seed.
        epoch: 1 for the first.

    Returns:
        int64 [training_image]; a batch is `batch_size` of them in turn, the last may be smaller.
    """
    purpose = f"order/{epoch}"
    return images[permutation(seed, network.class_name, network.index, purpose, len(images))]


def dropout_masks(
    architecture: Architecture,
    network: PlannedNetwork,
    seed: int,
    epoch: int,
    step: int,
    images: int,
) -> dict[str, NDArray[np.bool_]]:
    """What the dropouts of one network keep in one step.

    Each value of each image is dropped with a probability of round(65536 rate) / 65536: 16 random
    bits a value, the first of a word's being its lowest.

    Args:
        architecture: the network's declaration.
        network: the network.
        seed: the recipe's seed.
        epoch: 1 for the first.
        step: of the epoch, 0 for the first.
        images: of the batch.

    Returns:
        The dropout's name ("dropout1") -> bool [channel, height, width, image], True where the
        value is kept; nothing of an architecture without dropouts.
    """
    masks = {}
    for own in architecture.steps:
        if not isinstance(own.layer, Dropout):
            continue
        height, width, channels = own.shape
        count = channels * height * width * images
        purpose = f"{own.name}/{epoch}/{step}"
        words = raw_words(seed, network.class_name, network.index, purpose, -(-count // 4))
        drawn = words.astype("<u8", copy=False).view("<u2")[:count]
        masks[own.name] = (drawn >= round(own.layer.rate * 65536)).reshape(
            channels, height, width, images
        )
    return masks


def dropout_keys(
    architecture: Architecture, network: PlannedNetwork, seed: int, epoch: int, step: int
) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """From what `dropout_masks` follow, for an engine that draws them itself.

    Returns:
        The keys of the dropouts' generators, uint64 [dropout, 2], and below which number of 16
        bits a value is dropped, int64 [dropout].
    """
    dropouts = [own for own in architecture.steps if isinstance(own.layer, Dropout)]
    keys = [
        stream_key(seed, network.class_name, network.index, f"{own.name}/{epoch}/{step}")
        for own in dropouts
    ]
    limits = [round(own.layer.rate * 65536) for own in dropouts if isinstance(own.layer, Dropout)]
    return np.array(keys, np.uint64).reshape(-1, 2), np.array(limits, np.int64)
