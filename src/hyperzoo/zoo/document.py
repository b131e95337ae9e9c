"""`zoo.json`: what a zoo is, apart from its networks."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from hyperzoo.architectures import Architecture, get_architecture
from hyperzoo.errors import HyperzooError, ZooFormatError, ZooNotFoundError
from hyperzoo.plan import PlannedNetwork, plan_parts
from hyperzoo.recipe import Recipe, parse_recipe
from hyperzoo.zoo.layout import FORMAT, FORMAT_VERSION

FILE_NAME = "zoo.json"


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


def read_document(folder: Path) -> ZooDocument:
    """Read and check `zoo.json`.

    Raises:
        ZooNotFoundError: there is none.
        ZooFormatError: it is damaged, or of another format version.
    """
    path = folder / FILE_NAME
    try:
        text = path.read_bytes().decode("utf-8")
    except (FileNotFoundError, NotADirectoryError):
        raise ZooNotFoundError(
            f"no zoo in {folder}: it has no {FILE_NAME}; give the folder that "
            "`hyperzoo train ... --out FOLDER` made"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ZooFormatError(f"{path} can't be read: {error}") from error
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ZooFormatError(f"{path} is not valid JSON: {error}") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise ZooFormatError(f"{path} does not describe a zoo (its 'format' is not '{FORMAT}')")
    version = document.get("format_version")
    if version != FORMAT_VERSION:
        raise ZooFormatError(
            f"{path}: the zoo has format version {version!r}, this hyperzoo reads version "
            f"{FORMAT_VERSION}; install a version of hyperzoo that reads it"
        )
    try:
        return _parse(document, path)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, ZooFormatError):
            raise
        raise ZooFormatError(f"{path} is damaged: {type(error).__name__}: {error}") from error


def _parse(document: dict[str, Any], path: Path) -> ZooDocument:
    recipe = parse_recipe(document["recipe"], f"the recipe in {path}")
    if document["recipe_digest"] != recipe.digest:
        raise ZooFormatError(f"{path}: the recipe has been changed: its digest does not match")
    images = document["image_set"]
    classes = _class_names(images["class_names"])
    outputs = 1 if recipe.task.kind == "one-vs-all" else len(classes)
    try:
        architecture = get_architecture(recipe.architecture.name, outputs)
    except HyperzooError as error:
        raise ZooFormatError(f"{path}: {error}") from error
    if document["architecture"] != architecture_table(architecture):
        raise ZooFormatError(
            f"{path}: the architecture '{architecture.name}' of this hyperzoo is not the one "
            "that the zoo was made with; install the version that made it"
        )
    sizes = tuple(document["sizes"])
    if (
        not sizes
        or not all(type(size) is int and size > 0 for size in sizes)
        or not all(small < large for small, large in pairwise(sizes))
        or sizes[-1] != recipe.networks_per_class
    ):
        raise ZooFormatError(
            f"{path}: sizes {sizes} must increase and end with networks_per_class, "
            f"{recipe.networks_per_class}"
        )
    return ZooDocument(
        recipe=recipe,
        images_name=str(images["name"]),
        image_fingerprint=str(images["fingerprint"]),
        image_classes=classes,
        architecture=architecture,
        sizes=sizes,
        runs=tuple(
            Run(
                parts=tuple(int(part) for part in run["parts"]),
                software={str(k): str(v) for k, v in run["software"].items()},
                provenance={str(k): str(v) for k, v in run["provenance"].items()},
            )
            for run in document["runs"]
        ),
    )


def _class_names(values: Any) -> tuple[str, ...]:
    # Class names become parts of ids and of file names, so they are not taken on trust.
    if not isinstance(values, list) or not all(
        isinstance(value, str) and re.fullmatch(r"[\w.-]+", value) for value in values
    ):
        raise ValueError(f"class names must be of letters, digits, '_', '-', '.': {values!r:.100}")
    if len(values) < 2 or len(set(values)) < len(values):
        raise ValueError(f"expected two or more different class names, got {values!r:.100}")
    return tuple(values)
