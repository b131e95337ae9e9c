"""Hidden units in an order by chance: the same function, with nothing of a method's order in it."""

import numpy as np
from numpy.typing import NDArray

from hyperzoo.architectures import Architecture
from hyperzoo.architectures.symmetry import hidden_units, move_units
from hyperzoo.generation.draw import Draw


def in_random_order(
    architecture: Architecture, weights: dict[str, NDArray[np.float32]], draw: Draw
) -> dict[str, NDArray[np.float32]]:
    """The same function with hidden units in a random order and, where that is free, signs.

    Args:
        architecture: of the network.
        weights: PyTorch name -> float32 [*shape].
        draw: whose random numbers.

    Returns:
        The same names and shapes.
    """
    orders, signs = {}, {}
    for group in hidden_units(architecture):
        orders[group.layer] = draw.permutation(f"order/{group.layer}", group.units)[None]
        if group.signs:
            numbers = draw.uniforms(f"signs/{group.layer}", group.units)
            signs[group.layer] = np.where(numbers < 0.5, -1, 1)[None]
    stacked = {name: tensor[None] for name, tensor in weights.items()}
    moved = move_units(architecture, stacked, orders, signs)
    return {name: np.ascontiguousarray(tensor[0], np.float32) for name, tensor in moved.items()}
