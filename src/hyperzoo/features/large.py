"""Networks whose weights are so large that what is computed of them overflows."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hyperzoo.architectures import Architecture
from hyperzoo.features.answers import PatternAndProbes, readings
from hyperzoo.features.matrix import CHUNK, tensors_of
from hyperzoo.features.probes import logits_of, smooth_images

_MOST = 1e15
"""Squares of sizes up to this are numbers of float32."""


def are_too_large(architecture: Architecture, networks: NDArray[Any]) -> NDArray[np.bool_]:
    """Which networks can't be computed with: features or logits of theirs are beyond float32.

    Args:
        architecture: of the networks.
        networks: weights [network, parameter].

    Returns:
        bool [network].
    """
    features = PatternAndProbes(architecture).transform(networks)
    return ~(_within(features) & _within(_logits(architecture, networks)))


def _within(features: NDArray[Any]) -> NDArray[np.bool_]:
    """Of which networks all features [network, feature] are numbers, and not too large."""
    within: NDArray[np.bool_] = (np.abs(features) < _MOST).all(axis=1)  # NaN is not
    return within


def _logits(architecture: Architecture, networks: NDArray[Any]) -> NDArray[np.float32]:
    images, found = smooth_images(architecture, 4, 6), []
    with torch.no_grad():
        for begin in range(0, len(networks), CHUNK):
            tensors = tensors_of(architecture, networks[begin : begin + CHUNK])
            read = [logits_of(own, tensors, images) for own in readings(architecture)]
            found.append(torch.cat(read, dim=2).flatten(1).numpy())
    return np.concatenate(found)
