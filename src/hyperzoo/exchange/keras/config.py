"""What Keras's JSON says of a model: written for an architecture, and compared with one.

The form is that of Keras 2.15, which Keras 3 reads too.
"""

import json
import reprlib
from collections.abc import Collection, Iterator
from typing import Any

from hyperzoo.architectures import Architecture, architecture_names
from hyperzoo.errors import ForeignFileError
from hyperzoo.exchange.keras.effective import (
    CALLED_OTHERWISE,
    Folding,
    check_model_class,
    check_shape,
    is_called_plainly,
    is_model,
    leaves,
)
from hyperzoo.exchange.keras.groups import named_groups
from hyperzoo.exchange.keras.layers import Facts, KerasLayer, in_keras_order, keras_model

KERAS_VERSION = "2.15.0"
MODEL_NAME = "sequential"
LEARNING_RATE_WIDTH = 24
"""Characters that every float64 fits into: see `training_config`."""

_PRECISIONS = ("float32", "mixed_float16", "mixed_bfloat16")
"""Of layers whose weights are float32. The published networks were trained in mixed float16."""

_ONCE_MISSING = {"groups": 1, "keepdims": False}
"""What Keras did before it had these settings; it writes all others, so a gap is a damage."""


def keras_layers(architecture: Architecture) -> Iterator[tuple[str, str, Facts]]:
    """Class name, name and own settings of every layer that Keras needs, in order."""
    for layer in keras_model(architecture):
        yield layer.class_name, layer.name, layer.settings


def layers_in_keras_order(architecture: Architecture) -> list[KerasLayer]:
    """The same layers as Keras lists and counts them."""
    layers = {layer.name: layer for layer in keras_model(architecture)}
    return [layers[name] for name in in_keras_order({n: own.inputs for n, own in layers.items()})]


def counted_groups(architecture: Architecture) -> dict[str, str]:
    """Name of a layer -> its group's in a file of Keras 3's weights."""
    layers = layers_in_keras_order(architecture)
    groups = named_groups([{"class_name": layer.class_name} for layer in layers])
    return {layer.name: name for layer, (_, name) in zip(layers, groups, strict=True)}


def model_config(architecture: Architecture) -> str:
    """The JSON from which `load_model` of Keras 2 and of Keras 3 builds the model."""
    shape = [None, *architecture.input_shape]
    name = MODEL_NAME if architecture.name in architecture_names() else architecture.name
    layers: list[Facts] = []
    for layer in layers_in_keras_order(architecture):
        settings = layer.settings
        if not layers:
            layers.append(_input_layer(layer.name, shape))
            settings = {"batch_input_shape": shape} | settings
        config = {"name": layer.name, "trainable": True, "dtype": "float32"} | settings
        if "use_bias" in settings:
            config |= _TRAINING_DETAILS
        layers.append({"class_name": layer.class_name, "config": config})
    if architecture.is_straight:
        model: Facts = {"name": name, "layers": layers}
        return json.dumps({"class_name": "Sequential", "config": model})
    return json.dumps({"class_name": "Functional", "config": _joined(architecture, name, layers)})


def _joined(architecture: Architecture, name: str, layers: list[Facts]) -> Facts:
    """The config of a Functional model: every layer tells whose outputs it takes."""
    image = layers[0]["config"]["name"]
    inputs: list[tuple[str, ...]] = [()]
    inputs += [layer.inputs or (image,) for layer in layers_in_keras_order(architecture)]
    for layer, names in zip(layers, inputs, strict=True):
        if names:
            layer["config"].pop("batch_input_shape", None)
        layer["name"] = layer["config"]["name"]
        layer["inbound_nodes"] = [[[other, 0, 0, {}] for other in names]] if names else []
    return {
        "name": name,
        "trainable": True,
        "layers": layers,
        "input_layers": [[image, 0, 0]],
        "output_layers": [[layers[-1]["name"], 0, 0]],
    }


def _input_layer(first: str, shape: list[int | None]) -> Facts:
    config = {"batch_input_shape": shape, "dtype": "float32", "sparse": False, "ragged": False}
    return {"class_name": "InputLayer", "config": config | {"name": f"{first}_input"}}


def _initializer(class_name: str, config: Facts) -> Facts:
    return {
        "module": "keras.initializers",
        "class_name": class_name,
        "config": config,
        "registered_name": None,
    }


_TRAINING_DETAILS: Facts = {
    "kernel_initializer": _initializer("GlorotUniform", {"seed": None}),
    "bias_initializer": _initializer("Zeros", {}),
    "kernel_regularizer": None,
    "bias_regularizer": None,
    "activity_regularizer": None,
    "kernel_constraint": None,
    "bias_constraint": None,
}


def training_config(architecture: Architecture, learning_rate: float | None) -> str:
    """The JSON with which Keras compiles the model.

    It is equally long for every learning rate, so that one file is a template for others.

    Args:
        architecture: the networks' architecture.
        learning_rate: Adam's; None for Keras's default.
    """
    binary = architecture.outputs == 1
    kind = "binary" if binary else "sparse_categorical"
    wrapper = {"name": "accuracy", "dtype": "float32", "fn": f"{kind}_accuracy"}
    adam = {
        "name": "Adam",
        "weight_decay": None,
        "clipnorm": None,
        "global_clipnorm": None,
        "clipvalue": None,
        "use_ema": False,
        "ema_momentum": 0.99,
        "ema_overwrite_frequency": None,
        "jit_compile": False,
        "is_legacy_optimizer": False,
        "learning_rate": "RATE",
        "beta_1": 0.9,
        "beta_2": 0.999,
        "epsilon": 1e-07,
        "amsgrad": False,
    }
    text = json.dumps(
        {
            "loss": f"{kind}_crossentropy",
            "metrics": [[{"class_name": "MeanMetricWrapper", "config": wrapper}]],
            "weighted_metrics": None,
            "loss_weights": None,
            "optimizer_config": {"class_name": "Custom>Adam", "config": adam},
        }
    )
    return text.replace('"RATE"', padded_rate(learning_rate))


def padded_rate(learning_rate: float | None) -> str:
    """A learning rate as JSON, filled up with spaces to `LEARNING_RATE_WIDTH` characters."""
    rate = 1e-3 if learning_rate is None else learning_rate
    return json.dumps(rate).ljust(LEARNING_RATE_WIDTH)


def check_config(text: str | bytes, architecture: Architecture, source: str) -> tuple[str, ...]:
    """Compare a model's JSON with an architecture whose tensors have the same shapes.

    Two networks with the same tensors may compute different things: another activation, pooling
    by the maximum, other padding, branches.

    Args:
        text: Keras 2's or Keras 3's `model_config`, or the `config.json` of a `.keras` file.
        architecture: what the tensors' shapes look like.
        source: the file, for messages.

    Returns:
        Notes: that layers computed in half precision, or scaled the pixels themselves.

    Raises:
        ForeignFileError: it says something else, or can't be understood.
    """
    model = read_config(text, source)
    own = model["config"]
    check_shape(own, architecture.input_shape, source, is_input=True)
    folding = Folding(architecture, source)
    for layer in leaves(own["layers"], source):
        folding.take(layer)
    folding.finish()
    found = folding.kept
    expected = [
        (name, settings) for name, _, settings in keras_layers(architecture) if name != "Flatten"
    ]
    names = [name for name, _ in expected]
    if [name for name, _ in found] != names:
        strangers = sorted({str(name) for name, _ in found} - set(names))
        raise ForeignFileError(
            f"{source}: its tensors are those of '{architecture.name}', its layers are not: "
            f"expected {', '.join(names)}, got {_listed([name for name, _ in found])}"
            + (f"; {_listed(strangers)}: nothing that such a network computes" * bool(strangers))
        )
    precisions = set()
    for number, ((name, settings), (_, config)) in enumerate(zip(expected, found, strict=True)):
        last, place = number == len(expected) - 1, f"{source}: layer {number + 1} ({name})"
        _check_layer(place, settings, config, last)
        precisions.add(_precision(config.get("dtype"), place))
    return (*folding.notes, *_told(max(precisions, key=_PRECISIONS.index)))


def read_config(text: str | bytes, source: str) -> Facts:
    """A model's JSON, every model in which is a line of layers.

    Raises:
        ForeignFileError: it is something else.
    """
    try:
        model: Facts = json.loads(text.removeprefix("\ufeff") if isinstance(text, str) else text)
        _check_model(model, source)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        if isinstance(error, ForeignFileError):
            raise
        raise ForeignFileError(
            f"{source}: the model's config is damaged: {reprlib.repr(str(error))}"
        ) from error
    return model


def _check_model(model: Facts, source: str) -> None:
    check_model_class(model, source)
    for layer in model["config"]["layers"]:
        if not isinstance(layer["config"], dict) or not isinstance(layer["class_name"], str):
            raise ForeignFileError(
                f"{source}: layer {reprlib.repr(layer['class_name'])}: its config is no object: "
                f"{reprlib.repr(layer['config'])}"
            )
        if is_model(layer):
            _check_model(layer, source)
    if model["class_name"] != "Sequential":
        _check_line(model["config"], source)


def _told(precision: str) -> tuple[str, ...]:
    if precision == "float32":
        return ()
    return (
        f"computed in {precision} where they were made; their weights are float32 and kept as they "
        "are, their answers here are those of float32",
    )


def precision_notes(config: Facts, source: str) -> tuple[str, ...]:
    """What is to be said of what the layers of a model compute in.

    Args:
        config: the model's, with its list of layers.
        source: the file, for messages.

    Raises:
        ForeignFileError: a layer has weights of another kind than float32.
    """
    found = {
        _precision(layer["config"].get("dtype"), f"{source}: {layer['class_name']}")
        for layer in config["config"]["layers"]
    }
    return _told(max(found, key=_PRECISIONS.index))


def _check_line(model: Facts, source: str) -> None:
    """Check that the layers of a Functional model follow one another, from one input to one output.

    Layers of the same shapes can be joined in other ways, which the order does not show.
    """
    previous: list[Any] = []
    calls: tuple[int, ...] = (0,)
    for layer in model["layers"]:
        name, nodes = layer.get("name"), layer.get("inbound_nodes")
        if isinstance(nodes, list) and not all(map(is_called_plainly, nodes)):
            raise ForeignFileError(f"{source}: layer {reprlib.repr(name)} {CALLED_OTHERWISE}")
        followed = [_followed(n, calls) for n in nodes] if isinstance(nodes, list) else [None]
        if not isinstance(name, str) or followed != previous:
            raise ForeignFileError(
                f"{source}: expected layers that follow one another, but {reprlib.repr(name)} "
                f"follows {_listed(followed)}, not {_listed(previous)}; models with branches are "
                "not known"
            )
        # A layer is called once. A model's own making counts as a call, but not everywhere.
        previous, calls = [name], (0, 1) if is_model(layer) else (0,)
    outputs = model.get("output_layers")
    if not any(outputs in ([[*previous, call, 0]], [*previous, call, 0]) for call in calls):
        raise ForeignFileError(
            f"{source}: expected the last layer, {_listed(previous)}, as its one output, got "
            f"{reprlib.repr(outputs)}"
        )


def _followed(node: Any, calls: Collection[int]) -> str | None:
    """The one layer whose output a layer takes; None where it is not told so.

    Args:
        node: what a layer says of the one before.
        calls: as which of the other's calls its output may be told.
    """
    match node:
        # Keras 2, then Keras 3.
        case [[str(name), int(call), 0]] | [[str(name), int(call), 0, {}]] if call in calls:
            return name
        case {"args": [{"config": {"keras_history": [str(name), int(call), 0]}}]} if call in calls:
            return name
    return None


def _check_layer(place: str, settings: Facts, config: Any, last: bool) -> None:
    for key, expected in settings.items():
        found = config.get(key, _ONCE_MISSING.get(key))
        # A network without its last activation gives logits, which are the same network.
        allowed = [expected, "linear"] if last and key == "activation" else [expected]
        if found not in allowed:
            raise ForeignFileError(
                f"{place}: its tensors fit a known architecture, but its {key} does not: "
                f"expected {expected!r}, got {reprlib.repr(found)}"
            )


def _precision(dtype: Any, place: str) -> str:
    """What a layer's `dtype` says: a name by itself, or an object with one."""
    match dtype:
        case None:
            return "float32"
        case {"config": {"name": name}} | name if name in _PRECISIONS:
            return str(name)
    raise ForeignFileError(
        f"{place}: expected a layer with weights of float32 ({', '.join(_PRECISIONS)}), got "
        f"{reprlib.repr(dtype)}; make the model with dtype='float32' in Keras, give it these "
        "weights and save it"
    )


def _listed(names: list[Any]) -> str:
    return ", ".join(reprlib.repr(name)[1:-1] for name in names[:20]) or "none"
