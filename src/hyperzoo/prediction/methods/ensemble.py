"""Sizes of units, layers and their products: the mean of boosted trees and a smooth function.

Trees find thresholds, and a support vector regression with a Gaussian kernel what changes smoothly;
where they err, they do not err alike.
"""

from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import HistGradientBoostingRegressor, VotingRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import QuantileTransformer, StandardScaler
from sklearn.svm import SVR

from hyperzoo.architectures import Architecture
from hyperzoo.features.signals import Signals
from hyperzoo.prediction.target import Kind


def build(architecture: Architecture, seed: int, kind: Kind) -> Pipeline:
    """Nothing is searched. Features come into a normal distribution for the smooth function."""
    trees = HistGradientBoostingRegressor(
        max_iter=400,
        learning_rate=0.05,
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
    return make_pipeline(Signals(architecture), VotingRegressor([("t", trees), ("s", smooth)]))
