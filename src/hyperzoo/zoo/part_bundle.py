"""A zoo's part as a bundle: made by a worker, checked by whoever holds the zoo's lock."""

import re
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hyperzoo.errors import BundleError
from hyperzoo.plan import PlannedNetwork
from hyperzoo.zoo import layout
from hyperzoo.zoo.bundle import Bundle, Lying, check_digest, check_names, maker, read_record
from hyperzoo.zoo.document import ZooDocument
from hyperzoo.zoo.parts import FinishedNetwork, check_networks, encode_part, mark
from hyperzoo.zoo.resume import software
from hyperzoo.zoo.verify import part_problems

_PIECE = re.compile(r"part-([0-9]{5,9})")


@dataclass(frozen=True, kw_only=True)
class PartBundle:
    """A bundle that was found to be a part of a zoo, as the plan wants it."""

    part: int
    path: Path
    software: Mapping[str, str]
    provenance: Mapping[str, str]


def piece_name(part: int) -> str:
    """What a part is called among pieces of work."""
    return f"part-{part:05}"


def piece_part(piece: str) -> int | None:
    """The part that a piece of work is; None for another kind of work."""
    match = _PIECE.fullmatch(piece)
    return int(match[1]) if match and piece_name(int(match[1])) == piece else None


def part_bundle(
    part: int,
    networks: Sequence[FinishedNetwork],
    planned: Sequence[PlannedNetwork],
    document: ZooDocument,
    provenance: Mapping[str, str],
) -> Bundle:
    """Make a part's bundle.

    Args:
        part: the part's number.
        networks: its networks.
        planned: what the plan says of them.
        document: the zoo that it is for.
        provenance: what the bits of its networks may depend on.

    Raises:
        ZooWriteError: the networks are not those of the part, which is a fault of the caller's.
    """
    check_networks(part, planned, networks, document)
    facts = {
        "zoo": mark(part, document),
        "software": software(),
        "provenance": dict(provenance),
        "maker": maker(),
    }
    files = {file.as_posix(): content for file, content in encode_part(part, networks, document)}
    return Bundle(piece=piece_name(part), facts=facts, files=files)


def check_part_bundle(
    lying: Lying, document: ZooDocument, plan: Sequence[Sequence[PlannedNetwork]]
) -> PartBundle:
    """Check that a bundle is a part of a zoo, with all that `verify` checks.

    Raises:
        BundleError: it is not; the message names the bundle and says why.
    """
    name, part = lying.path.name, piece_part(lying.piece)
    if part is None or part >= len(plan):
        raise BundleError(f"bundle {name}: the zoo's plan has no part '{lying.piece}'")
    record = read_record(lying)
    facts = record["facts"]
    _check_zoo(name, facts.get("zoo"), mark(part, document))
    files = [file.as_posix() for file in layout.part_files(part, document.checkpoint_epochs)]
    check_names(lying, record["sha256"], files)
    # The mark holds the digests of the other files, by which each is now read once.
    check_digest(lying, record["sha256"], layout.models_file(part).as_posix())
    for problem in part_problems(lying.path, document, part, plan[part]):
        raise BundleError(f"bundle {name}: {problem}")
    return PartBundle(
        part=part,
        path=lying.path,
        software=_texts(name, facts, "software"),
        provenance=_texts(name, facts, "provenance"),
    )


_SAID = {
    "format_version": "of another format version",
    "part": "another part",
    "recipe_digest": "of another recipe",
    "image_fingerprint": "trained on other images",
}


def _check_zoo(name: str, found: object, expected: Mapping[str, Any]) -> None:
    found = found if isinstance(found, dict) else {}
    for key, value in expected.items():
        if found.get(key) != value:
            raise BundleError(
                f"bundle {name} is {_SAID[key]}: expected {key} {value!r}, got "
                f"{reprlib.repr(found.get(key))}"
            )


def _texts(name: str, facts: Mapping[str, Any], key: str) -> dict[str, str]:
    entries = facts.get(key)
    sane = isinstance(entries, dict) and all(
        isinstance(text, str) and text.isprintable() for item in entries.items() for text in item
    )
    if not isinstance(entries, dict) or not sane:
        raise BundleError(f"bundle {name}: expected texts as its {key}, got {entries!r:.80}")
    return entries
