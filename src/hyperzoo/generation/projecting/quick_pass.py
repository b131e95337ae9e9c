"""A pass for where the last digits are free: several times as fast on CPUs."""

from collections.abc import Iterable
from functools import reduce

import torch
from torch import Tensor

from hyperzoo.architectures.forward import Pass
from hyperzoo.architectures.layers import Activation, Pool2d


class QuickPass(Pass):
    """The same function to a few units in the last place, without gradients.

    PyTorch's tanh takes six times as long as its sigmoid, of which tanh is one: tanh x is
    2 sigmoid(2 x) - 1. Its averages over squares take nine times as long as sums of slices.
    """

    def averages(self, layer: Pool2d, values: Tensor) -> Tensor:
        """By sums of slices."""
        size, step = layer.size, layer.step
        height, width = ((extent - size) // step * step + 1 for extent in values.shape[2:])
        rows = _sum(values[:, :, place : place + height : step] for place in range(size))
        return _sum(rows[..., place : place + width : step] for place in range(size)) / size**2

    def activated(self, activation: Activation, values: Tensor) -> Tensor:
        """Tanh by the sigmoid."""
        if activation == "tanh":
            return (values + values).sigmoid_().mul_(2).sub_(1)
        return super().activated(activation, values)


def _sum(slices: Iterable[Tensor]) -> Tensor:
    return reduce(torch.add, slices)
