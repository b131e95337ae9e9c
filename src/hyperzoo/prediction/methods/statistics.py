"""Moments and quantiles of every tensor, with gradient boosting.

Unterthiner et al., "Predicting neural network accuracy from weights", 2020, section 4.
"""

from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline, make_pipeline

from hyperzoo.architectures import Architecture
from hyperzoo.features.statistics import LayerStatistics


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
