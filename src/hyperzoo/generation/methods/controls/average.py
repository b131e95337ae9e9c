"""Control: the average of two aligned training networks of a class."""

import numpy as np
from numpy.typing import NDArray

from hyperzoo.architectures import Architecture
from hyperzoo.generation.aligned import aligned_classes
from hyperzoo.generation.draw import Draw
from hyperzoo.generation.methods.copy import check
from hyperzoo.generation.registry import Meter, State
from hyperzoo.generation.training_set import TrainingSet

__all__ = ["check", "fit", "make", "refusal"]


def refusal(data: TrainingSet) -> str | None:
    """Nothing is in the way."""
    return None


def fit(data: TrainingSet, seed: int, meter: Meter) -> State:
    """Keeps the training networks, aligned within their class."""
    aligned = aligned_classes(data)
    meter(1, 1)
    return State(tensors={**aligned, "labels": data.labels.astype(np.float32)})


def make(
    state: State, architecture: Architecture, classes: tuple[str, ...], draw: Draw
) -> dict[str, NDArray[np.float32]]:
    """The average of two different networks of the class, drawn at random."""
    rows = np.flatnonzero(state.tensors["labels"] == classes.index(draw.class_name))
    pair = rows[draw.permutation("pair", len(rows))[:2]]
    return {p.name: state.tensors[p.name][pair].mean(axis=0) for p in architecture.parameters}
