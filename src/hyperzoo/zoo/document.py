"""`zoo.json`: what a zoo is, apart from its networks."""

import json
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from hyperzoo.architectures import Architecture, get_architecture
from hyperzoo.errors import HyperzooError, ZooError, ZooFormatError, ZooNotFoundError
from hyperzoo.plan import PlannedNetwork, plan_parts
from hyperzoo.recipe import Recipe, parse_recipe
from hyperzoo.zoo.files import read_file
from hyperzoo.zoo.layout import DOCUMENT_FILE, FORMAT, FORMAT_VERSION

MAX_BYTES = 64 * 2**20


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
        recipe: the zoo's recipe.
        images_name: what the images are, for people.
        image_fingerprint: fingerprint of the image set.
        image_classes: the images' classes in label order.
        architecture: the networks' architecture.
        sizes: every `networks_per_class` that the zoo has had, increasing.
        runs: the runs that trained parts; of several that list a part, the last trained it.
    """

    recipe: Recipe
    images_name: str
    image_fingerprint: str
    image_classes: tuple[str, ...]
    architecture: Architecture
    sizes: tuple[int, ...]
    runs: tuple[Run, ...]

    def plan(self) -> list[tuple[PlannedNetwork, ...]]:
        """The zoo's parts with their networks."""
        return plan_parts(self.recipe, self.image_classes, self.sizes)

    def encode(self) -> bytes:
        """The file's content."""
        document = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "recipe": self.recipe.canonical(),
            "recipe_digest": self.recipe.digest,
            "image_set": {
                "name": self.images_name,
                "fingerprint": self.image_fingerprint,
                "class_names": list(self.image_classes),
            },
            "architecture": architecture_table(self.architecture),
            "sizes": list(self.sizes),
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


def architecture_table(architecture: Architecture) -> dict[str, Any]:
    """What `zoo.json` says of the architecture: enough to read the weights without hyperzoo."""
    return {
        "name": architecture.name,
        "input_shape": list(architecture.input_shape),
        "outputs": architecture.outputs,
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
    return get_architecture(recipe.architecture.name, outputs)


def check_class_names(names: tuple[str, ...]) -> None:
    """Check that there are 2 classes or more, with unique names fit for ids and file names.

    Raises:
        ValueError: with the name that is not fit.
    """
    if len(names) < 2 or len(set(names)) < len(names):
        raise ValueError(f"expected 2 or more different class names, got {reprlib.repr(names)}")
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


def _parse_architecture(table: object, recipe: Recipe, classes: tuple[str, ...]) -> Architecture:
    architecture = recipe_architecture(recipe, classes)
    if table != architecture_table(architecture):
        raise ValueError(
            f"the architecture '{architecture.name}' of this hyperzoo is not the one that the zoo "
            "was made with; use the version that made it"
        )
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
