"""The linear baselines and the perceptron on aligned networks."""

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.pipeline import Pipeline, make_pipeline

from hyperzoo.analysis.alignment import align
from hyperzoo.architectures import Architecture
from hyperzoo.features.matrix import matrix_of, tensors_of
from hyperzoo.prediction.methods import logistic, perceptron, ridge
from hyperzoo.prediction.target import Kind


def build_logistic(architecture: Architecture, seed: int, kind: Kind) -> Pipeline:
    """As the method `logistic`, after alignment."""
    return make_pipeline(AlignedWeights(architecture), *logistic.build(architecture, seed, kind))


def build_perceptron(architecture: Architecture, seed: int, kind: Kind) -> Pipeline:
    """As the method `perceptron`, after alignment."""
    return make_pipeline(AlignedWeights(architecture), *perceptron.build(architecture, seed, kind))


def build_ridge(architecture: Architecture, seed: int, kind: Kind) -> Pipeline:
    """As the method `ridge`, after alignment."""
    return make_pipeline(AlignedWeights(architecture), *ridge.build(architecture, seed, kind))


class AlignedWeights(TransformerMixin, BaseEstimator):
    """Brings the hidden units of networks into the order of the training networks' mean.

    Attributes:
        architecture: of the networks.
        networks: how many training networks the mean is taken of, the first ones.
        reference_: PyTorch name -> [*shape], the mean of aligned training networks.
    """

    def __init__(self, architecture: Architecture, networks: int = 100) -> None:
        self.architecture = architecture
        self.networks = networks

    def fit(self, networks: NDArray[Any], labels: object = None) -> Self:
        """Find the mean of training networks, aligned to the first of them."""
        tensors = tensors_of(self.architecture, networks[: self.networks])
        found = align(tensors, architecture=self.architecture, rounds=2)
        self.reference_ = found.reference
        return self

    def transform(self, networks: NDArray[Any]) -> NDArray[np.float32]:
        """Aligned weights [network, parameter]."""
        tensors = tensors_of(self.architecture, networks)
        found = align(tensors, self.reference_, architecture=self.architecture)
        return matrix_of(self.architecture, found.weights)
