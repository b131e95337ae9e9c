"""Regressions on what is known without weights: what weights have to add to.

Networks of a one-vs-all zoo differ in what their class allows. A method that does no better than
the mean of each class has read the class off the weights, and nothing else.
"""

from sklearn.linear_model import LinearRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder

from hyperzoo.architectures import Architecture
from hyperzoo.prediction.methods.heads import trees
from hyperzoo.prediction.target import Kind


def build_class_mean(architecture: Architecture, seed: int, kind: Kind) -> Pipeline:
    """The mean of each class, which least squares find; of a class not seen, of all classes."""
    return make_pipeline(
        OneHotEncoder(handle_unknown="ignore", sparse_output=False), LinearRegression()
    )


def build_learning_curve(architecture: Architecture, seed: int, kind: Kind) -> Pipeline:
    """Loss and accuracy, of training and validation, at every epoch so far.

    Trees, because the loss of a network that goes astray is large beyond measure.
    """
    return make_pipeline(trees("number", seed))
