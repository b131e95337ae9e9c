"""Writes a zoo part by part."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import filelock

from hyperzoo.architectures import Architecture
from hyperzoo.errors import HyperzooError, ZooLockedError, ZooWriteError
from hyperzoo.recipe import Recipe
from hyperzoo.zoo import layout
from hyperzoo.zoo.card import update_card
from hyperzoo.zoo.document import (
    MAX_GENERATED,
    ZooDocument,
    architecture_table,
    check_class_names,
    check_generated,
    recipe_architecture,
)
from hyperzoo.zoo.files import is_temporary, write_file
from hyperzoo.zoo.origin import Generated, Trained
from hyperzoo.zoo.parts import FinishedNetwork, check_networks, encode_data_files, encode_models
from hyperzoo.zoo.resume import merged, with_run, zoo_to_go_on_with


class ZooWriter:
    """A zoo that is being written; holds the folder's lock until it is closed.

    On an empty folder it starts a zoo, on one with a zoo of the same recipe (or generator) and
    images it goes on; a larger `networks_per_class` grows the zoo. Nothing is written when the
    folder is refused.

    Args:
        folder: the zoo's folder; made if it is not there.
        maker: the recipe that trains the networks, or how they are generated.
        image_classes: the images' classes in label order.
        image_fingerprint: fingerprint of the image set.
        images_name: what the images are, for people.
        image_counts: how many there are for training and for validation; None if not known.
        architecture: the networks' architecture, which is the recipe's.
        provenance: what the bits of networks made now may depend on.
        networks_per_class: of generated networks; a recipe has its own.

    Attributes:
        path: the zoo's folder.
        parts: the whole plan.
        missing_parts: number -> networks of the parts that were not there at the start, in order.

    Raises:
        ZooMismatchError: the folder holds another zoo, one of another format version, or other
            files.
        ZooFormatError: the folder's zoo is damaged.
        ZooLockedError: another run writes to the folder.
        ZooWriteError: the disk refused.
    """

    def __init__(
        self,
        folder: str | Path,
        maker: Recipe | Generated,
        *,
        image_classes: Sequence[str],
        image_fingerprint: str,
        images_name: str,
        image_counts: tuple[int, int] | None = None,
        architecture: Architecture,
        provenance: Mapping[str, str],
        networks_per_class: int | None = None,
    ) -> None:
        origin = Trained(maker) if isinstance(maker, Recipe) else maker
        if networks_per_class is None:
            networks_per_class = 0 if isinstance(maker, Generated) else maker.networks_per_class
        self.path = Path(folder)
        wanted = ZooDocument(
            origin=origin,
            images_name=images_name,
            image_fingerprint=image_fingerprint,
            image_counts=image_counts,
            image_classes=tuple(image_classes),
            architecture=architecture,
            sizes=(networks_per_class,),
            runs=(),
        )
        _check_readable(wanted)
        try:
            zoo_to_go_on_with(self.path, wanted)
            self._lock = _take_lock(self.path)
            try:
                self._open(wanted, provenance)
            except BaseException:
                self.close()
                raise
        except OSError as error:
            if isinstance(error, HyperzooError):
                raise
            raise ZooWriteError(
                f"can't write to {self.path}: {error.strerror or error}; mend the cause, or give "
                "another folder"
            ) from error

    def _open(self, wanted: ZooDocument, provenance: Mapping[str, str]) -> None:
        # Looked at again, now that nobody else can change it.
        found = zoo_to_go_on_with(self.path, wanted)
        document = merged(found, wanted)
        self.parts = document.plan()
        self.missing_parts = {
            number: part
            for number, part in enumerate(self.parts)
            if not (self.path / layout.models_file(number)).exists()
        }
        self._unwritten = set(self.missing_parts)
        self._document = with_run(document, tuple(self.missing_parts), provenance)
        _remove_temporaries(self.path)
        if self._document != found:
            write_file(self.path / layout.DOCUMENT_FILE, self._document.encode())
        update_card(self.path, self._document)

    def write_part(self, part: int, networks: Sequence[FinishedNetwork]) -> None:
        """Write a part: all of it, or nothing that counts.

        Args:
            part: the part's number.
            networks: its networks in the plan's order.

        Raises:
            ZooWriteError: the disk refused; or the writer is closed, the part is not missing, or
                the networks are not those of the part, which are faults of the caller's.
        """
        if not self._lock.is_locked:
            raise ZooWriteError(f"can't write part {part} to {self.path}: the writer is closed")
        if part not in self._unwritten:
            raise ZooWriteError(
                f"can't write part {part} to {self.path}: "
                + ("it is complete" if 0 <= part < len(self.parts) else "the plan has no such part")
            )
        check_networks(part, self.parts[part], networks, self._document)
        _write_part(self.path, part, networks, self._document)
        self._unwritten.remove(part)

    def close(self) -> None:
        """Give the folder's lock back."""
        self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def write_imported_zoo(
    folder: Path, document: ZooDocument, parts: Iterable[Sequence[FinishedNetwork]]
) -> None:
    """Write a zoo without a recipe, in one go.

    Args:
        folder: an empty folder that nobody else writes to or reads yet.
        document: the zoo.
        parts: the networks of every part of the document's plan, in order.

    Raises:
        ZooWriteError: the disk refused; or the networks are not the document's, which is a fault
            of the caller's.
    """
    plan = document.plan()
    for number, networks in enumerate(parts):
        check_networks(number, plan[number], networks, document)
        _write_part(folder, number, networks, document)
    update_card(folder, document)
    write_file(folder / layout.DOCUMENT_FILE, document.encode())


def _write_part(
    folder: Path, part: int, networks: Sequence[FinishedNetwork], document: ZooDocument
) -> None:
    digests = {}
    for file, content in encode_data_files(part, networks, document):
        digests[file.as_posix()] = hashlib.sha256(content).hexdigest()
        write_file(folder / file, content)
    # The models file comes last: it says that the part is complete.
    models = encode_models(part, networks, document, digests)
    write_file(folder / layout.models_file(part), models)


def _check_readable(wanted: ZooDocument) -> None:
    """Refuse what no reader would take, which is a fault of the caller's."""
    try:
        check_class_names(wanted.image_classes)
        if isinstance(wanted.origin, Generated):
            check_generated(wanted.origin, wanted.image_classes, wanted.architecture)
    except ValueError as error:
        raise ZooWriteError(f"a zoo can't have these classes: {error}") from error
    generated = isinstance(wanted.origin, Generated)
    if generated and not 1 <= wanted.sizes[-1] <= MAX_GENERATED:
        raise ZooWriteError(
            f"networks_per_class: expected 1 to {MAX_GENERATED:,}, got {wanted.sizes[-1]}"
        )
    if wanted.recipe is None:
        return
    expected = recipe_architecture(wanted.recipe, wanted.image_classes)
    if architecture_table(wanted.architecture) != architecture_table(expected):
        raise ZooWriteError(
            f"the architecture '{wanted.architecture.name}' with {wanted.architecture.outputs} "
            f"outputs is not the recipe's: expected '{expected.name}' with {expected.outputs}"
        )


def _take_lock(folder: Path) -> filelock.BaseFileLock:
    folder.mkdir(parents=True, exist_ok=True)
    # Not tied to a thread: a writer may be closed in another one than it was opened in.
    lock = filelock.FileLock(folder / layout.LOCK_FILE, thread_local=False)
    try:
        lock.acquire(blocking=False)
    except filelock.Timeout:
        raise ZooLockedError(
            f"another run is writing to {folder}; wait until it has finished, stop it, or give "
            "another folder"
        ) from None
    return lock


def _remove_temporaries(folder: Path) -> None:
    """Remove what a killed run left half-written; whoever holds the lock owns it."""
    files = list(folder.iterdir())
    for name in layout.PART_FOLDERS:
        files += (folder / name).rglob("*")
    for file in filter(is_temporary, files):
        file.unlink(missing_ok=True)
