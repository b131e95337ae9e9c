"""`zoo.json`: what a zoo is, apart from its networks."""

import json
import reprlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa

from hyperzoo.architectures import (
    Architecture,
    architecture_facts,
    architecture_from,
    get_architecture,
)
from hyperzoo.errors import HyperzooError, ZooError, ZooFormatError, ZooNotFoundError
from hyperzoo.plan import (
    ALL_CLASSES,
    PlannedNetwork,
    imported_parts,
    network_classes,
    plan_parts,
)
from hyperzoo.recipe import Recipe, parse_recipe
from hyperzoo.zoo.files import read_file
from hyperzoo.zoo.layout import (
    DOCUMENT_FILE,
    FORMAT,
    FORMAT_VERSION,
    IMPORTED_MODELS_SCHEMA,
    MODELS_SCHEMA,
)

MAX_BYTES = 64 * 2**20
MAX_OUTPUTS = 10_000


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run that trained parts: which it set out to train, and what their bits may depend on."""

    parts: tuple[int, ...]
    software: Mapping[str, str]
    provenance: Mapping[str, str]


@dataclass(frozen=True)
class NetworkKey:
    """What identifies a network of an imported zoo."""

    class_name: str
    index: int


@dataclass(frozen=True, kw_only=True)
class Imported:
    """Where the networks of a zoo without a recipe come from.

    Attributes:
        formats: name of the format -> how many networks came in it.
        networks: all networks, in the zoo's order: by index, then class.
    """

    formats: Mapping[str, int]
    networks: tuple[NetworkKey, ...]


@dataclass(frozen=True, kw_only=True)
class ZooDocument:
    """The content of `zoo.json`.

    Attributes:
        recipe: the zoo's recipe; None where the networks were trained elsewhere.
        imported: in that case, which they are and where they come from.
        images_name: what the images are, for people.
        image_fingerprint: fingerprint of the image set; "" where it is not known.
        image_classes: the images' classes in label order.
        architecture: the networks' architecture.
        sizes: every `networks_per_class` that the zoo has had, increasing; none without a recipe.
        runs: the runs that trained parts; of several that list a part, the last trained it.
    """

    recipe: Recipe | None
    imported: Imported | None = None
    images_name: str
    image_fingerprint: str
    image_classes: tuple[str, ...]
    architecture: Architecture
    sizes: tuple[int, ...]
    runs: tuple[Run, ...]

    @property
    def name(self) -> str:
        """The zoo's name, for people."""
        return "imported" if self.recipe is None else self.recipe.name

    @property
    def epochs(self) -> int:
        """How many epochs the networks were trained, and have a history of; 0 if not known."""
        return 0 if self.recipe is None else self.recipe.training.epochs

    @property
    def checkpoint_epochs(self) -> tuple[int, ...]:
        """The epochs of which weights are kept along the way."""
        return () if self.recipe is None else self.recipe.training.checkpoint_epochs

    @property
    def kind(self) -> Literal["one-vs-all", "multi-class"]:
        """The networks' task."""
        if self.recipe is not None:
            return self.recipe.task.kind
        return "one-vs-all" if self.architecture.outputs == 1 else "multi-class"

    @property
    def network_classes(self) -> tuple[str, ...]:
        """The classes of the networks: in label order, or the one that all belong to."""
        if self.recipe is not None:
            return network_classes(self.recipe, self.image_classes)
        if self.kind == "multi-class":
            return (ALL_CLASSES,)
        there = {network.class_name for network in self._networks()}
        return tuple(name for name in self.image_classes if name in there)

    @property
    def models_schema(self) -> pa.Schema:
        """The columns of the table of networks."""
        return MODELS_SCHEMA if self.recipe is not None else IMPORTED_MODELS_SCHEMA

    def plan(self) -> list[tuple[PlannedNetwork, ...]]:
        """The zoo's parts with their networks."""
        if self.recipe is None:
            return imported_parts([(own.class_name, own.index) for own in self._networks()])
        return plan_parts(self.recipe, self.image_classes, self.sizes)

    def _networks(self) -> tuple[NetworkKey, ...]:
        return () if self.imported is None else self.imported.networks

    def encode(self) -> bytes:
        """The file's content."""
        document = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "recipe": None if self.recipe is None else self.recipe.canonical(),
            "recipe_digest": None if self.recipe is None else self.recipe.digest,
            "image_set": {
                "name": self.images_name,
                "fingerprint": self.image_fingerprint,
                "class_names": list(self.image_classes),
            },
            "architecture": architecture_table(self.architecture),
            "sizes": list(self.sizes),
            **_imported_table(self.imported),
            "runs": [
                {
                    "parts": list(run.parts),
                    "software": dict(run.software),
                    "provenance": dict(run.provenance),
                }
                for run in self.runs
            ],
        }
        return (json.dumps(document, indent=1) + "\n").encode()


def _imported_table(imported: Imported | None) -> dict[str, Any]:
    """What `zoo.json` says of a zoo without a recipe; nothing of one with a recipe."""
    if imported is None:
        return {}
    networks = [[own.class_name, own.index] for own in imported.networks]
    return {"imported": {"formats": dict(imported.formats), "networks": networks}}


def architecture_table(architecture: Architecture) -> dict[str, Any]:
    """What `zoo.json` says of the architecture: enough to build it, and to read the weights."""
    return {
        **architecture_facts(architecture),
        "parameters": [
            {
                "name": parameter.name,
                "shape": list(parameter.shape),
                "keras_layer": parameter.keras_layer,
                "keras_name": parameter.keras_name,
                "keras_shape": list(parameter.keras_shape),
            }
            for parameter in architecture.parameters
        ],
    }


def recipe_architecture(recipe: Recipe, image_classes: tuple[str, ...]) -> Architecture:
    """The architecture that a recipe's networks have.

    Raises:
        ArchitectureError: there is none of that name.
    """
    outputs = 1 if recipe.task.kind == "one-vs-all" else len(image_classes)
    return recipe.network(outputs)


def check_class_names(names: tuple[str, ...], *, least: int = 2) -> None:
    """Check that there are `least` classes or more, with unique names fit for ids and file names.

    Raises:
        ValueError: with the name that is not fit.
    """
    if len(names) < least or len(set(names)) < len(names):
        raise ValueError(
            f"expected {least} or more different class names, got {reprlib.repr(names)}"
        )
    for name in names:
        if not name or not all(c.isalnum() or c in "_-." for c in name):
            raise ValueError(
                f"class name {reprlib.repr(name)} must consist of letters, digits, '_', '-', '.'"
            )


def read_document(folder: Path, *, other_version: type[ZooError] = ZooFormatError) -> ZooDocument:
    """Read and check `zoo.json`; nothing in it is taken on trust.

    Args:
        folder: the zoo's folder.
        other_version: what to raise for another format version.

    Raises:
        ZooNotFoundError: there is none.
        ZooFormatError: it is damaged, or of another format version.
    """
    path = folder / DOCUMENT_FILE
    try:
        content = read_file(path, MAX_BYTES)
    except FileNotFoundError:
        raise ZooNotFoundError(
            f"no zoo in {folder}: it has no {DOCUMENT_FILE}; give the folder that "
            "`hyperzoo train ... --out FOLDER` made"
        ) from None
    try:
        document = json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ZooFormatError(f"{path} is not valid JSON: {error}") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise ZooFormatError(f"{path} does not describe a zoo (its 'format' is not '{FORMAT}')")
    version = document.get("format_version")
    if type(version) is not int or version != FORMAT_VERSION:
        raise other_version(
            f"{path}: the zoo has format version {reprlib.repr(version)}, this hyperzoo reads "
            f"version {FORMAT_VERSION}; install a version of hyperzoo that reads it"
        )
    try:
        return _parse(document)
    except KeyError as error:
        raise ZooFormatError(f"{path} is damaged: it has no {error}") from error
    except (HyperzooError, ValueError) as error:
        raise ZooFormatError(f"{path} is damaged: {error}") from error


def _parse(document: dict[str, Any]) -> ZooDocument:
    if document["recipe"] is None:
        return _parse_imported(document)
    recipe = parse_recipe(_object(document["recipe"], "recipe"), "the recipe")
    if document["recipe_digest"] != recipe.digest:
        raise ValueError(
            "the recipe has been changed: its digest does not match: expected "
            f"{recipe.digest!r}, got {reprlib.repr(document['recipe_digest'])}"
        )
    images = _object(document["image_set"], "image_set")
    classes = _texts(images["class_names"], "image_set.class_names")
    check_class_names(classes)
    return ZooDocument(
        recipe=recipe,
        images_name=_text(images["name"], "image_set.name"),
        image_fingerprint=_text(images["fingerprint"], "image_set.fingerprint"),
        image_classes=classes,
        architecture=_parse_architecture(document["architecture"], recipe, classes),
        sizes=_parse_sizes(document["sizes"], recipe),
        runs=tuple(_parse_run(run) for run in _list(document["runs"], "runs")),
    )


def _parse_imported(document: dict[str, Any]) -> ZooDocument:
    images = _object(document["image_set"], "image_set")
    classes = _texts(images["class_names"], "image_set.class_names")
    check_class_names(classes, least=1)
    table = _object(document["architecture"], "architecture")
    outputs = table["outputs"]
    if type(outputs) is not int or not 1 <= outputs <= MAX_OUTPUTS:
        raise ValueError(f"architecture.outputs: expected 1 or more, got {reprlib.repr(outputs)}")
    if "layers" in table:
        architecture = architecture_from(table)
    else:
        architecture = get_architecture(_text(table["name"], "architecture.name"), outputs)
    _check_table(table, architecture)
    imported = _object(document["imported"], "imported")
    formats = _object(imported["formats"], "imported.formats")
    _whole_numbers(list(formats.values()), "imported.formats")
    networks = tuple(
        _parse_network(entry) for entry in _list(imported["networks"], "imported.networks")
    )
    found = ZooDocument(
        recipe=None,
        imported=Imported(formats=formats, networks=networks),
        images_name=_text(images["name"], "image_set.name"),
        image_fingerprint=_text(images["fingerprint"], "image_set.fingerprint"),
        image_classes=classes,
        architecture=architecture,
        sizes=(),
        runs=tuple(_parse_run(run) for run in _list(document["runs"], "runs")),
    )
    if networks != in_order(networks, found.network_classes):
        raise ValueError("imported.networks: expected different networks, by index, then class")
    return found


def _parse_network(value: object) -> NetworkKey:
    entry = _list(value, "imported.networks")
    if len(entry) != 2:
        raise ValueError(f"imported.networks: expected [class, index], got {reprlib.repr(entry)}")
    _whole_numbers([entry[1]], "imported.networks")
    return NetworkKey(_text(entry[0], "imported.networks"), entry[1])


def in_order(networks: Iterable[NetworkKey], classes: tuple[str, ...]) -> tuple[NetworkKey, ...]:
    """The networks of these classes in a zoo's order, each once: by index, then class."""
    places = {name: place for place, name in enumerate(classes)}
    known = {network for network in networks if network.class_name in places}
    return tuple(sorted(known, key=lambda network: (network.index, places[network.class_name])))


def _check_table(table: object, architecture: Architecture) -> None:
    expected = architecture_table(architecture)
    if isinstance(table, dict) and "layers" not in table:
        del expected["layers"]  # zoos of early versions name built-in networks alone
    if table != expected:
        raise ValueError(
            f"the architecture '{architecture.name}' of this hyperzoo is not the one that the zoo "
            "was made with; use the version that made it"
        )


def _parse_architecture(table: object, recipe: Recipe, classes: tuple[str, ...]) -> Architecture:
    architecture = recipe_architecture(recipe, classes)
    _check_table(table, architecture)
    return architecture


def _parse_sizes(value: object, recipe: Recipe) -> tuple[int, ...]:
    sizes = _whole_numbers(value, "sizes")
    increasing = all(small < large for small, large in pairwise((0, *sizes)))
    if not increasing or sizes[-1:] != (recipe.networks_per_class,):
        raise ValueError(
            f"sizes must increase from 1 or more to networks_per_class = "
            f"{recipe.networks_per_class}, got {reprlib.repr(sizes)}"
        )
    return sizes


def _parse_run(value: object) -> Run:
    run = _object(value, "runs")
    return Run(
        parts=_whole_numbers(run["parts"], "runs.parts"),
        software=_text_object(run["software"], "runs.software"),
        provenance=_text_object(run["provenance"], "runs.provenance"),
    )


def _object(value: object, place: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{place}: expected an object, got {reprlib.repr(value)}")
    return value


def _list(value: object, place: str) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"{place}: expected a list, got {reprlib.repr(value)}")
    return value


def _text(value: object, place: str) -> str:
    # JSON can spell lone halves of surrogate pairs, which no file or terminal takes.
    if not isinstance(value, str) or any("\ud800" <= c <= "\udfff" for c in value):
        raise ValueError(f"{place}: expected a text, got {reprlib.repr(value)}")
    return value


def _texts(value: object, place: str) -> tuple[str, ...]:
    return tuple(_text(entry, place) for entry in _list(value, place))


def _text_object(value: object, place: str) -> dict[str, str]:
    return {
        _text(key, place): _text(entry, f"{place}.{key}")
        for key, entry in _object(value, place).items()
    }


def _whole_numbers(value: object, place: str) -> tuple[int, ...]:
    numbers = _list(value, place)
    # type(), because True is an int too.
    if not all(type(number) is int and number >= 0 for number in numbers):
        raise ValueError(f"{place}: expected whole numbers, got {reprlib.repr(value)}")
    return tuple(numbers)
