"""Weights of many networks, as a matrix and as tensors."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyperzoo.architectures import Architecture

CHUNK = 50  # networks at once, which bounds the memory for activations


def tensors_of(architecture: Architecture, networks: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """Weights as tensors, views of the matrix.

    Args:
        architecture: of the networks.
        networks: [network, parameter] in the order of `Zoo.matrix()`.

    Returns:
        PyTorch name -> [network, *shape].
    """
    tensors, column = {}, 0
    for parameter in architecture.parameters:
        block = networks[:, column : column + parameter.size]
        tensors[parameter.name] = block.reshape(len(networks), *parameter.shape)
        column += parameter.size
    return tensors


def matrix_of(
    architecture: Architecture, tensors: Mapping[str, NDArray[Any]]
) -> NDArray[np.float32]:
    """Weights as a matrix: the inverse of `tensors_of`."""
    blocks = [tensors[p.name].reshape(len(tensors[p.name]), -1) for p in architecture.parameters]
    return np.concatenate(blocks, axis=1, dtype=np.float32)


def layer_columns(architecture: Architecture) -> dict[str, slice]:
    """Layer -> its columns in the matrix, kernel and bias."""
    columns: dict[str, slice] = {}
    column = 0
    for parameter in architecture.parameters:
        layer = parameter.name.split(".")[0]
        begin = columns[layer].start if layer in columns else column
        column += parameter.size
        columns[layer] = slice(begin, column)
    return columns


def stacked(
    architecture: Architecture, networks: Sequence[Mapping[str, NDArray[Any]]]
) -> dict[str, NDArray[Any]]:
    """Single networks, PyTorch name -> [*shape] each, as one: name -> [network, *shape]."""
    return {p.name: np.stack([own[p.name] for own in networks]) for p in architecture.parameters}
