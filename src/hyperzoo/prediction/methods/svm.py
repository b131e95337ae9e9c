"""A support vector machine, as published."""

from sklearn.pipeline import Pipeline
from sklearn.svm import SVC

from hyperzoo.architectures import Architecture
from hyperzoo.prediction.methods.searched import searched
from hyperzoo.prediction.target import Kind


def build(architecture: Architecture, seed: int, kind: Kind) -> Pipeline:
    """The search is over the kernel and the penalty."""
    return searched(SVC(), {"kernel": ["linear", "rbf"], "C": [0.1, 1.0, 10.0]})
