"""What methods share: weights as a matrix and as tensors, and the two kinds of transformers."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin

from hyperzoo.architectures import Architecture

CHUNK = 50  # networks at once, which bounds the memory for activations


def tensors_of(architecture: Architecture, networks: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """Weights as tensors, views of the matrix.

    Args:
        architecture: of the networks.
        networks: [network, parameter] in the order of `Zoo.matrix()`.

    Returns:
        PyTorch name -> [network, *shape].
    """
    tensors, column = {}, 0
    for parameter in architecture.parameters:
        block = networks[:, column : column + parameter.size]
        tensors[parameter.name] = block.reshape(len(networks), *parameter.shape)
        column += parameter.size
    return tensors


def matrix_of(
    architecture: Architecture, tensors: Mapping[str, NDArray[Any]]
) -> NDArray[np.float32]:
    """Weights as a matrix: the inverse of `tensors_of`."""
    blocks = [tensors[p.name].reshape(len(tensors[p.name]), -1) for p in architecture.parameters]
    return np.concatenate(blocks, axis=1, dtype=np.float32)


def layer_columns(architecture: Architecture) -> dict[str, slice]:
    """Layer -> its columns in the matrix, kernel and bias."""
    columns: dict[str, slice] = {}
    column = 0
    for parameter in architecture.parameters:
        layer = parameter.name.split(".")[0]
        begin = columns[layer].start if layer in columns else column
        column += parameter.size
        columns[layer] = slice(begin, column)
    return columns


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


class LeadingComponents(TransformerMixin, BaseEstimator):
    """The leading principal components of scaled columns, or all.

    As scikit-learn's StandardScaler and PCA in turn, but through the matrix of inner products of
    networks, which is much smaller than that of parameters.

    Attributes:
        components: how many to keep; None for all, which turns the columns and loses nothing of
            the training networks.
        mean_: [column].
        scale_: [column], standard deviation; 1 for a constant column.
        axes_: float32 [column, component].
    """

    def __init__(self, components: int | None = None) -> None:
        self.components = components

    def fit(self, networks: NDArray[Any], labels: object = None) -> Self:
        """Find the components of [network, column]."""
        # Two passes in float32 and no copy but one: the matrix can be large.
        self.mean_ = networks.mean(axis=0, dtype=np.float64).astype(np.float32)
        scaled = networks - self.mean_
        deviation = np.sqrt(np.einsum("np,np->p", scaled, scaled) / len(scaled))
        self.scale_ = np.where(deviation > 0, deviation, 1).astype(np.float32)
        scaled /= self.scale_
        kept = min(len(scaled) - 1, scaled.shape[1])
        kept = kept if self.components is None else min(kept, self.components)
        values, vectors = np.linalg.eigh((scaled @ scaled.T).astype(np.float64))
        values, vectors = values[::-1][:kept], vectors[:, ::-1][:, :kept]
        # What is left of a matrix of lower rank is rounding.
        vectors = vectors[:, values > 1e-6 * values[0]] if kept else vectors
        axes = scaled.T @ vectors.astype(np.float32)
        axes /= np.maximum(np.linalg.norm(axes, axis=0), np.finfo(np.float32).tiny)
        # An axis has no sign of its own: let its largest entry be positive.
        largest = axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])]
        self.axes_ = axes * np.where(largest < 0, -1, 1).astype(np.float32)
        return self

    def transform(self, networks: NDArray[Any]) -> NDArray[np.float32]:
        """Coordinates [network, component]."""
        coordinates: NDArray[np.float32] = ((networks - self.mean_) / self.scale_) @ self.axes_
        return coordinates
