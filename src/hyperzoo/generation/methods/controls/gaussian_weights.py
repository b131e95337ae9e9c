"""Control: each weight from a Gaussian of its own, fitted on a class's aligned networks."""

import numpy as np
from numpy.typing import NDArray

from hyperzoo.architectures import Architecture
from hyperzoo.errors import GenerationError
from hyperzoo.generation.aligned import aligned_classes, class_means
from hyperzoo.generation.draw import Draw
from hyperzoo.generation.matrix import network_of, rows_of
from hyperzoo.generation.registry import Meter, State, require_tensors
from hyperzoo.generation.training_set import TrainingSet


def refusal(data: TrainingSet) -> str | None:
    """Nothing is in the way."""
    return None


def fit(data: TrainingSet, seed: int, meter: Meter) -> State:
    """Takes mean and standard deviation of every weight of each class's networks."""
    rows = rows_of(data.architecture, aligned_classes(data))
    means = class_means(rows, data.labels)
    deviations = np.stack(
        [rows[data.labels == label].std(axis=0, ddof=1) for label in range(len(data.classes))]
    )
    meter(1, 1)
    return State(tensors={"means": means, "deviations": deviations})


def check(state: State, architecture: Architecture, classes: tuple[str, ...]) -> None:
    """A mean and a deviation for every weight of every class."""
    shape = (len(classes), architecture.parameter_count)
    require_tensors(state, {"means": shape, "deviations": shape})
    if (state.tensors["deviations"] < 0).any():
        raise GenerationError("tensor 'deviations': expected numbers of 0 or more")


def make(
    state: State, architecture: Architecture, classes: tuple[str, ...], draw: Draw
) -> dict[str, NDArray[np.float32]]:
    """Every weight drawn for itself."""
    label = classes.index(draw.class_name)
    noise = draw.normals("weights", architecture.parameter_count)
    row = state.tensors["means"][label] + noise * state.tensors["deviations"][label]
    return network_of(architecture, row)
