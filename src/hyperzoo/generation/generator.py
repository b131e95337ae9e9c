"""A fitted generator and its file.

The file is safetensors: numbers, and a JSON text that names the method, its settings, the
architecture, the classes and the zoo that it was fitted on. Reading one runs no code of its
maker's.
"""

import hashlib
import reprlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from hyperzoo.architectures import (
    Architecture,
    architecture_facts,
    architecture_from,
    architecture_names,
    get_architecture,
)
from hyperzoo.cores import one_thread
from hyperzoo.errors import ArchitectureError, GenerationError, did_you_mean
from hyperzoo.generation.draw import Draw
from hyperzoo.generation.registry import Setting, State, get_method
from hyperzoo.generation.split import Split
from hyperzoo.plan import TaskKind
from hyperzoo.zoo.files import write_file
from hyperzoo.zoo.tensors import TensorFile, encode_tensors, open_tensors

_FORMAT, _VERSION = "hyperzoo generator", 1
_MAX_OUTPUTS = 10_000
_WIDTHS = {"F32": 4, "F16": 2, "U8": 1}
MOST_SEED = 2**63 - 1


@dataclass(frozen=True, kw_only=True)
class FittedOn:
    """The zoo that a generator was fitted on.

    Attributes:
        name: the zoo's, for people.
        recipe_digest: of its recipe; "" where it has none.
        image_fingerprint: of its images; "" where that is not known.
        images_name: what they are, for people.
        split: which of its networks the generator has seen.
    """

    name: str
    recipe_digest: str
    image_fingerprint: str
    images_name: str
    split: Split


@dataclass(frozen=True, kw_only=True, eq=False)
class Generator:
    """A fitted method: makes networks that were never trained.

    Attributes:
        method: the method's name.
        seed: of the fit.
        architecture: of the networks that it makes.
        kind: their task.
        classes: the classes that it can make networks of; ("all",) for multi-class networks.
        image_classes: the images' classes in label order.
        fitted_on: the zoo that it was fitted on.
        state: what the method has learned.
    """

    method: str
    seed: int
    architecture: Architecture
    kind: TaskKind
    classes: tuple[str, ...]
    image_classes: tuple[str, ...]
    fitted_on: FittedOn
    state: State

    def sample(
        self, class_name: str, count: int, *, seed: int = 0, first: int = 0
    ) -> dict[str, NDArray[np.float32]]:
        """Make networks of a class.

        Network k follows from the generator, the seed, the class and k alone, whatever is made
        beside it.

        Args:
            class_name: one of `classes`.
            count: how many.
            seed: of the sample.
            first: the index of the first.

        Returns:
            PyTorch name -> float32 [network, *shape].

        Raises:
            GenerationError: there is no such class, or count, first or seed are out of bounds.
        """
        if count < 1:
            raise GenerationError(f"count: expected 1 or more, got {count}")
        made = [self.make(class_name, first + place, seed=seed) for place in range(count)]
        return {
            p.name: np.stack([own[p.name] for own in made]) for p in self.architecture.parameters
        }

    def make(self, class_name: str, index: int, *, seed: int = 0) -> dict[str, NDArray[np.float32]]:
        """Make one network: PyTorch name -> float32 [*shape]; see `sample`."""
        if class_name not in self.classes:
            raise GenerationError(
                f"the generator makes no networks of class '{class_name}'"
                f"{did_you_mean(class_name, self.classes)} (it knows: {', '.join(self.classes)})"
            )
        for name, value in (("index", index), ("seed", seed)):
            if not 0 <= value <= MOST_SEED:
                raise GenerationError(f"{name}: expected 0 to {MOST_SEED}, got {value}")
        draw = Draw(seed, class_name, index)
        with one_thread():
            method = get_method(self.method).load()
            made = method.make(self.state, self.architecture, self.classes, draw)
        for p in self.architecture.parameters:
            if not np.isfinite(made[p.name]).all():
                raise GenerationError(
                    f"{class_name}_{index}: the generator makes numbers that are not finite; its "
                    "file is damaged, or its fit came to nothing: fit it again"
                )
            if p.keras_name == "moving_variance":  # methods know of numbers only, not of squares
                np.maximum(made[p.name], 0, out=made[p.name])
        return made

    @cached_property
    def encoded(self) -> bytes:
        """The content of the generator's file."""
        metadata = {
            "format": _FORMAT,
            "version": _VERSION,
            "method": self.method,
            "seed": self.seed,
            "settings": dict(self.state.settings),
            **_told(self.architecture),
            "kind": self.kind,
            "classes": list(self.classes),
            "image_classes": list(self.image_classes),
            "fitted_on": asdict(self.fitted_on),
        }
        return encode_tensors(dict(self.state.tensors), metadata)

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the generator's file."""
        return hashlib.sha256(self.encoded).hexdigest()

    def save(self, path: str | Path) -> None:
        """Write the generator to a file, which `load_generator` reads.

        Raises:
            ZooWriteError: the disk refused.
        """
        write_file(Path(path), self.encoded)


def load_generator(path: str | Path) -> Generator:
    """Read a generator that `Generator.save` wrote; nothing in the file is taken on trust.

    Raises:
        GenerationError: there is no such file, or it holds no generator that this version knows.
        ZooFormatError: the file is damaged.
    """
    path = Path(path)
    if not path.is_file():
        raise GenerationError(
            f"{path}: no such file; `hyperzoo generate ZOO --method NAME --save FILE` writes one"
        )
    file = open_tensors(path, widths=_WIDTHS)
    try:
        generator = _parsed(file)
        get_method(generator.method).load().check(
            generator.state, generator.architecture, generator.classes
        )
    except (ArchitectureError, GenerationError, ValueError) as error:
        raise GenerationError(f"{path}: not a generator that can be used: {error}") from None
    return generator


def _parsed(file: TensorFile) -> Generator:
    metadata = file.metadata
    if metadata.get("format") != _FORMAT or metadata.get("version") != _VERSION:
        raise GenerationError(
            f"expected a '{_FORMAT}' of version {_VERSION}, got "
            f"{reprlib.repr(metadata.get('format'))} {reprlib.repr(metadata.get('version'))}"
        )
    method = get_method(_text(metadata, "method"))
    outputs = _number(metadata, "outputs", 1, _MAX_OUTPUTS)
    kind = _text(metadata, "kind")
    if kind not in ("one-vs-all", "multi-class") or (kind == "one-vs-all") != (outputs == 1):
        raise GenerationError(f"kind {kind!r} does not fit {outputs} output(s)")
    return Generator(
        method=method.name,
        seed=_number(metadata, "seed", 0, MOST_SEED),
        architecture=_architecture(metadata, outputs),
        kind=cast(TaskKind, kind),
        classes=_names(metadata, "classes", 1),
        image_classes=_names(metadata, "image_classes", 1),
        fitted_on=_fitted_on(metadata.get("fitted_on")),
        state=State(
            tensors={name: np.array(file.tensor(name)) for name in file.places},
            settings=_settings(metadata.get("settings")),
        ),
    )


def _told(architecture: Architecture) -> dict[str, Any]:
    """What the file says of the architecture; of a built-in one its name, as it always did."""
    facts = architecture_facts(architecture)
    if architecture.name in architecture_names():
        return {"architecture": architecture.name, "outputs": architecture.outputs}
    return {"architecture": facts.pop("name"), **facts}


def _architecture(metadata: Mapping[str, Any], outputs: int) -> Architecture:
    name = _text(metadata, "architecture")
    if "layers" in metadata:
        return architecture_from({**metadata, "name": name})
    return get_architecture(name, outputs)


def _fitted_on(table: object) -> FittedOn:
    names = {entry.name for entry in fields(FittedOn)}
    if not isinstance(table, dict) or table.keys() != names or not isinstance(table["split"], dict):
        raise GenerationError(f"fitted_on: expected an object of {', '.join(sorted(names))}")
    counts = table["split"]
    roles = [entry.name for entry in fields(Split)]
    if sorted(counts) != sorted(roles):
        raise GenerationError(f"fitted_on.split: expected {', '.join(roles)}")
    split = Split(**{role: _number(counts, role, 0, MOST_SEED) for role in roles})
    return FittedOn(
        **{name: _text(table, name) for name in names - {"split"}},
        split=split,
    )


def _settings(table: object) -> dict[str, Setting]:
    if not isinstance(table, dict) or not all(
        type(value) in (int, float, str) for value in table.values()
    ):
        raise GenerationError("settings: expected an object of numbers and texts")
    return table


def _text(table: Mapping[str, Any], name: str) -> str:
    value = table.get(name)
    if not isinstance(value, str) or not (value.isprintable() and len(value) < 1000):
        raise GenerationError(f"{name}: expected a printable text, got {reprlib.repr(value)}")
    return value


def _number(table: Mapping[str, Any], name: str, least: int, most: int) -> int:
    value = table.get(name)
    if type(value) is not int or not least <= value <= most:
        raise GenerationError(
            f"{name}: expected a whole number from {least} to {most}, got {reprlib.repr(value)}"
        )
    return value


def _names(table: Mapping[str, Any], name: str, least: int) -> tuple[str, ...]:
    from hyperzoo.zoo.document import check_class_names

    value = table.get(name)
    if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
        raise GenerationError(f"{name}: expected a list of class names, got {reprlib.repr(value)}")
    check_class_names(tuple(value), least=least)
    return tuple(value)
