"""Sizes of units and layers, or answers: the mean of boosted trees and a smooth function.

Trees find thresholds, and a support vector regression with a Gaussian kernel what changes smoothly;
where they err, they do not err alike.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import HistGradientBoostingRegressor, VotingRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import QuantileTransformer, StandardScaler
from sklearn.svm import SVR

from hyperzoo.architectures import Architecture
from hyperzoo.features.answers import AskedImages, SignalsAndProbes
from hyperzoo.features.per_network import PerNetwork
from hyperzoo.features.signals import Signals
from hyperzoo.prediction.target import Kind


def build(architecture: Architecture, seed: int, kind: Kind) -> Pipeline:
    """Of the weights alone; nothing is searched."""
    return _on(Signals(architecture), seed)


def build_with_probes(architecture: Architecture, seed: int, kind: Kind) -> Pipeline:
    """Of the weights, and of answers to images of its own making."""
    return _on(SignalsAndProbes(architecture), seed)


def build_asked(
    architecture: Architecture, seed: int, kind: Kind, images: Sequence[NDArray[np.uint8]]
) -> Pipeline:
    """Of the answers to some real images: what there is to be known by asking."""
    return _on(AskedImages(architecture, images), seed)


def _on(features: PerNetwork, seed: int) -> Pipeline:
    """Trees as they are; for the smooth function features come into a normal distribution."""
    trees = HistGradientBoostingRegressor(
        max_iter=200,
        learning_rate=0.08,
        max_leaf_nodes=8,
        min_samples_leaf=5,
        early_stopping=False,
        random_state=seed,
    )
    smooth = make_pipeline(
        QuantileTransformer(n_quantiles=10, output_distribution="normal", random_state=seed),
        StandardScaler(),
        TransformedTargetRegressor(SVR(C=5.0, epsilon=0.03), transformer=StandardScaler()),
    )
    return make_pipeline(features, VotingRegressor([("t", trees), ("s", smooth)]))
