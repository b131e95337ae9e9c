"""Control: a training network, as it is. What a judge must call a copy."""

import numpy as np
from numpy.typing import NDArray

from hyperzoo.architectures import Architecture
from hyperzoo.errors import GenerationError
from hyperzoo.generation.draw import Draw
from hyperzoo.generation.registry import Meter, State, require_tensors
from hyperzoo.generation.training_set import TrainingSet


def refusal(data: TrainingSet) -> str | None:
    """Nothing is in the way."""
    return None


def fit(data: TrainingSet, seed: int, meter: Meter) -> State:
    """Keeps the training networks, stacked, and the class of each."""
    return State(tensors={**data.weights, "labels": data.labels.astype(np.float32)})


def check(state: State, architecture: Architecture, classes: tuple[str, ...]) -> None:
    """As many networks of every tensor as there are labels, of every class at least one."""
    labels = state.tensors.get("labels", np.zeros(0, np.float32))
    shapes = {p.name: (len(labels), *p.shape) for p in architecture.parameters}
    require_tensors(state, {**shapes, "labels": (len(labels),)})
    if set(labels.tolist()) != set(map(float, range(len(classes)))):
        raise GenerationError("tensor 'labels': expected networks of every class, and no others")


def make(
    state: State, architecture: Architecture, classes: tuple[str, ...], draw: Draw
) -> dict[str, NDArray[np.float32]]:
    """One of the class's networks, drawn at random."""
    rows = np.flatnonzero(state.tensors["labels"] == classes.index(draw.class_name))
    row = rows[draw.choice("network", len(rows))]
    return {p.name: np.array(state.tensors[p.name][row]) for p in architecture.parameters}
