"""What a network looks for, and how strongly: its linear response beside the sizes of its signals.

The response itself is for methods that learn what in it matters; they find it in the last columns.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hyperzoo.features.linear_response import linear_map, of_maps, on_grid
from hyperzoo.features.per_network import PerNetwork
from hyperzoo.features.signals import Signals
from hyperzoo.features.singular import singular_values

_LEAST = 1e-30
"""What is smaller counts as this, for its logarithm."""

_GRID = 8
"""Height and width of the grid on which the response is a feature."""

_GRIDS = (2, 4, 8, 16)
"""Grids on which the response is averaged: what is left of its size tells how smooth it is."""


class SignalsAndPattern(PerNetwork):
    """Features: `Signals`, sizes of the linear response, and the response in the last columns."""

    @property
    def pattern_columns(self) -> int:
        """How many of the last columns are the response as `LinearResponse` has it."""
        height, width, channels = self.architecture.input_shape
        return self.architecture.outputs * channels * min(height, _GRID) * min(width, _GRID) + 1

    def _features(self, tensors: dict[str, NDArray[Any]]) -> NDArray[Any]:
        signals = Signals(self.architecture)._features(tensors)
        maps = linear_map(self.architecture, tensors)
        return np.concatenate([signals, _sizes(maps), of_maps(maps, _GRID, norm=True)], axis=1)


def _sizes(maps: torch.Tensor) -> NDArray[np.float64]:
    """Of maps [network, output, channel, height, width], in logarithms.

    Lengths for every output, sorted; singular values of what outputs differ by; and lengths of the
    whole on coarser and coarser grids.
    """
    wide = maps.double()
    flat = wide.flatten(2)
    found = [flat.norm(dim=2).sort(dim=1).values]
    if flat.shape[1] > 1:
        differing = singular_values(flat - flat.mean(dim=1, keepdim=True))
        found.append(differing[:, :-1])  # the last is zero
    found += [on_grid(wide, grid).flatten(1).norm(dim=1, keepdim=True) for grid in _GRIDS]
    sizes: NDArray[np.float64] = torch.cat(found, dim=1).clamp_min(_LEAST).log().numpy()
    return sizes
