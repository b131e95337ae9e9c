"""Networks as rows of a matrix: all weights of a network one after another."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyperzoo.architectures import Architecture


def rows_of(architecture: Architecture, weights: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
    """Networks as rows.

    Args:
        architecture: of the networks.
        weights: PyTorch name -> [network, *shape].

    Returns:
        float32 [network, weight], the tensors in the order of the architecture's parameters.
    """
    flat = [np.asarray(weights[p.name], np.float32) for p in architecture.parameters]
    return np.concatenate([tensor.reshape(len(tensor), -1) for tensor in flat], axis=1)


def network_of(architecture: Architecture, row: NDArray[Any]) -> dict[str, NDArray[np.float32]]:
    """One row as a network: PyTorch name -> float32 [*shape], new arrays."""
    network, begin = {}, 0
    for parameter in architecture.parameters:
        part = row[begin : begin + parameter.size]
        network[parameter.name] = np.array(part, np.float32).reshape(parameter.shape)
        begin += parameter.size
    return network


def networks_of(architecture: Architecture, rows: NDArray[Any]) -> dict[str, NDArray[np.float32]]:
    """Rows as networks: PyTorch name -> float32 [network, *shape], new arrays."""
    networks, begin = {}, 0
    for parameter in architecture.parameters:
        part = rows[:, begin : begin + parameter.size]
        networks[parameter.name] = np.array(part, np.float32).reshape(-1, *parameter.shape)
        begin += parameter.size
    return networks
