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
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hyperzoo.architectures import Architecture
from hyperzoo.architectures.parameters import parameters_of
from hyperzoo.errors import ForeignFileError
from hyperzoo.exchange import hdf5
from hyperzoo.exchange.keras_architecture import architecture_of
from hyperzoo.exchange.keras_config import check_config, model_precision
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
_CONFIG, _WEIGHTS = "config.json", "model.weights.h5"


def read_keras(path: Path) -> ForeignNetwork:
    """Read the network of a Keras file.

    Args:
        path: an HDF5 file or a `.keras` file.

    Raises:
        ForeignFileError: the file is damaged, hostile, or holds no network that is known.
        MissingExtraError: h5py is not installed.
    """
    content, config, source = hdf5.read_whole(path), None, str(path)
    if zipfile.is_zipfile(io.BytesIO(content)) and not content.startswith(hdf5.MAGIC):
        config, content = _unpack(content, source)
    with hdf5.open_hdf5(content, source) as file:
        try:
            architecture, layers, precision = _layers(file, source, config)
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
        precision=precision,
    )


def _layers(
    file: Any, source: str, config: str | bytes | None
) -> tuple[Architecture, Sequence[Layer], str]:
    """The architecture, its layers in order, and the precision; no number has been read yet."""
    containers = [name for name in _CONTAINERS if hdf5.has_group(file, name)]
    # The new kinds first: they have no attributes that an old one could be known by.
    if len(containers) == 1 and "layer_names" not in file.attrs:
        container = hdf5.step(file, containers[0], source)
        found = dict(_counted_layers(container, source))
        if not found:
            there = ", ".join(sorted(hdf5.members(container, source))[:8]) or "nothing"
            raise ForeignFileError(
                f"{source}: expected layers with weights, got {reprlib.repr(there)[1:-1]}, which "
                "have none of their own; of a model within a model, save the inner one"
            )
        architecture, layers = _by_count(found, source)
    elif hdf5.has_group(file, "model_weights"):
        layers = list(_listed_layers(hdf5.step(file, "model_weights", source), source))
        architecture = match_architecture(_shapes(layers, source), source=source)
        if "model_config" in file.attrs:
            config = hdf5.text_attribute(file, "model_config", source)
    elif "layer_names" in file.attrs or "layer_names0" in file.attrs:
        layers = list(_listed_layers(file, source))
        architecture = match_architecture(_shapes(layers, source), source=source)
    else:
        there = ", ".join(sorted(hdf5.members(file, source))[:8]) or "nothing"
        raise ForeignFileError(
            f"{source}: an HDF5 file, but not one of Keras's: expected the group model_weights or "
            f"layers, or the attribute layer_names; got {reprlib.repr(there)[1:-1]}"
        )
    precision = "float32" if config is None else check_config(config, architecture, source)
    return architecture, layers, precision


def _own_network(file: Any, name: str, source: str) -> ForeignNetwork | ForeignFileError | None:
    """The network of a whole model whose config declares layers of its own.

    None where the file has no config; why not, where that declares what hyperzoo has not.
    """
    if "model_config" not in file.attrs or not hdf5.has_group(file, "model_weights"):
        return None
    try:
        config = json.loads(hdf5.text_attribute(file, "model_config", source))
        architecture, layers = architecture_of(config, source=source)
        group, tensors = hdf5.step(file, "model_weights", source), {}
        _check_order(group, config, layers, source)
        precision = model_precision(config, source)
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
        precision=precision,
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


def _listed_layers(group: Any, source: str) -> Iterator[Layer]:
    """Layers in the order that the attributes give; those without weights are left out."""
    for layer_name in hdf5.names_attribute(group, "layer_names", source):
        layer = hdf5.step(group, layer_name, source)
        if "weight_names" in layer.attrs and layer.attrs.get_id("weight_names").shape == (0,):
            continue
        names = hdf5.names_attribute(layer, "weight_names", source)
        ends = [name.rpartition("/")[2].removesuffix(":0") for name in names]
        if sorted(ends) != ["bias", "kernel"]:
            raise ForeignFileError(
                f"{source}: layer {reprlib.repr(layer_name)}: expected a kernel and a bias, got "
                f"{reprlib.repr(names)}"
            )
        datasets = {end: _walk(layer, name, source) for end, name in zip(ends, names, strict=True)}
        yield datasets["kernel"], datasets["bias"]


def _walk(group: Any, path: str, source: str) -> Any:
    """Follow a weight's name, which is a path, one step at a time."""
    for name in path.split("/"):
        group = hdf5.step(group, name, source)
    return group


def _counted_layers(container: Any, source: str) -> Iterator[tuple[str, Layer]]:
    """Name in the file -> layer, for those that have weights."""
    for name in sorted(hdf5.members(container, source)):
        layer = hdf5.step(container, name, source)
        if not hdf5.has_group(layer, "vars"):
            continue
        variables = hdf5.step(layer, "vars", source)
        names = sorted(hdf5.members(variables, source))
        if not names:
            continue
        if names != ["0", "1"]:
            raise ForeignFileError(
                f"{source}: layer {reprlib.repr(name)}: expected a kernel and a bias named 0 and "
                f"1, got {reprlib.repr(names)}"
            )
        yield name, (hdf5.step(variables, "0", source), hdf5.step(variables, "1", source))


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
