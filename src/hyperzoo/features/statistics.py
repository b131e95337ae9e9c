"""Moments and quantiles of every tensor.

Unterthiner et al., "Predicting neural network accuracy from weights", 2020, section 4.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyperzoo.features.per_network import PerNetwork

_QUANTILES = (0.0, 0.25, 0.5, 0.75, 1.0)


class LayerStatistics(PerNetwork):
    """Features: mean, variance, skewness, kurtosis and quantiles of every tensor."""

    def _features(self, tensors: dict[str, NDArray[Any]]) -> NDArray[Any]:
        features = []
        for tensor in tensors.values():
            flat = tensor.reshape(len(tensor), -1).astype(np.float64)
            mean, variance = flat.mean(axis=1, keepdims=True), flat.var(axis=1, keepdims=True)
            scaled = (flat - mean) / np.sqrt(np.maximum(variance, np.finfo(np.float64).tiny))
            features += [mean, variance]
            features.append((scaled * scaled * scaled).mean(axis=1, keepdims=True))
            features.append(np.square(scaled * scaled).mean(axis=1, keepdims=True))
            ranks = [round(share * (flat.shape[1] - 1)) for share in _QUANTILES]
            features.append(np.sort(tensor.reshape(len(tensor), -1), axis=1)[:, ranks])
        return np.concatenate(features, axis=1)
