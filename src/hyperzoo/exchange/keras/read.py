"""Reads one network from a Keras file of any kind, with h5py alone.

| kind | where the tensors are | what gives their order |
|---|---|---|
| whole model `.h5` | `model_weights/<layer>/<weight name>` | `layer_names`, `weight_names` |
| weights-only legacy `.h5` | `<layer>/<weight name>` | the same attributes |
| Keras 3 `.weights.h5` | `layers/<class>_<count>/vars/<number>` | the counts, within a class |
| TensorFlow 2.13 `.weights.h5` | `_layer_checkpoint_dependencies/...` | the same |
| `.keras` | `model.weights.h5` in a zip | the same, and `config.json` |

Nothing in a file is executed, and no class that it names is loaded: `load_model` does both.
"""

import io
import json
import re
import reprlib
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hyperzoo.architectures import Architecture
from hyperzoo.architectures.parameters import parameters_of
from hyperzoo.errors import ForeignFileError
from hyperzoo.exchange.keras import hdf5
from hyperzoo.exchange.keras.architecture import architecture_of
from hyperzoo.exchange.keras.config import check_config, precision_notes, read_config
from hyperzoo.exchange.keras.effective import is_model, leaves
from hyperzoo.exchange.network import (
    ForeignNetwork,
    match_architecture,
    match_layers,
    torch_weights,
)

Layer = tuple[Any, Any]
"""The datasets of a layer's kernel and bias."""

_CONTAINERS = ("layers", "_layer_checkpoint_dependencies")
_COUNTED = re.compile(r"(?P<kind>conv2d|dense)(?:_(?P<count>[0-9]{1,6}))?")
_MOST_LEVELS = 8
_CONFIG, _WEIGHTS = "config.json", "model.weights.h5"


def read_keras(path: Path) -> ForeignNetwork:
    """Read the network of a Keras file.

    Args:
        path: an HDF5 file or a `.keras` file.

    Raises:
        ForeignFileError: the file is damaged, hostile, or holds no network that is known.
        MissingExtraError: h5py is not installed.
    """
    content, source = hdf5.read_whole(path), str(path)
    config: str | bytes | None = None
    if zipfile.is_zipfile(io.BytesIO(content)) and not content.startswith(hdf5.MAGIC):
        config, content = _unpack(content, source)
    elif content.startswith(b"PK"):
        raise ForeignFileError(f"{source}: the archive is damaged or cut short; get it anew")
    with hdf5.open_hdf5(content, source) as file:
        try:
            architecture, layers, config = _layers(file, source, config)
            # Before any number is read.
            notes = () if config is None else check_config(config, architecture, source)
        except ForeignFileError as error:
            own = _own_network(file, path.name, source)
            if own is None:
                raise
            if isinstance(own, ForeignFileError):
                raise ForeignFileError(
                    f"{error}\nNor is it a network of its own layers: {own}"
                ) from error
            return own
        tensors = [hdf5.numbers(dataset) for layer in layers for dataset in layer]
    return ForeignNetwork(
        name=path.name,
        architecture=architecture,
        weights=torch_weights(architecture, tensors),
        source=source,
        notes=notes,
        by_shapes=config is None,
    )


def has_config(path: Path) -> bool:
    """Whether a file of HDF5 says what its layers are; of a damaged one the reader tells."""
    try:
        with hdf5.open_hdf5(hdf5.read_whole(path), str(path)) as file:
            return "model_config" in file.attrs
    except ForeignFileError:
        return False


def _layers(
    file: Any, source: str, config: str | bytes | None
) -> tuple[Architecture, Sequence[Layer], str | bytes | None]:
    """The architecture, its layers in order, and the config; no number has been read yet."""
    containers = [name for name in _CONTAINERS if hdf5.has_group(file, name)]
    # The new kinds first: they have no attributes that an old one could be known by.
    if len(containers) == 1 and "layer_names" not in file.attrs:
        container = hdf5.step(file, containers[0], source)
        model = None if config is None else read_config(config, source)["config"]["layers"]
        if model is not None and any(map(is_model, model)):
            layers = list(_layers_of_config(container, model, source))
            return match_architecture(_shapes(layers, source), source=source), layers, config
        architecture, layers = _by_count(_found_layers(container, source), source)
        return architecture, layers, config
    if hdf5.has_group(file, "model_weights"):
        group = hdf5.step(file, "model_weights", source)
        if "model_config" in file.attrs:
            config = hdf5.text_attribute(file, "model_config", source)
    elif "layer_names" in file.attrs or "layer_names0" in file.attrs:
        group = file
    else:
        there = ", ".join(sorted(hdf5.members(file, source))[:8]) or "nothing"
        raise ForeignFileError(
            f"{source}: an HDF5 file, but not one of Keras's: expected the group model_weights or "
            f"layers, or the attribute layer_names; got {reprlib.repr(there)[1:-1]}; of a "
            "subclassed model make a Sequential with its weights, and save that"
        )
    layers = list(_listed_layers(group, source, _inner_names(config, source)))
    return match_architecture(_shapes(layers, source), source=source), layers, config


def _inner_names(config: str | bytes | None, source: str) -> dict[str, list[str]]:
    """Name of a model within a model -> the names of its layers in order."""
    if config is None:
        return {}
    return {
        layer["config"].get("name"): [
            leaf["config"].get("name") for leaf in leaves([layer], source)
        ]
        for layer in read_config(config, source)["config"]["layers"]
        if is_model(layer)
    }


def _found_layers(container: Any, source: str) -> dict[str, Layer]:
    """The layers of a model, or of the one model that is all that it has."""
    found = dict(_counted_layers(container, source))
    names = hdf5.members(container, source)
    inner = [
        name
        for name in names
        if hdf5.has_group(container, name)
        and _holds_weights(hdf5.step(container, name, source), source)
    ]
    if found and inner:
        raise ForeignFileError(
            f"{source}: some of its layers lie in a model within the model ({inner[0]}), and "
            "weights alone do not say in which order they come; save the whole model (.keras)"
        )
    if found:
        return found
    if len(inner) == 1:
        return _found_layers(
            hdf5.step(hdf5.step(container, inner[0], source), "layers", source), source
        )
    there = ", ".join(sorted(names)[:8]) or "nothing"
    raise ForeignFileError(
        f"{source}: expected layers with weights, got {reprlib.repr(there)[1:-1]}, which "
        "have none of their own; of one model within the model save the inner one, of several the "
        "whole model (.keras), as weights alone do not say in which order they come"
    )


def _holds_weights(group: Any, source: str, level: int = 0) -> bool:
    """Whether a model within the model has layers with weights; one of augmentations has not."""
    if level > _MOST_LEVELS or not hdf5.has_group(group, "layers"):
        return False
    layers = hdf5.step(group, "layers", source)
    names = [name for name in hdf5.members(layers, source) if hdf5.has_group(layers, name)]
    inner = [hdf5.step(layers, name, source) for name in names]
    return not names or any(
        _variables(own, name, source) is not None or _holds_weights(own, source, level + 1)
        for name, own in zip(names, inner, strict=True)
    )


def _layers_of_config(container: Any, layers: list[dict[str, Any]], source: str) -> Iterator[Layer]:
    """Layers in the order of a config, which has models within the model.

    Keras 3 names the groups by the layers' classes and counts, in each model anew.
    """
    counts: dict[str, int] = {}
    for layer in layers:
        base = _snake_case(layer["class_name"])
        count = counts.get(base, 0)
        counts[base] = count + 1
        name = f"{base}_{count}" if count else base
        if not hdf5.has_group(container, name):
            continue  # an input; were it a layer with weights, the shapes would tell
        group = hdf5.step(container, name, source)
        if is_model(layer):
            inner = hdf5.step(group, "layers", source)
            yield from _layers_of_config(inner, layer["config"]["layers"], source)
        elif (own := _variables(group, name, source)) is not None:
            yield own


def _snake_case(name: str) -> str:
    """As Keras names groups: GlobalAveragePooling2D -> global_average_pooling2d."""
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def _own_network(file: Any, name: str, source: str) -> ForeignNetwork | ForeignFileError | None:
    """The network of a whole model whose config declares layers of its own.

    None where the file has no config; why not, where that declares what hyperzoo has not.
    """
    if "model_config" not in file.attrs or not hdf5.has_group(file, "model_weights"):
        return None
    try:
        config = json.loads(hdf5.text_attribute(file, "model_config", source))
        architecture, layers, scaling = architecture_of(config, source=source)
        group, tensors = hdf5.step(file, "model_weights", source), {}
        _check_order(group, config, layers, source)
        notes = (*precision_notes(config, source), *scaling)
        steps = [step for step in architecture.steps if any(parameters_of(step))]
        for step, layer_name in zip(steps, layers, strict=True):
            layer = hdf5.step(group, layer_name, source)
            names = hdf5.names_attribute(layer, "weight_names", source)
            ends = {own.rpartition("/")[2].removesuffix(":0"): own for own in names}
            expected = [parameter.keras_name for parameter in parameters_of(step)]
            if sorted(ends) != sorted(expected):
                raise ForeignFileError(
                    f"{source}: layer {reprlib.repr(layer_name)}: expected {', '.join(expected)}, "
                    f"got {reprlib.repr(names)}"
                )
            for parameter in parameters_of(step):
                dataset = _walk(layer, ends[parameter.keras_name], source)
                found = hdf5.tensor(dataset, source)
                if found != parameter.keras_shape:
                    raise ForeignFileError(
                        f"{source}: layer {reprlib.repr(layer_name)}: {parameter.keras_name}: "
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


def _check_order(group: Any, config: Any, layers: Sequence[str], source: str) -> None:
    """Refuse a file that lists its weights in another order than its model: Keras goes by order."""
    declared = [layer["config"]["name"] for layer in config["config"]["layers"]]
    expected = [name for name in declared if name in layers]
    listed = hdf5.names_attribute(group, "layer_names", source)
    found = [name for name in listed if name in layers]
    if found != expected:
        raise ForeignFileError(
            f"{source}: expected weights of {reprlib.repr(expected)} in that order, got "
            f"{reprlib.repr(found)}"
        )


def _shapes(layers: Sequence[Layer], source: str) -> list[tuple[int, ...]]:
    return [hdf5.tensor(dataset, source) for layer in layers for dataset in layer]


def _listed_layers(group: Any, source: str, inner: Mapping[str, list[str]]) -> Iterator[Layer]:
    """Layers in the order that the attributes give; those without weights are left out."""
    for layer_name in hdf5.names_attribute(group, "layer_names", source):
        layer = hdf5.step(group, layer_name, source)
        if "weight_names" in layer.attrs and layer.attrs.get_id("weight_names").shape == (0,):
            continue
        names = hdf5.names_attribute(layer, "weight_names", source)
        for own in _by_layer(names, layer_name, inner.get(layer_name), source):
            yield _walk(layer, own["kernel"], source), _walk(layer, own["bias"], source)


def _by_layer(
    names: list[str], layer_name: str, order: list[str] | None, source: str
) -> list[dict[str, str]]:
    """The weights' names of a layer, or of each layer of a model within the model."""
    layers: dict[str, list[tuple[str, str]]] = {}
    for name in names:
        stem, _, end = name.rpartition("/")
        own = layers.setdefault(stem.rpartition("/")[2] if order else "", [])
        own.append((end.removesuffix(":0"), name))
    known = order is None or (len(set(order)) == len(order) and layers.keys() <= set(order))
    if not known or any(
        sorted(end for end, _ in own) != ["bias", "kernel"] for own in layers.values()
    ):
        raise ForeignFileError(
            f"{source}: layer {reprlib.repr(layer_name)}: expected a kernel and a bias, got "
            f"{reprlib.repr(names)}"
        )
    in_order = sorted(layers, key=order.index) if order else list(layers)
    return [dict(layers[name]) for name in in_order]


def _walk(group: Any, path: str, source: str) -> Any:
    """Follow a weight's name, which is a path, one step at a time."""
    for name in path.split("/"):
        group = hdf5.step(group, name, source)
    return group


def _counted_layers(container: Any, source: str) -> Iterator[tuple[str, Layer]]:
    """Name in the file -> layer, for those that have weights."""
    for name in sorted(hdf5.members(container, source)):
        layer = hdf5.step(container, name, source)
        own = _variables(layer, name, source)
        if own is not None:
            yield name, own


def _variables(layer: Any, name: str, source: str) -> Layer | None:
    """The variables of a layer; None where it has none."""
    if not hdf5.has_group(layer, "vars"):
        return None
    variables = hdf5.step(layer, "vars", source)
    names = sorted(hdf5.members(variables, source))
    if not names:
        return None
    if names != ["0", "1"]:
        raise ForeignFileError(
            f"{source}: layer {reprlib.repr(name)}: expected a kernel and a bias named 0 and "
            f"1, got {reprlib.repr(names)}"
        )
    return hdf5.step(variables, "0", source), hdf5.step(variables, "1", source)


def _by_count(layers: dict[str, Layer], source: str) -> tuple[Architecture, list[Layer]]:
    """Put layers into the model's order.

    A group's name is that of the layer's class and a count in the model's order; convolutions
    come before dense layers in every known architecture. Where the names are other ones, or the
    shapes contradict them, the shapes must fit in one way only.
    """
    shapes = {
        name: (hdf5.tensor(kernel, source), hdf5.tensor(bias, source))
        for name, (kernel, bias) in layers.items()
    }
    counted = {name: _COUNTED.fullmatch(name) for name in layers}
    if all(counted.values()):
        places = {
            name: (match["kind"], int(match["count"] or 0))
            for name, match in counted.items()
            if match is not None
        }
        order = sorted(layers, key=lambda name: places[name])
        try:
            architecture = match_architecture(
                [shape for name in order for shape in shapes[name]], source=source
            )
        except ForeignFileError:
            pass  # the shapes alone may still tell
        else:
            _check_own_names(order, places, layers, source)
            return architecture, [layers[name] for name in order]
    architecture, names = match_layers(shapes, source=source)
    return architecture, [layers[name] for name in names]


def _check_own_names(
    order: Sequence[str],
    places: dict[str, tuple[str, int]],
    layers: dict[str, Layer],
    source: str,
) -> None:
    """Refuse a file whose layers' own names, where it has them, give another order."""
    own: dict[str, list[int]] = {}
    for name in order:
        variables = layers[name][0].parent
        if "name" not in variables.attrs:
            continue
        match = _COUNTED.fullmatch(hdf5.text_attribute(variables, "name", source))
        if match is not None and match["kind"] == places[name][0]:
            own.setdefault(match["kind"], []).append(int(match["count"] or 0))
    for kind, counts in own.items():
        if counts != sorted(set(counts)):
            raise ForeignFileError(
                f"{source}: the order of its layers is not known: by the groups' names the "
                f"{kind} layers are numbered {counts} by their own names; get the file anew"
            )


def _unpack(content: bytes, source: str) -> tuple[bytes, bytes]:
    """Config and weights of a `.keras` file."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            infos = archive.infolist()
            _check_members(infos, source)
            parts = {info.filename: info for info in infos}
            for name in (_CONFIG, _WEIGHTS):
                if name not in parts:
                    raise ForeignFileError(
                        f"{source}: expected {_CONFIG} and {_WEIGHTS} in the archive, got "
                        f"{', '.join(sorted(map(reprlib.repr, parts))[:8]) or 'nothing'}"
                    )
            return (
                _member(archive, parts[_CONFIG], hdf5.MAX_TEXT_BYTES, source),
                _member(archive, parts[_WEIGHTS], hdf5.MAX_FILE_BYTES, source),
            )
    except ForeignFileError:
        raise
    # What zipfile raises for damage depends on where it is.
    except (
        zipfile.BadZipFile,
        zlib.error,
        struct.error,
        OSError,
        EOFError,
        RuntimeError,
        ValueError,
        LookupError,
        OverflowError,
    ) as error:
        raise ForeignFileError(
            f"{source}: the archive is damaged or cut short: {reprlib.repr(str(error))}; get it "
            "anew"
        ) from error


def _check_members(infos: Sequence[zipfile.ZipInfo], source: str) -> None:
    if len(infos) > hdf5.MAX_MEMBERS:
        raise ForeignFileError(f"{source}: {len(infos)} files in the archive, expected a few")
    names = [info.filename for info in infos]
    if len(set(names)) < len(names):
        raise ForeignFileError(f"{source}: a name comes twice in the archive")
    for info in infos:
        name = info.filename
        if name.startswith(("/", "\\")) or ".." in re.split(r"[/\\]", name) or ":" in name:
            raise ForeignFileError(
                f"{source}: {reprlib.repr(name)} in the archive leads out of it; it is refused"
            )
        if info.flag_bits & 1 or info.compress_type not in (
            zipfile.ZIP_STORED,
            zipfile.ZIP_DEFLATED,
        ):
            raise ForeignFileError(
                f"{source}: {reprlib.repr(name)} in the archive is encrypted or packed in a way "
                "that Keras does not use"
            )


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, limit: int, source: str) -> bytes:
    """Unpack a member, but never more than the limit, whatever it says of its size."""
    with archive.open(info) as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise ForeignFileError(
            f"{source}: {info.filename} unpacks to more than {limit} bytes; expected one network"
        )
    return content
