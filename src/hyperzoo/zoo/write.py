"""Writes a zoo part by part."""

import contextlib
import hashlib
import json
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import filelock
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from hyperzoo.architectures import Architecture
from hyperzoo.errors import ZooLockedError, ZooMismatchError, ZooWriteError
from hyperzoo.plan import PlannedNetwork
from hyperzoo.recipe import Recipe
from hyperzoo.version import VERSION
from hyperzoo.zoo import card, document, layout
from hyperzoo.zoo.document import Run, ZooDocument
from hyperzoo.zoo.files import TEMPORARY_SUFFIX, write_file
from hyperzoo.zoo.tensors import encode_tensors

LOCK_NAME = ".lock"


@dataclass(frozen=True, kw_only=True, eq=False)
class FinishedNetwork:
    """A network as it goes into a zoo.

    Attributes:
        network: its identity and hyper-parameters.
        status: "failed" when a loss or a weight is not finite.
        epoch: the epoch whose weights are kept.
        metrics: name -> value for every name in `layout.METRICS`; None where not defined.
        history: name -> [epoch] for every name in `layout.HISTORY_COLUMNS`.
        parameters: PyTorch name -> tensor in PyTorch's axes.
        checkpoints: epoch -> parameters, for every checkpoint epoch of the recipe.
    """

    network: PlannedNetwork
    status: Literal["ok", "failed"]
    epoch: int
    metrics: Mapping[str, float | None]
    history: Mapping[str, NDArray[np.float64]]
    parameters: Mapping[str, NDArray[np.float32]]
    checkpoints: Mapping[int, Mapping[str, NDArray[np.float32]]] = field(default_factory=dict)


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
        architecture: the networks' architecture.
        provenance: what the bits of networks trained now may depend on.

    Attributes:
        parts: the whole plan.
        missing_parts: number -> networks of the parts that were not there at the start, in order.

    Raises:
        ZooMismatchError: the folder holds another zoo, or other files.
        ZooFormatError: the folder's zoo is damaged or of another format version.
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
        _check_folder(self.path, wanted)
        self._lock = _take_lock(self.path)
        try:
            # Again, now that nobody else can change it.
            found = _check_folder(self.path, wanted)
            merged = wanted if found is None else _merge(found, wanted)
            self.parts = merged.plan()
            self.missing_parts = {
                number: part
                for number, part in enumerate(self.parts)
                if not (self.path / layout.models_file(number)).exists()
            }
            self._document = _with_run(merged, tuple(self.missing_parts), provenance)
            self._start(found)
        except BaseException:
            self._lock.release()
            raise

    def _start(self, found: ZooDocument | None) -> None:
        """Remove what a killed run left half-written, and write zoo.json and the card."""
        for folder in ("models", "history", "weights", "epochs"):
            for file in (self.path / folder).rglob(f"*{TEMPORARY_SUFFIX}"):
                file.unlink(missing_ok=True)
        path, text = self.path / card.FILE_NAME, card.card(self._document)
        # A card that somebody has edited is theirs. One of ours is brought up to date before
        # zoo.json: after an interrupt in between, it could no longer be told from an edited one.
        if found is not None and _text(path) == card.card(found) != text:
            write_file(path, text.encode())
        if self._document != found:
            write_file(self.path / document.FILE_NAME, self._document.encode())
        if not path.exists():
            write_file(path, text.encode())

    def write_part(self, part: int, networks: Sequence[FinishedNetwork]) -> None:
        """Write a part: all of it, or nothing that counts.

        Args:
            part: the part's number.
            networks: its networks in the plan's order.

        Raises:
            ZooWriteError: the disk refused, or the networks are not those of the part.
        """
        _check_part(self.parts[part], networks, self._document)
        epochs = self._document.recipe.training.checkpoint_epochs
        names = [parameter.name for parameter in self._document.architecture.parameters]
        digests = {}
        for file in layout.data_files(part, epochs):
            content = _content(file, part, networks, names, epochs)
            digests[file.as_posix()] = hashlib.sha256(content).hexdigest()
            write_file(self.path / file, content)
        mark = {
            "format_version": layout.FORMAT_VERSION,
            "part": part,
            "recipe_digest": self._document.recipe.digest,
            "image_fingerprint": self._document.image_fingerprint,
            "sha256": digests,
        }
        # The models file comes last: it says that the part is complete.
        write_file(self.path / layout.models_file(part), _models(part, networks, mark))

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


def _check_folder(folder: Path, wanted: ZooDocument) -> ZooDocument | None:
    """The zoo in the folder, if it can go on with what is wanted; None for an empty folder."""
    if not (folder / document.FILE_NAME).exists():
        if folder.exists() and not folder.is_dir():
            raise ZooMismatchError(f"{folder} is a file; give a folder for the zoo")
        others = _others(folder)
        if others:
            raise ZooMismatchError(
                f"{folder} holds no zoo but other files ({', '.join(others[:3])}"
                f"{', ...' * (len(others) > 3)}); give an empty or a new folder"
            )
        return None
    found = document.read_document(folder)
    differences = [
        f"{place}: the zoo has {_shown(old)}, you asked for {_shown(new)}"
        for place, old, new in _differences(found.recipe.canonical(), wanted.recipe.canonical())
    ]
    if found.recipe.digest != wanted.recipe.digest:
        raise ZooMismatchError(
            f"{folder} holds a zoo of another recipe:\n  - "
            + "\n  - ".join(differences)
            + "\nGive another folder, or train with the zoo's own recipe"
        )
    if (found.image_fingerprint, found.image_classes) != (
        wanted.image_fingerprint,
        wanted.image_classes,
    ):
        raise ZooMismatchError(
            f"{folder} holds a zoo trained on other images: '{found.images_name}' with fingerprint "
            f"{found.image_fingerprint[:16]}, not '{wanted.images_name}' with fingerprint "
            f"{wanted.image_fingerprint[:16]}; give the same images, or another folder"
        )
    if wanted.sizes[-1] < found.sizes[-1]:
        raise ZooMismatchError(
            f"{folder} holds a zoo of networks_per_class = {found.sizes[-1]}, you asked for "
            f"{wanted.sizes[-1]}; a zoo only grows, so give another folder for a smaller one"
        )
    return found


def _others(folder: Path) -> list[str]:
    """Files in a folder without a zoo, but for hidden ones."""
    if not folder.exists():
        return []
    return sorted(file.name for file in folder.iterdir() if not file.name.startswith("."))


def _differences(old: Any, new: Any, place: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Where two recipes differ, of all that determines a network."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            inner = f"{place}.{key}" if place else key
            if inner not in ("name", "networks_per_class", "images.path"):
                yield from _differences(old.get(key), new.get(key), inner)
    elif old != new:
        yield place, old, new


def _shown(value: Any) -> str:
    return "nothing" if value is None else json.dumps(value)


def _take_lock(folder: Path) -> filelock.BaseFileLock:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(folder / LOCK_NAME)
        lock.acquire(blocking=False)
    except filelock.Timeout:
        raise ZooLockedError(
            f"another run is writing to {folder}; wait until it has finished, or give another "
            "folder"
        ) from None
    except OSError as error:
        raise ZooWriteError(f"can't write to {folder}: {error.strerror or error}") from error
    return lock


def _merge(found: ZooDocument, wanted: ZooDocument) -> ZooDocument:
    """The zoo that is there, grown to what is wanted."""
    if wanted.sizes[-1] == found.sizes[-1]:
        return found
    recipe = found.recipe.with_changes(networks_per_class=wanted.sizes[-1])
    return replace(found, recipe=recipe, sizes=(*found.sizes, *wanted.sizes))


def _with_run(
    merged: ZooDocument, missing: tuple[int, ...], provenance: Mapping[str, str]
) -> ZooDocument:
    """Note the run that trains the missing parts.

    A run that goes on with another's work under the same circumstances is not noted again, so that
    a job that is killed and resumed a thousand times does not make a thousand entries.
    """
    software = {
        "hyperzoo": VERSION,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "pyarrow": pa.__version__,
    }
    run = Run(parts=missing, software=software, provenance=dict(provenance))
    if not missing:
        return merged
    last = merged.runs[-1] if merged.runs else None
    if last is not None and (last.software, last.provenance) == (run.software, run.provenance):
        run = replace(run, parts=tuple(sorted({*last.parts, *missing})))
        return replace(merged, runs=(*merged.runs[:-1], run))
    return replace(merged, runs=(*merged.runs, run))


def _text(path: Path) -> str | None:
    with contextlib.suppress(OSError, UnicodeDecodeError):
        return path.read_text("utf-8")
    return None


def _check_part(
    planned: Sequence[PlannedNetwork], networks: Sequence[FinishedNetwork], zoo: ZooDocument
) -> None:
    """Refuse networks that are not what the plan says; it would be a fault of the caller's."""
    if [finished.network for finished in networks] != list(planned):
        raise ZooWriteError("these networks are not those of the part, or in another order")
    shapes = {parameter.name: parameter.shape for parameter in zoo.architecture.parameters}
    training = zoo.recipe.training
    for finished in networks:
        sets = [finished.parameters, *finished.checkpoints.values()]
        fits = all(
            {name: tensor.shape for name, tensor in tensors.items()} == shapes
            and all(tensor.dtype == np.float32 for tensor in tensors.values())
            for tensors in sets
        )
        lengths = {finished.history[name].shape for name in layout.HISTORY_COLUMNS}
        if (
            not fits
            or set(finished.checkpoints) != set(training.checkpoint_epochs)
            or lengths != {(training.epochs,)}
        ):
            raise ZooWriteError(
                f"network {finished.network.id}: its tensors, checkpoints or history are not "
                "those that the recipe asks for"
            )


def _content(
    file: Path,
    part: int,
    networks: Sequence[FinishedNetwork],
    names: Sequence[str],
    checkpoint_epochs: Sequence[int],
) -> bytes:
    """The bytes of one of a part's data files."""
    if file == layout.history_file(part):
        return _history(networks)
    epoch = next(
        (epoch for epoch in checkpoint_epochs if file == layout.weights_file(part, epoch)), None
    )
    sets = [n.parameters if epoch is None else n.checkpoints[epoch] for n in networks]
    stacked = {name: np.stack([tensors[name] for tensors in sets]) for name in names}
    metadata = {"format_version": layout.FORMAT_VERSION, "part": part, "epoch": epoch}
    return encode_tensors(stacked, metadata)


def _history(networks: Sequence[FinishedNetwork]) -> bytes:
    columns: dict[str, list[Any]] = {name: [] for name in layout.HISTORY_SCHEMA.names}
    for finished in networks:
        epochs = len(finished.history[layout.HISTORY_COLUMNS[0]])
        columns["id"] += [finished.network.id] * epochs
        columns["epoch"] += range(1, epochs + 1)
        for name in layout.HISTORY_COLUMNS:
            columns[name] += finished.history[name].tolist()
    return _encode_table(pa.table(columns, schema=layout.HISTORY_SCHEMA))


def _models(part: int, networks: Sequence[FinishedNetwork], mark: dict[str, Any]) -> bytes:
    rows = [
        {
            "id": finished.network.id,
            "class": finished.network.class_name,
            "index": finished.network.index,
            "part": part,
            "row": row,
            "status": finished.status,
            "epoch": finished.epoch,
            "learning_rate": finished.network.learning_rate,
            "batch_size": finished.network.batch_size,
            **{name: finished.metrics[name] for name in layout.METRICS},
        }
        for row, finished in enumerate(networks)
    ]
    metadata = {b"hyperzoo": json.dumps(mark, sort_keys=True).encode()}
    table = pa.Table.from_pylist(rows, schema=layout.MODELS_SCHEMA)
    return _encode_table(table.replace_schema_metadata(metadata))


def _encode_table(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", write_page_index=True)
    content: bytes = sink.getvalue().to_pybytes()
    return content
