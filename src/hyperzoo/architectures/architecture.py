"""An architecture: a declared list of layers, and all that follows from it."""

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyperzoo.architectures.layers import Conv2d, Dense, Layer, Shape


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One tensor of a network.

    Attributes:
        name: PyTorch's name ("conv1.weight").
        shape: shape in PyTorch's axes: (out_channel, in_channel, kernel_height, kernel_width) of
            a convolution's weight, (out, in) of a dense layer's, (out,) of a bias.
        keras_layer: Keras's layer name ("conv2d_1").
        keras_name: "kernel" or "bias".
        keras_shape: shape in Keras's axes: (kernel_height, kernel_width, in, out) or (in, out).
        flattened: (height, width, channel) of the input that a dense layer flattens; None for
            every other parameter. Its Keras kernel has that order, its PyTorch weight has
            (channel, height, width).
        fan_in: inputs that one output sums over.
        fan_out: outputs that one input reaches.
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

    def to_keras(self, stacked: NDArray[Any]) -> NDArray[Any]:
        """Move weights from PyTorch's axes to Keras's.

        Args:
            stacked: [network, *shape].

        Returns:
            [network, *keras_shape]; a view where the axes allow it.
        """
        if self.is_bias:
            return stacked
        if self.flattened is not None:
            height, width, channels = self.flattened
            split = stacked.reshape(len(stacked), self.shape[0], channels, height, width)
            return split.transpose(0, 3, 4, 2, 1).reshape(len(stacked), *self.keras_shape)
        return stacked.transpose(_keras_axes(stacked.ndim))

    def from_keras(self, stacked: NDArray[Any]) -> NDArray[Any]:
        """Move weights from Keras's axes to PyTorch's: the inverse of `to_keras`.

        Args:
            stacked: [network, *keras_shape].

        Returns:
            [network, *shape]; a view where the axes allow it.
        """
        if self.is_bias:
            return stacked
        if self.flattened is not None:
            split = stacked.reshape(len(stacked), *self.flattened, self.shape[0])
            return split.transpose(0, 4, 3, 1, 2).reshape(len(stacked), *self.shape)
        return stacked.transpose(tuple(np.argsort(_keras_axes(stacked.ndim))))


def _keras_axes(axes: int) -> tuple[int, ...]:
    # Convolution [n, out, in, h, w] -> [n, h, w, in, out]; dense [n, out, in] -> [n, in, out].
    return (0, 3, 4, 2, 1) if axes == 5 else (0, 2, 1)


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """A network as a list of layers.

    Attributes:
        name: the name in recipes.
        input_shape: (height, width, channels) of an image.
        layers: the layers in the order in which they are applied; the last is a `Dense` that
            gives the logits, and its activation is "linear".
    """

    name: str
    input_shape: Shape
    layers: tuple[Layer, ...]

    @property
    def outputs(self) -> int:
        """How many logits the network gives."""
        return self.shapes[-1][2]

    @cached_property
    def shapes(self) -> tuple[Shape, ...]:
        """The shape of the input, then of every layer's output: layers + 1 entries.

        Raises:
            ArchitectureError: a layer does not fit its input.
        """
        shapes = [self.input_shape]
        for layer in self.layers:
            shapes.append(layer.output_shape(shapes[-1]))
        return tuple(shapes)

    @cached_property
    def layer_names(self) -> tuple[str | None, ...]:
        """PyTorch's name of every layer ("conv1", "fc2"); None for layers without parameters."""
        names: list[str | None] = []
        convolutions = dense = 0
        for layer in self.layers:
            match layer:
                case Conv2d():
                    convolutions += 1
                    names.append(f"conv{convolutions}")
                case Dense():
                    dense += 1
                    names.append(f"fc{dense}")
                case _:
                    names.append(None)
        return tuple(names)

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """The parameter table: the weight, then the bias, of every layer in order."""
        table: list[Parameter] = []
        for name, layer, shape in zip(self.layer_names, self.layers, self.shapes, strict=False):
            if name is not None:
                table += _parameters_of(name, layer, shape)
        return tuple(table)

    @cached_property
    def published_order(self) -> tuple[Parameter, ...]:
        """The table in the order of the published `parameters_flat`.

        Keras's layer names in alphabetical order, the bias before the kernel.
        """
        return tuple(sorted(self.parameters, key=lambda p: (p.keras_layer, p.keras_name)))

    @property
    def parameter_count(self) -> int:
        """How many numbers a network has."""
        return sum(parameter.size for parameter in self.parameters)


def _parameters_of(name: str, layer: Layer, shape: Shape) -> list[Parameter]:
    """Weight and bias of one layer whose input has the given shape."""
    height, width, channels = shape
    kind, number = name.rstrip("0123456789"), int(name.lstrip("convf"))
    keras_layer = {"conv": "conv2d", "fc": "dense"}[kind] + (f"_{number - 1}" * (number > 1))
    flattened = None
    if isinstance(layer, Conv2d):
        positions = layer.kernel * layer.kernel
        weight_shape: tuple[int, ...] = (layer.filters, channels, layer.kernel, layer.kernel)
        keras_shape: tuple[int, ...] = (layer.kernel, layer.kernel, channels, layer.filters)
        out, fan_in, fan_out = layer.filters, channels * positions, layer.filters * positions
    elif isinstance(layer, Dense):
        out, fan_in, fan_out = layer.units, height * width * channels, layer.units
        weight_shape, keras_shape = (fan_out, fan_in), (fan_in, fan_out)
        flattened = shape if height * width > 1 else None
    else:
        return []
    kernel = Parameter(
        name=f"{name}.weight",
        shape=weight_shape,
        keras_layer=keras_layer,
        keras_name="kernel",
        keras_shape=keras_shape,
        flattened=flattened,
        fan_in=fan_in,
        fan_out=fan_out,
    )
    bias = replace(
        kernel,
        name=f"{name}.bias",
        shape=(out,),
        keras_name="bias",
        keras_shape=(out,),
        flattened=None,
    )
    return [kernel, bias]
