"""What every kind of fitted generator has, and the file that keeps it.

The file is safetensors: numbers, and a JSON text that names the method, its settings, the
architecture, the classes and the zoo that it was fitted on. Reading one runs no code of its
maker's. A generator that is given images says so in the text (`given`); of one that is given the
name of a class nothing is said, as ever.
"""

import hashlib
import operator
import re
import reprlib
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal, cast

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
from hyperzoo.errors import GenerationError
from hyperzoo.generation.registry import Setting, State
from hyperzoo.generation.split import LEAST_TRAINING, Split
from hyperzoo.plan import ALL_CLASSES, TaskKind
from hyperzoo.zoo.document import MAX_GENERATED
from hyperzoo.zoo.files import write_file
from hyperzoo.zoo.tensors import ALL_WIDTHS, TensorFile, encode_tensors, open_tensors

FORMAT, _VERSION = "hyperzoo generator", 1
_MAX_OUTPUTS = 10_000
MOST_SEED = 2**63 - 1
_HEX = re.compile("[0-9a-f]{64}")

NOT_KEPT = "the generator is not kept. Make room or mend the cause, or give another file"
"""What to do where a generator's file can't be written."""

Given = Literal["images"]
"""What a generator is given to make a network, where that is not the name of a class."""

_OTHERWISE: dict[Given | None, str] = {
    None: "the generator makes networks of classes that it knows, and takes no images; leave "
    "--images-of out (in Python: load_generator)",
    "images": "the generator makes networks from images of a class; give these with --images-of "
    "FOLDER (in Python: load_image_generator)",
}
"""What to say of a generator of the other kind than was asked for."""


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
class Fitted:
    """What a method has learned of a zoo, and which zoo that was.

    Attributes:
        method: the method's name.
        seed: of the fit.
        architecture: of the networks that it makes.
        kind: their task.
        classes: the classes that it can make networks of; ("all",) for multi-class networks, none
            where it is given images.
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
    takes: ClassVar[Given | None] = None

    def own_facts(self) -> dict[str, Any]:
        """What the file says of this kind of generator beside what it says of all."""
        return {}

    @cached_property
    def encoded(self) -> bytes:
        """The content of the generator's file."""
        metadata = {
            "format": FORMAT,
            "version": _VERSION,
            "method": self.method,
            "seed": self.seed,
            "settings": dict(self.state.settings),
            **_told(self.architecture),
            "kind": self.kind,
            "classes": list(self.classes),
            "image_classes": list(self.image_classes),
            "fitted_on": asdict(self.fitted_on),
            **({} if self.takes is None else {"given": self.takes}),
            **self.own_facts(),
        }
        return encode_tensors(dict(self.state.tensors), metadata)

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the generator's file."""
        return hashlib.sha256(self.encoded).hexdigest()

    def save(self, path: str | Path) -> None:
        """Write the generator to a file.

        Raises:
            ZooWriteError: the disk refused.
        """
        write_file(Path(path), self.encoded, otherwise=NOT_KEPT)

    def sound(
        self, made: dict[str, NDArray[np.float32]], id: str
    ) -> dict[str, NDArray[np.float32]]:
        """A network that was made, if its numbers are those of a network.

        Args:
            made: PyTorch name -> float32 [*shape].
            id: which it is, for the message.

        Raises:
            GenerationError: they are not finite.
        """
        for p in self.architecture.parameters:
            if not np.isfinite(made[p.name]).all():
                raise GenerationError(
                    f"{id}: the generator makes numbers that are not finite; its file is damaged, "
                    "or its fit came to nothing: fit it again"
                )
            if p.keras_name == "moving_variance":  # methods know of numbers only, not of squares
                np.maximum(made[p.name], 0, out=made[p.name])
        return made


@contextmanager
def computing() -> Iterator[None]:
    """Compute on one thread; numbers of which no network follows are refused.

    Raises:
        GenerationError: a linear system of the generator's numbers has no solution.
    """
    import torch

    try:
        with one_thread(), torch.no_grad(), np.errstate(all="ignore"):
            yield
    except (np.linalg.LinAlgError, torch.linalg.LinAlgError) as error:  # type: ignore[attr-defined]
        raise GenerationError(
            f"no network follows from the generator's numbers ({error}); its file is damaged, or "
            "its fit came to nothing: fit it again"
        ) from error


def whole_number(name: str, value: object, least: int = 0) -> int:
    """A number that somebody asks for, as Python's own: files and digests tell it of NumPy's.

    Raises:
        GenerationError: it is no whole number, below the least, or beyond `MOST_SEED`.
    """
    try:
        if isinstance(value, bool):
            raise TypeError
        found = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise GenerationError(
            f"{name}: expected a whole number, got {reprlib.repr(value)}"
        ) from None
    if not least <= found <= MOST_SEED:
        raise GenerationError(f"{name}: expected {least} to {MOST_SEED}, got {found}")
    return found


def open_generator(path: Path, takes: Given | None, how: str) -> TensorFile:
    """Open a generator's file; of what it says, the kind of generator is all that is read yet.

    Args:
        path: the file.
        takes: the kind that is asked for.
        how: what writes such a file.

    Raises:
        GenerationError: there is none, or it is of another kind.
        ZooFormatError: it is damaged.
    """
    if not path.is_file():
        raise GenerationError(f"{path}: no such file; `{how}` writes one")
    file = open_tensors(path, widths=ALL_WIDTHS)
    given = file.metadata.get("given")
    if given is None or given == "images":
        if given != takes and file.metadata.get("format") == FORMAT:
            raise GenerationError(f"{path}: {_OTHERWISE[given]}")
        return file
    raise GenerationError(
        f"{path}: not a generator that can be used: given: expected 'images' or nothing, got "
        f"{reprlib.repr(given)}"
    )


def parsed(file: TensorFile, takes: Given | None) -> dict[str, Any]:
    """What every generator's file says, as `Fitted` takes it; nothing in it is taken on trust.

    Args:
        file: the opened file.
        takes: the kind of generator that is asked for.

    Raises:
        GenerationError: the file says something else.
        ArchitectureError, ValueError: likewise.
    """
    metadata = file.metadata
    if metadata.get("format") != FORMAT or metadata.get("version") != _VERSION:
        raise GenerationError(
            f"expected a '{FORMAT}' of version {_VERSION}, got "
            f"{reprlib.repr(metadata.get('format'))} {reprlib.repr(metadata.get('version'))}"
        )
    outputs = a_number(metadata, "outputs", 1, _MAX_OUTPUTS)
    kind = a_text(metadata, "kind")
    if kind not in ("one-vs-all", "multi-class") or (kind == "one-vs-all") != (outputs == 1):
        raise GenerationError(f"kind {kind!r} does not fit {outputs} output(s)")
    classes = class_names(metadata, "classes", 1 if takes is None else 0)
    image_classes = class_names(metadata, "image_classes", 1)
    if takes is None:
        _check_classes(classes, image_classes, outputs)
    return {
        "method": a_text(metadata, "method"),
        "seed": a_number(metadata, "seed", 0, MOST_SEED),
        "architecture": _architecture(metadata, outputs),
        "kind": cast(TaskKind, kind),
        "classes": classes,
        "image_classes": image_classes,
        "fitted_on": _fitted_on(metadata.get("fitted_on"), LEAST_TRAINING if takes is None else 1),
        "state": State(
            tensors={name: np.array(file.tensor(name)) for name in file.places},
            settings=_settings(metadata.get("settings")),
        ),
    }


def _told(architecture: Architecture) -> dict[str, Any]:
    """What the file says of the architecture; of a built-in one its name, as it always did."""
    facts = architecture_facts(architecture)
    if architecture.name in architecture_names():
        return {"architecture": architecture.name, "outputs": architecture.outputs}
    return {"architecture": facts.pop("name"), **facts}


def _architecture(metadata: Mapping[str, Any], outputs: int) -> Architecture:
    name = a_text(metadata, "architecture")
    if "layers" in metadata:
        return architecture_from({**metadata, "name": name})
    return get_architecture(name, outputs)


def _check_classes(classes: tuple[str, ...], image_classes: tuple[str, ...], outputs: int) -> None:
    """Check that networks are of classes that images have, or tell all of these apart."""
    if outputs > 1:
        if classes != (ALL_CLASSES,):
            raise GenerationError(
                f"classes: expected '{ALL_CLASSES}' of networks with several outputs, got "
                f"{reprlib.repr(classes)}"
            )
        if outputs != len(image_classes):
            raise GenerationError(
                f"image_classes: expected one for each of {outputs} outputs, got "
                f"{len(image_classes)}"
            )
    elif classes != tuple(name for name in image_classes if name in classes):
        raise GenerationError(
            f"classes: expected some of image_classes, in their order, got {reprlib.repr(classes)}"
        )


def _fitted_on(table: object, least_training: int) -> FittedOn:
    names = {entry.name for entry in fields(FittedOn)}
    if not isinstance(table, dict) or table.keys() != names or not isinstance(table["split"], dict):
        raise GenerationError(f"fitted_on: expected an object of {', '.join(sorted(names))}")
    counts = table["split"]
    roles = [entry.name for entry in fields(Split)]
    if sorted(counts) != sorted(roles):
        raise GenerationError(f"fitted_on.split: expected {', '.join(roles)}")
    least = {"training": least_training}
    split = Split(
        **{role: a_number(counts, role, least.get(role, 0), MAX_GENERATED) for role in roles}
    )
    told = {name: a_text(table, name) for name in names - {"split"}}
    for name in ("recipe_digest", "image_fingerprint"):
        if told[name] and not _HEX.fullmatch(told[name]):
            raise GenerationError(
                f"fitted_on.{name}: expected 64 digits of hexadecimal or nothing, got "
                f"{reprlib.repr(told[name])}"
            )
    return FittedOn(**told, split=split)


def _settings(table: object) -> dict[str, Setting]:
    if not isinstance(table, dict) or not all(
        type(value) in (int, float, str) for value in table.values()
    ):
        raise GenerationError("settings: expected an object of numbers and texts")
    for name, value in table.items():
        # False for NaN, and exact for whole numbers that no float holds.
        if not isinstance(value, str) and not abs(value) <= sys.float_info.max:
            raise GenerationError(
                f"setting {reprlib.repr(name)}: expected a finite number, got {reprlib.repr(value)}"
            )
    return table


def a_text(table: Mapping[str, Any], name: str) -> str:
    """A short printable text of the file.

    Raises:
        GenerationError: it is none.
    """
    value = table.get(name)
    if not isinstance(value, str) or not (value.isprintable() and len(value) < 1000):
        raise GenerationError(f"{name}: expected a printable text, got {reprlib.repr(value)}")
    return value


def a_number(table: Mapping[str, Any], name: str, least: int, most: int) -> int:
    """A whole number of the file, between bounds.

    Raises:
        GenerationError: it is none.
    """
    value = table.get(name)
    if type(value) is not int or not least <= value <= most:
        raise GenerationError(
            f"{name}: expected a whole number from {least} to {most}, got {reprlib.repr(value)}"
        )
    return value


def class_names(table: Mapping[str, Any], name: str, least: int) -> tuple[str, ...]:
    """`least` or more names of classes.

    Raises:
        GenerationError: it is no list of names.
        ValueError: names are not fit, or too few.
    """
    from hyperzoo.zoo.document import check_class_names

    value = table.get(name)
    if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
        raise GenerationError(f"{name}: expected a list of class names, got {reprlib.repr(value)}")
    check_class_names(tuple(value), least=least)
    return tuple(value)
