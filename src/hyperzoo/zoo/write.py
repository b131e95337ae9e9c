"""Writes a zoo part by part."""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Self

from hyperzoo.architectures import Architecture
from hyperzoo.errors import (
    BundleError,
    BundleUnreadableError,
    HyperzooError,
    ZooLockedError,
    ZooMismatchError,
    ZooWriteError,
)
from hyperzoo.plan import PlannedNetwork
from hyperzoo.recipe import Recipe
from hyperzoo.zoo import layout
from hyperzoo.zoo.bundle import INCOMING_FOLDER, Lying, discard, lying_bundles, set_aside, sweep
from hyperzoo.zoo.card import update_card
from hyperzoo.zoo.document import (
    MAX_GENERATED,
    ZooDocument,
    architecture_table,
    check_class_names,
    read_document,
    recipe_architecture,
)
from hyperzoo.zoo.files import (
    GO_ON,
    check_writable,
    is_temporary,
    place_files,
    temporary_for,
    write_file,
)
from hyperzoo.zoo.lock import LOCK_FILE, take_lock
from hyperzoo.zoo.origin import Generated, Trained, check_generated
from hyperzoo.zoo.part_bundle import PartBundle, check_part_bundle, piece_part
from hyperzoo.zoo.parts import FinishedNetwork, check_networks, encode_part
from hyperzoo.zoo.resume import merged, software, with_run, zoo_to_go_on_with

_THREADS = 4
"""Check bundles side by side: reading and digests run outside of Python's lock."""

PATIENCE = 10.0
"""Seconds to wait for the lock of a zoo that workers deliver to: each takes it for a moment."""

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Taken:
    """What became of the bundles that lay there.

    Attributes:
        parts: numbers of the parts that were put in place.
        refused: why others were refused, each by the bundle's name.
        unreadable: why others can't be read, each by the bundle's name; they lie where they lay.
    """

    parts: tuple[int, ...]
    refused: tuple[str, ...]
    unreadable: tuple[str, ...] = ()


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
        provenance: what the bits of networks made now may depend on; None to make none.
        networks_per_class: of generated networks; a recipe has its own.
        break_lock: take the lock from a run that left it, where the file system has none of its
            own.
        patience: seconds to wait for a lock that somebody else has.

    Attributes:
        path: the zoo's folder.
        parts: the whole plan.

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
        provenance: Mapping[str, str] | None,
        networks_per_class: int | None = None,
        break_lock: bool = False,
        patience: float = 0.0,
    ) -> None:
        self.path = Path(folder)
        wanted = wanted_zoo(
            maker,
            image_classes=image_classes,
            image_fingerprint=image_fingerprint,
            images_name=images_name,
            image_counts=image_counts,
            architecture=architecture,
            networks_per_class=networks_per_class,
        )
        _check_readable(wanted)
        with _told_of(self.path):
            zoo_to_go_on_with(self.path, wanted)
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = take_lock(
                self.path,
                break_lock=break_lock,
                seconds=max(patience, _patience(self.path, provenance)),
            )
            try:
                self._open(wanted, provenance)
            except BaseException:
                self.close()
                raise

    def _open(self, wanted: ZooDocument, provenance: Mapping[str, str] | None) -> None:
        # Looked at again, now that nobody else can change it.
        found = zoo_to_go_on_with(self.path, wanted)
        document = merged(found, wanted)
        self.parts = document.plan()
        _look_anew(self.path / layout.models_file(0).parent)
        self._unwritten = set(range(len(self.parts))) - layout.marked_parts(self.path)
        if provenance is not None:
            document = with_run(document, tuple(self.missing_parts), software(), provenance)
        _remove_temporaries(self.path)
        self._document = document
        if document != found:
            self._write_document()
        update_card(self.path, document)

    def _write_document(self) -> None:
        write_file(self.path / layout.DOCUMENT_FILE, self._document.encode(), otherwise=GO_ON)

    @property
    def document(self) -> ZooDocument:
        """The zoo as it is."""
        return self._document

    @property
    def missing_parts(self) -> dict[int, tuple[PlannedNetwork, ...]]:
        """Number -> networks of the parts that are not there yet, in order."""
        return {number: self.parts[number] for number in sorted(self._unwritten)}

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

    def take_bundles(self) -> Taken:
        """Put the parts in place that workers have delivered.

        A bundle of a part that is there already is removed. One that is refused is set aside and
        named in a warning; one that can't be read may be sound, and is left. Killed at any moment,
        it goes on from the bundles, which go last.

        Raises:
            ZooWriteError: the disk refused; or the lock is not held any more.
            BundleError: `.incoming` is a link, or can't be read.
        """
        if not self._lock.is_held:
            raise ZooWriteError(f"can't take bundles into {self.path}: another run has the lock")
        needless: list[Path] = []
        first: dict[str, Lying] = {}  # a second one is needless once the first is in place
        for lying in lying_bundles(self.path):
            part = piece_part(lying.piece)
            if part in range(len(self.parts)) and part not in self._unwritten:
                needless.append(lying.path)
            else:
                first.setdefault(lying.piece, lying)
        unchecked = list(first.values())
        sound: list[PartBundle] = []
        refused, unreadable = [], []
        with ThreadPoolExecutor(_THREADS) as pool:
            for lying, found in zip(unchecked, pool.map(self._checked, unchecked), strict=True):
                if isinstance(found, BundleUnreadableError):
                    unreadable.append(str(found))
                    _say_once(lying.path.parent, str(found))
                elif isinstance(found, BundleError) and self._taken_by_another(lying):
                    needless.append(lying.path)
                elif isinstance(found, BundleError):
                    refused.append(str(found))
                    where = lying.path.parent
                    _logger.warning("refused, and set aside in %s: %s", where, found)
                    set_aside(lying.path)
                else:
                    sound.append(found)
            self._place_or_find(sound)
            list(pool.map(discard, [*needless, *(bundle.path for bundle in sound)]))
        if not self._unwritten:
            sweep(self.path)
        return Taken(
            parts=tuple(bundle.part for bundle in sound),
            refused=tuple(refused),
            unreadable=tuple(unreadable),
        )

    def _checked(self, lying: Lying) -> PartBundle | BundleError:
        try:
            return check_part_bundle(lying, self._document, self.parts)
        except BundleError as error:
            return error

    def _taken_by_another(self, lying: Lying) -> bool:
        """Whether a bundle is unsound only because another process is taking it.

        Only one does at a time, unless the file system's locks do not hold beyond one machine.
        """
        there = layout.marked_parts(self.path)
        self._unwritten -= there
        return piece_part(lying.piece) in there or not lying.path.exists()

    def _place_or_find(self, bundles: Sequence[PartBundle]) -> None:
        """Put parts in place, but for those that another process has put there meanwhile.

        Raises:
            ZooWriteError: the disk refused.
        """
        while True:
            try:
                return self._place(bundles)
            except ZooWriteError:
                there = layout.marked_parts(self.path)
                missing = [bundle for bundle in bundles if bundle.part not in there]
                if len(missing) == len(bundles):
                    raise
                self._unwritten -= there
                bundles = missing

    def _place(self, bundles: Sequence[PartBundle]) -> None:
        # What trained a part must be known before it counts.
        document = self._document
        alike: dict[str, list[PartBundle]] = {}
        for bundle in bundles:
            alike.setdefault(repr((bundle.software, bundle.provenance)), []).append(bundle)
        for group in alike.values():
            parts = tuple(bundle.part for bundle in group)
            document = with_run(document, parts, group[0].software, group[0].provenance)
        if document != self._document:
            self._document = document
            self._write_document()
        data, marks = [], []
        for bundle in bundles:
            *files, mark = layout.part_files(bundle.part, document.checkpoint_epochs)
            data += [(bundle.path / file, self.path / file) for file in files]
            marks.append((bundle.path / mark, self.path / mark))
        place_files(data)
        place_files(marks)
        self._unwritten -= {bundle.part for bundle in bundles}

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


def wanted_zoo(
    maker: Recipe | Generated,
    *,
    image_classes: Sequence[str],
    image_fingerprint: str,
    images_name: str,
    image_counts: tuple[int, int] | None = None,
    architecture: Architecture,
    networks_per_class: int | None = None,
) -> ZooDocument:
    """The zoo that a run asks for; the arguments are those of `ZooWriter`."""
    if networks_per_class is None:
        networks_per_class = 0 if isinstance(maker, Generated) else maker.networks_per_class
    return ZooDocument(
        origin=Trained(maker) if isinstance(maker, Recipe) else maker,
        images_name=images_name,
        image_fingerprint=image_fingerprint,
        image_counts=image_counts,
        image_classes=tuple(image_classes),
        architecture=architecture,
        sizes=(networks_per_class,),
        runs=(),
    )


def check_target(folder: Path, wanted: ZooDocument) -> None:
    """Refuse a folder before the work rather than after it, as `ZooWriter` would.

    Nothing is written. A generator's digest of "" is one that is not known yet.

    Args:
        folder: the zoo's folder, which need not be there.
        wanted: the zoo that a run will ask for.

    Raises:
        ZooError: as of `ZooWriter`.
    """
    _check_readable(wanted)
    with _told_of(folder):
        zoo_to_go_on_with(folder, wanted)
        if (folder / LOCK_FILE).exists():
            take_lock(folder).release()
        check_writable(folder)


@contextmanager
def _told_of(folder: Path) -> Iterator[None]:
    """Say what the system refuses of a folder."""
    try:
        yield
    except OSError as error:
        if isinstance(error, HyperzooError):
            raise
        raise ZooWriteError(
            f"can't write to {folder}: {error.strerror or error}; mend the cause, or give another "
            "folder"
        ) from error


@cache
def _say_once(folder: Path, found: str) -> None:
    """Say that a bundle can't be read; once a process, which may look at it for every part."""
    _logger.warning("left in %s: %s", folder, found)


def collector(folder: str | Path, *, break_lock: bool = False, patience: float = 0.0) -> ZooWriter:
    """A writer of a zoo as it is, which trains nothing: it takes bundles.

    Args:
        folder: the zoo's folder.
        break_lock: as for `ZooWriter`.
        patience: as for `ZooWriter`.

    Raises:
        ZooNotFoundError: the folder holds no zoo.
        ZooFormatError: the zoo is damaged.
        ZooLockedError: another run writes to the folder.
        ZooWriteError: the disk refused, or the zoo was not trained by a recipe and takes no
            parts.
    """
    while True:
        document = read_document(Path(folder))
        if not isinstance(document.origin, Trained):
            raise ZooWriteError(
                f"{folder} holds networks that were not trained by a recipe; such a zoo takes no "
                "parts"
            )
        try:
            return ZooWriter(
                folder,
                document.origin.recipe,
                image_classes=document.image_classes,
                image_fingerprint=document.image_fingerprint,
                images_name=document.images_name,
                architecture=document.architecture,
                provenance=None,
                break_lock=break_lock,
                patience=patience,
            )
        except ZooMismatchError:
            # It may have grown since; if not, the refusal stands.
            if read_document(Path(folder)) == document:
                raise


def collect_bundles(
    folder: str | Path, *, break_lock: bool = False, once: bool = False, patience: float = 0.0
) -> Taken:
    """Put in place what workers have delivered to a zoo, if nobody else is writing to it.

    Somebody who delivers while another holds the lock relies on that one: so after the lock is
    given back, there is one more look, until nothing new has come.

    Args:
        folder: the zoo's folder.
        break_lock: as for `ZooWriter`.
        once: take what is there now and no more: for one of thousands of workers, which would
            otherwise collect for all of them and do nothing else.
        patience: seconds to wait for a lock that somebody else has.

    Raises:
        ZooLockedError: another run writes to the folder; it takes the bundles in turn.
        ZooNotFoundError, ZooFormatError, ZooWriteError: as for `collector`.
    """
    parts: tuple[int, ...] = ()
    refused: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()
    seen: set[Path] = set()
    while True:
        try:
            wait = 0.0 if seen else patience
            with collector(folder, break_lock=break_lock, patience=wait) as writer:
                taken = writer.take_bundles()
        except ZooLockedError:
            if not seen:
                raise
            return Taken(parts=parts, refused=refused, unreadable=unreadable)
        parts, refused, break_lock = parts + taken.parts, refused + taken.refused, False
        unreadable = taken.unreadable
        left = {lying.path for lying in lying_bundles(Path(folder))}
        if once or left <= seen:
            return Taken(parts=parts, refused=refused, unreadable=unreadable)
        seen |= left


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
    for file, content in encode_part(part, networks, document):
        write_file(folder / file, content, otherwise=GO_ON)


def _look_anew(folder: Path) -> None:
    """Have a network file system show a folder as it is, not as it was half a minute ago.

    Another machine may have placed parts since; a change of one's own makes it look again.
    """
    if folder.is_dir():
        probe = temporary_for(folder / "look")
        probe.touch()
        probe.unlink(missing_ok=True)


def _patience(folder: Path, provenance: Mapping[str, str] | None) -> float:
    """How long to wait for the lock: long only beside workers, to which `.incoming` points."""
    trains = provenance is not None
    return PATIENCE if trains and (folder / INCOMING_FOLDER).exists() else 0.0


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
    if not isinstance(wanted.origin, Trained):
        return
    expected = recipe_architecture(wanted.origin.recipe, wanted.image_classes)
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
