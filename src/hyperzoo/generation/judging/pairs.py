"""How alike two networks are: correlations, overlaps and distances, by matrix products."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def correlation(one: NDArray[Any], other: NDArray[Any]) -> Array:
    """Pearson correlation of every row with every row: [row, row]; 0 for a constant row."""
    scaled = []
    for rows in (one, other):
        centered = rows - rows.mean(axis=1, keepdims=True, dtype=np.float64)
        norms = np.linalg.norm(centered, axis=1, keepdims=True)
        scaled.append(centered / np.where(norms > 0, norms, 1))
    return np.asarray(np.clip(scaled[0] @ scaled[1].T, -1, 1))


def overlap(one: NDArray[Any], other: NDArray[Any]) -> Array:
    """Intersection over union of every row with every row: [row, row]; NaN where both are empty."""
    counts = one.astype(np.float32), other.astype(np.float32)
    both = (counts[0] @ counts[1].T).astype(np.float64)
    either = one.sum(axis=1)[:, None] + other.sum(axis=1)[None] - both
    return np.where(either > 0, both / np.maximum(either, 1), np.nan)


def distance(one: NDArray[Any], other: NDArray[Any]) -> Array:
    """Euclidean distance of every row from every row: [row, row]."""
    # About a common mean, so that little is lost in the difference of squares.
    mean = other.mean(axis=0, dtype=np.float64)
    first, second = (one - mean).astype(np.float64), (other - mean).astype(np.float64)
    squares = np.square(first).sum(axis=1)[:, None] + np.square(second).sum(axis=1)[None]
    squares -= 2 * first @ second.T
    # What is left of equal rows is rounding.
    floor = 1e-12 * (np.square(first).sum(axis=1)[:, None] + np.square(second).sum(axis=1)[None])
    return np.sqrt(np.where(squares > floor, squares, 0))
