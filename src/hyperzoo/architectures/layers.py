"""The layers that an architecture may be made of: plain declarations, no arithmetic.

Shapes here are (height, width, channels) without the image axis. What a layer computes is
defined by Keras's layer of the same name, since the published datasets were made with Keras;
docs/architectures.md has every definition.
"""

from dataclasses import dataclass
from typing import Literal, get_args

from hyperzoo.errors import ArchitectureError

Shape = tuple[int, int, int]
Activation = Literal["linear", "tanh", "relu", "sigmoid", "gelu", "silu", "leaky_relu", "drawn"]
"""What follows a layer's sums; "drawn" where it differs from network to network of a zoo."""

ACTIVATIONS: tuple[Activation, ...] = tuple(own for own in get_args(Activation) if own != "drawn")
"""Those that layers can be declared with."""

LEAK = 0.01
"""The slope of leaky_relu below 0: PyTorch's default."""


@dataclass(frozen=True, kw_only=True)
class Conv2d:
    """A square convolution with an activation.

    Attributes:
        filters: output channels.
        kernel: height and width of the kernel.
        stride: step in both directions, 1 or more.
        padding: "valid" (none), or "same" as in Keras: the output has ceil(size / stride)
            positions, and where the padding is uneven the extra zero is below and to the right;
            "symmetric" as PyTorch's `padding=kernel // 2`: as many positions, with an odd kernel,
            and as many zeros before as after.
        activation: applied to the sums.
        bias: whether the sums have one; a batch normalisation that follows makes it idle.
    """

    filters: int
    kernel: int
    stride: int = 1
    padding: Literal["same", "valid", "symmetric"] = "valid"
    activation: Activation = "linear"
    bias: bool = True

    def output_shape(self, shape: Shape) -> Shape:
        """The shape that comes out when `shape` goes in."""
        height, width, _ = shape
        if self.padding == "symmetric" and self.kernel % 2 == 0:
            raise ArchitectureError(
                f"padding 'symmetric' needs an odd kernel, got {self.kernel}; use padding 'same'"
            )
        if self.padding != "valid":
            return -(-height // self.stride), -(-width // self.stride), self.filters
        if min(height, width) < self.kernel:
            raise ArchitectureError(
                f"a {self.kernel}x{self.kernel} 'valid' convolution needs an input of at least "
                f"that size, got {height}x{width}; use a kernel of at most {min(height, width)}, "
                "padding 'same', or larger images"
            )
        out_height = (height - self.kernel) // self.stride + 1
        return out_height, (width - self.kernel) // self.stride + 1, self.filters

    def pads(self, size: int) -> tuple[int, int]:
        """Zeros before and after an axis of `size` positions."""
        if self.padding == "valid":
            return 0, 0
        if self.padding == "symmetric":
            return self.kernel // 2, self.kernel // 2
        positions = -(-size // self.stride)
        total = max((positions - 1) * self.stride + self.kernel - size, 0)
        return total // 2, total - total // 2


@dataclass(frozen=True, kw_only=True)
class Pool2d:
    """Average or maximum over squares; a remainder at the edge is dropped.

    Attributes:
        kind: what is taken of a square.
        size: height and width of a square.
        stride: step in both directions; None for `size`, so that squares do not overlap.
        activation: applied to what was taken.
    """

    kind: Literal["average", "max"]
    size: int = 2
    stride: int | None = None
    activation: Activation = "linear"

    @property
    def step(self) -> int:
        """Positions from a square to the next."""
        return self.size if self.stride is None else self.stride

    def output_shape(self, shape: Shape) -> Shape:
        """The shape that comes out when `shape` goes in."""
        height, width, channels = shape
        if min(height, width) < self.size:
            raise ArchitectureError(
                f"{self.size}x{self.size} pooling needs an input of at least that size, "
                f"got {height}x{width}; use a size of at most {min(height, width)}, or larger "
                "images"
            )
        out_height = (height - self.size) // self.step + 1
        return out_height, (width - self.size) // self.step + 1, channels


@dataclass(frozen=True, kw_only=True)
class GlobalAveragePool:
    """The average of every channel over all positions."""

    activation: Activation = "linear"

    def output_shape(self, shape: Shape) -> Shape:
        """The shape that comes out when `shape` goes in."""
        return 1, 1, shape[2]


@dataclass(frozen=True, kw_only=True)
class Dense:
    """A fully connected layer with an activation.

    Applied to a [height, width, channel] input it flattens first. The stored weight takes
    PyTorch's order (channel, height, width); Keras's order is (height, width, channel).
    """

    units: int
    activation: Activation = "linear"
    bias: bool = True

    def output_shape(self, shape: Shape) -> Shape:
        """The shape that comes out when `shape` goes in."""
        return 1, 1, self.units


@dataclass(frozen=True, kw_only=True)
class Normalize:
    """Scales the images, which have values from 0 to 1: (x - mean) / std, channel by channel.

    It comes before all other layers. Its numbers belong to the architecture and are no weights.

    Attributes:
        mean: one number for all channels, or one a channel.
        std: likewise, above 0.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def output_shape(self, shape: Shape) -> Shape:
        """The shape that comes out when `shape` goes in."""
        for name in ("mean", "std"):
            if (count := len(getattr(self, name))) not in (1, shape[2]):
                raise ArchitectureError(
                    f"{name} has {count} numbers, but images have {shape[2]} channels; give one "
                    "number for all of them, or one a channel"
                )
        return shape

    def affine(self, channels: int) -> tuple[list[float], list[float]]:
        """The same as x * factor + offset: factors, then offsets, of every channel."""
        mean = self.mean * (channels // len(self.mean))
        std = self.std * (channels // len(self.std))
        factors = [1 / own for own in std]
        return factors, [-own / scale for own, scale in zip(mean, std, strict=True)]


@dataclass(frozen=True, kw_only=True)
class BatchNorm:
    """Batch normalisation of every channel, with an activation (Ioffe and Szegedy, 2015).

    In training by the mean and the (biased) variance of the batch; afterwards by the running mean
    and variance, which are `momentum` of what they were and the rest of the batch's. Both belong
    to a network's weights, though no gradient trains them.

    Attributes:
        momentum: Keras's; PyTorch's is 1 less this.
        epsilon: added to the variance.
        activation: applied to what comes out.
    """

    momentum: float = 0.99
    epsilon: float = 1e-3
    activation: Activation = "linear"

    def output_shape(self, shape: Shape) -> Shape:
        """The shape that comes out when `shape` goes in."""
        return shape


@dataclass(frozen=True, kw_only=True)
class Dropout:
    """Sets a share of the values to 0 in training and divides the others by the share kept."""

    rate: float

    def output_shape(self, shape: Shape) -> Shape:
        """The shape that comes out when `shape` goes in."""
        return shape


@dataclass(frozen=True)
class Flatten:
    """Lays an image's values side by side.

    A dense layer does it by itself; it matters before a batch normalisation, which then has a
    mean for every position. The order is PyTorch's (channel, height, width) in stored weights.
    """

    def output_shape(self, shape: Shape) -> Shape:
        """The shape that comes out when `shape` goes in."""
        height, width, channels = shape
        return 1, 1, height * width * channels


@dataclass(frozen=True, kw_only=True)
class Residual:
    """Layers around which a shortcut leads (He et al., 2016): both are added.

    Attributes:
        layers: convolutions, batch normalisations and dropouts, in order.
        shortcut: 1x1 convolutions and batch normalisations; empty for the identity.
        activation: applied to the sum.
    """

    layers: tuple["BlockLayer", ...]
    shortcut: tuple["BlockLayer", ...] = ()
    activation: Activation = "relu"

    def output_shape(self, shape: Shape) -> Shape:
        """The shape that comes out when `shape` goes in."""
        body, around = shape, shape
        for layer in self.layers:
            body = layer.output_shape(body)
        for layer in self.shortcut:
            around = layer.output_shape(around)
        if body != around:
            stride = -(-shape[0] // body[0])
            step = f", stride = {stride}" * (stride > 1)
            fits = Conv2d(filters=body[2], kernel=1, stride=stride).output_shape(shape) == body
            raise ArchitectureError(
                f"the block's layers give {_by(body)}, its shortcut gives {_by(around)}, and only "
                "equal shapes can be added; "
                + (
                    f"shortcut = [{{ conv = {body[2]}, kernel = 1{step} }}] gives {_by(body)}"
                    if fits
                    else "no shortcut gives that: let the block's layers have padding = 'same'"
                )
            )
        return body


@dataclass(frozen=True, kw_only=True)
class Add:
    """What a residual block ends with: the sum of two values, and an activation."""

    activation: Activation


BlockLayer = Conv2d | BatchNorm | Dropout
PlainLayer = Normalize | Conv2d | Pool2d | GlobalAveragePool | Dense | BatchNorm | Dropout | Flatten
Layer = PlainLayer | Residual


def _by(shape: Shape) -> str:
    return "x".join(map(str, shape))
