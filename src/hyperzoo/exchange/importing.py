"""Makes a zoo of networks that were trained elsewhere.

Files are found and recognised, then read one after another into a file on disk that has a row a
network: however large the files, only a part's networks are in memory. When all are known to fit
together they are put in the zoo's order and written, and the zoo gets its name.
"""

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
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
from hyperzoo.exchange.format import Format, Meter
from hyperzoo.exchange.metrics_csv import Metrics, read_metrics_csv
from hyperzoo.exchange.registry import FORMATS
from hyperzoo.exchange.rows import Rows, read_rows
from hyperzoo.images import ImageSet
from hyperzoo.plan import ALL_CLASSES, PlannedNetwork
from hyperzoo.population import METRICS, Parameters, evaluate, metrics, targets
from hyperzoo.zoo import FinishedNetwork, Zoo, layout, open_zoo
from hyperzoo.zoo.document import ZooDocument, check_class_names, in_order
from hyperzoo.zoo.origin import Imported, NetworkKey
from hyperzoo.zoo.write import write_imported_zoo

UNKNOWN_IMAGES = "images that are not known"


@dataclass(frozen=True, kw_only=True)
class Found:
    """What lies in a file or folder that is to be imported.

    Attributes:
        networks: files with networks, each with its format, in the order of their names.
        metrics: files with metrics.
        others: files that are passed over.
    """

    networks: tuple[tuple[Path, Format], ...]
    metrics: tuple[Path, ...]
    others: tuple[Path, ...]


@dataclass(frozen=True, kw_only=True)
class ImportedZoo:
    """A zoo that was imported, and what there is to say of it.

    Attributes:
        zoo: the zoo.
        found: which files it was made of.
        notes: metrics of the files that differ from those on the images, metrics of networks that
            are not there, and the like.
    """

    zoo: Zoo
    found: Found
    notes: tuple[str, ...]


def find_foreign(path: str | Path) -> Found:
    """Look what a file or a folder holds, without reading the networks.

    Symbolic links inside a folder are passed over: they may lead anywhere.

    Raises:
        ForeignFileError: there is nothing there, nothing that is recognised, or what can't be
            looked at.
    """
    root = Path(path)
    if not root.exists():
        raise ForeignFileError(f"{root} does not exist; give a file or a folder to import")
    networks: list[tuple[Path, Format]] = []
    tables, others = [], []
    try:
        for file in _files(root):
            entry = None if file.is_symlink() and file != root else _recognise(file)
            if entry is None:
                others.append(file)
            elif entry.reads_metrics:
                tables.append(file)
            else:
                networks.append((file, entry))
    except OSError as error:
        raise ForeignFileError(
            f"{error.filename or root} can't be read: {error.strerror or error}"
        ) from error
    if not networks:
        known = "; ".join(f"{e.name} ({e.description})" for e in FORMATS.values() if e.reads)
        links = any(file.is_symlink() for file in others)
        raise ForeignFileError(
            f"{root} holds no file of a known format"
            + ", and symbolic links are passed over: copy what they lead to (cp -rL)" * links
            + f"; known: {known}"
        )
    return Found(networks=tuple(networks), metrics=tuple(tables), others=tuple(others))


def import_zoo(
    path: str | Path,
    folder: str | Path,
    *,
    images: ImageSet | Callable[[Architecture], ImageSet] | None = None,
    meter: Meter | None = None,
) -> ImportedZoo:
    """Make a zoo of files that somebody else made.

    Nothing of the zoo is there until all of it is: an interrupted import leaves nothing.

    Args:
        path: a file, or a folder with files, of any formats that `exchange.FORMATS` reads, and of
            published metrics.
        folder: the zoo's folder, which is empty or not there.
        images: evaluate all networks on the validation split of these, and fill their metrics;
            or a function that gives the images for the networks' architecture.
        meter: is told how much of how much is done: bytes of a single file, files of several.

    Raises:
        ForeignFileError: a file is damaged or hostile, or the files do not fit together.
        ImageError: the networks do not take these images, or detect other classes.
        ZooMismatchError: the folder holds files.
        ZooWriteError: the disk refused.
        MissingExtraError: a package that reads the files is not installed.
    """
    target, found = Path(folder), find_foreign(path)
    _check_target(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
        try:
            notes = _import_into(work, found, images, meter)
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
    return ImportedZoo(zoo=open_zoo(target), found=found, notes=tuple(notes))


def _files(root: Path) -> Iterator[Path]:
    """The files of a folder and those below, in the order of their names; links as themselves."""
    if root.is_file():
        yield root
        return

    def fail(error: OSError) -> None:
        raise error  # os.walk by itself passes over a folder that it can't look into

    for place, folders, names in os.walk(root, onerror=fail):
        if layout.DOCUMENT_FILE in names:
            raise ForeignFileError(
                f"{place} is a zoo already: open it as it is, or give a folder of other files"
            )
        folders.sort()
        links = [name for name in folders if Path(place, name).is_symlink()]
        for name in sorted(names + links):
            file = Path(place, name)
            if not name.startswith(".") and (file.is_symlink() or file.is_file()):
                yield file


def _recognise(file: Path) -> Format | None:
    readers = [entry for entry in FORMATS.values() if entry.reads or entry.reads_metrics]
    for entry in readers:
        if entry.recognises(file):
            return entry
    # Its reader tells what is wrong with it: nobody should miss a network for a cut file.
    return next((entry for entry in readers if file.name.endswith(entry.suffixes)), None)


def _check_target(target: Path) -> None:
    if target.exists() and not target.is_dir():
        raise ZooMismatchError(f"{target} is a file; give a folder for the zoo")
    if target.exists() and any(target.iterdir()):
        raise ZooMismatchError(
            f"{target} holds files; an imported zoo does not grow, so give an empty or new folder"
        )


def _import_into(
    work: Path,
    found: Found,
    images: ImageSet | Callable[[Architecture], ImageSet] | None,
    meter: Meter | None,
) -> list[str]:
    """Make `work/zoo`; returns notes."""
    known = _read_metrics(found.metrics)
    read = read_rows(work / "rows", found.networks, meter)
    rows = read.rows
    if callable(images):
        assert rows.architecture is not None  # there are networks
        images = images(rows.architecture)
    document = _document(rows, read.formats, images)
    keys = rows.sources.keys()
    planned = [network for part in document.plan() for network in part]
    order = [rows.places[NetworkKey(own.class_name, own.index)] for own in planned]
    judged = _judged(document, planned, rows, order, images, known)
    notes = list(read.notes)
    (work / "zoo").mkdir()
    parts = _parts(document, planned, rows.weights(order), judged, notes)
    write_imported_zoo(work / "zoo", document, parts)
    if strangers := known.keys() - keys:
        notes.append(f"metrics of networks that are not there were passed over: {_some(strangers)}")
    if images is None and found.metrics and (without := keys - known.keys()):
        notes.append(f"networks that no metrics file has, left without metrics: {_some(without)}")
    return notes


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
            f"such as {ALL_CLASSES}_0, got the classes {', '.join(there[:5])}"
        )
    if images is None:
        return tuple(f"output_{number}" for number in range(architecture.outputs))
    if len(images.class_names) != architecture.outputs:
        raise ImageError(
            f"the networks have {architecture.outputs} outputs, the images "
            f"{len(images.class_names)} classes; give the images that they were trained on"
        )
    return images.class_names


@dataclass(frozen=True, kw_only=True)
class _Judged:
    """A network's metrics, and those of its file that differ."""

    metrics: Mapping[str, float | None]
    notes: tuple[str, ...] = ()


def _judged(
    document: ZooDocument,
    planned: Sequence[PlannedNetwork],
    rows: Rows,
    order: Sequence[int],
    images: ImageSet | None,
    known: Mapping[NetworkKey, Metrics],
) -> Iterator[_Judged]:
    """Every network's metrics: on the images where there are some, else those of the files."""
    own = [known.get(NetworkKey(network.class_name, network.index), {}) for network in planned]
    if images is None:
        for figures in own:
            values = {name: figure.value for name, figure in figures.items()}
            yield _Judged(metrics={name: values.get(name) for name in METRICS})
        return
    said = evaluate(document.architecture, rows.weights(order), images.validation_images)
    for network, figures, logits in zip(planned, own, said, strict=True):
        wanted = targets(network, document.kind, images.validation_labels, images.class_names)
        found = metrics(logits, wanted)
        yield _Judged(metrics=found, notes=tuple(_differences(network.id, found, figures)))


def _differences(
    network_id: str, found: Mapping[str, float | None], figures: Metrics
) -> Iterator[str]:
    for name, figure in figures.items():
        value = found[name]
        if value is None or abs(value - figure.value) > figure.half_unit + 1e-6:
            yield f"{network_id}: {name} is {value} on these images, the file says {figure.value:g}"


def _parts(
    document: ZooDocument,
    planned: Sequence[PlannedNetwork],
    weights: Iterator[Parameters],
    judged: Iterator[_Judged],
    notes: list[str],
) -> Iterator[list[FinishedNetwork]]:
    """The zoo's parts; adds to the notes on the way."""
    networks = zip(planned, weights, judged, strict=True)
    for part in document.plan():
        finished = []
        for _ in part:
            network, own, verdict = next(networks)
            notes += verdict.notes
            finite = all(np.isfinite(tensor).all() for tensor in own.values())
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
