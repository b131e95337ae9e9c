"""Parameters grouped by layer: weight and bias together, as the published study does."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hyperzoo.architectures import Architecture


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One layer's parameters.

    Attributes:
        name: PyTorch's name of the layer: "conv1", "fc2".
        parameters: PyTorch names of its parameters: ("conv1.weight", "conv1.bias").
        size: how many numbers they are.
    """

    name: str
    parameters: tuple[str, ...]
    size: int

    def pieces(self, weights: Mapping[str, NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        """The layer's parameters, the weight first, each as float32 [network, number]; views."""
        tensors = [weights[name] for name in self.parameters]
        return [tensor.reshape(len(tensor), -1) for tensor in tensors]


def layers_of(architecture: Architecture) -> tuple[Layer, ...]:
    """The layers of an architecture that have parameters, in order."""
    grouped: dict[str, list[str]] = {}
    sizes: dict[str, int] = {}
    for parameter in architecture.parameters:
        name = parameter.name.rpartition(".")[0]
        grouped.setdefault(name, []).append(parameter.name)
        sizes[name] = sizes.get(name, 0) + parameter.size
    return tuple(
        Layer(name=name, parameters=tuple(names), size=sizes[name])
        for name, names in grouped.items()
    )
