"""Whether a run may go on with what a folder holds, and what the zoo is then."""

import json
import platform
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pyarrow as pa

from hyperzoo.errors import ZooMismatchError
from hyperzoo.version import VERSION
from hyperzoo.zoo import layout
from hyperzoo.zoo.document import Run, ZooDocument, read_document
from hyperzoo.zoo.hub import is_hub_address
from hyperzoo.zoo.origin import Generated, Imported, Trained

_NOT_COMPARED = ("name", "networks_per_class", "images.path")
"""Entries of a recipe that do not enter its digest."""


def zoo_to_go_on_with(folder: Path, wanted: ZooDocument) -> ZooDocument | None:
    """The zoo in a folder, if it can go on or grow to what is wanted.

    Args:
        folder: the folder, which need not be there.
        wanted: the zoo that a run asks for.

    Returns:
        The zoo as it is; None for a folder that is empty (hidden files aside) or absent.

    Raises:
        ZooMismatchError: the folder holds another zoo, or other files.
        ZooFormatError: its zoo.json is damaged.
        OSError: the folder can't be read.
    """
    if is_hub_address(folder):
        raise ZooMismatchError(
            f"can't write to {folder}: a zoo on the Hub is only read; give a folder, and "
            "`hyperzoo push` it when it is done"
        )
    if not folder.exists():
        return None
    if not folder.is_dir():
        raise ZooMismatchError(f"{folder} is a file; give a folder for the zoo")
    names = {file.name for file in folder.iterdir()}
    if layout.DOCUMENT_FILE not in names:
        others = sorted(name for name in names if not name.startswith("."))
        if others:
            raise ZooMismatchError(
                f"{folder} holds no zoo but other files ({', '.join(others[:3])}"
                f"{', ...' * (len(others) > 3)}); give an empty or a new folder"
            )
        return None
    found = read_document(folder, other_version=ZooMismatchError)
    _check_origin(folder, found, wanted)
    _check_images(folder, found, wanted)
    if wanted.sizes[-1] < found.sizes[-1]:
        raise ZooMismatchError(
            f"{folder} holds a zoo of networks_per_class = {found.sizes[-1]}, you asked for "
            f"{wanted.sizes[-1]}; a zoo only grows, so give another folder for a smaller one"
        )
    return found


def _check_origin(folder: Path, found: ZooDocument, wanted: ZooDocument) -> None:
    match found.origin, wanted.origin:
        case Imported(), _:
            raise ZooMismatchError(
                f"{folder} holds a zoo of networks that were imported, which does not grow; give "
                "another folder"
            )
        case Trained(theirs), Trained(yours) if theirs.digest != yours.digest:
            _refuse(
                folder,
                "of another recipe",
                theirs.canonical(),
                yours.canonical(),
                "train with the zoo's own recipe",
            )
        case Generated() as theirs, Generated() as yours if theirs != _known(yours, theirs):
            _refuse(
                folder,
                "that was generated otherwise",
                asdict(theirs),
                asdict(_known(yours, theirs)),
                "generate with the zoo's own generator and seed",
            )
        case theirs, yours if type(theirs) is not type(yours):
            there = "trained" if isinstance(theirs, Trained) else "generated"
            raise ZooMismatchError(
                f"{folder} holds a zoo of networks that were {there}; give another folder"
            )


def _known(wanted: Generated, found: Generated) -> Generated:
    """What is wanted; a generator's digest that is not known before its fit is as the zoo's."""
    return (
        wanted
        if wanted.generator_digest
        else replace(wanted, generator_digest=found.generator_digest)
    )


def _refuse(folder: Path, what: str, theirs: Any, yours: Any, otherwise: str) -> NoReturn:
    differences = [
        f"{place}: the zoo has {_shown(their)}, you asked for {_shown(your)}"
        for place, their, your in _differences(theirs, yours)
    ]
    raise ZooMismatchError(
        f"{folder} holds a zoo {what}:\n  - "
        + "\n  - ".join(differences)
        + f"\nGive another folder, or {otherwise}"
    )


def _check_images(folder: Path, found: ZooDocument, wanted: ZooDocument) -> None:
    if not found.image_fingerprint and wanted.image_fingerprint:
        raise ZooMismatchError(
            f"{folder} holds a zoo whose networks were evaluated on no images, and these would be "
            f"on '{wanted.images_name}'; leave the images out as then, or give another folder"
        )
    if found.image_fingerprint != wanted.image_fingerprint:
        raise ZooMismatchError(
            f"{folder} holds a zoo trained on other images: '{found.images_name}' with fingerprint "
            f"{found.image_fingerprint[:16]}, not '{wanted.images_name}' with fingerprint "
            f"{wanted.image_fingerprint[:16]}; give the same images, or another folder"
        )
    if found.image_classes != wanted.image_classes:
        raise ZooMismatchError(
            f"{folder} holds a zoo trained on other images: of the classes "
            f"{', '.join(found.image_classes)}, not "
            f"{', '.join(wanted.image_classes)}; give the same images, or another folder"
        )


def _differences(theirs: Any, yours: Any, place: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Where two recipes differ, of all that determines a network."""
    if isinstance(theirs, dict) and isinstance(yours, dict):
        for key in sorted(theirs.keys() | yours.keys()):
            inner = f"{place}.{key}" if place else key
            if inner not in _NOT_COMPARED:
                yield from _differences(theirs.get(key), yours.get(key), inner)
    elif theirs != yours:
        yield place, theirs, yours


def _shown(value: Any) -> str:
    return "nothing" if value is None else json.dumps(value)


def merged(found: ZooDocument | None, wanted: ZooDocument) -> ZooDocument:
    """The zoo that is there, grown to what is wanted; it learns how many images there are."""
    if found is None:
        return wanted
    if found.image_counts is None:
        found = replace(found, image_counts=wanted.image_counts)
    if isinstance(found.origin, Imported) or wanted.sizes[-1] == found.sizes[-1]:
        return found
    origin = found.origin.grown(wanted.sizes[-1])
    return replace(found, origin=origin, sizes=(*found.sizes, *wanted.sizes))


def with_run(
    document: ZooDocument,
    parts: tuple[int, ...],
    software: Mapping[str, str],
    provenance: Mapping[str, str],
) -> ZooDocument:
    """Note the run that is to train parts, or has trained them elsewhere.

    Earlier runs set out to train some of them too, but did not get that far, and no longer list
    them; a run left with none goes. One under the same circumstances as an earlier one joins its
    entry. So a job that is killed and resumed a thousand times makes no long list, and neither do
    a thousand machines that are alike.

    Args:
        document: the zoo.
        parts: numbers of the parts.
        software: versions of what makes their files.
        provenance: what the bits of their networks may depend on.
    """
    if not parts:
        return document
    kept = [
        replace(run, parts=tuple(part for part in run.parts if part not in set(parts)))
        for run in document.runs
    ]
    new = Run(parts=parts, software=dict(software), provenance=dict(provenance))
    circumstances = (new.software, new.provenance)
    alike = [run for run in kept if (run.software, run.provenance) == circumstances]
    others = [run for run in kept if run.parts and run not in alike]
    together = {part for run in (new, *alike) for part in run.parts}
    return replace(document, runs=(*others, replace(new, parts=tuple(sorted(together)))))


def software() -> dict[str, str]:
    """The versions that the files of a part may depend on."""
    return {
        "hyperzoo": VERSION,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "pyarrow": pa.__version__,
    }
