"""Sizes of units and layers, the pattern looked for, or answers: models under boosted trees.

Trees find thresholds, and support vectors what changes smoothly. What smooth models say of networks
that they were not fitted on (out of fold) is among the features of the trees (Wolpert, "Stacked
generalization", 1992), and a linear map of what these say has a share in the answer.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.ensemble import HistGradientBoostingRegressor, StackingRegressor, VotingRegressor
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import QuantileTransformer, StandardScaler
from sklearn.svm import SVR

from hyperzoo.architectures import Architecture
from hyperzoo.features.answers import AskedImages, PatternAndProbes
from hyperzoo.features.pattern import SignalsAndPattern
from hyperzoo.prediction.target import Kind

_FOLDS = 5
_PENALTIES = np.logspace(0, 6, 13)


def build(architecture: Architecture, seed: int, kind: Kind) -> Pipeline:
    """Of the weights alone; nothing is searched but a ridge regression's penalty."""
    return _with_pattern(SignalsAndPattern(architecture), seed)


def build_with_probes(architecture: Architecture, seed: int, kind: Kind) -> Pipeline:
    """Of the weights, and of answers to images of its own making."""
    return _with_pattern(PatternAndProbes(architecture), seed)


def build_asked(
    architecture: Architecture, seed: int, kind: Kind, images: Sequence[NDArray[np.uint8]]
) -> Pipeline:
    """Of the answers to some real images: what there is to be known by asking."""
    return stacked(AskedImages(architecture, images), seed, sizes=slice(0, None))


def _with_pattern(features: SignalsAndPattern, seed: int) -> Pipeline:
    begin = -features.pattern_columns
    return stacked(features, seed, sizes=slice(begin), patterns=[slice(begin, None)])


def stacked(
    features: BaseEstimator, seed: int, *, sizes: slice, patterns: Sequence[slice] = ()
) -> Pipeline:
    """Trees on sizes, and on what smooth models say of the sizes and of patterns.

    Args:
        features: that are made first.
        seed: of the method.
        sizes: columns of which each by itself tells something.
        patterns: columns that tell something together, which trees can't use as they are.
    """
    # Sizes come into a normal distribution: some are far off.
    normal = QuantileTransformer(n_quantiles=8, output_distribution="normal", random_state=seed)
    under = [("sizes", make_pipeline(_only(sizes), normal, StandardScaler(), _support_vectors()))]
    for place, own in enumerate(patterns):
        linear = make_pipeline(_only(own), StandardScaler(), RidgeCV(_PENALTIES))
        smooth = make_pipeline(_only(own), StandardScaler(), _support_vectors())
        under += [(f"linear{place}", linear), (f"smooth{place}", smooth)]
    trees = HistGradientBoostingRegressor(
        max_iter=200,
        learning_rate=0.08,
        max_leaf_nodes=8,
        min_samples_leaf=5,
        early_stopping=False,
        random_state=seed,
    )
    said = slice(0, len(under))  # what they say comes before the features
    over = VotingRegressor(
        [
            ("trees", make_pipeline(_only(said, _moved(sizes, len(under))), trees)),
            ("linear", make_pipeline(_only(said), RidgeCV(_PENALTIES / 1e3))),
        ],
        weights=[0.7, 0.3],
    )
    return make_pipeline(features, StackingRegressor(under, over, cv=_FOLDS, passthrough=True))


def _moved(columns: slice, by: int) -> slice:
    """The same columns behind some others; a negative place is counted from the end anyway."""
    begin, end = columns.start or 0, columns.stop
    return slice(begin + by, end if end is None or end < 0 else end + by)


def _only(*columns: slice) -> ColumnTransformer:
    return ColumnTransformer([(f"{own}", "passthrough", own) for own in columns])


def _support_vectors() -> TransformedTargetRegressor:
    return TransformedTargetRegressor(SVR(C=5.0, epsilon=0.03), transformer=StandardScaler())
