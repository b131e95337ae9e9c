"""The architecture that a Keras model's config declares.

Layers in a line, and residual blocks: two ways that part at a layer and that an addition joins. All
else is refused by its layer's name. What is read is a list of tables like a recipe's, which are
checked as a recipe's are.
"""

import re
import reprlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hyperzoo.architectures import (
    Architecture,
    architecture_names,
    declared_architecture,
    known_as,
)
from hyperzoo.architectures.layers import LEAK, Conv2d
from hyperzoo.errors import ArchitectureError, ForeignFileError
from hyperzoo.exchange.keras.effective import (
    CALLED_OTHERWISE,
    IN_TRAINING_ALONE,
    MODELS,
    OWN_LAYER,
    check_model_class,
    is_called_plainly,
    is_of_keras,
    sides,
    told_in_training_alone,
)
from hyperzoo.exchange.keras.layers import Facts, answer_of, in_keras_order
from hyperzoo.exchange.keras.scaling import Scaling
from hyperzoo.words import counted


def architecture_of(
    config: Mapping[str, Any], *, source: str
) -> tuple[Architecture, tuple[str, ...], tuple[str, ...]]:
    """The architecture that a Keras model's config declares.

    Args:
        config: a Sequential or Functional model's, as Keras 2 and Keras 3 write it.
        source: the file, for messages.

    Returns:
        The architecture, Keras's names of the layers that have weights, in the order of its
        steps, and notes.

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


def keras_order(config: Mapping[str, Any], *, source: str) -> list[str]:
    """The names of a model's layers in the order by which Keras reads their weights.

    Args:
        config: one that `architecture_of` took.
        source: the file, for messages.
    """
    return in_keras_order(_Reader(config, source).inputs)


class _Reader:
    """Reads a model's config, layer after layer."""

    def __init__(self, config: Mapping[str, Any], source: str) -> None:
        self._source = source
        check_model_class(config, source)
        self._functional = config["class_name"] != "Sequential"
        self._outputs = config["config"].get("output_layers") if self._functional else None
        model = config["config"]
        self._name = model.get("name")
        self._layers: dict[str, tuple[str, Facts]] = {}
        self._followers: dict[str, list[str]] = {}
        self.inputs: dict[str, list[str]] = {}
        self._weighted: list[str] = []
        self._notes: list[str] = []
        self._passed: dict[str, None] = {}
        self._scaling, self._scaled, self._begun = Scaling(), "", False
        self._begins = (1, 1)  # height and width where the entries begin that are added to
        previous: list[str] = []
        for layer in model["layers"]:
            own = layer["config"]
            name = str(own["name"])
            if name in self._layers:
                raise self._refused(name, "has a name that comes twice")
            if not is_of_keras(layer):
                raise self._refused(name, f"is {OWN_LAYER}")
            nodes = layer.get("inbound_nodes", []) if self._functional else None
            before = list(previous) if nodes is None else self._named(name, nodes)
            self._layers[name], self.inputs[name] = (str(layer["class_name"]), own), before
            for other in before:
                self._followers.setdefault(other, []).append(name)
            previous = [name]

    def _refused(self, name: str, what: str) -> ForeignFileError:
        return ForeignFileError(f"{self._source}: layer {reprlib.repr(name)} {what}")

    def _named(self, name: str, nodes: Any) -> list[str]:
        """The layers whose outputs a layer takes."""
        if nodes == []:
            return []
        if len(nodes) != 1:
            raise self._refused(
                name, f"is used {len(nodes)} times, on several inputs; expected a layer for each"
            )
        (node,) = nodes
        if not is_called_plainly(node):
            raise self._refused(name, CALLED_OTHERWISE)
        if isinstance(node, dict):  # Keras 3
            (tensors,) = node["args"]
            tensors = tensors if isinstance(tensors, list) else [tensors]
            found = [tensor["config"]["keras_history"][0] for tensor in tensors]
        else:
            found = [tensor[0] for tensor in node]
        if not all(isinstance(other, str) and other in self._layers for other in found):
            raise self._refused(name, "takes what no layer before it gives")
        return list(found)

    def read(self) -> tuple[Architecture, tuple[str, ...], tuple[str, ...]]:
        if not self._layers:
            raise ForeignFileError(f"{self._source}: the model has no layers")
        first = next(iter(self._layers))
        starts = [name for name in self._layers if not self.inputs[name]]
        if starts != [first]:
            raise self._refused(starts[-1], "begins a second way; expected one input")
        shape = self._input_shape(first)
        self._begins = shape[:2]
        entries: list[Facts] = []
        if self._layers[first][0] != "InputLayer":
            self._append(first, entries)
        last_name = self._line(first, entries)
        if self._functional and self._outputs not in ([[last_name, 0, 0]], [last_name, 0, 0]):
            raise ForeignFileError(
                f"{self._source}: expected the last layer, {reprlib.repr(last_name)}, as the one "
                f"output, got {reprlib.repr(self._outputs)}"
            )
        if not entries:
            raise ForeignFileError(f"{self._source}: the model has no layers")
        last = entries[-1]
        units, answer = last.get("dense"), last.pop("activation", "linear")
        if type(units) is not int or answer not in ("linear", "sigmoid", "softmax"):
            raise ForeignFileError(
                f"{self._source}: expected a dense layer of probabilities or logits at the end, "
                f"got {reprlib.repr(last)} with activation {reprlib.repr(answer)}"
            )
        self._check_answer(last_name, units, answer)
        last["dense"] = "outputs"
        if self._scaled:
            scaling, told = self._scaling.normalised(self._scaled)
            entries[:0] = scaling
            self._notes += told
        own = _own_name(self._name)
        try:
            architecture = known_as(declared_architecture(own, entries, shape, units))
        except ArchitectureError as error:
            raise ForeignFileError(f"{self._source}: {error}") from error
        if self._passed:
            self._notes.append(told_in_training_alone(self._passed))
        return architecture, tuple(self._weighted), tuple(self._notes)

    def _check_answer(self, name: str, units: int, answer: str) -> None:
        """Refuse probabilities that are none of logits as hyperzoo has them."""
        expected = answer_of(units)
        if answer in (expected, "linear"):
            return
        why = (
            "softmax of one output is 1, whatever the image"
            if units == 1
            else "each output is a probability by itself, not one of classes that exclude others"
        )
        raise self._refused(
            name, f"ends in {answer} of {counted(units, 'output')}, which is another function "
            f"than {expected}, as networks of {counted(units, 'output')} have it here: {why}; "
            "where that is what it was trained for, it can't be imported"
        )  # fmt: skip

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

    def _line(self, name: str, entries: list[Facts]) -> str:
        """Read what follows a layer, to the end; returns the last layer."""
        while followers := self._followers.get(name, []):
            if len(followers) == 2:
                name = self._block(name, followers, entries)
                continue
            (name,) = followers if len(followers) == 1 else [self._only_follower(name)]
            if self._layers[name][0] == "Add":
                raise self._refused(name, "adds what did not part before")
            self._append(name, entries)
        return name

    def _block(self, start: str, followers: Sequence[str], entries: list[Facts]) -> str:
        """Read a residual block; returns its addition."""
        self._begun = True
        self._check_end(start, entries)
        joins = {self._end_of_branch(name) for name in followers}
        if len(joins) != 1:
            raise self._refused(start, "is followed by branches that no addition joins")
        (join,) = joins
        branches: dict[str, list[Facts]] = {}
        weighted: dict[str, list[str]] = {}
        begins, self._begins = self._begins, _ends(entries, self._begins)
        for name in followers:
            before, self._weighted = self._weighted, []
            branch: list[Facts] = []
            end = start  # what the addition takes of an empty branch
            while name != join:
                self._append(name, branch)
                end, name = name, self._only_follower(name)
            self._check_end(end, branch)
            branches[end], weighted[end] = branch, self._weighted
            self._weighted = before
        self._begins = begins
        body, around = self.inputs[join]
        if not branches[body] or not _is_shortcut(branches[around]):
            body, around = around, body  # a sum may be written either way round
        self._weighted += weighted[body] + weighted[around]
        block: Facts = {"residual": branches[body], "activation": "linear"}
        if branches[around]:
            block["shortcut"] = branches[around]
        entries.append(block)
        return join

    def _check_end(self, name: str, entries: Sequence[Facts]) -> None:
        if entries and "zeros" in entries[-1]:
            raise self._refused(
                name, "is a ZeroPadding2D that no convolution follows; expected one right behind it"
            )

    def _end_of_branch(self, name: str) -> str:
        """The addition to which a branch leads."""
        while self._layers[name][0] != "Add":
            name = self._only_follower(name)
        return name

    def _append(self, name: str, entries: list[Facts]) -> None:
        """Add a layer to the entries, or its activation to the last of them."""
        class_name, own = self._layers[name]
        zeros = entries.pop()["zeros"] if entries and "zeros" in entries[-1] else None
        if zeros is not None and class_name != "Conv2D":
            raise self._refused(name, "follows a ZeroPadding2D; expected a convolution")
        match class_name:
            case "Activation" | "ReLU" | "LeakyReLU" | "Softmax":
                before: Facts = entries[-1] if entries else {"flatten": True}
                if before.get("activation", "linear") != "linear" or {"dropout", "flatten"} & set(
                    before
                ):
                    raise self._refused(name, "is an activation that follows no layer that can")
                before["activation"] = self._own_activation(name, class_name, own)
            case "Identity":
                pass
            case _ if class_name in IN_TRAINING_ALONE:
                self._passed[class_name] = None
            case "Rescaling":
                self._scale(name, own)
            case "ZeroPadding2D":
                if own.get("data_format", "channels_last") != "channels_last":
                    raise self._refused(name, "has its channels first; expected channels last")
                entries.append({"zeros": own["padding"]})
            case _ if class_name in _READERS:
                if own.get("data_format", "channels_last") != "channels_last":
                    raise self._refused(name, "has its channels first; expected channels last")
                entry = _READERS[class_name](own)
                if entry is not None and zeros is not None:
                    entry = self._padded(name, entry, zeros, _ends(entries, self._begins))
                if entry is not None and "norm" in entry and own["axis"] not in _axes(entries):
                    entry = None
                if entry is None:
                    keys = (key for key in _TELLING.get(class_name, ()) if key in own)
                    told = ", ".join(f"{key} {reprlib.repr(own[key])}" for key in keys)
                    raise self._refused(
                        name, f"({class_name}) has settings that hyperzoo has not: {told}"
                    )
                self._begun = True
                if "dense" in entry and entries and "flatten" in entries[-1]:
                    entries.pop()  # a dense layer flattens by itself
                entries.append(entry)
                if {"conv", "dense", "norm"} & set(entry):
                    self._weighted.append(name)
            case _ if class_name in MODELS:
                raise self._refused(
                    name, "is a model within the model, which is followed where all layers are "
                    "those of a built-in network; make one model of these layers, and save that"
                )  # fmt: skip
            case _:
                raise self._refused(
                    name, f"is a {reprlib.repr(class_name)}, which hyperzoo has not"
                )

    def _scale(self, name: str, own: Facts) -> None:
        """Take a scaling of the pixels, of which several may follow one another."""
        place = f"{self._source}: layer {reprlib.repr(name)}"
        if Scaling().then(own, place) == Scaling():
            return
        if self._begun:
            raise self._refused(name, "scales what other layers made; expected it before them")
        self._scaling, self._scaled = self._scaling.then(own, place), place

    def _padded(self, name: str, entry: Facts, zeros: Any, before_it: tuple[int, int]) -> Facts:
        """A convolution with the zeros of a layer before it."""
        if entry["padding"] == "valid":
            padding = _padding_of(sides(zeros), before_it, entry)
            if padding is not None:
                return entry | {"padding": padding}
        raise self._refused(
            name, f"follows a ZeroPadding2D of {reprlib.repr(zeros)}, which with its kernel of "
            f"{reprlib.repr(entry['kernel'])}, stride {reprlib.repr(entry['stride'])} and padding "
            f"{reprlib.repr(entry['padding'])} is no padding that hyperzoo has: expected the zeros "
            'of "same", or (kernel - 1) / 2 on all sides'
        )  # fmt: skip

    def _own_activation(self, name: str, class_name: str, own: Facts) -> Any:
        if class_name == "Activation":
            return _activation(own)
        if class_name == "Softmax":
            if own.get("axis", -1) not in (-1, 1):
                raise self._refused(name, f"expected axis -1, got {reprlib.repr(own['axis'])}")
            return "softmax"
        slope: Any = own.get("alpha", own.get("negative_slope", 0))
        bent = [
            f"{key} {reprlib.repr(own[key])}"
            for key in ("max_value", "threshold")
            if own.get(key) not in (None, 0)
        ]
        if bent:
            raise self._refused(name, f"is a {class_name} with {' and '.join(bent)}; expected none")
        if class_name == "ReLU" and slope == 0:
            return "relu"
        if class_name == "LeakyReLU" and abs(slope - LEAK) < 1e-6:
            return "leaky_relu"
        raise self._refused(name, f"expected a slope of {LEAK} (or 0), got {reprlib.repr(slope)}")


def _own_name(name: Any) -> str:
    """What the network is called: as the model, where that says anything."""
    if not isinstance(name, str) or not name.isprintable() or not 1 <= len(name) <= 200:
        return "keras"
    # Keras numbers the models that it names itself, so that those of one process differ.
    numbered = re.fullmatch(r"(sequential|functional|model)_[0-9]+", name)
    # The name of a built-in network would promise that network's layers.
    return numbered[1] if numbered else "keras" if name in architecture_names() else name


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


def _ends(entries: Sequence[Facts], begins: tuple[int, int]) -> tuple[int, int]:
    """Height and width of what layers make of what has these."""
    height, width = begins
    for entry in entries:
        if "residual" in entry:
            height, width = _ends(entry["residual"], (height, width))
        elif (window := _window(entry, entry.get("padding", "valid"))) is not None:
            height, width = (_steps(window, side, window.pads(side)) for side in (height, width))
    return height, width


def _window(entry: Facts, padding: Any) -> Conv2d | None:
    """A convolution's or a pooling's window; None of other layers, and of what is refused."""
    kernel, stride = entry.get("kernel", entry.get("size")), entry.get("stride")
    if type(kernel) is int and type(stride) is int and kernel > 0 and stride > 0:
        return Conv2d(filters=1, kernel=kernel, stride=stride, padding=padding)
    return None


def _steps(window: Conv2d, side: int, zeros: tuple[int, int]) -> int:
    """How many positions a window has along a side with zeros before and after it."""
    return (side + sum(zeros) - window.kernel) // window.stride + 1


def _padding_of(
    added: tuple[tuple[int, int], tuple[int, int]] | None, size: tuple[int, int], entry: Facts
) -> str | None:
    """The padding that comes to the same as zeros before and after each axis; None for none.

    Zeros at the end that no window reaches do not count.
    """
    if added is None or min(*added[0], *added[1]) < 0:
        return None
    for padding in ("symmetric", "same", "valid"):
        window = _window(entry, padding)
        if window is None or (padding == "symmetric" and window.kernel % 2 == 0):
            continue
        if all(
            zeros[0] == window.pads(side)[0]
            and _steps(window, side, zeros) == _steps(window, side, window.pads(side))
            for side, zeros in zip(size, added, strict=True)
        ):
            return padding
    return None


def _pool(kind: str, own: Facts) -> Facts | None:
    if own["padding"] != "valid":
        return None
    size = _square(own["pool_size"])
    return {"pool": kind, "size": size, "stride": _square(own["strides"])} if size else None


def _norm(own: Facts) -> Facts | None:
    if not own["center"] or not own["scale"]:
        return None
    return {"norm": "batch", "momentum": own["momentum"], "epsilon": own["epsilon"]}


def _axes(entries: Sequence[Facts]) -> tuple[Any, ...]:
    """How Keras may write the axis of channels after some layers."""
    flat = any({"dense", "flatten"} & entry.keys() or entry.get("pool") == "global"
               for entry in entries)  # fmt: skip
    last = 1 if flat else 3
    return -1, [-1], last, [last]


def _is_shortcut(branch: Sequence[Facts]) -> bool:
    """Whether a branch may be a shortcut: 1x1 convolutions and normalisations."""
    return all("norm" in entry or entry.get("kernel") == 1 for entry in branch)


_TELLING = {
    "Conv2D": ("kernel_size", "dilation_rate", "groups"),
    "AveragePooling2D": ("pool_size", "strides", "padding"),
    "MaxPooling2D": ("pool_size", "strides", "padding"),
    "GlobalAveragePooling2D": ("keepdims",),
    "BatchNormalization": ("axis", "center", "scale"),
}
"""The settings for which a layer may be refused."""

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
