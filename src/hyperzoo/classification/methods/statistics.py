"""Moments and quantiles of every tensor, with gradient boosting.

Unterthiner et al., "Predicting neural network accuracy from weights", 2020, section 4.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline, make_pipeline

from hyperzoo.architectures import Architecture
from hyperzoo.classification.features import PerNetwork

_QUANTILES = (0.0, 0.25, 0.5, 0.75, 1.0)


def build(architecture: Architecture, seed: int) -> Pipeline:
    """50 rounds of small trees."""
    trees = HistGradientBoostingClassifier(
        max_iter=50,
        max_leaf_nodes=6,
        min_samples_leaf=5,
        early_stopping=False,
        random_state=seed,
    )
    return make_pipeline(LayerStatistics(architecture), trees)


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
