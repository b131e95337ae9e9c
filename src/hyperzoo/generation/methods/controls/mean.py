"""Control: the mean of a class's aligned training networks; always the same network."""

import numpy as np
from numpy.typing import NDArray

from hyperzoo.architectures import Architecture
from hyperzoo.generation.aligned import aligned_classes, class_means
from hyperzoo.generation.draw import Draw
from hyperzoo.generation.matrix import network_of, rows_of
from hyperzoo.generation.registry import Meter, State, require_tensors
from hyperzoo.generation.training_set import TrainingSet


def refusal(data: TrainingSet) -> str | None:
    """Nothing is in the way."""
    return None


def fit(data: TrainingSet, seed: int, meter: Meter) -> State:
    """Aligns the networks of each class and takes their mean."""
    rows = rows_of(data.architecture, aligned_classes(data))
    meter(1, 1)
    return State(tensors={"means": class_means(rows, data.labels)})


def check(state: State, architecture: Architecture, classes: tuple[str, ...]) -> None:
    """One network a class."""
    require_tensors(state, {"means": (len(classes), architecture.parameter_count)})


def make(
    state: State, architecture: Architecture, classes: tuple[str, ...], draw: Draw
) -> dict[str, NDArray[np.float32]]:
    """The class's mean, whatever is drawn."""
    return network_of(architecture, state.tensors["means"][classes.index(draw.class_name)])
