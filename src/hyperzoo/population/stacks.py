"""Cuts a cohort into stacks of networks that can take their steps together."""

import math
from collections.abc import Sequence
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from hyperzoo.images import ImageSet
from hyperzoo.plan import PlannedNetwork
from hyperzoo.population.engine import Settings
from hyperzoo.population.task import noisy_labels, targets, training_images


def cut_into_stacks(
    cohort: Sequence[PlannedNetwork], images: ImageSet, settings: Settings, size: int
) -> list[list[int]]:
    """Cut a cohort into stacks whose networks take steps of the same kind and size.

    Args:
        cohort: the networks.
        images: the images.
        settings: what the networks share.
        size: networks in a stack at most; stacks of networks alike are about equally large.

    Returns:
        Positions within the cohort, of each stack.
    """

    def shape(position: int) -> tuple[int | float | str, ...]:
        network = cohort[position]
        layers = network.activation or "", -1.0 if network.dropout is None else network.dropout
        own = len(own_images(network, images, settings))
        return network.batch_size, own, network.rule, *layers

    if size == 1:
        return [[position] for position in range(len(cohort))]
    stacks = []
    for _, members in groupby(sorted(range(len(cohort)), key=shape), key=shape):
        alike = list(members)
        even = math.ceil(len(alike) / math.ceil(len(alike) / size))
        stacks += [alike[start : start + even] for start in range(0, len(alike), even)]
    return stacks


def both_targets(
    network: PlannedNetwork, images: ImageSet, settings: Settings
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Targets of all training images, with their noise, and of all validation images."""
    names, kind = images.class_names, settings.kind
    told = noisy_labels(
        network, images.train_labels, len(names), settings.seed, network.label_noise
    )
    return (
        targets(network, kind, told, names),
        targets(network, kind, images.validation_labels, names),
    )


def own_images(network: PlannedNetwork, images: ImageSet, settings: Settings) -> NDArray[np.int64]:
    """Positions of the training images that a network sees, in increasing order."""
    train_targets, _ = both_targets(network, images, settings)
    return training_images(
        network,
        train_targets,
        settings.seed,
        settings.positive_fraction,
        network.train_fraction,
    )
