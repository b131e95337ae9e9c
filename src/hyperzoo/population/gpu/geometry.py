"""What a convolution or dense layer does, in numbers."""

import math
from dataclasses import dataclass

from hyperzoo.architectures.layers import Activation, Conv2d, Dense, Shape

ALIGNMENT = 8
"""Rows of a band are a multiple of this, so that tensor cores load 16 bytes at a time."""


@dataclass(frozen=True)
class Geometry:
    """What a convolution or dense layer does, in numbers.

    Attributes:
        shape: (height, width, channels) of the input.
        kernel: (height, width).
        stride: step in both directions.
        pads: zeros (above, below), (left, right).
        output: (height, width, channels) of the output.
        activation: applied to the sums.
        columns: outputs side by side that share an unfolded row; divides the output's width.
    """

    shape: Shape
    kernel: tuple[int, int]
    stride: int
    pads: tuple[tuple[int, int], tuple[int, int]]
    output: Shape
    activation: Activation
    columns: int

    @property
    def padded(self) -> Shape:
        """The input's shape with its zeros around it."""
        (top, bottom), (left, right) = self.pads
        return self.shape[0] + top + bottom, self.shape[1] + left + right, self.shape[2]

    @property
    def window(self) -> tuple[int, int]:
        """(height, width) of the input that a group of outputs needs."""
        return self.kernel[0], (self.columns - 1) * self.stride + self.kernel[1]

    @property
    def terms(self) -> int:
        """Values of that window."""
        return math.prod(self.window) * self.shape[2]

    @property
    def rows(self) -> int:
        """Rows of a band: a window's values, the one, and zeros up to `ALIGNMENT`."""
        return -(-(self.terms + 1) // ALIGNMENT) * ALIGNMENT

    @property
    def positions(self) -> tuple[int, int]:
        """Rows of outputs, and groups in each."""
        return self.output[0], self.output[1] // self.columns


def geometry(layer: Conv2d | Dense, shape: Shape, least_columns: int) -> Geometry:
    """The numbers of a layer.

    Args:
        layer: what is declared.
        shape: (height, width, channels) of its input.
        least_columns: columns that a product should have, if the output is wide enough.
    """
    if isinstance(layer, Dense):
        return Geometry(
            shape, shape[:2], 1, ((0, 0), (0, 0)), (1, 1, layer.units), layer.activation, 1
        )
    output = layer.output_shape(shape)
    divisors = [count for count in range(1, output[1] + 1) if output[1] % count == 0]
    wide = [count for count in divisors if count * layer.filters >= least_columns]
    return Geometry(
        shape,
        (layer.kernel, layer.kernel),
        layer.stride,
        (layer.pads(shape[0]), layer.pads(shape[1])),
        output,
        layer.activation,
        wide[0] if wide else divisors[-1],
    )
