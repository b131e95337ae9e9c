"""Makes a zoo of networks that were trained elsewhere.

Files are found and named (`finding.py`), then read one after another into a file on disk that has a
row a network (`rows.py`): however large the files, only a part's networks are in memory. When all
are known to fit together they are put in the zoo's order and written, and the zoo gets its name.
"""

import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from hyperzoo.architectures import Architecture
from hyperzoo.errors import (
    ForeignFileError,
    HyperzooError,
    ImageError,
    ZooMismatchError,
    ZooWriteError,
)
from hyperzoo.exchange.finding import Choice, Found, Source, find_foreign, sources_of
from hyperzoo.exchange.format import Meter
from hyperzoo.exchange.judging import Judged, judge, note_of_constants
from hyperzoo.exchange.published.metrics_csv import Metrics, read_metrics_csv
from hyperzoo.exchange.registry import ZOOS, ZooReader
from hyperzoo.exchange.rows import Rows, RowsRead, read_rows
from hyperzoo.exchange.runs.foreign_zoo import ForeignZoo
from hyperzoo.exchange.runs.writing import write_foreign_zoo
from hyperzoo.images import ImageSet
from hyperzoo.plan import ALL_CLASSES, PlannedNetwork
from hyperzoo.population import Parameters
from hyperzoo.words import counted
from hyperzoo.zoo import FinishedNetwork, Zoo, layout, open_zoo
from hyperzoo.zoo.document import ZooDocument, check_class_names
from hyperzoo.zoo.origin import Imported, NetworkKey, in_order
from hyperzoo.zoo.write import write_imported_zoo

UNKNOWN_IMAGES = "images that are not known"


@dataclass(frozen=True, kw_only=True)
class ImportedZoo:
    """A zoo that was imported, and what there is to say of it.

    Attributes:
        zoo: the zoo.
        found: which files it was made of; None of another's zoo, which is read as a whole.
        notes: what was assumed, left out, changed or found to differ; docs/formats.md lists all.
    """

    zoo: Zoo
    found: Found | None
    notes: tuple[str, ...]


def import_zoo(
    path: str | Path,
    folder: str | Path,
    *,
    images: ImageSet | Callable[[Architecture], ImageSet] | None = None,
    name: str | None = None,
    only: str | None = None,
    prefer: str | None = None,
    epochs: str | None = None,
    meter: Meter | None = None,
) -> ImportedZoo:
    """Make a zoo of files that somebody else made.

    A folder of another's zoo (`exchange.registry.ZOOS`) is read with the hyper-parameters, figures
    and checkpoints of its training runs; of any other files the networks are read one by one.

    Nothing of the zoo is there until all of it is: an interrupted import leaves nothing.

    Args:
        path: a file, or a folder with files, of any formats that `exchange.FORMATS` reads, and of
            published metrics; or the folder of another's zoo.
        folder: the zoo's folder, which is empty or not there.
        images: evaluate all networks on the validation split of these, and fill their metrics;
            or a function that gives the images for the networks' architecture. Of another's zoo a
            sample is evaluated and compared with what the zoo tells.
        name: how the paths inside the folder are made of `{class}`, `{index}`, `{epoch}`, other
            text and `*`, e.g. "{class}/run{index}"; None for names such as church_649.
        only: read the files of this format alone, e.g. "keras-h5".
        prefer: of several files of one network take the "best", the "last" or the "ema", the whole
            "model" or the "weights" alone, or that of an epoch ("epoch7"), as their names say.
        epochs: of another's zoo, "last" for the last weights of every run alone; None for all
            checkpoints.
        meter: is told how much of how much is done: bytes of a single file, files of several,
            networks of another's zoo.

    Raises:
        ForeignFileError: a file is damaged or hostile, or the files do not fit together.
        ImageError: the networks do not take these images, or detect other classes.
        ZooMismatchError: the folder holds files.
        ZooWriteError: the disk refused.
        MissingExtraError: a package that reads the files is not installed.
    """
    target, root = Path(folder), Path(path)
    if (reader := zoo_reader(root)) is not None:
        _check_no_choice(reader, name=name, only=only, prefer=prefer)
        _check_target(target)
        foreign = _read(reader, root)
        foreign = foreign.with_last_only() if _is_last(epochs) else foreign
        with _made_at(target) as made:
            notes = write_foreign_zoo(made, foreign, images, meter)
        return ImportedZoo(zoo=open_zoo(target), found=None, notes=tuple(notes))
    if epochs is not None:
        raise ForeignFileError(
            f"--epochs is for the zoos of others ({', '.join(own.NAME for own in ZOOS)}), and "
            f"{root} is none; of several files of one network --prefer takes one"
        )
    found = find_foreign(path, name)
    _check_target(target)
    sources, chosen = sources_of(found, root, Choice(name=name, only=only, prefer=prefer))
    with _made_at(target) as made:
        notes = _import_into(made, sources, found.metrics, images, meter)
    return ImportedZoo(zoo=open_zoo(target), found=found, notes=(*chosen, *notes))


def zoo_reader(path: Path) -> ZooReader | None:
    """What reads a folder as another's zoo; None where it is none."""
    if not path.is_dir():
        return None
    return next((reader for reader in ZOOS if reader.recognises(path)), None)


def _read(reader: ZooReader, root: Path) -> ForeignZoo:
    try:
        return reader.read_zoo(root)
    except OSError as error:
        raise ForeignFileError(
            f"{error.filename or root} can't be read: {error.strerror or error}"
        ) from error


def _check_no_choice(reader: ZooReader, **choices: str | None) -> None:
    if given := [f"--{key}" for key, value in choices.items() if value is not None]:
        raise ForeignFileError(
            f"{', '.join(given)}: no choice among files for a zoo that is read as a whole "
            f"({reader.NAME}); --epochs last takes the last weights of every run alone"
        )


def _is_last(epochs: str | None) -> bool:
    if epochs not in (None, "all", "last"):
        raise ForeignFileError(f"epochs: expected 'all' or 'last', got {epochs!r:.40}")
    return epochs == "last"


@contextmanager
def _made_at(target: Path) -> Iterator[Path]:
    """A folder to make a zoo in, which gets the target's name when all is done."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
        try:
            (work / "zoo").mkdir()
            yield work / "zoo"
            (work / "zoo").replace(target)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    except OSError as error:
        if isinstance(error, HyperzooError):
            raise
        raise ZooWriteError(
            f"can't import into {target}: {error.strerror or error}; nothing was written. Make "
            "room or mend the cause, then run the same command again"
        ) from error


def _check_target(target: Path) -> None:
    if target.exists() and not target.is_dir():
        raise ZooMismatchError(f"{target} is a file; give a folder for the zoo")
    if target.exists() and any(target.iterdir()):
        raise ZooMismatchError(
            f"{target} holds files; an imported zoo does not grow, so give an empty or new folder"
        )


def _import_into(
    made: Path,
    sources: Sequence[Source],
    tables: Sequence[Path],
    images: ImageSet | Callable[[Architecture], ImageSet] | None,
    meter: Meter | None,
) -> list[str]:
    """Make a zoo in an empty folder, and a file of rows beside it; returns notes."""
    known = _read_metrics(tables)
    read = read_rows(made.parent / "rows", sources, meter)
    rows = read.rows
    if callable(images):
        assert rows.architecture is not None  # there are networks
        images = images(rows.architecture)
    document = _document(rows, read.formats, images)
    keys = rows.sources.keys()
    planned = [network for part in document.plan() for network in part]
    order = [rows.places[NetworkKey(own.class_name, own.index)] for own in planned]
    judged = judge(document, planned, rows, order, images, known)
    notes = [*read.notes, *_told_by_shapes(read, images)]
    parts = _parts(document, planned, rows.weights(order), judged, notes)
    write_imported_zoo(made, document, parts)
    if strangers := known.keys() - keys:
        notes.append(f"metrics of networks that are not there were passed over: {_some(strangers)}")
    if images is None and tables and (without := keys - known.keys()):
        notes.append(f"networks that no metrics file has, left without metrics: {_some(without)}")
    return notes


def _told_by_shapes(read: RowsRead, images: ImageSet | None) -> Iterator[str]:
    if read.by_shapes and (architecture := read.rows.architecture) is not None:
        yield (
            f"{counted(read.by_shapes, 'network')}: the architecture was told by shapes alone; "
            "activations, pooling, padding and scaling are taken to be those of "
            f"'{architecture.name}'"
            + ("; check with --images" if images is None else ": compare the metrics on the images")
        )


def _some(keys: Set[NetworkKey]) -> str:
    """How many networks, and the first of them."""
    first = sorted(keys, key=lambda key: (key.class_name, key.index))[:5]
    names = ", ".join(f"{key.class_name}_{key.index}" for key in first)
    return f"{len(keys)} ({names}{', ...' * (len(keys) > len(first))})"


def _read_metrics(files: Sequence[Path]) -> dict[NetworkKey, Metrics]:
    known: dict[NetworkKey, Metrics] = {}
    for file in files:
        own = read_metrics_csv(file)
        twice = known.keys() & own.keys()
        if twice:
            key = min(twice, key=lambda key: (key.class_name, key.index))
            raise ForeignFileError(
                f"{file}: {key.class_name}_{key.index} is in another metrics file too; keep one"
            )
        known |= own
    return known


def _document(rows: Rows, formats: Counter[str], images: ImageSet | None) -> ZooDocument:
    """The zoo of all networks that were read."""
    architecture = rows.architecture
    assert architecture is not None  # there are networks
    there = sorted({key.class_name for key in rows.sources})
    classes = tuple(there) if images is None else images.class_names
    if architecture.outputs > 1:
        classes = _outputs(architecture, there, images)
    elif strangers := sorted(set(there) - set(classes)):
        raise ImageError(
            f"the networks detect {', '.join(strangers[:5])}, which the images "
            f"({', '.join(classes)}) do not have; give the images that they were trained on"
        )
    try:
        check_class_names(tuple(there), least=1)
    except ValueError as error:
        raise ForeignFileError(f"these networks can't go into a zoo: {error}") from error
    if images is not None and images.validation_images.shape[1:] != architecture.input_shape:
        raise ImageError(
            f"architecture '{architecture.name}' takes images of shape "
            f"{architecture.input_shape}, got {images.validation_images.shape[1:]}"
        )
    empty = ZooDocument(
        origin=Imported(formats=dict(sorted(formats.items())), networks=()),
        images_name=UNKNOWN_IMAGES if images is None else images.name,
        image_fingerprint="" if images is None else images.fingerprint,
        image_classes=classes,
        architecture=architecture,
        sizes=(),
        runs=(),
    )
    own_classes = (ALL_CLASSES,) if architecture.outputs > 1 else classes
    return _with_networks(empty, in_order(rows.sources, own_classes))


def _with_networks(document: ZooDocument, networks: tuple[NetworkKey, ...]) -> ZooDocument:
    assert isinstance(document.origin, Imported)
    return replace(document, origin=document.origin.with_networks(networks))


def _outputs(
    architecture: Architecture, there: Sequence[str], images: ImageSet | None
) -> tuple[str, ...]:
    """The classes that a multi-class network tells apart."""
    if set(there) != {ALL_CLASSES}:
        raise ForeignFileError(
            f"networks with {architecture.outputs} outputs belong to no one class: expected ids "
            f"such as {ALL_CLASSES}_0, got the classes {', '.join(there[:5])}; say where the index "
            "is in their names, and nothing of a class, such as --name 'net_{index}'"
        )
    if images is None:
        return tuple(f"output_{number}" for number in range(architecture.outputs))
    if len(images.class_names) != architecture.outputs:
        raise ImageError(
            f"the networks have {architecture.outputs} outputs, the images "
            f"{len(images.class_names)} classes; give the images that they were trained on"
        )
    return images.class_names


def _parts(
    document: ZooDocument,
    planned: Sequence[PlannedNetwork],
    weights: Iterator[Parameters],
    judged: Iterator[Judged],
    notes: list[str],
) -> Iterator[list[FinishedNetwork]]:
    """The zoo's parts; adds to the notes on the way."""
    networks, constant = zip(planned, weights, judged, strict=True), list[str]()
    failed = list[str]()
    for part in document.plan():
        finished = []
        for _ in part:
            network, own, verdict = next(networks)
            notes += verdict.notes
            constant += [network.id] * verdict.is_constant
            finite = all(np.isfinite(tensor).all() for tensor in own.values())
            failed += [network.id] * (not finite)
            finished.append(
                FinishedNetwork(
                    network=network,
                    status="ok" if finite else "failed",
                    epoch=None,
                    metrics=verdict.metrics,
                    history={name: np.empty(0) for name in layout.HISTORY_COLUMNS},
                    parameters=own,
                )
            )
        yield finished
    if failed:
        names = ", ".join(failed[:5]) + ", ..." * (len(failed) > 5)
        notes.append(
            f"{counted(len(failed), 'network')} with weights that are NaN or infinite, which count "
            f"as failed: {names}"
        )
    notes += note_of_constants(constant, len(planned), document.architecture.name)
