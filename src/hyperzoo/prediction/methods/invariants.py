"""Features that no order and no sign of hidden units changes, with logistic regression."""

from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from hyperzoo.architectures import Architecture
from hyperzoo.features.invariants import Invariants


def build(architecture: Architecture, seed: int) -> Pipeline:
    """Nothing is drawn and nothing searched."""
    return make_pipeline(
        Invariants(architecture), StandardScaler(), LogisticRegression(C=0.1, max_iter=1000)
    )
