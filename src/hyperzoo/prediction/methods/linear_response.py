"""The pattern that a network looks for (`LinearResponse`), with logistic regression."""

from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from hyperzoo.architectures import Architecture
from hyperzoo.features.linear_response import LinearResponse


def build(architecture: Architecture, seed: int) -> Pipeline:
    """Nothing is drawn and nothing searched."""
    return make_pipeline(
        LinearResponse(architecture), StandardScaler(), LogisticRegression(max_iter=1000)
    )
