"""A network's weights in one row, in the order of its architecture's table, and by name again."""

import numpy as np
from numpy.typing import NDArray

from hyperzoo.architectures import Architecture
from hyperzoo.population.engine import Parameters


def flat_of(architecture: Architecture, parameters: Parameters) -> NDArray[np.float32]:
    """Weights by PyTorch name -> float32 [parameter]."""
    return np.concatenate([parameters[entry.name].ravel() for entry in architecture.parameters])


def by_name(
    architecture: Architecture, flat: NDArray[np.float32]
) -> dict[str, NDArray[np.float32]]:
    """float32 [parameter] -> PyTorch name -> [*shape], views of it."""
    table = architecture.parameters
    ends = np.cumsum([entry.size for entry in table])
    return {
        entry.name: piece.reshape(entry.shape)
        for entry, piece in zip(table, np.split(flat, ends[:-1]), strict=True)
    }
