"""A random forest, as published."""

from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import Pipeline

from hyperzoo.architectures import Architecture
from hyperzoo.prediction.methods.searched import searched
from hyperzoo.prediction.target import Kind


def build(architecture: Architecture, seed: int, kind: Kind) -> Pipeline:
    """The search is over the depth of 200 trees."""
    forest = RandomForestClassifier(n_estimators=200, random_state=seed)
    return searched(forest, {"max_depth": [8, None]})
