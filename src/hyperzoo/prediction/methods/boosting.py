"""Gradient boosting, as published, but by scikit-learn's histogram boosting in XGBoost's place."""

from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline

from hyperzoo.architectures import Architecture
from hyperzoo.prediction.methods.searched import searched
from hyperzoo.prediction.target import Kind


def build(architecture: Architecture, seed: int, kind: Kind) -> Pipeline:
    """The search is over the size of 40 rounds of trees."""
    trees = HistGradientBoostingClassifier(
        max_iter=40, learning_rate=0.1, min_samples_leaf=10, early_stopping=False, random_state=seed
    )
    return searched(trees, {"max_leaf_nodes": [4, 15]})
