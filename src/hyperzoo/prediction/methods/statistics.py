"""Moments and quantiles of every tensor, with gradient boosting.

Unterthiner et al., "Predicting neural network accuracy from weights", 2020, section 4.
"""

from sklearn.pipeline import Pipeline, make_pipeline

from hyperzoo.architectures import Architecture
from hyperzoo.features.statistics import LayerStatistics
from hyperzoo.prediction.methods.heads import trees
from hyperzoo.prediction.target import Kind


def build(architecture: Architecture, seed: int, kind: Kind) -> Pipeline:
    """Nothing is searched."""
    return make_pipeline(LayerStatistics(architecture), trees(kind, seed))
