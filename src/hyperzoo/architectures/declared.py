"""Layers as a recipe and `zoo.json` write them: a list of small tables.

    { conv = 8, kernel = 5, activation = "tanh" }, { pool = "max" }, { dense = "outputs" }

A layer's first key says what it is; docs/architectures.md lists all keys.
"""

import reprlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, replace
from typing import Any

from hyperzoo.architectures.architecture import Architecture
from hyperzoo.architectures.layers import (
    ACTIVATIONS,
    BatchNorm,
    Conv2d,
    Dense,
    Dropout,
    Flatten,
    GlobalAveragePool,
    Layer,
    Normalize,
    Pool2d,
    Residual,
    Shape,
)
from hyperzoo.architectures.steps import LayerError, unroll
from hyperzoo.errors import ArchitectureError, did_you_mean

OUTPUTS = "outputs"
"""Stands for the number of logits, which follows from the task."""

MOST_LAYERS, MOST_PARAMETERS, MOST_CHANNELS = 256, 2**27, 4096
MOST_VALUES = 2**24
"""Numbers of a layer's output for an image."""


@dataclass(frozen=True)
class Problem:
    """One mistake in a list of layers.

    Attributes:
        place: the layer's number, 1 for the first; within a residual block a second number,
            which counts its shortcut's layers on from its own.
        message: what is wrong, what was found, what would fit.
    """

    place: tuple[int, ...]
    message: str

    def __str__(self) -> str:
        if not self.place:
            return self.message
        return f"layer {'.'.join(map(str, self.place))}: {self.message}"


class _FieldError(Exception):
    """A field's value does not fit; the message says what would."""


def _one_of(*known: str) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        if not isinstance(value, str) or value not in known:
            hint = did_you_mean(value, known) if isinstance(value, str) else ""
            raise _FieldError(
                f"expected one of {', '.join(known)}, got {reprlib.repr(value)}{hint}"
            )
        return value

    return check


def _whole(least: int, most: int) -> Callable[[Any], int]:
    def check(value: Any) -> int:
        if type(value) is not int or not least <= value <= most:  # True is an int too
            raise _FieldError(
                f"expected a whole number from {least} to {most}, got {reprlib.repr(value)}"
            )
        return value

    return check


def _number(test: Callable[[float], bool], allowed: str) -> Callable[[Any], float]:
    def check(value: Any) -> float:
        if type(value) not in (int, float) or not test(value):
            raise _FieldError(f"expected a number {allowed}, got {reprlib.repr(value)}")
        return float(value)

    return check


def _truth(value: Any) -> bool:
    if type(value) is not bool:
        raise _FieldError(f"expected true or false, got {reprlib.repr(value)}")
    return value


def _units(value: Any) -> Any:
    if value == OUTPUTS:
        return value
    try:
        return _whole(1, 65536)(value)
    except _FieldError:
        raise _FieldError(
            f'expected a whole number from 1 to 65536, or "{OUTPUTS}", got {reprlib.repr(value)}'
        ) from None


def _per_channel(test: Callable[[float], bool], allowed: str) -> Callable[[Any], Any]:
    number = _number(test, allowed)

    def check(value: Any) -> Any:
        if not isinstance(value, list | tuple):
            return number(value)
        if not 1 <= len(value) <= MOST_CHANNELS:
            raise _FieldError(
                f"expected a number, or a list of one a channel, got {reprlib.repr(value)}"
            )
        return [number(own) for own in value]

    return check


def _flatten(value: Any) -> Any:
    if value is not True:
        raise _FieldError(f"expected true, got {reprlib.repr(value)}")
    return value


@dataclass(frozen=True)
class _Kind:
    """A kind of layer: what its first key may hold, and which keys may follow."""

    check: Callable[[Any], Any]
    keys: Mapping[str, Callable[[Any], Any]]
    needed: tuple[str, ...] = ()
    example: str = ""


_ACTIVATION = {"activation": _one_of(*ACTIVATIONS)}

_KINDS = {
    "conv": _Kind(
        _whole(1, 4096),
        {
            "kernel": _whole(1, 64),
            "stride": _whole(1, 64),
            "padding": _one_of("valid", "same", "symmetric"),
            **_ACTIVATION,
            "bias": _truth,
        },
        needed=("kernel",),
        example="{ conv = 8, kernel = 5 }",
    ),
    "pool": _Kind(
        _one_of("average", "max", "global"),
        {"size": _whole(1, 1024), "stride": _whole(1, 1024), **_ACTIVATION},
    ),
    "dense": _Kind(_units, {**_ACTIVATION, "bias": _truth}),
    "norm": _Kind(
        _one_of("batch"),
        {
            "momentum": _number(lambda x: 0 <= x < 1, "from 0 to below 1"),
            "epsilon": _number(lambda x: 0 < x <= 1, "above 0 and at most 1"),
            **_ACTIVATION,
        },
    ),
    "dropout": _Kind(_number(lambda x: 0 <= x < 1, "from 0 to below 1"), {}),
    "flatten": _Kind(_flatten, {}),
    "normalize": _Kind(
        _one_of("inputs"),
        {
            "mean": _per_channel(lambda x: abs(x) <= 1e6, "from -1e6 to 1e6"),
            "std": _per_channel(lambda x: 1e-6 <= x <= 1e6, "from 1e-6 to 1e6"),
        },
        needed=("mean", "std"),
        example='{ normalize = "inputs", mean = 0.5, std = 0.5 }',
    ),
}
_CONSTANTS = {"momentum", "epsilon"}
_BLOCK_KEYS = ("residual", "shortcut", "activation")


def parse_layers(
    entries: object, input_shape: Shape | None, outputs: int
) -> tuple[tuple[Layer, ...], list[Problem]]:
    """Read a list of layers.

    Args:
        entries: as TOML's or JSON's parser gives it.
        input_shape: (height, width, channels) of the images; None where they are not known, and
            nobody can say whether the layers fit.
        outputs: what `"outputs"` stands for.

    Returns:
        The layers, and all mistakes; of layers that do not fit what arrives at them the first,
        since nobody knows what it would have given. With mistakes there are no layers.
    """
    if not isinstance(entries, list | tuple) or not entries:
        return (), [Problem((), f"expected a list of layers, got {reprlib.repr(entries)}")]
    if len(entries) > MOST_LAYERS:
        return (), [Problem((), f"expected at most {MOST_LAYERS} layers, got {len(entries)}")]
    problems: list[Problem] = []
    layers: list[Layer] = []
    for number, entry in enumerate(entries, start=1):
        layers += _parse_layer(entry, (number,), outputs, problems)
    last = entries[-1]
    if not isinstance(last, dict) or last.get("dense") != OUTPUTS or _activation(last) != "linear":
        problems.append(
            Problem(
                (len(entries),),
                f'the last layer must be {{ dense = "{OUTPUTS}" }} without an activation, got '
                f"{reprlib.repr(last)}",
            )
        )
    if not problems and input_shape is not None:
        problems += _misfits(layers, input_shape)
    return (() if problems else tuple(layers)), problems


def declared_architecture(
    name: str, entries: object, input_shape: Shape, outputs: int
) -> Architecture:
    """The architecture that a list of layers declares.

    Args:
        name: what it is called.
        entries: as TOML's or JSON's parser gives it.
        input_shape: (height, width, channels) of the images.
        outputs: how many logits it gives.

    Raises:
        ArchitectureError: with every mistake and its place.
    """
    layers, problems = parse_layers(entries, input_shape, outputs)
    if problems:
        lines = "\n".join(f"  - {problem}" for problem in problems)
        raise ArchitectureError(f"the layers of '{name}' can't be built:\n{lines}")
    return Architecture(name=name, input_shape=input_shape, layers=layers)


def _activation(entry: Mapping[str, Any]) -> Any:
    return entry.get("activation", "linear")


def _parse_layer(
    entry: object, place: tuple[int, ...], outputs: int, problems: list[Problem]
) -> list[Any]:
    """The layer of a table, or none and its mistakes."""
    if not isinstance(entry, dict):
        example = '{ conv = 8, kernel = 5, activation = "tanh" }'
        problems.append(
            Problem(place, f"expected a table such as {example}, got {reprlib.repr(entry)}")
        )
        return []
    if "residual" in entry:
        return _parse_block(entry, place, outputs, problems)
    kinds = [key for key in entry if key in _KINDS]
    if len(kinds) != 1:
        known = ", ".join([*_KINDS, "residual"])
        hints = [did_you_mean(str(key), _KINDS) for key in entry] if not kinds else []
        hint = next((hint for hint in hints if hint), "")
        problems.append(
            Problem(
                place,
                f"expected one key that says what the layer is ({known}), got "
                f"{reprlib.repr(', '.join(map(str, entry)) or 'none')}{hint}",
            )
        )
        return []
    kind, before = kinds[0], len(problems)
    known_keys = _KINDS[kind].keys
    for key, value in entry.items():
        check = _KINDS[kind].check if key == kind else known_keys.get(key)
        if check is None:
            nearest = did_you_mean(str(key), known_keys)
            known = ", ".join(known_keys) or "none"
            problems.append(
                Problem(place, f"{kind} has no key {reprlib.repr(key)}{nearest} (known: {known})")
            )
            continue
        try:
            check(value)
        except _FieldError as mistake:
            problems.append(Problem(place, f"{key}: {mistake}"))
    problems += [
        Problem(place, f"{kind} needs a {key}, as in {_KINDS[kind].example}")
        for key in _KINDS[kind].needed
        if key not in entry
    ]
    if entry.get("pool") == "global" and {"size", "stride"} & entry.keys():
        problems.append(Problem(place, "pool = 'global' takes the whole image: no size, no stride"))
    return [] if len(problems) > before else [_build(kind, entry, outputs)]


def _build(kind: str, entry: Mapping[str, Any], outputs: int) -> Layer:
    """A layer of a table whose values have been checked."""
    value = entry[kind]
    others: dict[str, Any] = {key: given for key, given in entry.items() if key != kind}
    match kind:
        case "conv":
            convolution = Conv2d(filters=value, **others)
            # In steps of one position both put their zeros in the same places.
            # An even kernel can't have them symmetric, which is said where it is fitted.
            odd = convolution.kernel % 2 == 1
            alike = odd and convolution.padding == "symmetric" and convolution.stride == 1
            return replace(convolution, padding="same") if alike else convolution
        case "pool" if value == "global":
            return GlobalAveragePool(**others)
        case "pool":
            layer = Pool2d(kind=value, **others)
            # A default that is spelled out makes no other network.
            return replace(layer, stride=None) if layer.stride == layer.size else layer
        case "dense":
            return Dense(units=outputs if value == OUTPUTS else value, **others)
        case "norm":
            others |= {key: float(others[key]) for key in _CONSTANTS & others.keys()}
            return BatchNorm(**others)
        case "dropout":
            return Dropout(rate=float(value))
        case "normalize":
            return Normalize(mean=_numbers(entry["mean"]), std=_numbers(entry["std"]))
        case _:
            return Flatten()


def _numbers(value: Any) -> tuple[float, ...]:
    """A number or one a channel; where these are equal, one says it."""
    numbers = tuple(map(float, value if isinstance(value, list | tuple) else [value]))
    return numbers[:1] if len(set(numbers)) == 1 else numbers


def _parse_block(
    entry: Mapping[str, Any], place: tuple[int, ...], outputs: int, problems: list[Problem]
) -> list[Any]:
    before = len(problems)
    for key in entry:
        if key not in _BLOCK_KEYS:
            nearest = did_you_mean(str(key), _BLOCK_KEYS)
            problems.append(
                Problem(
                    place,
                    f"residual has no key {reprlib.repr(key)}{nearest} "
                    f"(known: {', '.join(_BLOCK_KEYS[1:])})",
                )
            )
    if len(place) > 1:
        problems.append(Problem(place, "a residual block can't lie within another"))
        return []
    body: list[Any] = []
    shortcut: list[Any] = []
    number = 0
    for key, found in (("residual", body), ("shortcut", shortcut)):
        inner = entry.get(key, [])
        if not isinstance(inner, list | tuple) or len(inner) > MOST_LAYERS:
            problems.append(
                Problem(place, f"{key}: expected a list of layers, got {reprlib.repr(inner)}")
            )
            continue
        for own in inner:
            number += 1
            told = len(problems)
            for layer in _parse_layer(own, (*place, number), outputs, problems):
                found.append(layer)
                if (mistake := _out_of_block(key, layer)) is not None:
                    problems.append(Problem((*place, number), mistake))
            if key == "shortcut":
                problems[told:] = [_of_shortcut(problem) for problem in problems[told:]]
    if not body and len(problems) == before:
        problems.append(Problem(place, "residual: expected a layer or more, got none"))
    activation = entry.get("activation", "relu")
    try:
        _ACTIVATION["activation"](activation)
    except _FieldError as mistake:
        problems.append(Problem(place, f"activation: {mistake}"))
    if len(problems) > before:
        return []
    return [Residual(layers=tuple(body), shortcut=tuple(shortcut), activation=activation)]


def _of_shortcut(problem: Problem) -> Problem:
    """Numbers count a block's layers first, so it is said that one is of the shortcut."""
    return replace(problem, message=f"of the shortcut: {problem.message}")


def _out_of_block(key: str, layer: Layer) -> str | None:
    """What is wrong with a layer within a residual block."""
    if key == "residual" and not isinstance(layer, Conv2d | BatchNorm | Dropout):
        return "a residual block holds conv, norm and dropout layers only"
    if key == "shortcut" and not (
        isinstance(layer, BatchNorm) or (isinstance(layer, Conv2d) and layer.kernel == 1)
    ):
        return "a shortcut holds conv layers with kernel = 1 and norm layers only"
    return None


def _misfits(layers: Sequence[Layer], input_shape: Shape) -> list[Problem]:
    """The first layer that does not fit what arrives at it, or how the whole is too large."""
    try:
        steps = unroll(layers, input_shape)
    except LayerError as error:
        arrived = "x".join(map(str, _arriving(layers, input_shape, error.place)))
        problem = Problem(error.place, f"{error} (arriving: {arrived})")
        return [_of_shortcut(problem) if _is_of_shortcut(layers, error.place) else problem]
    architecture = Architecture(name="", input_shape=input_shape, layers=tuple(layers))
    count = architecture.parameter_count
    values = max(h * w * c for h, w, c in (step.output_shape for step in steps))
    if count > MOST_PARAMETERS:
        return [Problem((), f"expected at most {MOST_PARAMETERS} parameters, got {count}")]
    if values > MOST_VALUES:
        return [Problem((), f"expected at most {MOST_VALUES} values of a layer, got {values}")]
    return []


def _is_of_shortcut(layers: Sequence[Layer], place: tuple[int, ...]) -> bool:
    block = layers[place[0] - 1]
    return len(place) > 1 and isinstance(block, Residual) and place[1] > len(block.layers)


def _arriving(layers: Sequence[Layer], input_shape: Shape, place: tuple[int, ...]) -> Shape:
    """The shape that arrives at the layer of a place, the first that does not fit."""
    before = unroll(layers[: place[0] - 1], input_shape)
    shape = before[-1].output_shape if before else input_shape
    block = layers[place[0] - 1]
    if len(place) > 1 and isinstance(block, Residual):
        inner, count = [*block.layers, *block.shortcut], place[1] - 1
        skipped = 0 if count < len(block.layers) else len(block.layers)
        for layer in inner[skipped:count]:
            shape = layer.output_shape(shape)
    return shape


def layer_tables(architecture: Architecture) -> list[dict[str, Any]]:
    """An architecture's layers as `parse_layers` reads them, defaults left out."""
    tables = [_table(layer) for layer in architecture.layers]
    if "dense" in tables[-1]:
        tables[-1]["dense"] = OUTPUTS
    return tables


def _table(layer: Layer) -> dict[str, Any]:
    others = {
        entry.name: getattr(layer, entry.name)
        for entry in fields(layer)
        if entry.default is not MISSING and getattr(layer, entry.name) != entry.default
    }
    match layer:
        case Conv2d():
            return {"conv": layer.filters, "kernel": layer.kernel} | others
        case Pool2d():
            return {"pool": layer.kind} | others
        case GlobalAveragePool():
            return {"pool": "global"} | others
        case Dense():
            return {"dense": layer.units} | others
        case BatchNorm():
            return {"norm": "batch"} | others
        case Dropout():
            return {"dropout": layer.rate}
        case Flatten():
            return {"flatten": True}
        case Normalize():
            told = {"mean": list(layer.mean), "std": list(layer.std)}
            return {"normalize": "inputs"} | {
                key: own[0] if len(own) == 1 else own for key, own in told.items()
            }
        case Residual():
            around = {"shortcut": [_table(own) for own in layer.shortcut]} if layer.shortcut else {}
            block = {"residual": [_table(own) for own in layer.layers]} | around
            return block | {key: value for key, value in others.items() if key == "activation"}
