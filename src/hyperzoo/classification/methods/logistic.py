"""Logistic regression on the weights as they are: what alignment and invariance are compared to."""

from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from hyperzoo.architectures import Architecture
from hyperzoo.classification.methods.searched import searched


def build(architecture: Architecture, seed: int) -> Pipeline:
    """The search is over the inverse strength of regularisation."""
    return searched(LogisticRegression(max_iter=1000), {"C": [1.0, 1e-2, 1e-4]})
