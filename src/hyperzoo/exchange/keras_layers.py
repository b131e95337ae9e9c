"""An architecture as the layers of a Keras model: written, and read back.

The settings are those of Keras 2.15, which Keras 3 reads too. An activation that Keras has no name
for, or that follows a layer which has none, is a layer of its own in Keras.
"""

import reprlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hyperzoo.architectures import Architecture, declared_architecture
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
    Pool2d,
)
from hyperzoo.architectures.steps import Step
from hyperzoo.errors import ArchitectureError, ForeignFileError

Facts = dict[str, Any]

_POOLS = {"average": "AveragePooling2D", "max": "MaxPooling2D"}
_SNAKE_CASE = {
    "Conv2D": "conv2d",
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


def _settings(step: Step, last: bool, outputs: int) -> Iterator[tuple[str, Facts]]:
    """Keras's class of a step with its settings, then those of an activation of its own."""
    activation: Activation = "linear"
    match step.layer:
        case Conv2d() as layer:
            own = "linear" if layer.activation == "leaky_relu" else layer.activation
            activation = "leaky_relu" if layer.activation == "leaky_relu" else "linear"
            yield (
                "Conv2D",
                {
                    "filters": layer.filters,
                    "kernel_size": [layer.kernel, layer.kernel],
                    "strides": [layer.stride, layer.stride],
                    "padding": layer.padding,
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
            answer = "sigmoid" if outputs == 1 else "softmax"
            yield (
                "Dense",
                {
                    "units": layer.units,
                    "activation": answer if last else _ACTIVATIONS.get(own, own),
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
        case Add() as layer:
            activation = layer.activation
            yield "Add", {}
    if activation == "leaky_relu":
        yield "LeakyReLU", {"alpha": LEAK}
    elif activation != "linear":
        yield "Activation", {"activation": _ACTIVATIONS.get(activation, activation)}


def architecture_of(
    config: Mapping[str, Any], *, source: str
) -> tuple[Architecture, tuple[str, ...]]:
    """The architecture that a Keras model's config declares.

    Args:
        config: a Sequential or Functional model's, as Keras 2 and Keras 3 write it.
        source: the file, for messages.

    Returns:
        The architecture, and Keras's names of the layers that have weights, in the order of its
        steps.

    Raises:
        ForeignFileError: it has what hyperzoo has not, or can't be understood.
    """
    try:
        return _Reader(config, source).read()
    except (KeyError, TypeError, AttributeError, ValueError, IndexError, RecursionError) as error:
        if isinstance(error, ForeignFileError):
            raise
        raise ForeignFileError(
            f"{source}: the model's config is damaged: {reprlib.repr(str(error))}"
        ) from error


class _Reader:
    """Reads a model's config, layer after layer."""

    def __init__(self, config: Mapping[str, Any], source: str) -> None:
        self._source = source
        self._functional = config["class_name"] != "Sequential"
        model = config["config"]
        self._name = model.get("name")
        self._layers: dict[str, tuple[str, Facts]] = {}
        self._followers: dict[str, list[str]] = {}
        self._inputs: dict[str, list[str]] = {}
        self._weighted: list[str] = []
        previous: list[str] = []
        for layer in model["layers"]:
            own = layer["config"]
            name = str(own["name"])
            if name in self._layers:
                raise self._refused(name, "has a name that comes twice")
            nodes = layer.get("inbound_nodes", []) if self._functional else None
            before = list(previous) if nodes is None else self._named(name, nodes)
            self._layers[name], self._inputs[name] = (str(layer["class_name"]), own), before
            for other in before:
                self._followers.setdefault(other, []).append(name)
            previous = [name]

    def _refused(self, name: str, what: str) -> ForeignFileError:
        return ForeignFileError(f"{self._source}: layer {reprlib.repr(name)} {what}")

    def _named(self, name: str, nodes: Any) -> list[str]:
        """The layers whose outputs a layer takes."""
        if nodes == []:
            return []
        (node,) = nodes
        if isinstance(node, dict):  # Keras 3
            (tensors,) = node["args"]
            tensors = tensors if isinstance(tensors, list) else [tensors]
            found = [tensor["config"]["keras_history"][0] for tensor in tensors]
        else:
            found = [tensor[0] for tensor in node]
        if not all(isinstance(other, str) and other in self._layers for other in found):
            raise self._refused(name, "takes what no layer before it gives")
        return list(found)

    def read(self) -> tuple[Architecture, tuple[str, ...]]:
        if not self._layers:
            raise ForeignFileError(f"{self._source}: the model has no layers")
        first = next(iter(self._layers))
        starts = [name for name in self._layers if not self._inputs[name]]
        if starts != [first]:
            raise self._refused(starts[-1], "begins a second way; expected one input")
        shape = self._input_shape(first)
        entries: list[Facts] = []
        if self._layers[first][0] != "InputLayer":
            self._append(first, entries)
        self._line(first, entries)
        if not entries:
            raise ForeignFileError(f"{self._source}: the model has no layers")
        last = entries[-1]
        units, answer = last.get("dense"), last.pop("activation", "linear")
        if type(units) is not int or answer not in ("linear", "sigmoid", "softmax"):
            raise ForeignFileError(
                f"{self._source}: expected a dense layer of probabilities or logits at the end, "
                f"got {reprlib.repr(last)} with activation {reprlib.repr(answer)}"
            )
        last["dense"] = "outputs"
        name = self._name
        good = isinstance(name, str) and name.isprintable() and 1 <= len(name) <= 200
        try:
            architecture = declared_architecture(
                str(name) if good else "keras", entries, shape, units
            )
        except ArchitectureError as error:
            raise ForeignFileError(f"{self._source}: {error}") from error
        return architecture, tuple(self._weighted)

    def _input_shape(self, first: str) -> tuple[int, int, int]:
        own = self._layers[first][1]
        found = own.get("batch_input_shape", own.get("batch_shape"))
        if (
            not isinstance(found, list)
            or len(found) != 4
            or not all(type(size) is int and 1 <= size <= 4096 for size in found[1:])
        ):
            raise self._refused(
                first,
                "does not tell the images' height, width and channels: its input's shape is "
                f"{reprlib.repr(found)}",
            )
        return found[1], found[2], found[3]

    def _only_follower(self, name: str) -> str:
        followers = self._followers.get(name, [])
        if len(followers) != 1:
            raise self._refused(
                name, f"is followed by {len(followers)} layers; expected layers in a line and "
                "residual blocks, which an addition ends"
            )  # fmt: skip
        return followers[0]

    def _line(self, name: str, entries: list[Facts]) -> None:
        """Read what follows a layer, to the end."""
        while followers := self._followers.get(name, []):
            if len(followers) == 2:
                name = self._block(name, followers, entries)
                continue
            (name,) = followers if len(followers) == 1 else [self._only_follower(name)]
            if self._layers[name][0] == "Add":
                raise self._refused(name, "adds what did not part before")
            self._append(name, entries)

    def _block(self, start: str, followers: Sequence[str], entries: list[Facts]) -> str:
        """Read a residual block; returns its addition."""
        joins = {self._end_of_branch(name) for name in followers}
        if len(joins) != 1:
            raise self._refused(start, "is followed by branches that no addition joins")
        (join,) = joins
        branches: dict[str, list[Facts]] = {}
        weighted: dict[str, list[str]] = {}
        for name in followers:
            before, self._weighted = self._weighted, []
            branch: list[Facts] = []
            end = start  # what the addition takes of an empty branch
            while name != join:
                self._append(name, branch)
                end, name = name, self._only_follower(name)
            branches[end], weighted[end] = branch, self._weighted
            self._weighted = before
        body, around = self._inputs[join]
        self._weighted += weighted[body] + weighted[around]
        block: Facts = {"residual": branches[body], "activation": "linear"}
        if branches[around]:
            block["shortcut"] = branches[around]
        entries.append(block)
        return join

    def _end_of_branch(self, name: str) -> str:
        """The addition to which a branch leads."""
        while self._layers[name][0] != "Add":
            name = self._only_follower(name)
        return name

    def _append(self, name: str, entries: list[Facts]) -> None:
        """Add a layer to the entries, or its activation to the last of them."""
        class_name, own = self._layers[name]
        match class_name:
            case "Activation" | "ReLU" | "LeakyReLU":
                before: Facts = entries[-1] if entries else {"flatten": True}
                if before.get("activation", "linear") != "linear" or {"dropout", "flatten"} & set(
                    before
                ):
                    raise self._refused(name, "is an activation that follows no layer that can")
                before["activation"] = self._own_activation(name, class_name, own)
            case _ if class_name in _READERS:
                if own.get("data_format", "channels_last") != "channels_last":
                    raise self._refused(name, "has its channels first; expected channels last")
                entry = _READERS[class_name](own)
                if entry is None:
                    raise self._refused(
                        name, f"({class_name}) has settings that hyperzoo has not: "
                        f"{reprlib.repr(own)}"
                    )  # fmt: skip
                if "dense" in entry and entries and "flatten" in entries[-1]:
                    entries.pop()  # a dense layer flattens by itself
                entries.append(entry)
                if {"conv", "dense", "norm"} & set(entry):
                    self._weighted.append(name)
            case _:
                raise self._refused(
                    name, f"is a {reprlib.repr(class_name)}, which hyperzoo has not"
                )

    def _own_activation(self, name: str, class_name: str, own: Facts) -> Any:
        if class_name == "Activation":
            return _activation(own)
        slope: Any = own.get("alpha", own.get("negative_slope", 0))
        plain = not own.get("max_value") and not own.get("threshold")
        if class_name == "ReLU" and plain and slope == 0:
            return "relu"
        if class_name == "LeakyReLU" and abs(slope - LEAK) < 1e-6:
            return "leaky_relu"
        raise self._refused(name, f"expected a slope of {LEAK} (or 0), got {reprlib.repr(slope)}")


def _activation(own: Facts) -> Any:
    name = own["activation"]
    return "silu" if name == "swish" else name


def _square(value: Any) -> int | None:
    """The size of a square window or step, however Keras wrote it."""
    sizes: Any = [value, value] if type(value) is int else value
    return sizes[0] if len(sizes) == 2 and sizes[0] == sizes[1] else None


def _convolution(own: Facts) -> Facts | None:
    if _square(own.get("dilation_rate", 1)) != 1 or own.get("groups", 1) != 1:
        return None
    return {
        "conv": own["filters"],
        "kernel": _square(own["kernel_size"]),
        "stride": _square(own["strides"]),
        "padding": own["padding"],
        "activation": _activation(own),
        "bias": own["use_bias"],
    }


def _pool(kind: str, own: Facts) -> Facts | None:
    if own["padding"] != "valid":
        return None
    size = _square(own["pool_size"])
    return {"pool": kind, "size": size, "stride": _square(own["strides"])} if size else None


def _norm(own: Facts) -> Facts | None:
    axis = own["axis"]
    if axis not in (-1, [-1], 3, [3], 1, [1]) or not own["center"] or not own["scale"]:
        return None
    return {"norm": "batch", "momentum": own["momentum"], "epsilon": own["epsilon"]}


_READERS: dict[str, Callable[[Facts], Facts | None]] = {
    "Conv2D": _convolution,
    "Dense": lambda own: {
        "dense": own["units"],
        "activation": _activation(own),
        "bias": own["use_bias"],
    },
    "AveragePooling2D": lambda own: _pool("average", own),
    "MaxPooling2D": lambda own: _pool("max", own),
    "GlobalAveragePooling2D": lambda own: None if own.get("keepdims") else {"pool": "global"},
    "BatchNormalization": _norm,
    "Dropout": lambda own: {"dropout": own["rate"]},
    "Flatten": lambda own: {"flatten": True},
}
