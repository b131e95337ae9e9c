"""The network of a whole Keras model that declares layers of its own."""

import json
import reprlib
from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

import numpy as np

from hyperzoo.architectures.parameters import parameters_of
from hyperzoo.errors import ForeignFileError
from hyperzoo.exchange.keras import hdf5
from hyperzoo.exchange.keras.architecture import architecture_of, keras_order
from hyperzoo.exchange.keras.config import precision_notes
from hyperzoo.exchange.keras.groups import CONTAINERS, named_groups
from hyperzoo.exchange.network import ForeignNetwork


def own_network(
    file: Any, name: str, source: str, archived: str | bytes | None
) -> ForeignNetwork | ForeignFileError | None:
    """The network of a whole model whose config declares layers of its own.

    None where the file has no config; why not, where that declares what hyperzoo has not.

    Args:
        file: the HDF5 file.
        name: the name of the file that is read.
        source: that file, for messages.
        archived: the config of an archive; None for a file that holds it itself.
    """
    whole = "model_config" in file.attrs and hdf5.has_group(file, "model_weights")
    if archived is None and not whole:
        return None
    try:
        text = hdf5.text_attribute(file, "model_config", source) if archived is None else archived
        config = json.loads(text)
        architecture, layers, scaling = architecture_of(config, source=source)
        if archived is None:
            group = hdf5.step(file, "model_weights", source)
            _check_order(group, config, layers, source)
            groups = {layer: hdf5.step(group, layer, source) for layer in layers}
        else:
            groups = _archived_groups(file, config, layers, source)
        notes, tensors = (*precision_notes(config, source), *scaling), {}
        steps = [step for step in architecture.steps if any(parameters_of(step))]
        for step, layer in zip(steps, layers, strict=True):
            own = list(parameters_of(step))
            expected = [parameter.keras_name for parameter in own]
            if archived is None:
                datasets = _listed_datasets(groups[layer], layer, expected, source)
            else:
                datasets = _numbered_datasets(groups[layer], layer, expected, source)
            for parameter in own:
                dataset = datasets[parameter.keras_name]
                found = hdf5.tensor(dataset, source)
                if found != parameter.keras_shape:
                    raise ForeignFileError(
                        f"{source}: layer {reprlib.repr(layer)}: {parameter.keras_name}: "
                        f"expected shape {parameter.keras_shape}, got {found}"
                    )
                stacked = parameter.from_keras(hdf5.numbers(dataset)[np.newaxis])
                tensors[parameter.name] = np.ascontiguousarray(stacked[0])
    except ForeignFileError as error:
        return error
    except (ValueError, RecursionError) as error:
        return ForeignFileError(f"the model's config is damaged: {reprlib.repr(str(error))}")
    return ForeignNetwork(
        name=name,
        architecture=architecture,
        weights=tensors,
        source=source,
        notes=notes,
    )


def _listed_datasets(
    group: Any, layer: str, expected: Sequence[str], source: str
) -> dict[str, Any]:
    """The weights of a layer whose group lists their names, by these without path and number."""
    names = hdf5.names_attribute(group, "weight_names", source)
    ends = {own.rpartition("/")[2].removesuffix(":0"): own for own in names}
    if sorted(ends) != sorted(expected):
        raise ForeignFileError(
            f"{source}: layer {reprlib.repr(layer)}: expected {', '.join(expected)}, "
            f"got {reprlib.repr(names)}"
        )
    return {end: hdf5.walk(group, own, source) for end, own in ends.items()}


def _numbered_datasets(
    group: Any, layer: str, expected: Sequence[str], source: str
) -> dict[str, Any]:
    """The weights of a layer of Keras 3, which numbers them in the order of their making."""
    variables = hdf5.step(group, "vars", source)
    names = sorted(hdf5.members(variables, source))
    if names != [str(number) for number in range(len(expected))]:
        raise ForeignFileError(
            f"{source}: layer {reprlib.repr(layer)}: expected {', '.join(expected)}, numbered "
            f"from 0, got {reprlib.repr(names)}"
        )
    return {own: hdf5.step(variables, str(n), source) for n, own in enumerate(expected)}


def _archived_groups(file: Any, config: Any, layers: Sequence[str], source: str) -> dict[str, Any]:
    """Layer -> its group in an archive, which is called as its class, with a count."""
    there = [name for name in CONTAINERS if hdf5.has_group(file, name)]
    if len(there) != 1:
        raise ForeignFileError(f"{source}: expected the group layers, got {reprlib.repr(there)}")
    container = hdf5.step(file, there[0], source)
    return {
        layer["config"]["name"]: hdf5.step(container, name, source)
        for layer, name in named_groups(config["config"]["layers"])
        if layer["config"]["name"] in layers
    }


def _check_order(group: Any, config: Any, layers: Sequence[str], source: str) -> None:
    """Refuse a file that lists its weights in another order than its model: Keras goes by order.

    That of the config will do as well: Keras writes the two alike, hyperzoo once did not.
    """
    listed = hdf5.names_attribute(group, "layer_names", source)
    found = [name for name in listed if name in layers]
    declared = [layer["config"]["name"] for layer in config["config"]["layers"]]
    if found == [name for name in declared if name in layers]:
        return
    expected = [name for name in keras_order(config, source=source) if name in layers]
    if found != expected:
        pairs = enumerate(zip_longest(expected, found), start=1)
        number, own, its = next((n, a, b) for n, (a, b) in pairs if a != b)
        raise ForeignFileError(
            f"{source}: layer_names, of layers with weights: expected {_shown(own)} as number "
            f"{number}, the order of the model's layers, got {_shown(its)}; save the whole model "
            "anew"
        )


def _shown(name: str | None) -> str:
    return "none" if name is None else reprlib.repr(name)
