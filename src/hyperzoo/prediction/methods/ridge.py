"""Ridge regression on the weights as they are: what other regressions are compared to."""

from sklearn.pipeline import Pipeline, make_pipeline

from hyperzoo.architectures import Architecture
from hyperzoo.features.components import LeadingComponents
from hyperzoo.prediction.methods.heads import linear
from hyperzoo.prediction.target import Kind


def build(architecture: Architecture, seed: int, kind: Kind) -> Pipeline:
    """All components are kept, so that this is a regression on all weights."""
    return make_pipeline(LeadingComponents(), linear("number"))
