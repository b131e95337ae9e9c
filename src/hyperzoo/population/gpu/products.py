"""A layer as products of whole matrices: windows are unfolded into one, and folded back."""

import math

import torch
from torch import Tensor

from hyperzoo.population.gpu.geometry import Geometry
from hyperzoo.population.gpu.memory import Memory
from hyperzoo.population.gpu.precision import multiply


class Products:
    """The three operations of a layer, by the library's batched matrix products.

    Args:
        name: the layer's name ("conv1").
        numbers: what it does.
        networks: how many.
        images: images at once.
        memory: where its buffers come from.
        dtype: what activations are kept in.
        below: whether the input's gradient is wanted.
    """

    def __init__(
        self,
        name: str,
        numbers: Geometry,
        networks: int,
        images: int,
        memory: Memory,
        dtype: torch.dtype,
        below: bool,
    ) -> None:
        own = self._numbers = numbers
        self._grid = (networks, images, *own.positions)
        samples = images * math.prod(own.positions)
        self._matrix = (networks, samples, own.columns * own.output[2])
        self._unfolded = memory.zeros(f"{name}.unfolded", (networks, samples, own.rows), dtype)
        self._unfolded[:, :, own.terms] = 1
        if below:
            # One after another the layers use the same memory for this.
            self._spread = memory.zeros("spread", (networks, samples, own.terms), dtype)
            size = (networks, images, *own.padded)
            self._input_gradient = memory.zeros(f"{name}.input gradient", size, torch.float32)

    def forward(self, values: Tensor, band: Tensor, sums: Tensor) -> None:
        """Products and activation.

        Args:
            values: [network, image, height, width, channel] with the zeros around it; one
                network's for all where all see the same images.
            band: [network, band_row, column], as `Affine` packs it.
            sums: [network, image, height, width, filter], written.
        """
        own, seen = self._numbers, len(values)
        networks, images, rows, groups = self._grid
        unfolded = self._unfolded[:seen]
        unfolded[:, :, : own.terms].view(seen, images, rows, groups, own.window[0], -1).copy_(
            self._windows(values)
        )
        multiply(unfolded.expand(networks, -1, -1), band, sums.view(self._matrix))
        if own.activation == "tanh":
            sums.tanh_()
        elif own.activation == "relu":
            sums.relu_()

    def band_gradient(self, delta: Tensor, gradient: Tensor) -> None:
        """The gradient of the band, for the values of the last `forward`.

        Args:
            delta: [network, image, height, width, filter], the gradient of the sums.
            gradient: float32 [network, band_row, column], written.
        """
        multiply(self._unfolded.transpose(1, 2), delta.view(self._matrix), gradient)

    def input_gradient(self, delta: Tensor, band: Tensor) -> Tensor:
        """The gradient of the input with the zeros around it: [network, image, ..., channel].

        Args:
            delta: as in `band_gradient`.
            band: as in `forward`.
        """
        right = band[:, : self._numbers.terms].transpose(1, 2)
        multiply(delta.view(self._matrix), right, self._spread)
        return self._fold()

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

    def _fold(self) -> Tensor:
        """Add up what all windows say of each input: the inverse of unfolding.

        Windows that overlap are added one after another, so in a fixed order without atomics.
        """
        own = self._numbers
        (tall, wide), (_, width, channels) = own.window, own.padded
        networks, images, rows, groups = self._grid
        if rows * groups == 1 and own.window == own.padded[:2]:
            return self._spread.view(networks, images, *own.padded)
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
        return whole
