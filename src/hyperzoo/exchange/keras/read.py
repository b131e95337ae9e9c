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
import re
import reprlib
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hyperzoo.architectures import Architecture
from hyperzoo.errors import ForeignFileError
from hyperzoo.exchange.keras import hdf5
from hyperzoo.exchange.keras.archive import unpack
from hyperzoo.exchange.keras.config import check_config, counted_groups, read_config
from hyperzoo.exchange.keras.effective import is_model, leaves
from hyperzoo.exchange.keras.groups import CONTAINERS, named_groups
from hyperzoo.exchange.keras.own import own_network
from hyperzoo.exchange.network import (
    OTHER_LAYERS,
    ForeignNetwork,
    known_networks,
    match_architecture,
    match_layers,
    torch_weights,
)

Layer = tuple[Any, ...]
"""The datasets of a layer: of its kernel and bias, but for built-in networks with other layers."""

_COUNTED = re.compile(r"(?P<kind>conv2d|dense)(?:_(?P<count>[0-9]{1,6}))?")
_MOST_LEVELS = 16  # two a model
_BESIDE = ("vars", "optimizer")
"""Groups that hold no layer."""


def read_keras(path: Path) -> ForeignNetwork:
    """Read the network of a Keras file.

    Args:
        path: an HDF5 file or a `.keras` file.

    Raises:
        ForeignFileError: the file is damaged, hostile, or holds no network that is known.
        MissingExtraError: h5py is not installed.
    """
    content, source = hdf5.read_whole(path), str(path)
    archived: str | bytes | None = None
    if zipfile.is_zipfile(io.BytesIO(content)) and not content.startswith(hdf5.MAGIC):
        archived, content = unpack(content, source)
    elif content.startswith(b"PK"):
        raise ForeignFileError(f"{source}: the archive is damaged or cut short; get it anew")
    with hdf5.open_hdf5(content, source) as file:
        try:
            architecture, layers, config, told = _layers(file, source, archived)
            # Before any number is read.
            notes = told if config is None else check_config(config, architecture, source)
        except ForeignFileError as error:
            own = own_network(file, path.name, source, archived)
            if own is None or str(own) == str(error):
                raise
            if isinstance(own, ForeignFileError):
                why = str(error).removesuffix(f"\n{OTHER_LAYERS}")  # this is a whole model
                raise ForeignFileError(
                    f"{why}\nNor is it a network of its own layers: {own}"
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
) -> tuple[Architecture, Sequence[Layer], str | bytes | None, tuple[str, ...]]:
    """The architecture, its layers in order, the config and notes; no number has been read yet."""
    containers = [name for name in CONTAINERS if hdf5.has_group(file, name)]
    # The new kinds first: they have no attributes that an old one could be known by.
    if len(containers) == 1 and "layer_names" not in file.attrs:
        container = hdf5.step(file, containers[0], source)
        model = None if config is None else read_config(config, source)["config"]["layers"]
        if model is not None and any(map(is_model, model)):
            layers = list(_layers_of_config(container, model, source))
            return match_architecture(_shapes(layers, source), source=source), layers, config, ()
        if config is None and (known := _of_other_layers(container, source)) is not None:
            return *known, None, ()
        if (line := _one_line(container, source)) is not None:
            architecture, layers = _by_count(line, source)
            return architecture, layers, config, ()
        return _anywhere(dict(_every_layer(container, source)), source, config)
    if hdf5.has_group(file, "model_weights"):
        group = hdf5.step(file, "model_weights", source)
        if "model_config" in file.attrs:
            config = hdf5.text_attribute(file, "model_config", source)
    elif "layer_names" in file.attrs or "layer_names0" in file.attrs:
        group = file
    elif found := dict(_every_layer(file, source)):
        return _anywhere(found, source, config)  # of a subclassed model
    else:
        there = ", ".join(sorted(hdf5.members(file, source))[:8]) or "nothing"
        raise ForeignFileError(
            f"{source}: an HDF5 file, but not one of Keras's: expected the group model_weights or "
            f"layers, or the attribute layer_names; got {reprlib.repr(there)[1:-1]}; of a "
            "subclassed model make a Sequential with its weights, and save that"
        )
    layers = list(_listed_layers(group, source, _inner_names(config, source)))
    return match_architecture(_shapes(layers, source), source=source), layers, config, ()


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


def _of_other_layers(container: Any, source: str) -> tuple[Architecture, Sequence[Layer]] | None:
    """The built-in network with layers that are no pairs whose groups these are; None for none.

    Its groups are called as Keras counts them, and have its shapes.
    """
    found: dict[str, Layer] = {}
    for name in hdf5.members(container, source):
        layer = hdf5.step(container, name, source)
        if not hdf5.has_group(layer, "vars"):
            return None
        variables = hdf5.step(layer, "vars", source)
        numbers = [str(number) for number in range(len(hdf5.members(variables, source)))]
        if sorted(numbers) != sorted(hdf5.members(variables, source)):
            return None
        if numbers:
            found[name] = tuple(hdf5.step(variables, number, source) for number in numbers)
    if all(len(layer) == 2 for layer in found.values()):
        return None
    shapes = {
        name: tuple(hdf5.tensor(dataset, source) for dataset in layer)
        for name, layer in found.items()
    }
    last = shapes.get("dense", ((),))[-1]  # the bias tells the number of outputs
    for architecture in known_networks(set(last)):
        groups, table = counted_groups(architecture), dict[str, tuple[tuple[int, ...], ...]]()
        for parameter in architecture.parameters:
            name = groups[parameter.keras_layer]
            table[name] = (*table.get(name, ()), parameter.keras_shape)
        if table == shapes:
            order = [name for name in groups.values() if name in found]
            kinds = [(name, _kind_and_count(name)[0], shapes[name]) for name in order]
            _check_own_names(kinds, found, source)
            return architecture, [found[name] for name in table]
    return None


def _one_line(container: Any, source: str) -> dict[str, Layer] | None:
    """The layers of a model, or of the one model that is all that it has; None for all else."""
    found = dict(_counted_layers(container, source))
    groups = [name for name in hdf5.members(container, source) if hdf5.has_group(container, name)]
    inner = [
        group
        for group in (hdf5.step(container, name, source) for name in groups)
        if any(_every_layer(group, source))
    ]
    if len(inner) == len(found):
        return found or None
    if not found and len(inner) == 1 and hdf5.has_group(inner[0], "layers"):
        return _one_line(hdf5.step(inner[0], "layers", source), source)
    return None


def _every_layer(
    group: Any, source: str, path: str = "", seen: set[int] | None = None
) -> Iterator[tuple[str, Layer]]:
    """Every layer with weights in a group and below, by its path; no optimizer's or generator's.

    Models within models and subclassed ones keep layers in groups called as their attributes are.
    """
    seen = set() if seen is None else seen
    address = hdf5.address(group)
    if address in seen or path.count("/") > _MOST_LEVELS:
        raise ForeignFileError(
            f"{source}: its groups hold one another, or lie more than {_MOST_LEVELS} deep: "
            f"{reprlib.repr(path)}"
        )
    seen.add(address)
    if _is_generator(group, source):
        return
    own = _variables(group, path, source)
    if own is not None:
        yield path, own
        return
    for name in sorted(hdf5.members(group, source)):
        if name not in _BESIDE and hdf5.has_group(group, name):
            inner = hdf5.step(group, name, source)
            yield from _every_layer(inner, source, f"{path}/{name}" if path else name, seen)


def _is_generator(group: Any, source: str) -> bool:
    """Whether a group holds the state of random numbers, which are whole."""
    if not hdf5.has_group(group, "vars"):
        return False
    variables = hdf5.step(group, "vars", source)
    if hdf5.members(variables, source) != ["0"]:
        return False
    return getattr(getattr(hdf5.step(variables, "0", source), "dtype", None), "kind", "") in "iu"


def _anywhere(
    found: dict[str, Layer], source: str, config: str | bytes | None
) -> tuple[Architecture, Sequence[Layer], str | bytes | None, tuple[str, ...]]:
    """The layers of nested or subclassed models, whose order names and shapes must tell."""
    if not found:
        raise ForeignFileError(f"{source}: expected layers with weights, got none; get it anew")
    shapes = {
        name: (hdf5.tensor(kernel, source), hdf5.tensor(bias, source))
        for name, (kernel, bias) in found.items()
    }
    architecture, names = match_layers(shapes, source=source, numbered=True)
    note = (
        f"names were told by order and shape, in the only way that fits: {', '.join(names)[:200]}"
    )
    return architecture, [found[name] for name in names], config, (note,)


def _layers_of_config(container: Any, layers: list[dict[str, Any]], source: str) -> Iterator[Layer]:
    """Layers in the order of a config, which has models within the model.

    Keras 3 names the groups by the layers' classes and counts, in each model anew.
    """
    for layer, name in named_groups(layers):
        if not hdf5.has_group(container, name):
            continue  # an input; were it a layer with weights, the shapes would tell
        group = hdf5.step(container, name, source)
        if is_model(layer):
            inner = hdf5.step(group, "layers", source)
            yield from _layers_of_config(inner, layer["config"]["layers"], source)
        elif (own := _variables(group, name, source)) is not None:
            yield own


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
            yield hdf5.walk(layer, own["kernel"], source), hdf5.walk(layer, own["bias"], source)


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
            f"1, got {reprlib.repr(names)}; layers of other kinds, but for those of built-in "
            "networks, are told by a whole model alone: save that (.keras or .h5; hyperzoo export "
            "--format keras-h5)"
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
            _check_own_names(
                [(name, places[name][0], shapes[name]) for name in order], layers, source
            )
            return architecture, [layers[name] for name in order]
    architecture, names = match_layers(shapes, source=source)
    return architecture, [layers[name] for name in names]


def _check_own_names(
    order: Sequence[tuple[str, str, Any]], layers: dict[str, Layer], source: str
) -> None:
    """Refuse a file whose layers' own names, where it has them, give another order.

    Of layers of other shapes the shapes tell the order. Keras numbers a layer when it is made,
    which in `Dense(10)(Dense(84)(x))` is from the end.

    Args:
        order: name in the file, kind and shapes of each layer.
        layers: the layers by their names in the file.
        source: the file, for messages.
    """
    own: dict[tuple[str, Any], list[int]] = {}
    for name, kind, shapes in order:
        variables = layers[name][0].parent
        if "name" not in variables.attrs:
            continue
        called, count = _kind_and_count(hdf5.text_attribute(variables, "name", source))
        if called == kind:
            own.setdefault((kind, shapes), []).append(count)
    for (kind, _), counts in own.items():
        if counts != sorted(set(counts)):
            raise ForeignFileError(
                f"{source}: the order of its layers is not known: by the groups' names the "
                f"{kind} layers of the same shapes are numbered {counts} by their own names; save "
                "the whole model, model.save('NAME.keras'), which keeps the order"
            )


def _kind_and_count(name: str) -> tuple[str, int]:
    """What Keras made a layer's name of: batch_normalization and 3; of any other itself and 0."""
    kind, _, count = name.rpartition("_")
    return (kind, int(count)) if re.fullmatch(r"[0-9]{1,6}", count) else (name, 0)
