"""`zoo.json`: what a zoo is, apart from its networks."""

import json
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa

from hyperzoo.architectures import (
    Architecture,
    architecture_facts,
    architecture_from,
    get_architecture,
    varied,
)
from hyperzoo.errors import HyperzooError, ZooError, ZooFormatError, ZooNotFoundError
from hyperzoo.plan import PlannedNetwork, TaskKind
from hyperzoo.recipe import Recipe
from hyperzoo.zoo.files import read_file
from hyperzoo.zoo.layout import (
    DOCUMENT_FILE,
    FORMAT,
    FORMAT_VERSION,
)
from hyperzoo.zoo.origin import (
    Generated,
    Imported,
    Origin,
    Trained,
    check_generated,
    in_order,
    parse_origin,
)
from hyperzoo.zoo.values import a_list, a_text, an_object, text_object, texts, whole_numbers

DRAWN = "drawn"
"""In place of an activation: it differs from network to network."""

MAX_BYTES = 64 * 2**20
MAX_OUTPUTS = 10_000
MAX_GENERATED = 1_000_000
"""Generated networks of a class: a plan of more would not fit in memory."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run that trained parts: which it set out to train, and what their bits may depend on."""

    parts: tuple[int, ...]
    software: Mapping[str, str]
    provenance: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class ZooDocument:
    """The content of `zoo.json`.

    Attributes:
        origin: where the networks come from.
        images_name: what the images are, for people.
        image_fingerprint: fingerprint of the image set; "" where it is not known.
        image_counts: how many images there are for training and for validation; None if not known.
        image_classes: the images' classes in label order.
        architecture: the networks' architecture.
        sizes: every `networks_per_class` that the zoo has had, increasing; none of imported
            networks.
        runs: the runs that made parts; of several that list a part, the last made it.
    """

    origin: Origin
    images_name: str
    image_fingerprint: str
    image_counts: tuple[int, int] | None = None
    image_classes: tuple[str, ...]
    architecture: Architecture
    sizes: tuple[int, ...]
    runs: tuple[Run, ...]

    @property
    def recipe(self) -> Recipe | None:
        """The recipe that trained the networks; None where none did."""
        return self.origin.recipe if isinstance(self.origin, Trained) else None

    @property
    def name(self) -> str:
        """The zoo's name, for people."""
        return self.origin.name

    @property
    def history_epochs(self) -> tuple[int, ...]:
        """The epochs of which every network has a row of history; none if not known."""
        return self.origin.history_epochs

    @property
    def epochs(self) -> int:
        """How many epochs of history a network has; of a recipe's all that it was trained."""
        return len(self.history_epochs)

    @property
    def checkpoint_epochs(self) -> tuple[int, ...]:
        """The epochs of which weights are kept along the way."""
        return self.origin.checkpoint_epochs

    @property
    def kind(self) -> TaskKind:
        """The networks' task."""
        return self.origin.kind(self.architecture)

    @property
    def network_classes(self) -> tuple[str, ...]:
        """The classes of the networks: in label order, or the one that all belong to."""
        return self.origin.classes(self.image_classes, self.architecture)

    @property
    def models_schema(self) -> pa.Schema:
        """The columns of the table of networks."""
        return self.origin.models_schema

    def plan(self) -> list[tuple[PlannedNetwork, ...]]:
        """The zoo's parts with their networks."""
        return self.origin.plan(self.image_classes, self.sizes)

    def encode(self) -> bytes:
        """The file's content."""
        recipe = self.recipe
        document = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "recipe": None if recipe is None else recipe.canonical(),
            "recipe_digest": None if recipe is None else recipe.digest,
            "image_set": {
                "name": self.images_name,
                "fingerprint": self.image_fingerprint,
                "class_names": list(self.image_classes),
                **_counts_table(self.image_counts),
            },
            "architecture": architecture_table(self.architecture),
            "sizes": list(self.sizes),
            **self.origin.table(),
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


_COUNTS = ("training_images", "validation_images")


def _counts_table(counts: tuple[int, int] | None) -> dict[str, int]:
    """What `zoo.json` says of the number of images; nothing where it is not known."""
    return {} if counts is None else dict(zip(_COUNTS, counts, strict=True))


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
    outputs = len(image_classes) if recipe.task.kind == "multi-class" else 1
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
        document = json.loads(content.decode("utf-8-sig"))
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
    images = an_object(document["image_set"], "image_set")
    classes = texts(images["class_names"], "image_set.class_names")
    origin = parse_origin(document)
    check_class_names(classes, least=1 if isinstance(origin, Imported) else 2)
    architecture = _parse_architecture(document["architecture"], origin, classes)
    found = ZooDocument(
        origin=origin,
        images_name=a_text(images["name"], "image_set.name"),
        image_fingerprint=a_text(images["fingerprint"], "image_set.fingerprint"),
        image_counts=_parse_counts(images),
        image_classes=classes,
        architecture=architecture,
        sizes=() if isinstance(origin, Imported) else _parse_sizes(document["sizes"], origin),
        runs=tuple(_parse_run(run) for run in a_list(document["runs"], "runs")),
    )
    if isinstance(origin, Trained):
        origin.classes(classes, architecture)  # tells of subsets that there can't be
    if isinstance(origin, Generated):
        check_generated(origin, classes, architecture)
    if isinstance(origin, Imported) and origin.networks != in_order(
        origin.networks, found.network_classes
    ):
        raise ValueError("imported.networks: expected different networks, by index, then class")
    return found


def _parse_counts(images: dict[str, Any]) -> tuple[int, int] | None:
    if not any(key in images for key in _COUNTS):
        return None  # of an older version
    training, validation = whole_numbers([images[key] for key in _COUNTS], "image_set")
    return training, validation


def _parse_architecture(value: object, origin: Origin, classes: tuple[str, ...]) -> Architecture:
    """The recipe's architecture, or that which a zoo without a recipe tells of."""
    if isinstance(origin, Trained):
        architecture = recipe_architecture(origin.recipe, classes)
    else:
        table = an_object(value, "architecture")
        outputs = table["outputs"]
        if type(outputs) is not int or not 1 <= outputs <= MAX_OUTPUTS:
            raise ValueError(
                f"architecture.outputs: expected 1 or more, got {reprlib.repr(outputs)}"
            )
        if "layers" in table:
            layers = _told_plainly(table["layers"])
            architecture = architecture_from(table | {"layers": layers})
            if layers != table["layers"]:
                architecture = varied(architecture, activation=DRAWN)
        else:
            architecture = get_architecture(a_text(table["name"], "architecture.name"), outputs)
    _check_table(value, architecture)
    return architecture


def _told_plainly(layers: object) -> object:
    """Layers with an activation that can be computed where networks have their own."""
    if isinstance(layers, list):
        return [_told_plainly(layer) for layer in layers]
    if not isinstance(layers, dict):
        return layers
    plain = {key: _told_plainly(entry) for key, entry in layers.items()}
    return plain | {"activation": "relu"} if layers.get("activation") == DRAWN else plain


def _parse_sizes(value: object, origin: Trained | Generated) -> tuple[int, ...]:
    sizes = whole_numbers(value, "sizes")
    increasing = all(small < large for small, large in pairwise((0, *sizes)))
    if isinstance(origin, Trained):
        last = origin.recipe.networks_per_class
        if not increasing or sizes[-1:] != (last,):
            raise ValueError(
                f"sizes must increase from 1 or more to networks_per_class = {last}, got "
                f"{reprlib.repr(sizes)}"
            )
        return sizes
    if not sizes or not increasing:
        raise ValueError(f"sizes must increase from 1 or more, got {reprlib.repr(sizes)}")
    if sizes[-1] > MAX_GENERATED:
        raise ValueError(f"sizes: expected up to {MAX_GENERATED:,}, got {sizes[-1]}")
    return sizes


def _check_table(table: object, architecture: Architecture) -> None:
    expected = architecture_table(architecture)
    if isinstance(table, dict) and "layers" not in table:
        del expected["layers"]  # zoos of early versions name built-in networks alone
    if table != expected:
        raise ValueError(
            f"the architecture '{architecture.name}' of this hyperzoo is not the one that the zoo "
            "was made with; use the version that made it"
        )


def _parse_run(value: object) -> Run:
    run = an_object(value, "runs")
    return Run(
        parts=whole_numbers(run["parts"], "runs.parts"),
        software=text_object(run["software"], "runs.software"),
        provenance=text_object(run["provenance"], "runs.provenance"),
    )
