"""The leading directions in which aligned networks of a class differ."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hyperzoo.generation.aligned import class_means


@dataclass(frozen=True, kw_only=True, eq=False)
class Span:
    """Class means, and directions that all classes share.

    Attributes:
        means: float32 [class, weight].
        directions: float32 [direction, weight], orthogonal, as long as networks deviate along them
            (root mean square).
        coordinates: float32 [network, direction], of mean square 1 along each.
        left: how long a deviation is, root mean square, that no direction holds.
    """

    means: NDArray[np.float32]
    directions: NDArray[np.float32]
    coordinates: NDArray[np.float32]
    left: float


def span_of(rows: NDArray[np.float32], labels: NDArray[np.int64], most: int) -> Span:
    """The principal components of deviations from class means.

    Args:
        rows: float32 [network, weight], aligned.
        labels: int64 [network].
        most: directions at most.
    """
    means = class_means(rows, labels)
    deviations = rows - means[labels]
    # Through inner products of networks, of which there are far fewer than weights.
    values, vectors = np.linalg.eigh((deviations @ deviations.T).astype(np.float64))
    values, vectors = values[::-1], vectors[:, ::-1]
    kept = min(most, max(int((values > 1e-6 * values[0]).sum()), 1))
    coordinates = vectors[:, :kept] * np.sqrt(len(rows))
    directions = (coordinates.T @ deviations) / len(rows)
    return Span(
        means=means,
        directions=directions.astype(np.float32),
        coordinates=coordinates.astype(np.float32),
        left=float(np.sqrt(max(values[kept:].sum(), 0.0) / len(rows))),
    )
