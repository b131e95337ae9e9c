"""Writes a zoo part by part."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from hyperzoo.architectures import Architecture
from hyperzoo.errors import HyperzooError, ZooWriteError
from hyperzoo.recipe import Recipe
from hyperzoo.zoo import layout
from hyperzoo.zoo.card import update_card
from hyperzoo.zoo.document import (
    ZooDocument,
    architecture_table,
    check_class_names,
    recipe_architecture,
)
from hyperzoo.zoo.files import is_temporary, write_file
from hyperzoo.zoo.lock import take_lock
from hyperzoo.zoo.parts import FinishedNetwork, check_networks, encode_data_files, encode_models
from hyperzoo.zoo.resume import merged, with_run, zoo_to_go_on_with


class ZooWriter:
    """A zoo that is being written; holds the folder's lock until it is closed.

    On an empty folder it starts a zoo, on one with a zoo of the same recipe and images it goes on;
    a larger `networks_per_class` grows the zoo. Nothing is written when the folder is refused.

    Args:
        folder: the zoo's folder; made if it is not there.
        recipe: the recipe.
        image_classes: the images' classes in label order.
        image_fingerprint: fingerprint of the image set.
        images_name: what the images are, for people.
        architecture: the networks' architecture, which is the recipe's.
        provenance: what the bits of networks trained now may depend on.
        break_lock: take the lock from a run that left it, where the file system has none of its
            own.

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
        recipe: Recipe,
        *,
        image_classes: Sequence[str],
        image_fingerprint: str,
        images_name: str,
        architecture: Architecture,
        provenance: Mapping[str, str],
        break_lock: bool = False,
    ) -> None:
        self.path = Path(folder)
        wanted = ZooDocument(
            recipe=recipe,
            images_name=images_name,
            image_fingerprint=image_fingerprint,
            image_classes=tuple(image_classes),
            architecture=architecture,
            sizes=(recipe.networks_per_class,),
            runs=(),
        )
        _check_readable(wanted)
        try:
            zoo_to_go_on_with(self.path, wanted)
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = take_lock(self.path, break_lock=break_lock)
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
        if not self._lock.is_held:
            raise ZooWriteError(
                f"can't write part {part} to {self.path}: the writer is closed, or another run has "
                "broken its lock"
            )
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
    if wanted.recipe is None:
        raise ZooWriteError("a zoo without a recipe is written in one go, by write_imported_zoo")
    try:
        check_class_names(wanted.image_classes)
    except ValueError as error:
        raise ZooWriteError(f"a zoo can't have these classes: {error}") from error
    expected = recipe_architecture(wanted.recipe, wanted.image_classes)
    if architecture_table(wanted.architecture) != architecture_table(expected):
        raise ZooWriteError(
            f"the architecture '{wanted.architecture.name}' with {wanted.architecture.outputs} "
            f"outputs is not the recipe's: expected '{expected.name}' with {expected.outputs}"
        )


def _remove_temporaries(folder: Path) -> None:
    """Remove what a killed run left half-written; whoever holds the lock owns it."""
    files = list(folder.iterdir())
    for name in layout.PART_FOLDERS:
        files += (folder / name).rglob("*")
    for file in filter(is_temporary, files):
        file.unlink(missing_ok=True)
