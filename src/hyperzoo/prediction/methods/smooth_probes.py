"""How a network answers to 64 smooth random images, with logistic regression."""

from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from hyperzoo.architectures import Architecture
from hyperzoo.features.probes import SmoothProbes


def build(architecture: Architecture, seed: int) -> Pipeline:
    """Nothing is searched; the images are the same for every seed."""
    return make_pipeline(
        SmoothProbes(architecture), StandardScaler(), LogisticRegression(C=0.1, max_iter=1000)
    )
