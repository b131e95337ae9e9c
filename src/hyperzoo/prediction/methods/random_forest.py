"""A random forest, as published."""

from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import Pipeline

from hyperzoo.architectures import Architecture
from hyperzoo.prediction.methods.searched import searched


def build(architecture: Architecture, seed: int) -> Pipeline:
    """The search is over the depth of 200 trees."""
    forest = RandomForestClassifier(n_estimators=200, random_state=seed)
    return searched(forest, {"max_depth": [8, None]})
