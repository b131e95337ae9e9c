"""The two pickles of the published dataset: by network, and by class and layer."""

import logging
import pickle
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from hyperzoo.architectures import (
    Architecture,
    Parameter,
    architecture_names,
    get_architecture,
)
from hyperzoo.errors import ForeignFileError
from hyperzoo.exchange.format import Format, Meter, magic, networks_of
from hyperzoo.exchange.network import (
    ForeignNetwork,
    match_layers,
    parse_id,
    torch_weights,
)
from hyperzoo.exchange.safe_pickle import Machine
from hyperzoo.exchange.safe_tensors import NAMES, as_array
from hyperzoo.exchange.torch_pickle import TorchTensor
from hyperzoo.images import ImageSet
from hyperzoo.plan import PlannedNetwork
from hyperzoo.zoo import Zoo

Shapes = tuple[tuple[int, ...], tuple[int, ...]]
"""Of a layer's kernel and bias."""

_logger = logging.getLogger(__name__)

_SUFFIXES = (".pkl", ".pickle", ".p")
_HEAD_BYTES = 4096
# Protocol 3 numbers what it remembers, so that pieces written one after another stay apart: each
# overwrites the numbers of the one before, and refers to its own alone.
_PROTOCOL = 3
_TOGETHER = 16  # networks written as one piece
_MOST_OUTPUTS = 100  # that a layerwise pickle, which has sizes alone, is tried for


class ModelwisePickle(Format):
    """A list with a dict a network: `model`, `parameters_by_layer`, `parameters_flat`."""

    name = "modelwise-pickle"
    description = "the published pickle with a dict a network"
    reads = True
    writes = True

    def recognises(self, path: Path) -> bool:
        """By the suffix and the first key."""
        return path.suffix in _SUFFIXES and b"model" in magic(path, _HEAD_BYTES)

    def read(self, path: Path, meter: Meter | None = None) -> Iterator[ForeignNetwork]:
        """The networks of a file, one by one; the flat numbers must be those by layer."""
        for number, item in enumerate(_items(path, meter)):
            source = f"{path}, network {number}"
            entry = _entry(item, {"model", "parameters_by_layer", "parameters_flat"}, source)
            class_name, index = parse_id(_text(entry["model"], source))
            tensors = _tensors(entry["parameters_by_layer"], source)
            architecture, weights = _by_layer(tensors, source)
            _check_flat(entry["parameters_flat"], tensors, source)
            yield ForeignNetwork(
                class_name=class_name,
                index=index,
                architecture=architecture,
                weights=weights,
                source=source,
            )

    def write(
        self,
        zoo: Zoo,
        folder: Path,
        meter: Meter | None = None,
        *,
        images: ImageSet | None = None,
    ) -> int:
        """`modelwise.pkl`, in torch's tensors."""
        done = 0
        with (folder / "modelwise.pkl").open("wb") as file:
            file.write(b"\x80\x03]")
            for networks in _batches(networks_of(zoo)):
                _write_items(file, [_modelwise(zoo, network) for network in networks])
                done += len(networks)
                if meter is not None:
                    meter(done, len(zoo))
            file.write(b".")
        return 1


class LayerwisePickle(Format):
    """A list with a dict a class: `class`, `parameters` = {layer: [an array a network]}."""

    name = "layerwise-pickle"
    description = "the published pickle with a dict a class"
    reads = True
    writes = True

    def recognises(self, path: Path) -> bool:
        """By the suffix and the first keys."""
        head = magic(path, _HEAD_BYTES)
        return path.suffix in _SUFFIXES and b"class" in head and b"parameters" in head

    def read(self, path: Path, meter: Meter | None = None) -> Iterator[ForeignNetwork]:
        """The networks of a file, class by class; a class is in memory at once.

        Rows have no ids: row r of a class becomes `<class>_<r>`.
        """
        for number, item in enumerate(_items(path, meter)):
            if number == 0:
                _logger.warning(
                    "%s: networks of a layerwise pickle have no ids and are numbered by their "
                    "rows; rows of the published file pair biases and kernels by chance, so "
                    "that its networks may be mixtures",
                    path,
                )
            source = f"{path}, class {number}"
            entry = _entry(item, {"class", "parameters"}, source)
            class_name = _text(entry["class"], source)
            yield from _class_networks(class_name, entry["parameters"], source)

    def write(
        self,
        zoo: Zoo,
        folder: Path,
        meter: Meter | None = None,
        *,
        images: ImageSet | None = None,
    ) -> int:
        """`layerwise.pkl`, in NumPy's arrays; bias and kernel of a row are one network's."""
        tables = _layers(zoo.architecture)
        done, steps = 0, len(zoo) * len(tables)
        with (folder / "layerwise.pkl").open("wb") as file:
            file.write(b"\x80\x03]")
            for class_name in zoo.classes:
                networks = [own for own in networks_of(zoo) if own.class_name == class_name]
                if not networks:
                    continue
                file.write(b"}(" + _piece("class") + _piece(class_name) + _piece("parameters"))
                file.write(b"}(")
                for layer, table in tables.items():
                    file.write(_piece(layer) + b"]")
                    for group in _batches(networks):
                        rows = [_row(zoo, network, table) for network in group]
                        _write_items(file, rows)
                        done += len(group)
                        if meter is not None:
                            meter(done * len(zoo) // steps, len(zoo))
                file.write(b"uua")
            file.write(b".")
        return 1


def _items(path: Path, meter: Meter | None) -> Iterator[Any]:
    """The items of a file's list."""
    size = path.stat().st_size
    with path.open("rb") as file:
        machine = Machine(file, size, NAMES, str(path))
        for item in machine.items():
            yield item
            if meter is not None:
                meter(machine.position, size)


def _entry(item: Any, keys: set[str], source: str) -> dict[str, Any]:
    if type(item) is not dict or set(item) != keys:
        found = ", ".join(map(str, item))[:200] if type(item) is dict else type(item).__name__
        raise ForeignFileError(
            f"{source}: expected a dict with the keys {', '.join(sorted(keys))}, got {found}"
        )
    return item


def _text(value: Any, source: str) -> str:
    if type(value) is not str:
        raise ForeignFileError(f"{source}: expected a name, got {type(value).__name__}")
    return value


def _tensors(value: Any, source: str) -> dict[str, NDArray[np.float32]]:
    if type(value) is not dict or not value:
        raise ForeignFileError(f"{source}: expected tensors by layer, got {type(value).__name__}")
    return {str(key): _array(tensor, f"{source}, {key}") for key, tensor in value.items()}


def _array(value: Any, source: str) -> NDArray[np.float32]:
    try:
        return as_array(value)
    except ValueError as error:
        raise ForeignFileError(f"{source}: {error}") from error


def _by_layer(
    tensors: Mapping[str, NDArray[np.float32]], source: str
) -> tuple[Architecture, dict[str, NDArray[np.float32]]]:
    """A network from tensors by path, e.g. 'conv2d_1/conv2d_1/kernel:0'."""
    layers: dict[str, dict[str, NDArray[np.float32]]] = {}
    for path, tensor in tensors.items():
        layer, _, rest = path.partition("/")
        end = rest.rpartition("/")[2].removesuffix(":0")
        if end not in ("kernel", "bias") or end in layers.setdefault(layer, {}):
            raise ForeignFileError(
                f"{source}: expected paths such as 'conv2d/conv2d/bias:0', got {path[:80]!r}"
            )
        layers[layer][end] = tensor
    lonely = [layer for layer, pair in layers.items() if len(pair) < 2]
    if lonely:
        raise ForeignFileError(f"{source}: {lonely[0]} lacks its kernel or bias")
    shapes = {layer: (pair["kernel"].shape, pair["bias"].shape) for layer, pair in layers.items()}
    architecture, order = _named_layers(shapes) or match_layers(shapes, source=source)
    listed = [layers[layer][end] for layer in order for end in ("kernel", "bias")]
    return architecture, torch_weights(architecture, listed)


def _named_layers(shapes: Mapping[str, Shapes]) -> tuple[Architecture, list[str]] | None:
    """The architecture whose layers have just these names and shapes, and their order."""
    for outputs in sorted({bias[0] for _, bias in shapes.values() if len(bias) == 1 and bias[0]}):
        for name in architecture_names():
            architecture = get_architecture(name, outputs)
            pairs = zip(architecture.parameters[::2], architecture.parameters[1::2], strict=True)
            wanted = {
                kernel.keras_layer: (kernel.keras_shape, bias.keras_shape) for kernel, bias in pairs
            }
            if wanted == shapes:
                return architecture, list(wanted)
    return None


def _check_flat(value: Any, tensors: Mapping[str, NDArray[np.float32]], source: str) -> None:
    """The flat numbers must be the tensors', joined in the order of their paths."""
    flat = _array(value, f"{source}, parameters_flat")
    joined = np.concatenate([tensors[path].ravel() for path in sorted(tensors)])
    if flat.ndim != 1 or flat.tobytes() != joined.tobytes():
        raise ForeignFileError(
            f"{source}: parameters_flat and parameters_by_layer are different networks"
        )


def _class_networks(class_name: str, parameters: Any, source: str) -> Iterator[ForeignNetwork]:
    if type(parameters) is not dict or not all(type(rows) is list for rows in parameters.values()):
        raise ForeignFileError(f"{source}: expected a list of arrays for every layer")
    counts = {layer: len(rows) for layer, rows in parameters.items()}
    if len(set(counts.values())) > 1:
        raise ForeignFileError(f"{source}: the layers have different numbers of rows: {counts}")
    for row in range(max(counts.values(), default=0)):
        place = f"{source}, row {row}"
        flat = {layer: _array(rows[row], place).ravel() for layer, rows in parameters.items()}
        architecture = _of_sizes({layer: len(numbers) for layer, numbers in flat.items()}, place)
        weights: dict[str, NDArray[np.float32]] = {}
        for layer, table in _layers(architecture).items():
            begin = 0
            for parameter in table:
                own = flat[layer][begin : begin + parameter.size]
                shaped = own.reshape(1, *parameter.keras_shape)
                weights[parameter.name] = np.ascontiguousarray(parameter.from_keras(shaped)[0])
                begin += parameter.size
        yield ForeignNetwork(
            class_name=class_name,
            index=row,
            architecture=architecture,
            weights=weights,
            source=place,
        )


def _of_sizes(sizes: Mapping[str, int], source: str) -> Architecture:
    """The architecture whose layers have these names and numbers of parameters."""
    for outputs in range(1, _MOST_OUTPUTS + 1):
        for name in architecture_names():
            architecture = get_architecture(name, outputs)
            if _sizes(architecture) == dict(sizes):
                return architecture
    known = [get_architecture(name, 1) for name in architecture_names()]
    expected = "; ".join(f"{architecture.name}: {_sizes(architecture)}" for architecture in known)
    raise ForeignFileError(
        f"{source}: no known architecture has layers of these sizes: expected {expected}; got "
        f"{str(dict(sizes))[:300]}"
    )


def _sizes(architecture: Architecture) -> dict[str, int]:
    return {
        layer: sum(parameter.size for parameter in table)
        for layer, table in _layers(architecture).items()
    }


def _layers(architecture: Architecture) -> dict[str, list[Parameter]]:
    """Keras's layer -> its bias, then its kernel; layers in alphabetical order."""
    tables: dict[str, list[Parameter]] = {}
    for parameter in architecture.published_order:
        tables.setdefault(parameter.keras_layer, []).append(parameter)
    return tables


def _modelwise(zoo: Zoo, network: PlannedNetwork) -> dict[str, Any]:
    arrays = zoo.arrays(network.id)
    tensors = {
        f"{p.keras_layer}/{p.keras_layer}/{p.keras_name}:0": np.ascontiguousarray(
            p.to_keras(arrays[p.name][None])[0]
        )
        for p in zoo.architecture.published_order
    }
    joined = np.concatenate([tensor.ravel() for tensor in tensors.values()])
    return {
        "model": network.id,
        "parameters_by_layer": {path: TorchTensor(array) for path, array in tensors.items()},
        "parameters_flat": TorchTensor(joined),
    }


def _row(zoo: Zoo, network: PlannedNetwork, table: Sequence[Parameter]) -> NDArray[np.float32]:
    arrays = zoo.arrays(network.id)
    return np.concatenate([p.to_keras(arrays[p.name][None]).ravel() for p in table])


def _batches(networks: Sequence[PlannedNetwork]) -> Iterator[Sequence[PlannedNetwork]]:
    for begin in range(0, len(networks), _TOGETHER):
        yield networks[begin : begin + _TOGETHER]


def _write_items(file: BinaryIO, items: Sequence[Any]) -> None:
    """Append items to the list that a pickle is writing."""
    file.write(b"(" + b"".join(_piece(item) for item in items) + b"e")


def _piece(value: Any) -> bytes:
    """The instructions that make a value, without a pickle's beginning and end."""
    return pickle.dumps(value, _PROTOCOL)[2:-1]
