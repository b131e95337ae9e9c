"""Sizes of units and layers, the pattern looked for, or answers: models under boosted trees.

Trees find thresholds, and support vectors what changes smoothly. What smooth models say of networks
that they were not fitted on (out of fold) is among the features of the trees (Wolpert, "Stacked
generalization", 1992).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.ensemble import HistGradientBoostingRegressor, StackingRegressor
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import QuantileTransformer, StandardScaler
from sklearn.svm import SVR

from hyperzoo.architectures import Architecture
from hyperzoo.features.answers import AskedImages, PatternAndProbes
from hyperzoo.features.pattern import SignalsAndPattern
from hyperzoo.features.per_network import PerNetwork
from hyperzoo.prediction.target import Kind

_FOLDS = 5
_PENALTIES = np.logspace(0, 6, 13)


def build(architecture: Architecture, seed: int, kind: Kind) -> Pipeline:
    """Of the weights alone; nothing is searched but a ridge regression's penalty."""
    features = SignalsAndPattern(architecture)
    return _stacked(features, seed, features.pattern_columns)


def build_with_probes(architecture: Architecture, seed: int, kind: Kind) -> Pipeline:
    """Of the weights, and of answers to images of its own making."""
    features = PatternAndProbes(architecture)
    return _stacked(features, seed, features.pattern_columns)


def build_asked(
    architecture: Architecture, seed: int, kind: Kind, images: Sequence[NDArray[np.uint8]]
) -> Pipeline:
    """Of the answers to some real images: what there is to be known by asking."""
    return _stacked(AskedImages(architecture, images), seed)


def _stacked(features: PerNetwork, seed: int, pattern: int = 0) -> Pipeline:
    """Trees on sizes, and on what smooth models say of the sizes and of the pattern.

    Args:
        features: that are made first.
        seed: of the method.
        pattern: how many of the last columns are a pattern, which trees can't use as it is.
    """
    sizes = slice(0, -pattern or None)
    # Sizes come into a normal distribution: some are far off.
    normal = QuantileTransformer(n_quantiles=8, output_distribution="normal", random_state=seed)
    under = [("sizes", make_pipeline(_only(sizes), normal, StandardScaler(), _support_vectors()))]
    if pattern:
        own = slice(-pattern, None)
        linear = make_pipeline(_only(own), StandardScaler(), RidgeCV(_PENALTIES))
        smooth = make_pipeline(_only(own), StandardScaler(), _support_vectors())
        under += [("linear", linear), ("smooth", smooth)]
    trees = HistGradientBoostingRegressor(
        max_iter=200,
        learning_rate=0.08,
        max_leaf_nodes=8,
        min_samples_leaf=5,
        early_stopping=False,
        random_state=seed,
    )
    over = make_pipeline(_only(sizes), trees)  # what they say comes before the features
    stack = StackingRegressor(under, over, cv=_FOLDS, passthrough=True)
    return make_pipeline(features, stack)


def _only(columns: slice) -> ColumnTransformer:
    return ColumnTransformer([("these", "passthrough", columns)])


def _support_vectors() -> TransformedTargetRegressor:
    return TransformedTargetRegressor(SVR(C=5.0, epsilon=0.03), transformer=StandardScaler())
