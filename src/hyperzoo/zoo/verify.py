"""Checks that a zoo is what it says it is."""

import hashlib
import reprlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from hyperzoo.errors import ZooError, ZooFormatError
from hyperzoo.plan import PlannedNetwork
from hyperzoo.zoo import layout
from hyperzoo.zoo.document import ZooDocument, read_document
from hyperzoo.zoo.files import regular_size
from hyperzoo.zoo.hub import download_zoo, is_hub_address
from hyperzoo.zoo.origin import Imported
from hyperzoo.zoo.parts import IDENTITY, mark, planned_rows
from hyperzoo.zoo.read import check_weights
from hyperzoo.zoo.tables import numbers_of, read_metadata, read_table
from hyperzoo.zoo.tensors import open_tensors


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What a check of a zoo found.

    Attributes:
        networks: networks in complete parts.
        parts: complete parts, all of which were checked.
        incomplete: numbers of the parts that are still to be trained.
        problems: what is wrong, each naming the file; empty for a sound zoo.
        notes: files that are no part of the zoo and do no harm.
    """

    networks: int
    parts: int
    incomplete: tuple[int, ...]
    problems: tuple[str, ...]
    notes: tuple[str, ...] = ()


def verify_zoo(
    path: str | Path, *, meter: Callable[[int, int | None], None] | None = None
) -> Verification:
    """Check every part: checksums, shapes, finite values, row counts, ids against the plan.

    Args:
        path: the zoo's folder, or its address on the Hub, from where all of it is downloaded.
        meter: is told how many parts of how many are checked.

    Returns:
        All problems at once; content that is wrong raises nothing.

    Raises:
        ZooNotFoundError: the folder holds no zoo.
        HubError: the Hub can't be reached, or has no such repository or revision.
    """
    folder = download_zoo(path) if is_hub_address(path) else Path(path)
    try:
        document = read_document(folder)
    except ZooFormatError as error:
        return Verification(networks=0, parts=0, incomplete=(), problems=(str(error),))
    plan = document.plan()
    complete = [n for n in range(len(plan)) if (folder / layout.models_file(n)).exists()]
    problems: list[str] = []
    for checked, number in enumerate(complete, start=1):
        problems += part_problems(folder, document, number, plan[number])
        if meter is not None:
            meter(checked, len(complete))
    return Verification(
        networks=sum(len(plan[number]) for number in complete),
        parts=len(complete),
        incomplete=tuple(sorted(set(range(len(plan))) - set(complete))),
        problems=tuple(problems),
        notes=tuple(_notes(folder, document, complete)),
    )


def part_problems(
    folder: Path, document: ZooDocument, number: int, networks: Sequence[PlannedNetwork]
) -> list[str]:
    """What is wrong with a part, each problem with its file.

    Args:
        folder: where the part's files lie as they do in a zoo.
        document: the zoo that the part belongs to.
        number: the part's number.
        networks: its networks by the plan.
    """
    return list(_Part(folder, document, number, networks).problems())


class _Part:
    """One part and what is wrong with it."""

    def __init__(
        self, folder: Path, document: ZooDocument, number: int, networks: Sequence[PlannedNetwork]
    ) -> None:
        self.folder, self.document = folder, document
        self.number, self.networks = number, networks
        # Networks that may hold numbers that are not finite: bool [network].
        self.failed: NDArray[np.bool_] = np.zeros(len(networks), bool)

    def problems(self) -> Iterator[str]:
        """Everything that is wrong, each with its file."""
        models = self.folder / layout.models_file(self.number)
        try:
            table = read_table(models, self.document.models_schema, len(self.networks))
            self.failed = np.array(table["status"].to_pylist()) == "failed"
            yield from self._models_problems(models, table)
        except ZooError as error:
            yield str(error)
        digests: object = None
        try:
            found = read_metadata(models)
            digests = found.get("sha256")
            yield from _mark_problems(models, found, mark(self.number, self.document))
        except ZooError as error:
            yield str(error)
        epochs = self.document.checkpoint_epochs
        for file in layout.data_files(self.number, epochs):
            try:
                yield from self._digest_problems(file, digests)
                yield from self._content_problems(file)
            except ZooError as error:
                yield str(error)
            except OSError as error:
                yield f"{self.folder / file} can't be read: {error.strerror or error}"

    def _models_problems(self, models: Path, table: pa.Table) -> Iterator[str]:
        planned = planned_rows(self.number, self.networks)
        # Of an imported network the plan knows nothing but which it is.
        known = IDENTITY if isinstance(self.document.origin, Imported) else table.column_names
        told = set(known) & set(table.column_names)
        for row, (found, expected) in enumerate(zip(table.to_pylist(), planned, strict=True)):
            place = f"{models}, row {row} ({expected['id']})"
            for key, value in expected.items():
                if key in told and found[key] != value:
                    yield f"{place}: expected {key} {value!r}, got {found[key]!r}"
            if found["status"] not in ("ok", "failed"):
                yield f"{place}: expected status 'ok' or 'failed', got {found['status']!r}"
            yield from self._epoch_problems(place, found["epoch"])
            for name in layout.METRICS:
                value = found[name]
                if value is not None and not np.isfinite(value) and not self.failed[row]:
                    yield f"{place}: {name} is {value}, though the network has not failed"

    def _epoch_problems(self, place: str, epoch: int | None) -> Iterator[str]:
        if (flaw := self.document.origin.epoch_flaw(epoch)) is not None:
            yield f"{place}: {flaw}"

    def _digest_problems(self, file: Path, digests: object) -> Iterator[str]:
        place = self.folder / file
        regular_size(place)
        with place.open("rb") as opened:
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
        expected = digests.get(file.as_posix()) if isinstance(digests, dict) else None
        if digest != expected:
            yield (
                f"{place}: the SHA-256 is {digest[:16]}..., but the part's mark gives "
                f"{reprlib.repr(expected)}"
            )

    def _content_problems(self, file: Path) -> Iterator[str]:
        if file == layout.history_file(self.number):
            yield from self._history_problems(self.folder / file)
            return
        for epoch in (None, *self.document.checkpoint_epochs):
            if file == layout.weights_file(self.number, epoch):
                yield from self._weights_problems(self.folder / file, epoch)

    def _history_problems(self, place: Path) -> Iterator[str]:
        epochs = self.document.history_epochs
        table = read_table(place, layout.HISTORY_SCHEMA, len(self.networks) * len(epochs))
        keys = list(zip(table["id"].to_pylist(), table["epoch"].to_pylist(), strict=True))
        if keys != [(network.id, epoch) for network in self.networks for epoch in epochs]:
            listed = ", ".join(map(str, epochs[:20])) + ", ..." * (len(epochs) > 20)
            yield f"{place}: the rows are not the epochs {listed} of the part's networks"
            return
        if isinstance(self.document.origin, Imported):
            return  # what its origin does not tell is NaN
        for name in layout.HISTORY_COLUMNS:
            values = numbers_of(table[name]).reshape(len(self.networks), len(epochs))
            yield from self._not_finite(f"{place}: {name}", values)

    def _weights_problems(self, place: Path, epoch: int | None) -> Iterator[str]:
        file = open_tensors(place)
        networks, architecture = len(self.networks), self.document.architecture
        check_weights(file, self.number, epoch, networks, architecture)
        for parameter in architecture.parameters:
            values = file.tensor(parameter.name).reshape(networks, -1)
            yield from self._not_finite(f"{place}: {parameter.name}", values)

    def _not_finite(self, what: str, values: NDArray[Any]) -> Iterator[str]:
        """Networks with numbers that are not finite, without having failed.

        Args:
            what: file and tensor or column.
            values: [network, number].
        """
        for row in np.flatnonzero(~np.isfinite(values).all(axis=1) & ~self.failed):
            network = self.networks[int(row)].id
            yield f"{what} of {network} is not finite, though the network has not failed"


def _mark_problems(models: Path, found: dict[str, Any], expected: dict[str, Any]) -> Iterator[str]:
    for key, value in expected.items():
        if found.get(key) != value:
            yield (
                f"{models}: the mark has {key} {reprlib.repr(found.get(key))}, expected {value!r}"
            )


def _notes(folder: Path, document: ZooDocument, complete: Sequence[int]) -> Iterator[str]:
    """Files that a reader ignores; hidden ones, such as the lock, go without saying."""
    epochs = document.checkpoint_epochs
    known = {Path(layout.DOCUMENT_FILE), Path(layout.CARD_FILE)}
    for number in complete:
        known |= {layout.models_file(number), *layout.data_files(number, epochs)}
    for file in sorted(folder.rglob("*")):
        own = file.relative_to(folder)
        hidden = any(part.startswith(".") for part in own.parts)
        if own not in known and not hidden and not file.is_dir():
            yield f"{file}: not part of the zoo, or of a part that is not complete"
