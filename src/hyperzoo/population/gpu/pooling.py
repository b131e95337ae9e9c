"""Pooling over stacks of networks; the squares of a pooling layer do not overlap."""

import torch
from torch import Tensor

from hyperzoo.architectures.layers import GlobalAveragePool, Pool2d, Shape
from hyperzoo.population.gpu.memory import Memory


def windows(values: Tensor, size: int) -> Tensor:
    """The squares of images, as a view; a remainder below and to the right is left out.

    Args:
        values: [network, image, height, width, channel].
        size: height and width of a square.

    Returns:
        [network, image, row, size, column, size, channel].
    """
    rows, columns = values.shape[2] // size, values.shape[3] // size
    whole = values[:, :, : rows * size, : columns * size]
    squares: Tensor = whole.unflatten(3, (columns, size)).unflatten(2, (rows, size))
    return squares


class Average:
    """Average over squares, or over the whole image.

    Args:
        name: what its buffer is called.
        layer: what is declared.
        shape: (height, width, channels) of its input.
        networks: how many.
        images: images at once.
        memory: where its buffer comes from.
        dtype: what activations are kept in.
    """

    def __init__(
        self,
        name: str,
        layer: Pool2d | GlobalAveragePool,
        shape: Shape,
        networks: int,
        images: int,
        memory: Memory,
        dtype: torch.dtype,
    ) -> None:
        self._square = (layer.size, layer.size) if isinstance(layer, Pool2d) else shape[:2]
        self._whole, self._shape = isinstance(layer, GlobalAveragePool), shape
        size = (networks, images, *layer.output_shape(shape))
        self._values = memory.zeros(name, size, dtype)

    def forward(self, values: Tensor) -> Tensor:
        """[network, image, height, width, channel] -> the same, smaller."""
        out = self._values[: len(values)]
        if self._whole:
            torch.mean(values, dim=(2, 3), keepdim=True, dtype=out.dtype, out=out)
        else:
            squares = windows(values, self._square[0])
            torch.mean(squares, dim=(3, 5), dtype=out.dtype, out=out)
        return out

    def backward(self, gradient: Tensor) -> Tensor:
        """The input's gradient, over its windows, or of the whole image."""
        height, width = self._square
        share = joined(gradient, self._values.shape[2:]) / (height * width)
        if self._whole:
            return share.expand(-1, -1, *self._shape)
        return share[:, :, :, None, :, None].expand(-1, -1, -1, height, -1, width, -1)


class Maximum:
    """Maximum over squares; of equal values the first, row by row, gets the gradient.

    Args: as those of `Average`.
    """

    def __init__(
        self,
        name: str,
        layer: Pool2d,
        shape: Shape,
        networks: int,
        images: int,
        memory: Memory,
        dtype: torch.dtype,
    ) -> None:
        self._size = layer.size
        size = (networks, images, *layer.output_shape(shape))
        self._values = memory.zeros(name, size, dtype)
        self._which = memory.zeros(f"{name}.which", size, torch.int16)
        places = torch.arange(layer.size**2, dtype=torch.int16, device=memory.device)
        self._places = places.view(layer.size, 1, layer.size, 1)

    def forward(self, values: Tensor) -> Tensor:
        """[network, image, height, width, channel] -> the same, smaller."""
        best, which = self._values[: len(values)], self._which[: len(values)]
        squares = windows(values, self._size)
        best.copy_(squares[:, :, :, 0, :, 0])
        which.zero_()
        for place in range(1, self._size**2):
            candidate = squares[:, :, :, place // self._size, :, place % self._size]
            # What is not a number wins, as in PyTorch, and shows in the loss.
            better = (candidate > best) | candidate.isnan()
            which.masked_fill_(better, place)
            torch.where(better, candidate.to(best.dtype), best, out=best)
        return best

    def backward(self, gradient: Tensor) -> Tensor:
        """The input's gradient, over its windows."""
        own = joined(gradient, self._values.shape[2:])
        here = self._which[:, :, :, None, :, None] == self._places
        return torch.where(here, own[:, :, :, None, :, None], 0)


def joined(gradient: Tensor, shape: tuple[int, ...]) -> Tensor:
    """A gradient over the windows of the next pooling layer as one of images of that shape."""
    if gradient.dim() == 5:
        return gradient
    whole = gradient.flatten(4, 5).flatten(2, 3)
    missing = (shape[0] - whole.shape[2], shape[1] - whole.shape[3])
    return torch.nn.functional.pad(whole, (0, 0, 0, missing[1], 0, missing[0]))
