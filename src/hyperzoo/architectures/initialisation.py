"""The weights with which a network starts."""

import math

import numpy as np
from numpy.typing import NDArray

from hyperzoo.architectures.architecture import Architecture
from hyperzoo.randomness import uniforms

_CONSTANT = {"bias": 0.0, "gamma": 1.0, "beta": 0.0, "moving_mean": 0.0, "moving_variance": 1.0}


def initial_parameters(
    architecture: Architecture,
    seed: int,
    class_name: str,
    index: int,
    purpose: str = "initialisation",
) -> dict[str, NDArray[np.float32]]:
    """Glorot-uniform weights and zero biases for one network.

    A batch normalisation starts with gamma 1, beta 0, running mean 0 and running variance 1.

    Weights are uniform in [-limit, limit) with limit = sqrt(6 / (fan_in + fan_out)) (Glorot and
    Bengio, "Understanding the difficulty of training deep feedforward neural networks", 2010),
    computed in float64 by exact operations and rounded once, so the bits are the same everywhere.

    Args:
        architecture: the network.
        seed: the recipe's seed.
        class_name: the network's class.
        index: the network's index within its class.
        purpose: what the weights are for; others than the default are not those of a recipe.

    Returns:
        PyTorch name -> float32 tensor in PyTorch's axes.
    """
    parameters = {}
    for parameter in architecture.parameters:
        if parameter.keras_name in _CONSTANT:
            values = np.full(parameter.size, _CONSTANT[parameter.keras_name])
        else:
            limit = math.sqrt(6.0 / (parameter.fan_in + parameter.fan_out))
            own = f"{purpose}/{parameter.name}"
            values = (2.0 * uniforms(seed, class_name, index, own, parameter.size) - 1.0) * limit
        parameters[parameter.name] = values.astype(np.float32).reshape(parameter.shape)
    return parameters
