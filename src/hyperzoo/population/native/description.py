"""An architecture as the list of integers that the C++ side reads (`kernels/plan.hpp`)."""

import struct
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from hyperzoo.architectures import Architecture
from hyperzoo.architectures.layers import (
    Activation,
    BatchNorm,
    Conv2d,
    Dense,
    Dropout,
    Flatten,
    GlobalAveragePool,
    Normalize,
    Pool2d,
)
from hyperzoo.architectures.steps import Step
from hyperzoo.errors import EngineError

_ACTIVATIONS: dict[Activation, int] = {
    "linear": 0,
    "tanh": 1,
    "relu": 2,
    "sigmoid": 3,
    "gelu": 4,
    "silu": 5,
    "leaky_relu": 6,
}
_POOLS = {"average": 2, "max": 3}

_FUSED = ("linear", "tanh", "relu")
"""Activations that are part of a convolution or dense layer; all others are layers of their own."""

_Fields = tuple[int, int, int, int, int, int, int]


def describe(architecture: Architecture) -> NDArray[np.int64]:
    """Describe an architecture: its input's shape, the number of layers, seven fields a layer.

    Then, where images are normalised, the bits of every channel's factor and of its offset.

    Raises:
        EngineError: it has what the kernels do not know.
    """
    if not architecture.is_straight:
        raise EngineError(
            f"'{architecture.name}' has residual blocks, which the native engine has not; use "
            "engine 'torch'"
        )
    if architecture.is_drawn:
        raise EngineError(
            f"the activation of '{architecture.name}' differs from network to network of this zoo; "
            "take a network by itself, with zoo.architecture_of(id)"
        )
    layers = [fields for step in architecture.steps for fields in _described(architecture, step)]
    header = [*architecture.input_shape, len(layers)]
    first, channels = architecture.layers[0], architecture.input_shape[2]
    scaling = first.affine(channels) if isinstance(first, Normalize) else ()
    numbers = [_bits(number) for numbers in scaling for number in numbers]
    fields = [field for fields in layers for field in fields]
    return np.array([*header, *fields, *numbers], dtype=np.int64)


def _described(architecture: Architecture, step: Step) -> Iterator[_Fields]:
    """A layer's fields, and those of an activation that it can't apply itself."""
    own: Activation = "linear"  # of an activation that is a layer by itself
    match step.layer:
        case Conv2d() as layer:
            fused = layer.activation in _FUSED
            code, own = (_ACTIVATIONS[layer.activation], own) if fused else (0, layer.activation)
            if layer.padding == "symmetric":
                raise EngineError(
                    f"{step.name} of '{architecture.name}' pads symmetrically, which the native "
                    "engine does not; use engine 'torch'"
                )
            same = int(layer.padding == "same")
            bias = int(layer.bias)
            yield 1, layer.kernel, layer.filters, layer.stride, same, code, bias
        case Dense() as layer:
            fused = layer.activation in _FUSED
            code, own = (_ACTIVATIONS[layer.activation], own) if fused else (0, layer.activation)
            yield 5, 0, layer.units, 0, 0, code, int(layer.bias)
        case Pool2d() as layer:
            if layer.step != layer.size:
                raise EngineError(
                    f"{step.name} of '{architecture.name}': the native engine pools over squares "
                    f"that neither overlap nor leave gaps, got size {layer.size} and stride "
                    f"{layer.step}; use engine 'torch'"
                )
            own = layer.activation
            yield _POOLS[layer.kind], layer.size, 0, 0, 0, 0, 0
        case GlobalAveragePool() as layer:
            own = layer.activation
            yield 4, 0, 0, 0, 0, 0, 0
        case BatchNorm() as layer:
            own = layer.activation
            yield 7, _bits(layer.momentum), _bits(layer.epsilon), 0, int(step.flat), 0, 0
        case Dropout() as layer:
            yield 8, _bits(1 / (1 - layer.rate)), 0, 0, 0, 0, 0
        case Flatten() | Normalize():
            pass  # values lie flat already; images are scaled as they are gathered
    if own != "linear":
        yield 6, 0, 0, 0, 0, _ACTIVATIONS[own], 0


def _bits(number: float) -> int:
    """The bits of a float64 as an integer."""
    (bits,) = struct.unpack("<q", struct.pack("<d", number))
    return int(bits)
