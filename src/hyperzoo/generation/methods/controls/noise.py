"""What the two controls share that add noise to a training network."""

import numpy as np
from numpy.typing import NDArray

from hyperzoo.architectures import Architecture
from hyperzoo.errors import GenerationError
from hyperzoo.generation.draw import Draw
from hyperzoo.generation.methods import copy
from hyperzoo.generation.registry import State
from hyperzoo.generation.training_set import TrainingSet

_MOST = 1e3


def noisy_copies(data: TrainingSet, scale: float) -> State:
    """The training networks, and the standard deviation of the noise."""
    kept = {**data.weights, "labels": data.labels.astype(np.float32)}
    return State(tensors=kept, settings={"scale": scale})


def check(state: State, architecture: Architecture, classes: tuple[str, ...]) -> None:
    """Training networks of every class, and a scale."""
    copy.check(state, architecture, classes)
    scale = state.settings.get("scale")
    if not isinstance(scale, float) or not 0 <= scale <= _MOST:
        raise GenerationError(
            f"setting 'scale': expected a number from 0 to {_MOST}, got {scale!r}"
        )


def make(
    state: State, architecture: Architecture, classes: tuple[str, ...], draw: Draw
) -> dict[str, NDArray[np.float32]]:
    """One of the class's networks, with Gaussian noise on every weight."""
    network = copy.make(state, architecture, classes, draw)
    return with_noise(network, float(state.settings["scale"]), draw)


def with_noise(
    network: dict[str, NDArray[np.float32]], scale: float, draw: Draw
) -> dict[str, NDArray[np.float32]]:
    """A network with Gaussian noise of one standard deviation on every weight."""
    return {
        name: (
            tensor + scale * draw.normals(f"noise/{name}", tensor.size).reshape(tensor.shape)
        ).astype(np.float32)
        for name, tensor in network.items()
    }
