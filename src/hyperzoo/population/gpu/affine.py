"""Convolutions and dense layers over a stack of networks, forward and backward, as products.

A dense layer is a convolution whose kernel covers its whole input.

The unfolded matrix of a network has a row for every image and group of `columns` outputs that lie
side by side, and in it the window of the input that they all need. The weights are laid into a
band of a matrix with one column an output: shifted down by the stride from one output to the next,
zero elsewhere. For two outputs of a one-dimensional kernel (a, b, c) of stride 1:

    window  x0 x1 x2 x3      a 0         groups of g instead of single outputs: (g + k - 1) k values
                             b a         an unfolded row of g outputs instead of g k k, and g times
                           x c b         as many columns, for (g + k - 1) / k as many operations
                             0 c

One further input is always 1: its weight is the bias.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from hyperzoo.architectures.layers import Activation, Conv2d, Dense, Shape
from hyperzoo.population.gpu.memory import Memory
from hyperzoo.population.gpu.pooling import windows
from hyperzoo.population.gpu.precision import multiply

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


class Affine:
    """One layer of a stack.

    Args:
        name: the layer's name ("conv1").
        numbers: what it does.
        parameters: weight and bias, float32 [network, *shape] in PyTorch's axes, read in every
            step.
        gradients: the same, written by `backward`.
        images: images at once.
        memory: where its buffers come from.
        dtype: what activations are kept in.
        unit: what the input is divided by, through the weights: 255 for pixels, 1 otherwise.
        first: whether the input is the images, which bring their zeros.
        below: whether a layer below learns, so that the input's gradient is wanted.
        last: whether the outputs are the network's logits.
    """

    def __init__(
        self,
        name: str,
        numbers: Geometry,
        parameters: tuple[Tensor, Tensor],
        gradients: tuple[Tensor, Tensor],
        *,
        images: int,
        memory: Memory,
        dtype: torch.dtype,
        unit: float,
        first: bool,
        below: bool,
        last: bool,
    ) -> None:
        self._numbers, self._unit, self._below_learns = numbers, unit, below
        networks, own = len(parameters[0]), numbers
        shape = (own.output[2], own.shape[2], *own.kernel)
        (self._weight, self._bias), (self._weight_gradient, self._bias_gradient) = (
            (weight.view(networks, *shape), bias) for weight, bias in (parameters, gradients)
        )
        samples, columns = images * math.prod(own.positions), own.columns * own.output[2]
        self._grid = (networks, images, *own.positions)

        def buffer(kind: str, *shape: int, dtype: torch.dtype = dtype) -> Tensor:
            return memory.zeros(f"{name}.{kind}", (networks, *shape), dtype)

        self._unfolded = buffer("unfolded", samples, own.rows)
        self._unfolded[:, :, own.terms] = 1
        self._band = buffer("band", own.rows, columns)
        self._band_gradient = buffer("band gradient", own.rows, columns, dtype=torch.float32)
        self._sums = buffer("sums", images, *own.output, dtype=torch.float32 if last else dtype)
        self._delta = buffer("delta", images, *own.output) if last else self._sums
        self._matrix = (networks, samples, columns)
        self._padded = None
        if own.padded != own.shape and not first:
            self._padded = buffer("padded", images, *own.padded)
        if below:
            # One after another the layers use the same memory for this.
            self._spread = memory.zeros("spread", (networks, samples, own.terms), dtype)
            self._input_gradient = buffer(
                "input gradient", images, *own.padded, dtype=torch.float32
            )

    def forward(self, values: Tensor) -> Tensor:
        """The activations.

        Args:
            values: [network, image, height, width, channel], with its zeros around it for the
                first layer; one network's for all where all see the same images.

        Returns:
            [network, image, height, width, channel], or float32 logits.
        """
        own = self._numbers
        self._pack()
        seen = len(values)
        if self._padded is not None:
            self._inside(self._padded)[:seen].copy_(values)
            values = self._padded[:seen]
        _, images, rows, groups = self._grid
        unfolded = self._unfolded[:seen]
        unfolded[:, :, : own.terms].view(seen, images, rows, groups, own.window[0], -1).copy_(
            self._windows(values)
        )
        multiply(
            unfolded.expand(self._matrix[0], -1, -1), self._band, self._sums.view(self._matrix)
        )
        if own.activation == "tanh":
            self._sums.tanh_()
        elif own.activation == "relu":
            self._sums.relu_()
        return self._sums

    def backward(self, gradient: Tensor) -> Tensor | None:
        """Write the gradients of weight and bias.

        Args:
            gradient: of the activations that `forward` returned, in their shape, or over the
                windows of a pooling layer (`pooling.windows`).

        Returns:
            The input's gradient, [network, image, height, width, channel]; None where nothing
            below learns.
        """
        self._through_activation(gradient)
        delta = self._delta.view(self._matrix)
        multiply(self._unfolded.transpose(1, 2), delta, self._band_gradient)
        weight = self._weight_gradient.permute(0, 3, 4, 2, 1)
        torch.sum(self._diagonals(self._band_gradient), dim=4, out=weight)
        torch.sum(self._biases(self._band_gradient), dim=1, out=self._bias_gradient)
        if self._unit != 1:
            self._weight_gradient.div_(self._unit)
        if not self._below_learns:
            return None
        multiply(delta, self._band[:, : self._numbers.terms].transpose(1, 2), self._spread)
        return self._fold()

    def _pack(self) -> None:
        """Lay the weights into the band."""
        weight = self._weight if self._unit == 1 else self._weight / self._unit
        self._diagonals(self._band).copy_(weight.permute(0, 3, 4, 2, 1).unsqueeze(4))
        self._biases(self._band).copy_(self._bias.unsqueeze(1))

    def _diagonals(self, band: Tensor) -> Tensor:
        """Where weights lie: [network, kernel_height, kernel_width, in, column, out]."""
        own = self._numbers
        (height, width), channels, filters = own.kernel, own.shape[2], own.output[2]
        line = own.columns * filters
        return band.as_strided(
            (len(band), height, width, channels, own.columns, filters),
            (
                own.rows * line,
                own.window[1] * channels * line,
                channels * line,
                line,
                own.stride * channels * line + filters,
                1,
            ),
        )

    def _biases(self, band: Tensor) -> Tensor:
        """Where biases lie: [network, column, out]."""
        own = self._numbers
        return band[:, own.terms].view(len(band), own.columns, own.output[2])

    def _windows(self, values: Tensor) -> Tensor:
        """A view of contiguous values: [network, image, row, group, kernel_height, line]."""
        own = self._numbers
        (_, width, channels), (tall, wide) = own.padded, own.window
        _, images, rows, groups = self._grid
        image = math.prod(own.padded)
        values = values.contiguous()
        return values.as_strided(
            (len(values), images, rows, groups, tall, wide * channels),
            (
                images * image,
                image,
                own.stride * width * channels,
                own.columns * own.stride * channels,
                width * channels,
                1,
            ),
        )

    def _inside(self, padded: Tensor) -> Tensor:
        """The part of padded images that is no padding."""
        (top, _), (left, _) = self._numbers.pads
        height, width, _ = self._numbers.shape
        return padded[:, :, top : top + height, left : left + width]

    def _through_activation(self, gradient: Tensor) -> None:
        """Turn the gradient of the activations into that of the sums, in `_delta`."""
        kind, sums, delta = self._numbers.activation, self._sums, self._delta
        if gradient.dim() > sums.dim():
            size = gradient.shape[3]
            sums, delta = windows(sums, size), windows(delta, size)
            # A remainder that pooling drops has no gradient.
            self._delta[:, :, gradient.shape[2] * size :] = 0
            self._delta[:, :, :, gradient.shape[4] * size :] = 0
        if kind == "tanh":
            torch.ops.aten.tanh_backward.grad_input(gradient, sums, grad_input=delta)
        elif kind == "relu":
            torch.ops.aten.threshold_backward.grad_input(gradient, sums, 0, grad_input=delta)
        else:
            delta.copy_(gradient)

    def _fold(self) -> Tensor:
        """Add up what all windows say of each input: the inverse of unfolding.

        Windows that overlap are added one after another, so in a fixed order without atomics.
        """
        own = self._numbers
        (tall, wide), (_, width, channels) = own.window, own.padded
        networks, images, rows, groups = self._grid
        if rows * groups == 1 and own.window == own.padded[:2]:
            return self._inside(self._spread.view(networks, images, *own.padded))
        spread = self._spread.view(networks * images, rows, groups, tall, wide * channels)
        whole, image, step = (
            self._input_gradient.zero_(),
            math.prod(own.padded),
            own.columns * own.stride,
        )
        apart = -(-wide // step)
        for line in range(tall):
            for group in range(min(apart, groups)):
                part = spread[:, :, group::apart, line]
                whole.as_strided(
                    part.shape,
                    (
                        image,
                        own.stride * width * channels,
                        apart * step * channels,
                        1,
                    ),
                    (line * width + group * step) * channels,
                ).add_(part)
        return self._inside(whole)
