"""A kind of transformer: what a network's features are follows from that network alone."""

from abc import abstractmethod
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin

from hyperzoo.architectures import Architecture
from hyperzoo.features.matrix import CHUNK, tensors_of


class PerNetwork(TransformerMixin, BaseEstimator):
    """A transformer that fits nothing: a network's features follow from its own weights alone.

    So they can be computed once for all splits without a training network learning of a test
    network.

    Attributes:
        architecture: of the networks.
    """

    def __init__(self, architecture: Architecture) -> None:
        self.architecture = architecture

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def fit(self, networks: NDArray[Any], labels: object = None) -> Self:
        """Does nothing."""
        return self

    def transform(self, networks: NDArray[Any]) -> NDArray[np.float32]:
        """Features [network, feature] of weights [network, parameter]."""
        # Weights that are too large give features that are not finite; callers look at those.
        with np.errstate(over="ignore", invalid="ignore"):
            chunks = [
                self._features(tensors_of(self.architecture, networks[begin : begin + CHUNK]))
                for begin in range(0, len(networks), CHUNK)
            ]
            return np.concatenate(chunks).astype(np.float32, copy=False)

    @abstractmethod
    def _features(self, tensors: dict[str, NDArray[Any]]) -> NDArray[Any]:
        """Features [network, feature] of some networks' tensors."""
