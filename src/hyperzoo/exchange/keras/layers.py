"""An architecture as the layers of a Keras model; `architecture` reads them back.

The settings are those of Keras 2.15, which Keras 3 reads too. An activation that Keras has no name
for, or that follows a layer which has none, is a layer of its own in Keras.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hyperzoo.architectures import Architecture
from hyperzoo.architectures.layers import (
    LEAK,
    Activation,
    Add,
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

Facts = dict[str, Any]

_POOLS = {"average": "AveragePooling2D", "max": "MaxPooling2D"}
_SNAKE_CASE = {
    "Conv2D": "conv2d",
    "ZeroPadding2D": "zero_padding2d",
    "AveragePooling2D": "average_pooling2d",
    "MaxPooling2D": "max_pooling2d",
    "GlobalAveragePooling2D": "global_average_pooling2d",
    "BatchNormalization": "batch_normalization",
    "LeakyReLU": "leaky_re_lu",
}
_ACTIVATIONS: dict[Activation, str] = {"silu": "swish"}
"""Keras's names where they are other ones; leaky_relu has another slope in Keras."""


@dataclass(frozen=True, kw_only=True)
class KerasLayer:
    """A layer of a Keras model.

    Attributes:
        class_name: Keras's class.
        name: its name in the model.
        settings: what determines what it computes.
        inputs: the names of the layers whose outputs it takes; none for the image.
    """

    class_name: str
    name: str
    settings: Facts
    inputs: tuple[str, ...]


def keras_model(architecture: Architecture) -> tuple[KerasLayer, ...]:
    """The layers of the Keras model that computes what an architecture does, probabilities last."""
    layers: list[KerasLayer] = []
    counts: dict[str, int] = {}

    def append(class_name: str, settings: Facts, inputs: tuple[str, ...]) -> tuple[str, ...]:
        base = _SNAKE_CASE.get(class_name, class_name.lower())
        counts[base] = counts.get(base, 0) + 1
        name = base + (f"_{counts[base] - 1}" if counts[base] > 1 else "")
        layers.append(
            KerasLayer(class_name=class_name, name=name, settings=settings, inputs=inputs)
        )
        return (name,)

    values: list[tuple[str, ...]] = [()]
    for step in architecture.steps:
        inputs = tuple(name for place in step.inputs for name in values[place])
        if isinstance(step.layer, Dense) and not step.flat:
            inputs = append("Flatten", {"data_format": "channels_last"}, inputs)
        last = step is architecture.steps[-1]
        for class_name, settings in _settings(step, last, architecture.outputs):
            inputs = append(class_name, settings, inputs)
        values.append(inputs)
    return tuple(layers)


def in_keras_order(inputs: Mapping[str, Sequence[str]]) -> list[str]:
    """Layers as Keras's `model.layers` has them, by which it reads and counts weights.

    Of layers that join that is the longest way to the output, falling; among equals, which of them
    comes first on the way back from the output (`map_graph_network` of Keras 2, `map_graph` of 3).

    Args:
        inputs: layer -> those whose outputs it takes, each of them before it; the output is last.
    """
    depths = dict.fromkeys(inputs, 0)
    for name in reversed(list(inputs)):
        for other in inputs[name]:
            depths[other] = max(depths[other], depths[name] + 1)
    met: dict[str, None] = {}
    waiting = list(inputs)[-1:]
    while waiting:
        name = waiting.pop()
        if name not in met:
            met[name] = None
            waiting += reversed(inputs[name])
    return sorted(met, key=lambda name: -depths[name])


def answer_of(outputs: int) -> str:
    """What makes probabilities of so many logits."""
    return "sigmoid" if outputs == 1 else "softmax"


def _settings(step: Step, last: bool, outputs: int) -> Iterator[tuple[str, Facts]]:
    """Keras's class of a step with its settings, then those of an activation of its own."""
    activation: Activation = "linear"
    match step.layer:
        case Conv2d() as layer:
            own = "linear" if layer.activation == "leaky_relu" else layer.activation
            activation = "leaky_relu" if layer.activation == "leaky_relu" else "linear"
            if layer.padding == "symmetric":
                zeros = [list(layer.pads(size)) for size in step.shape[:2]]
                yield "ZeroPadding2D", {"padding": zeros, "data_format": "channels_last"}
            yield (
                "Conv2D",
                {
                    "filters": layer.filters,
                    "kernel_size": [layer.kernel, layer.kernel],
                    "strides": [layer.stride, layer.stride],
                    "padding": "valid" if layer.padding == "symmetric" else layer.padding,
                    "data_format": "channels_last",
                    "dilation_rate": [1, 1],
                    "groups": 1,
                    "activation": _ACTIVATIONS.get(own, own),
                    "use_bias": layer.bias,
                },
            )
        case Dense() as layer:
            own = "linear" if layer.activation == "leaky_relu" else layer.activation
            activation = "leaky_relu" if layer.activation == "leaky_relu" else "linear"
            yield (
                "Dense",
                {
                    "units": layer.units,
                    "activation": answer_of(outputs) if last else _ACTIVATIONS.get(own, own),
                    "use_bias": layer.bias,
                },
            )
        case Pool2d() as layer:
            activation = layer.activation
            yield (
                _POOLS[layer.kind],
                {
                    "pool_size": [layer.size, layer.size],
                    "padding": "valid",
                    "strides": [layer.step, layer.step],
                    "data_format": "channels_last",
                },
            )
        case GlobalAveragePool() as layer:
            activation = layer.activation
            yield "GlobalAveragePooling2D", {"data_format": "channels_last", "keepdims": False}
        case BatchNorm() as layer:
            activation = layer.activation
            yield (
                "BatchNormalization",
                {
                    "axis": -1,
                    "momentum": layer.momentum,
                    "epsilon": layer.epsilon,
                    "center": True,
                    "scale": True,
                },
            )
        case Dropout() as layer:
            yield "Dropout", {"rate": layer.rate}
        case Flatten():
            yield "Flatten", {"data_format": "channels_last"}
        case Normalize() as layer:
            scale, offset = layer.affine(max(len(layer.mean), len(layer.std)))
            alone = len(scale) == 1
            yield (
                "Rescaling",
                {
                    "scale": scale[0] if alone else scale,
                    "offset": offset[0] if alone else offset,
                },
            )
        case Add() as layer:
            activation = layer.activation
            yield "Add", {}
    if activation == "leaky_relu":
        yield "LeakyReLU", {"alpha": LEAK}
    elif activation != "linear":
        yield "Activation", {"activation": _ACTIVATIONS.get(activation, activation)}
