"""Checks that a zoo is what it says it is."""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from hyperzoo.errors import ZooError
from hyperzoo.plan import PlannedNetwork
from hyperzoo.zoo import layout
from hyperzoo.zoo.document import ZooDocument, read_document
from hyperzoo.zoo.read import read_table
from hyperzoo.zoo.tensors import read_tensors


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What a check of a zoo found.

    Attributes:
        networks: networks in complete parts.
        parts: complete parts, all of which were checked.
        incomplete: numbers of the parts that are still to be trained.
        problems: what is wrong, each naming the file; empty for a sound zoo.
    """

    networks: int
    parts: int
    incomplete: tuple[int, ...]
    problems: tuple[str, ...]


def verify_zoo(
    path: str | Path, *, meter: Callable[[int, int | None], None] | None = None
) -> Verification:
    """Check every part: checksums, shapes, finite values, row counts, ids against the plan.

    Args:
        path: the zoo's folder.
        meter: is told how many parts of how many are checked.

    Returns:
        All problems at once; content that is wrong raises nothing.

    Raises:
        ZooNotFoundError: the folder holds no zoo.
        ZooFormatError: zoo.json is damaged, or of an unknown format version.
    """
    folder = Path(path)
    document = read_document(folder)
    plan = document.plan()
    complete = [n for n in range(len(plan)) if (folder / layout.models_file(n)).exists()]
    problems: list[str] = []
    for checked, part in enumerate(complete, start=1):
        problems += _part_problems(folder, document, part, plan[part])
        if meter is not None:
            meter(checked, len(complete))
    return Verification(
        networks=sum(len(plan[part]) for part in complete),
        parts=len(complete),
        incomplete=tuple(part for part in range(len(plan)) if part not in set(complete)),
        problems=tuple(problems),
    )


def _part_problems(
    folder: Path, document: ZooDocument, part: int, networks: tuple[PlannedNetwork, ...]
) -> Iterator[str]:
    models = folder / layout.models_file(part)
    try:
        table = read_table(models, layout.MODELS_SCHEMA)
        mark = json.loads((pq.read_metadata(models).metadata or {})[b"hyperzoo"])
        digests = dict(mark["sha256"])
    except (ZooError, OSError, pa.ArrowException, KeyError, TypeError, ValueError) as error:
        yield f"{models}: no readable mark of a complete part ({error})"
        return
    yield from _mark_problems(models, mark, document, part)
    yield from _models_problems(models, table, part, networks)
    failed = np.array(table["status"].to_pylist()) == "failed"
    epochs = document.recipe.training.checkpoint_epochs
    for file in layout.data_files(part, epochs):
        place = folder / file
        try:
            with place.open("rb") as opened:
                digest = hashlib.file_digest(opened, "sha256").hexdigest()
        except OSError as error:
            yield f"{place}: can't be read: {error.strerror or error}"
            continue
        if digest != digests.get(file.as_posix()):
            yield f"{place}: the SHA-256 is not the one that the part's mark gives"
        try:
            if file == layout.history_file(part):
                yield from _history_problems(place, document, networks, failed)
            else:
                yield from _weights_problems(place, document, networks, failed)
        except ZooError as error:
            yield str(error)


def _mark_problems(
    models: Path, mark: dict[str, object], document: ZooDocument, part: int
) -> Iterator[str]:
    expected = {
        "format_version": layout.FORMAT_VERSION,
        "part": part,
        "recipe_digest": document.recipe.digest,
        "image_fingerprint": document.image_fingerprint,
    }
    for key, value in expected.items():
        if mark.get(key) != value:
            yield f"{models}: the mark has {key} {mark.get(key)!r:.40}, expected {value!r:.40}"


def _models_problems(
    models: Path, table: pa.Table, part: int, networks: tuple[PlannedNetwork, ...]
) -> Iterator[str]:
    if len(table) != len(networks):
        yield f"{models}: expected {len(networks)} rows, got {len(table)}"
        return
    for row, (found, planned) in enumerate(zip(table.to_pylist(), networks, strict=True)):
        expected = {
            "id": planned.id,
            "class": planned.class_name,
            "index": planned.index,
            "part": part,
            "row": row,
            "learning_rate": planned.learning_rate,
            "batch_size": planned.batch_size,
        }
        for key, value in expected.items():
            if found[key] != value:
                yield f"{models}, row {row}: expected {key} {value!r}, got {found[key]!r}"
        if found["status"] not in ("ok", "failed"):
            yield f"{models}, row {row}: unknown status {found['status']!r}"
        if found["status"] == "ok":
            for name in layout.METRICS:
                value = found[name]
                if value is not None and not np.isfinite(value):
                    yield f"{models}, row {row} ({planned.id}): {name} is {value}"


def _history_problems(
    place: Path,
    document: ZooDocument,
    networks: tuple[PlannedNetwork, ...],
    failed: np.ndarray[tuple[int], np.dtype[np.bool_]],
) -> Iterator[str]:
    table = read_table(place, layout.HISTORY_SCHEMA)
    epochs = document.recipe.training.epochs
    keys = list(zip(table["id"].to_pylist(), table["epoch"].to_pylist(), strict=True))
    if keys != [(network.id, epoch) for network in networks for epoch in range(1, epochs + 1)]:
        yield f"{place}: the rows are not {epochs} epochs of each of {len(networks)} networks"
        return
    sound = ~np.repeat(failed, epochs)
    for name in layout.HISTORY_COLUMNS:
        if not np.isfinite(table[name].to_numpy()[sound]).all():
            yield f"{place}: {name} is not finite for a network that has not failed"


def _weights_problems(
    place: Path,
    document: ZooDocument,
    networks: tuple[PlannedNetwork, ...],
    failed: np.ndarray[tuple[int], np.dtype[np.bool_]],
) -> Iterator[str]:
    tensors = read_tensors(place)
    expected = {p.name: (len(networks), *p.shape) for p in document.architecture.parameters}
    for name in sorted(expected.keys() | tensors.keys()):
        found = tensors[name].shape if name in tensors else None
        if found != expected.get(name):
            yield f"{place}: {name}: expected shape {expected.get(name)}, got {found}"
            continue
        finite = np.isfinite(tensors[name].reshape(len(networks), -1)).all(axis=1)
        for row in np.flatnonzero(~finite & ~failed):
            yield f"{place}: {name} of {networks[row].id} is not finite, though it has not failed"
