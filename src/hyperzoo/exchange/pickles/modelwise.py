"""The published modelwise pickle: a list with a dict a network.

    [{"model": "church_649",
      "parameters_by_layer": {"conv2d/conv2d/bias:0": tensor, ...},   Keras's axes
      "parameters_flat": tensor},                                     all of them, one after another
     ...]

The tensors' names are their paths in the published Keras files, in alphabetical order: the layers
by their names, the bias before the kernel. `parameters_flat` has that order.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyperzoo.architectures import Architecture, Parameter, architecture_names
from hyperzoo.errors import ForeignFileError
from hyperzoo.exchange.format import Export, Meter
from hyperzoo.exchange.names import parse_id
from hyperzoo.exchange.network import (
    OTHER_LAYERS,
    ForeignNetwork,
    known_networks,
    match_architecture,
    torch_weights,
)
from hyperzoo.exchange.pickles.items import read_items
from hyperzoo.exchange.pickles.published import PublishedPickle
from hyperzoo.exchange.pickles.tensors import END, START, push, push_tensor

FILE_NAME = "modelwise.pkl"

_KEYS = ("model", "parameters_by_layer", "parameters_flat")
_PATH = re.compile(
    r"(?P<layer>[^/]+)/(?:[^/]+/)*"
    r"(?P<name>bias|kernel|gamma|beta|moving_mean|moving_variance)(?::0)?"
)
_LAYER = re.compile(r"(?P<kind>conv2d|dense)(?:_(?P<number>[1-9][0-9]{0,8}))?")


class ModelwisePickle(PublishedPickle):
    """A list with a dict a network: its tensors by their Keras paths, and all in one."""

    name = "modelwise-pickle"
    description = "the published pickle with a dict a network"
    keys = _KEYS

    def networks_in(self, path: Path, meter: Meter) -> Iterator[ForeignNetwork]:
        """The networks of a file, one after another; nothing in it is run.

        In memory is what belongs to one network.
        """
        for number, item in enumerate(read_items(path, meter)):
            yield _network(item, f"{path}, item {number}")

    def write(self, export: Export) -> int:
        """One file, `modelwise.pkl`, which `pickle.load` opens; written network by network."""
        export.warn_of_weights_alone()
        order = export.zoo.architecture.published_order
        with (export.folder / FILE_NAME).open("wb") as file:
            file.write(START + b"]")
            for network, weights in export.networks():
                tensors = {p: p.to_keras(weights[p.name][np.newaxis])[0] for p in order}
                file.write(_push_network(network.id, tensors) + b"a")
            file.write(END)
        return 1


def layer_order(name: str, source: str) -> tuple[str, int]:
    """What sorts Keras's layers as they are in the model.

    Convolutions come before dense layers, and Keras numbers each kind on: conv2d, conv2d_1, ...;
    conv2d_10 follows conv2d_9.

    Args:
        name: Keras's name of a layer.
        source: the file and the place in it, for the message.

    Raises:
        ForeignFileError: it is no name that Keras gives, so that the order is not known.
    """
    match = _LAYER.fullmatch(name)
    if match is None:
        raise ForeignFileError(
            f"{source}: expected layers with the names that Keras gives, such as conv2d_1 and "
            f"dense, got {name[:80]!r}; name them so, as the names tell the order of the layers"
        )
    return match["kind"], int(match["number"] or 0)


def check_keys(item: object, keys: tuple[str, ...], source: str) -> dict[str, Any]:
    """An item that is a dict with just these keys.

    Raises:
        ForeignFileError: it is something else.
    """
    if not isinstance(item, dict):
        raise ForeignFileError(f"{source}: expected a dict, got {type(item).__name__}")
    if item.keys() != set(keys):
        found = ", ".join(repr(key[:80]) for key in sorted(item)[:8]) or "none"
        raise ForeignFileError(f"{source}: expected the keys {', '.join(keys)}, got {found}")
    return item


def check_tensor(value: object, source: str) -> NDArray[np.float32]:
    """A float32 tensor.

    Raises:
        ForeignFileError: it is something else.
    """
    if not isinstance(value, np.ndarray) or value.dtype != np.float32:
        found = value.dtype if isinstance(value, np.ndarray) else type(value).__name__
        raise ForeignFileError(f"{source}: expected a tensor of float32, got {found}")
    return value


def check_id(name: object, source: str) -> tuple[str, int]:
    """Class and index of a network's name.

    Raises:
        ForeignFileError: it is none.
    """
    if not isinstance(name, str):
        raise ForeignFileError(f"{source}: expected a name as text, got {type(name).__name__}")
    try:
        return parse_id(name)
    except ForeignFileError as error:
        raise ForeignFileError(f"{source}: {error}") from error


def _network(item: object, source: str) -> ForeignNetwork:
    content = check_keys(item, _KEYS, source)
    class_name, index = check_id(content["model"], source)
    source = f"{source} ({class_name}_{index})"
    tensors = _tensors(content["parameters_by_layer"], source)
    _check_flat(tensors, check_tensor(content["parameters_flat"], source), source)
    places = _places(tensors, source)
    architecture, order = _in_order(
        {own: tensors[path].shape for own, path in places.items()}, source
    )
    in_order = [tensors[places[own]] for own in order]
    return ForeignNetwork(
        name=content["model"],
        architecture=architecture,
        # Copies: what is read is a view of the file's bytes and can't be written to.
        weights={n: np.array(t) for n, t in torch_weights(architecture, in_order).items()},
        source=source,
        by_shapes=True,
    )


def _tensors(by_layer: object, source: str) -> dict[str, NDArray[np.float32]]:
    if not isinstance(by_layer, dict):
        raise ForeignFileError(
            f"{source}: expected parameters_by_layer to be a dict, got {type(by_layer).__name__}"
        )
    return {
        path: check_tensor(tensor, f"{source}, {path[:80]!r}") for path, tensor in by_layer.items()
    }


def _places(tensors: Mapping[str, NDArray[np.float32]], source: str) -> dict[tuple[str, str], str]:
    """Layer and tensor, "kernel" or another -> path."""
    places: dict[tuple[str, str], str] = {}
    for path in tensors:
        match = _PATH.fullmatch(path)
        if match is None or (match["layer"], match["name"]) in places:
            raise ForeignFileError(
                f"{source}: expected one path such as 'conv2d/conv2d/bias:0' a tensor, got "
                f"{path[:80]!r}"
            )
        places[match["layer"], match["name"]] = path
    return places


def _in_order(
    shapes: Mapping[tuple[str, str], tuple[int, ...]], source: str
) -> tuple[Architecture, list[tuple[str, str]]]:
    """The architecture whose these layers are, and layer and tensor of each of its parameters."""
    layers = {layer for layer, _ in shapes}
    if shapes.keys() == {(layer, name) for layer in layers for name in ("kernel", "bias")}:
        in_order = sorted(layers, key=lambda layer: layer_order(layer, source))
        pairs = [(layer, name) for layer in in_order for name in ("kernel", "bias")]
        architecture = match_architecture([shapes[own] for own in pairs], source=source)
        return architecture, pairs
    # No pairs, of whose order their kinds say nothing: they are called as those of the network.
    for architecture in known_networks(set(shapes.get(("dense", "bias"), ()))):
        table = {(p.keras_layer, p.keras_name): p.keras_shape for p in architecture.parameters}
        if table == shapes:
            return architecture, list(table)
    raise ForeignFileError(
        f"{source}: expected a bias and a kernel in every layer, or the layers of a built-in "
        f"network ({', '.join(architecture_names())}) by name, got {_shown(shapes)}; "
        f"{OTHER_LAYERS}"
    )


def _shown(shapes: Mapping[tuple[str, str], tuple[int, ...]]) -> str:
    layers: dict[str, list[str]] = {}
    for layer, name in shapes:
        layers.setdefault(layer[:80], []).append(name)
    first = [f"{layer} ({', '.join(names)})" for layer, names in sorted(layers.items())[:6]]
    return ", ".join(first) + ", ..." * (len(layers) > 6)


def _check_flat(
    tensors: Mapping[str, NDArray[np.float32]], flat: NDArray[np.float32], source: str
) -> None:
    """Check that the tensors, in alphabetical order, are the same bits as the one of all."""
    size = sum(tensor.size for tensor in tensors.values())
    if flat.shape != (size,):
        raise ForeignFileError(
            f"{source}: expected {size} numbers in parameters_flat, as in parameters_by_layer, "
            f"got shape {flat.shape}"
        )
    begin = 0
    for path in sorted(tensors):
        tensor = tensors[path]
        piece = flat[begin : begin + tensor.size]
        if piece.tobytes() != tensor.tobytes():
            raise ForeignFileError(
                f"{source}: parameters_flat differs from parameters_by_layer at {path[:80]!r}; "
                "which of them is right is not known"
            )
        begin += tensor.size


def _push_network(network_id: str, tensors: Mapping[Parameter, NDArray[np.float32]]) -> bytes:
    """The instructions that push a network's dict.

    Args:
        network_id: its id.
        tensors: in Keras's axes, in the published order.
    """
    layers = [
        push(f"{p.keras_layer}/{p.keras_layer}/{p.keras_name}:0") + push_tensor(tensor)
        for p, tensor in tensors.items()
    ]
    flat = np.concatenate([tensor.ravel() for tensor in tensors.values()])
    return b"".join(
        (
            b"}(" + push("model") + push(network_id) + push("parameters_by_layer"),
            b"}(" + b"".join(layers) + b"u",
            push("parameters_flat") + push_tensor(flat) + b"u",
        )
    )
