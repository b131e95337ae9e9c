"""Control: the mean of a class's aligned networks, every tensor as long as trained ones are.

Averaging shortens weights; giving their lengths back repairs most of what it breaks (as in Jordan
et al., "REPAIR", 2023, which does so for activations).
"""

import numpy as np

from hyperzoo.generation.aligned import aligned_classes
from hyperzoo.generation.matrix import rows_of
from hyperzoo.generation.methods.controls.mean import check, make, refusal
from hyperzoo.generation.registry import Meter, State
from hyperzoo.generation.training_set import TrainingSet

__all__ = ["check", "fit", "make", "refusal"]


def fit(data: TrainingSet, seed: int, meter: Meter) -> State:
    """Takes the mean of every class and gives each tensor the mean length of the class's."""
    aligned, means = aligned_classes(data), {}
    for name, tensor in aligned.items():
        per_class = []
        for label in range(len(data.classes)):
            own = tensor[data.labels == label].astype(np.float64)
            mean = own.mean(axis=0)
            length = np.linalg.norm(own.reshape(len(own), -1), axis=1).mean()
            per_class.append(mean * length / max(np.linalg.norm(mean), np.finfo(np.float64).tiny))
        means[name] = np.stack(per_class).astype(np.float32)
    meter(1, 1)
    return State(tensors={"means": rows_of(data.architecture, means)})
