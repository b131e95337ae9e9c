"""Principal components of weights, of which there are far more than networks."""

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin


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
