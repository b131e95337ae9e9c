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

from typing import Protocol

import torch
from torch import Tensor

from hyperzoo.population.gpu.geometry import Geometry
from hyperzoo.population.gpu.memory import Memory
from hyperzoo.population.gpu.pooling import windows


class Kernels(Protocol):
    """What computes a layer; `products.Products` says what the operations are."""

    def forward(self, values: Tensor, band: Tensor, sums: Tensor) -> None:
        """Products and activation."""

    def band_gradient(self, delta: Tensor, gradient: Tensor) -> None:
        """The gradient of the band, for the values of the last `forward`."""

    def input_gradient(self, delta: Tensor, band: Tensor) -> Tensor:
        """The gradient of the input with the zeros around it."""


class Affine:
    """One layer of a stack.

    Args:
        name: the layer's name ("conv1").
        numbers: what it does.
        kernels: what computes it.
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
        kernels: Kernels,
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
        columns = own.columns * own.output[2]

        def buffer(kind: str, *shape: int, dtype: torch.dtype = dtype) -> Tensor:
            return memory.zeros(f"{name}.{kind}", (networks, *shape), dtype)

        self._band = buffer("band", own.rows, columns)
        self._band_gradient = buffer("band gradient", own.rows, columns, dtype=torch.float32)
        self._sums = buffer("sums", images, *own.output, dtype=torch.float32 if last else dtype)
        self._delta = buffer("delta", images, *own.output) if last else self._sums
        self._kernels = kernels
        self._padded = None
        if own.padded != own.shape and not first:
            self._padded = buffer("padded", images, *own.padded)

    def forward(self, values: Tensor) -> Tensor:
        """The activations.

        Args:
            values: [network, image, height, width, channel], with its zeros around it for the
                first layer; one network's for all where all see the same images.

        Returns:
            [network, image, height, width, channel], or float32 logits.
        """
        self._pack()
        seen = len(values)
        if self._padded is not None:
            self._inside(self._padded)[:seen].copy_(values)
            values = self._padded[:seen]
        self._kernels.forward(values.contiguous(), self._band, self._sums)
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
        self._kernels.band_gradient(self._delta, self._band_gradient)
        weight = self._weight_gradient.permute(0, 3, 4, 2, 1)
        torch.sum(self._diagonals(self._band_gradient), dim=4, out=weight)
        torch.sum(self._biases(self._band_gradient), dim=1, out=self._bias_gradient)
        if self._unit != 1:
            self._weight_gradient.div_(self._unit)
        if not self._below_learns:
            return None
        return self._inside(self._kernels.input_gradient(self._delta, self._band))

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
