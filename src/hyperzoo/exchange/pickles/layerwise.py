"""The published layerwise pickle: a list with a dict a class.

    [{"class": "church",
      "parameters": {"conv2d": [tensor, ...],   one a network: the bias, then the kernel in
                     "conv2d_1": [...]}},       Keras's axes, flattened
     ...]

The networks have no ids: row 3 of every layer of "church" is taken for the network church_3. The
published script paired bias and kernel by the rank of Python's object ids, so that a row of the
published file can mix networks. What hyperzoo writes is paired by network.
"""

import itertools
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hyperzoo.architectures import Architecture, Parameter, architecture_names, get_architecture
from hyperzoo.errors import ExportError, ForeignFileError
from hyperzoo.exchange.format import Export, Meter
from hyperzoo.exchange.network import OTHER_LAYERS, ForeignNetwork, torch_weights
from hyperzoo.exchange.pickles.items import read_items
from hyperzoo.exchange.pickles.modelwise import (
    check_id,
    check_keys,
    check_tensor,
    layer_order,
)
from hyperzoo.exchange.pickles.published import PublishedPickle
from hyperzoo.exchange.pickles.tensors import END, START, push, push_tensor
from hyperzoo.plan import PlannedNetwork
from hyperzoo.zoo import Zoo

FILE_NAME = "layerwise.pkl"

_KEYS = ("class", "parameters")
_MAX_OUTPUTS = 10_000
_logger = logging.getLogger(__name__)

Rows = Sequence[NDArray[np.float32]]
"""A layer of one network after another: the bias, then the kernel."""


class LayerwisePickle(PublishedPickle):
    """A list with a dict a class: of each layer the networks' numbers, bias and kernel in one."""

    name = "layerwise-pickle"
    description = "the published pickle with the networks of a class layer by layer"
    has_ids = False
    keys = _KEYS

    def networks_in(self, path: Path, meter: Meter) -> Iterator[ForeignNetwork]:
        """The networks of a file, class by class; nothing in it is run.

        In memory is what belongs to one class: no network is complete before its last layer.
        """
        _logger.warning(
            "%s: a layerwise file has no ids: rows are numbered as they come. The published "
            "script could mix networks in a row; if the file is that one, take the modelwise "
            "file or the Keras files for networks that are whole",
            path,
        )
        numbers = itertools.count()
        # Not with enumerate, which holds an item while the next is read: twice the memory.
        for item in read_items(path, meter):
            yield from _networks(item, f"{path}, item {next(numbers)}")
            del item

    def write(self, export: Export) -> int:
        """One file, `layerwise.pkl`, which `pickle.load` opens; written layer by layer."""
        zoo, written = export.zoo, 0
        if not _has_pairs(zoo.architecture):
            raise ExportError(
                f"a row of {FILE_NAME} is a layer's bias and kernel, and '{zoo.architecture.name}' "
                "has layers without a bias, or batch normalisation; export it as keras-h5 or "
                "pytorch"
            )
        export.warn_of_weights_alone()
        with (export.folder / FILE_NAME).open("wb") as file:
            file.write(START + b"]")
            for class_name in zoo.classes:
                rows = _rows_of(zoo, class_name)
                if not rows:
                    continue
                file.write(b"}" + push("class") + push(class_name) + b"s" + push("parameters"))
                file.write(b"}")
                for layer, (bias, kernel) in _layers(zoo.architecture).items():
                    file.write(push(layer) + b"]")
                    for part in rows:
                        for tensor in _part_tensors(zoo, part, rows[part], bias, kernel):
                            file.write(push_tensor(tensor) + b"a")
                    file.write(b"s")
                file.write(b"sa")
                written += sum(map(len, rows.values()))
                export.meter(written, len(zoo))
            file.write(END)
        _warn_of_other_indices(export.planned)
        return 1


def _has_pairs(architecture: Architecture) -> bool:
    """Whether every layer has a bias and a kernel, as the format has it."""
    table = architecture.published_order
    return len(table) % 2 == 0 and all(
        (bias.keras_name, kernel.keras_name) == ("bias", "kernel")
        for bias, kernel in zip(table[::2], table[1::2], strict=True)
    )


def _layers(architecture: Architecture) -> dict[str, tuple[Parameter, Parameter]]:
    """Keras's layer name -> bias and kernel, in the published order."""
    table = architecture.published_order
    return {
        bias.keras_layer: (bias, kernel)
        for bias, kernel in zip(table[::2], table[1::2], strict=True)
    }


def _rows_of(zoo: Zoo, class_name: str) -> dict[int, list[int]]:
    """Part -> rows of the networks of a class."""
    rows = {
        part: [row for row, n in enumerate(zoo.plan[part]) if n.class_name == class_name]
        for part in zoo.parts_complete
    }
    return {part: found for part, found in rows.items() if found}


def _part_tensors(
    zoo: Zoo, part: int, rows: Sequence[int], bias: Parameter, kernel: Parameter
) -> Iterator[NDArray[np.float32]]:
    """Bias and kernel of a layer in one, of some networks of a part."""
    stacked = zoo.part_weights(part)
    for row in rows:
        own = (p.to_keras(stacked[p.name][row : row + 1]).ravel() for p in (bias, kernel))
        yield np.concatenate(list(own))


def _warn_of_other_indices(networks: Sequence[PlannedNetwork]) -> None:
    seen: dict[str, int] = {}
    for network in networks:
        row = seen.get(network.class_name, 0)
        if network.index != row:
            _logger.warning(
                "the layerwise file has no ids: %s is row %d of its class, and whoever reads the "
                "file takes it for %s_%d; the modelwise file keeps the ids",
                network.id,
                row,
                network.class_name,
                row,
            )
            return
        seen[network.class_name] = row + 1


def _networks(item: object, source: str) -> Iterator[ForeignNetwork]:
    """The networks of a class."""
    content = check_keys(item, _KEYS, source)
    if not isinstance(content["class"], str):
        found = type(content["class"]).__name__
        raise ForeignFileError(f"{source}: expected the class's name as text, got {found}")
    class_name, _ = check_id(f"{content['class']}_0", source)
    source = f"{source} ({class_name})"
    layers = _checked_layers(content["parameters"], source)
    architecture = _architecture_of({name: rows[0].size for name, rows in layers.items()}, source)
    counts = {name: len(rows) for name, rows in layers.items()}
    if len(set(counts.values())) > 1:
        found = ", ".join(f"{name} {count}" for name, count in counts.items())
        raise ForeignFileError(
            f"{source}: expected as many networks in every layer, got {found}; which of them "
            "belong together is not known"
        )
    for index, rows in enumerate(zip(*layers.values(), strict=True)):
        place = f"{source}, row {index}"
        yield ForeignNetwork(
            name=f"{content['class']}_{index}",
            architecture=architecture,
            weights=_weights(architecture, rows, place),
            source=place,
            by_shapes=True,
        )


def _checked_layers(parameters: object, source: str) -> dict[str, Rows]:
    """Layer -> rows, in the model's order; each has one at least."""
    if not isinstance(parameters, dict) or not parameters:
        found = "an empty one" if isinstance(parameters, dict) else type(parameters).__name__
        raise ForeignFileError(f"{source}: expected a dict of layers, got {found}")
    layers: dict[str, Rows] = {}
    for name in sorted(parameters, key=lambda layer: layer_order(layer, source)):
        rows = parameters[name]
        if not isinstance(rows, list) or not rows:
            raise ForeignFileError(
                f"{source}, {name}: expected a list with a tensor a network, got "
                f"{'none' if isinstance(rows, list) else type(rows).__name__}"
            )
        layers[name] = [check_tensor(row, f"{source}, {name}") for row in rows]
    return layers


def _architecture_of(sizes: Mapping[str, int], source: str) -> Architecture:
    """The one known architecture whose layers have so many numbers."""
    found = list(sizes.values())
    fitting, shown = [], []
    for name in architecture_names():
        # The last layer tells the number of outputs: each has its weights and a bias.
        last = get_architecture(name, 1).parameters[-2]
        outputs, rest = divmod(found[-1], last.fan_in + 1)
        known = rest == 0 and 1 <= outputs <= _MAX_OUTPUTS
        architecture = get_architecture(name, outputs if known else 1)
        table = architecture.parameters
        if not _has_pairs(architecture):
            continue
        expected = [k.size + b.size for k, b in zip(table[::2], table[1::2], strict=True)]
        shown.append(f"{name}: {', '.join(map(str, expected))}")
        if expected == found:
            fitting.append(architecture)
    if len(fitting) == 1:
        return fitting[0]
    raise ForeignFileError(
        f"{source}: {'several architectures have' if fitting else 'no known architecture has'} "
        f"layers of these sizes\n  expected {'; '.join(shown)}\n"
        f"  found    {', '.join(map(str, found[:24]))}\n{OTHER_LAYERS}"
    )


def _weights(architecture: Architecture, rows: Rows, source: str) -> dict[str, NDArray[np.float32]]:
    """A network's weights by PyTorch's names, own copies."""
    table = architecture.parameters
    tensors: list[NDArray[np.float32]] = []
    for kernel, bias, row in zip(table[::2], table[1::2], rows, strict=True):
        if row.shape != (bias.size + kernel.size,):
            raise ForeignFileError(
                f"{source}, {kernel.keras_layer}: expected {bias.size + kernel.size} numbers in "
                f"a row, got shape {row.shape}"
            )
        tensors += [row[bias.size :].reshape(kernel.keras_shape), row[: bias.size]]
    return {name: np.array(tensor) for name, tensor in torch_weights(architecture, tensors).items()}
