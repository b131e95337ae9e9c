"""The pattern that a network looks for (`LinearResponse`), with a linear map."""

from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from hyperzoo.architectures import Architecture
from hyperzoo.features.linear_response import LinearResponse
from hyperzoo.prediction.methods.heads import linear
from hyperzoo.prediction.target import Kind


def build(architecture: Architecture, seed: int, kind: Kind) -> Pipeline:
    """Nothing is drawn; how strong the pattern is tells numbers, and no class."""
    return make_pipeline(
        LinearResponse(architecture, norm=kind == "number"), StandardScaler(), linear(kind)
    )
