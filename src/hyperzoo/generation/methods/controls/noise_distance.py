"""Control: a training network with as much noise as makes it as far from it as others are."""

import numpy as np

from hyperzoo.generation.aligned import aligned_classes
from hyperzoo.generation.matrix import rows_of
from hyperzoo.generation.methods.controls.noise import check, make, noisy_copies
from hyperzoo.generation.registry import Meter, State
from hyperzoo.generation.training_set import TrainingSet

__all__ = ["check", "fit", "make", "refusal"]


def refusal(data: TrainingSet) -> str | None:
    """Nothing is in the way."""
    return None


def fit(data: TrainingSet, seed: int, meter: Meter) -> State:
    """Finds the scale of the noise by leaving out one training network after another.

    The noise is to be as long as the median distance of a training network to the nearest other
    one of its class, aligned.
    """
    rows = rows_of(data.architecture, aligned_classes(data))
    nearest = []
    for label in range(len(data.classes)):
        own = rows[data.labels == label].astype(np.float64)
        products = own @ own.T
        squares = np.diag(products)
        distances = squares[:, None] + squares - 2 * products
        np.fill_diagonal(distances, np.inf)
        nearest += np.sqrt(np.maximum(distances.min(axis=1), 0)).tolist()
        meter(label + 1, len(data.classes))
    scale = float(np.median(nearest)) / data.architecture.parameter_count**0.5
    return noisy_copies(data, scale)
