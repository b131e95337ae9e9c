"""Logistic regression on the weights as they are: what alignment and invariance are compared to."""

from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline

from hyperzoo.architectures import Architecture
from hyperzoo.features.components import LeadingComponents
from hyperzoo.prediction.target import Kind


def build(architecture: Architecture, seed: int, kind: Kind) -> Pipeline:
    """Nothing is searched; all components are kept, so that this is a regression on all weights."""
    return make_pipeline(LeadingComponents(), LogisticRegression(C=0.01, max_iter=1000))
