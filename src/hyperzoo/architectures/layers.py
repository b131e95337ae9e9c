"""The layers that an architecture may be made of: plain declarations, no arithmetic.

Shapes here are (height, width, channels) without the image axis. What a layer computes is
defined by Keras's layer of the same name, since the published datasets were made with Keras.
"""

from dataclasses import dataclass
from typing import Literal

from hyperzoo.errors import ArchitectureError

Shape = tuple[int, int, int]
Activation = Literal["tanh", "relu", "linear"]


@dataclass(frozen=True, kw_only=True)
class Conv2d:
    """A square convolution with bias and activation.

    Attributes:
        filters: output channels.
        kernel: height and width of the kernel, odd.
        stride: step in both directions, 1 or more.
        padding: "valid" (none), or "same" as in Keras: the output has ceil(size / stride)
            positions, and where the padding is uneven the extra zero is below and to the right.
        activation: applied to the sums.
    """

    filters: int
    kernel: int
    stride: int = 1
    padding: Literal["same", "valid"] = "valid"
    activation: Activation = "linear"

    def output_shape(self, shape: Shape) -> Shape:
        """The shape that comes out when `shape` goes in."""
        height, width, _ = shape
        if self.padding == "same":
            return -(-height // self.stride), -(-width // self.stride), self.filters
        if min(height, width) < self.kernel:
            raise ArchitectureError(
                f"a {self.kernel}x{self.kernel} 'valid' convolution needs an input of at least "
                f"that size, got {height}x{width}; use larger images"
            )
        out_height = (height - self.kernel) // self.stride + 1
        return out_height, (width - self.kernel) // self.stride + 1, self.filters

    def pads(self, size: int) -> tuple[int, int]:
        """Zeros before and after an axis of `size` positions."""
        if self.padding == "valid":
            return 0, 0
        positions = -(-size // self.stride)
        total = max((positions - 1) * self.stride + self.kernel - size, 0)
        return total // 2, total - total // 2


@dataclass(frozen=True, kw_only=True)
class Pool2d:
    """Average or maximum over squares that do not overlap; a remainder at the edge is dropped."""

    kind: Literal["average", "max"]
    size: int = 2

    def output_shape(self, shape: Shape) -> Shape:
        """The shape that comes out when `shape` goes in."""
        height, width, channels = shape
        if min(height, width) < self.size:
            raise ArchitectureError(
                f"{self.size}x{self.size} pooling needs an input of at least that size, "
                f"got {height}x{width}; use larger images"
            )
        return height // self.size, width // self.size, channels


@dataclass(frozen=True, kw_only=True)
class GlobalAveragePool:
    """The average of every channel over all positions."""

    def output_shape(self, shape: Shape) -> Shape:
        """The shape that comes out when `shape` goes in."""
        return 1, 1, shape[2]


@dataclass(frozen=True, kw_only=True)
class Dense:
    """A fully connected layer with bias and activation.

    Applied to a [height, width, channel] input it flattens first. The stored weight takes
    PyTorch's order (channel, height, width); Keras's order is (height, width, channel).
    """

    units: int
    activation: Activation = "linear"

    def output_shape(self, shape: Shape) -> Shape:
        """The shape that comes out when `shape` goes in."""
        return 1, 1, self.units


Layer = Conv2d | Pool2d | GlobalAveragePool | Dense
