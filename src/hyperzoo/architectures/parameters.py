"""The parameter table: every tensor of a network, in PyTorch's and in Keras's axes."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyperzoo.architectures.layers import BatchNorm, Conv2d, Dense, Shape
from hyperzoo.architectures.steps import Step

_KERAS_LAYERS = {"conv": "conv2d", "fc": "dense", "bn": "batch_normalization"}

_NORMALISATION = (
    ("weight", "gamma"),
    ("bias", "beta"),
    ("running_mean", "moving_mean"),
    ("running_var", "moving_variance"),
)
"""PyTorch's and Keras's names of the tensors of a batch normalisation, in the order of both."""


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One tensor of a network.

    Attributes:
        name: PyTorch's name ("conv1.weight").
        shape: shape in PyTorch's axes: (out_channel, in_channel, kernel_height, kernel_width) of
            a convolution's weight, (out, in) of a dense layer's, (channel,) of all others.
        keras_layer: Keras's layer name ("conv2d_1").
        keras_name: "kernel", "bias", or of a batch normalisation "gamma", "beta", "moving_mean",
            "moving_variance".
        keras_shape: shape in Keras's axes: (kernel_height, kernel_width, in, out) or (in, out).
        flattened: (height, width, channel) of the image that its inputs, or of a batch
            normalisation its channels, are the values of; None for every other parameter. In
            Keras's axes they have that order, in PyTorch's (channel, height, width).
        fan_in: inputs that one output sums over; 0 of a batch normalisation.
        fan_out: outputs that one input reaches; 0 of a batch normalisation.
    """

    name: str
    shape: tuple[int, ...]
    keras_layer: str
    keras_name: str
    keras_shape: tuple[int, ...]
    flattened: Shape | None
    fan_in: int
    fan_out: int

    @property
    def size(self) -> int:
        """How many numbers the tensor holds."""
        return math.prod(self.shape)

    @property
    def is_bias(self) -> bool:
        """Whether this is a bias."""
        return self.keras_name == "bias"

    @property
    def is_kernel(self) -> bool:
        """Whether it is the weight of a convolution or a dense layer."""
        return self.keras_name == "kernel"

    @property
    def is_trained(self) -> bool:
        """Whether a gradient trains it: all but the running statistics."""
        return self.keras_name not in ("moving_mean", "moving_variance")

    def to_keras(self, stacked: NDArray[Any]) -> NDArray[Any]:
        """Move weights from PyTorch's axes to Keras's.

        Args:
            stacked: [network, *shape].

        Returns:
            [network, *keras_shape]; a view where the axes allow it.
        """
        if self.flattened is not None:
            height, width, channels = self.flattened
            split = stacked.reshape(len(stacked), -1, channels, height, width)
            return split.transpose(0, 3, 4, 2, 1).reshape(len(stacked), *self.keras_shape)
        if len(self.shape) == 1:
            return stacked
        return stacked.transpose(_keras_axes(stacked.ndim))

    def from_keras(self, stacked: NDArray[Any]) -> NDArray[Any]:
        """Move weights from Keras's axes to PyTorch's: the inverse of `to_keras`.

        Args:
            stacked: [network, *keras_shape].

        Returns:
            [network, *shape]; a view where the axes allow it.
        """
        if self.flattened is not None:
            split = stacked.reshape(len(stacked), *self.flattened, -1)
            return split.transpose(0, 4, 3, 1, 2).reshape(len(stacked), *self.shape)
        if len(self.shape) == 1:
            return stacked
        return stacked.transpose(tuple(np.argsort(_keras_axes(stacked.ndim))))


def _keras_axes(axes: int) -> tuple[int, ...]:
    # Convolution [n, out, in, h, w] -> [n, h, w, in, out]; dense [n, out, in] -> [n, in, out].
    return (0, 3, 4, 2, 1) if axes == 5 else (0, 2, 1)


def keras_name(step: Step) -> str:
    """Keras's name of a layer with parameters: "conv2d", "conv2d_1", "dense"."""
    kind = step.name.rstrip("0123456789")
    number = int(step.name.removeprefix(kind))
    return _KERAS_LAYERS[kind] + (f"_{number - 1}" * (number > 1))


def parameters_of(step: Step) -> Iterator[Parameter]:
    """The tensors of a step: weight, then bias, then what else there is; none of most."""
    match step.layer:
        case Conv2d() as layer:
            square = (layer.kernel, layer.kernel)
            channels, positions = step.shape[2], layer.kernel**2
            yield _kernel(
                step,
                (layer.filters, channels, *square),
                (*square, channels, layer.filters),
                (channels * positions, layer.filters * positions),
                None,
            )
            if layer.bias:
                yield _vector(step, "bias", "bias", layer.filters, channels * positions)
        case Dense() as layer:
            inputs = math.prod(step.shape)
            fans = (inputs, layer.units)
            yield _kernel(step, (layer.units, inputs), fans, fans, step.image)
            if layer.bias:
                yield _vector(step, "bias", "bias", layer.units, inputs)
        case BatchNorm():
            for torch_name, name in _NORMALISATION:
                yield _vector(step, torch_name, name, step.shape[2], 0, step.image)


def _kernel(
    step: Step,
    shape: tuple[int, ...],
    keras_shape: tuple[int, ...],
    fans: tuple[int, int],
    flattened: Shape | None,
) -> Parameter:
    return Parameter(
        name=f"{step.name}.weight",
        shape=shape,
        keras_layer=keras_name(step),
        keras_name="kernel",
        keras_shape=keras_shape,
        flattened=flattened,
        fan_in=fans[0],
        fan_out=fans[1],
    )


def _vector(
    step: Step,
    torch_name: str,
    name: str,
    size: int,
    fan_in: int,
    flattened: Shape | None = None,
) -> Parameter:
    layer = step.layer
    positions = layer.kernel**2 if isinstance(layer, Conv2d) else 1
    return Parameter(
        name=f"{step.name}.{torch_name}",
        shape=(size,),
        keras_layer=keras_name(step),
        keras_name=name,
        keras_shape=(size,),
        flattened=flattened,
        fan_in=fan_in,
        fan_out=size * positions if fan_in else 0,
    )
