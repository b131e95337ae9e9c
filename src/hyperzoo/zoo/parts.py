"""A part's networks: checked against the plan, and turned into the bytes of its files."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from hyperzoo.errors import ZooWriteError
from hyperzoo.plan import HYPER_PARAMETERS, PlannedNetwork, Value
from hyperzoo.zoo import layout
from hyperzoo.zoo.document import ZooDocument
from hyperzoo.zoo.origin import Imported
from hyperzoo.zoo.tables import encode_table
from hyperzoo.zoo.tensors import encode_tensors

IDENTITY = ("id", "class", "index", "part", "row")
"""The columns of models that say which network it is, and where."""


@dataclass(frozen=True, kw_only=True, eq=False)
class FinishedNetwork:
    """A network as it goes into a zoo.

    Attributes:
        network: its identity and hyper-parameters.
        status: "failed" when a loss or a weight is not finite.
        epoch: the epoch whose weights are kept; None where it is not known.
        metrics: name -> value for every name in `layout.METRICS`; None where not defined.
        history: name -> float64 [epoch] for every name in `layout.HISTORY_COLUMNS`.
        parameters: PyTorch name -> float32 tensor in PyTorch's axes.
        checkpoints: epoch -> parameters, for every checkpoint epoch of the recipe.
        columns: of an imported network whose training is known, the values of
            `KnownTraining.columns`; None for what is not known of it.
    """

    network: PlannedNetwork
    status: Literal["ok", "failed"]
    epoch: int | None
    metrics: Mapping[str, float | None]
    history: Mapping[str, NDArray[np.float64]]
    parameters: Mapping[str, NDArray[np.float32]]
    checkpoints: Mapping[int, Mapping[str, NDArray[np.float32]]] = field(default_factory=dict)
    columns: Mapping[str, Value | None] = field(default_factory=dict)


def check_networks(
    part: int,
    planned: Sequence[PlannedNetwork],
    networks: Sequence[FinishedNetwork],
    document: ZooDocument,
) -> None:
    """Refuse networks that are not what the plan says, which is a fault of the caller's.

    Raises:
        ZooWriteError: with the first network that is wrong, and what is.
    """
    found = [finished.network for finished in networks]
    if found != list(planned):
        pairs = enumerate(zip_longest(planned, found))
        row, (expected, got) = next(pair for pair in pairs if pair[1][0] != pair[1][1])
        raise ZooWriteError(
            f"the networks are not those of the part {part}: expected {len(planned)}, got "
            f"{len(found)}; in row {row}, expected {expected}, got {got}"
        )
    for finished in networks:
        for flaw in _flaws(finished, document):
            raise ZooWriteError(f"part {part}, network {finished.network.id}: {flaw}")


def _flaws(finished: FinishedNetwork, document: ZooDocument) -> Iterator[str]:
    if finished.status not in ("ok", "failed"):
        yield f"expected status 'ok' or 'failed', got {finished.status!r}"
    if (flaw := document.origin.epoch_flaw(finished.epoch)) is not None:
        yield flaw
    missing = set(layout.METRICS) ^ set(finished.metrics)
    if missing:
        yield f"expected the metrics {', '.join(layout.METRICS)}; not so: {sorted(missing)}"
    if sorted(finished.checkpoints) != list(document.checkpoint_epochs):
        yield (
            f"expected checkpoints of the epochs {list(document.checkpoint_epochs)}, "
            f"got {sorted(finished.checkpoints)}"
        )
    known = document.origin.training if isinstance(document.origin, Imported) else None
    told = () if known is None else known.columns
    if sorted(finished.columns) != sorted(told):
        yield f"expected the columns {', '.join(told) or 'none'}, got {sorted(finished.columns)}"
    expected = dict.fromkeys(layout.HISTORY_COLUMNS, (document.epochs,))
    yield from _array_flaws("history", expected, finished.history, np.float64)
    shapes = {parameter.name: parameter.shape for parameter in document.architecture.parameters}
    yield from _array_flaws("parameter", shapes, finished.parameters, np.float32)
    for epoch, parameters in finished.checkpoints.items():
        yield from _array_flaws(f"epoch {epoch}, parameter", shapes, parameters, np.float32)


def _array_flaws(
    what: str, expected: Mapping[str, tuple[int, ...]], found: Mapping[str, Any], dtype: type
) -> Iterator[str]:
    for name in sorted(expected.keys() | found.keys()):
        if name not in found:
            yield f"{what} {name} is missing"
        elif name not in expected:
            yield f"{what} {name} is not one of {', '.join(expected)}"
        elif (found[name].shape, found[name].dtype) != (expected[name], np.dtype(dtype)):
            yield (
                f"{what} {name}: expected {np.dtype(dtype)} {expected[name]}, "
                f"got {found[name].dtype} {found[name].shape}"
            )


def encode_part(
    part: int, networks: Sequence[FinishedNetwork], document: ZooDocument
) -> Iterator[tuple[Path, bytes]]:
    """Path in the zoo and content of each of a part's files, in order.

    The models file comes last: it says that the part is complete.
    """
    digests = {}
    for file, content in _data_files(part, networks, document):
        digests[file.as_posix()] = hashlib.sha256(content).hexdigest()
        yield file, content
    yield layout.models_file(part), _models(part, networks, document, digests)


def _data_files(
    part: int, networks: Sequence[FinishedNetwork], document: ZooDocument
) -> Iterator[tuple[Path, bytes]]:
    names = [parameter.name for parameter in document.architecture.parameters]
    yield layout.weights_file(part), _weights(part, None, names, [n.parameters for n in networks])
    yield layout.history_file(part), _history(networks, document.history_epochs)
    for epoch in document.checkpoint_epochs:
        sets = [finished.checkpoints[epoch] for finished in networks]
        yield layout.weights_file(part, epoch), _weights(part, epoch, names, sets)


def _weights(
    part: int,
    epoch: int | None,
    names: Sequence[str],
    sets: Sequence[Mapping[str, NDArray[np.float32]]],
) -> bytes:
    stacked = {name: np.stack([tensors[name] for tensors in sets]) for name in names}
    return encode_tensors(stacked, weights_metadata(part, epoch))


def weights_metadata(part: int, epoch: int | None) -> dict[str, Any]:
    """What a file of weights says of itself."""
    return {"format_version": layout.FORMAT_VERSION, "part": part, "epoch": epoch}


def _history(networks: Sequence[FinishedNetwork], epochs: Sequence[int]) -> bytes:
    columns: dict[str, list[Any]] = {name: [] for name in layout.HISTORY_SCHEMA.names}
    for finished in networks:
        columns["id"] += [finished.network.id] * len(epochs)
        columns["epoch"] += epochs
        for name in layout.HISTORY_COLUMNS:
            columns[name] += finished.history[name].tolist()
    return encode_table(pa.table(columns, schema=layout.HISTORY_SCHEMA))


def _models(
    part: int, networks: Sequence[FinishedNetwork], document: ZooDocument, digests: dict[str, str]
) -> bytes:
    """The content of a part's models file; `digests` are those of the part's other files."""
    own_columns = [
        {
            "status": finished.status,
            "epoch": finished.epoch,
            **{name: finished.metrics[name] for name in layout.METRICS},
            **finished.columns,
        }
        for finished in networks
    ]
    planned = planned_rows(part, [finished.network for finished in networks])
    rows = [plan | own for plan, own in zip(planned, own_columns, strict=True)]
    table = pa.Table.from_pylist(rows, schema=document.models_schema)
    return encode_table(table, mark(part, document) | {"sha256": digests})


def planned_rows(part: int, networks: Sequence[PlannedNetwork]) -> list[dict[str, Any]]:
    """What a part's models file may say of the plan, a dict a row: all hyper-parameters too."""
    return [
        {
            "id": network.id,
            "class": network.class_name,
            "index": network.index,
            "part": part,
            "row": row,
            **{key: getattr(network, key) for key in HYPER_PARAMETERS},
            "learning_rate": network.learning_rate or None,
            "batch_size": network.batch_size or None,
        }
        for row, network in enumerate(networks)
    ]


def mark(part: int, document: ZooDocument) -> dict[str, Any]:
    """What a part's mark says of the zoo that it belongs to."""
    return {
        "format_version": layout.FORMAT_VERSION,
        "part": part,
        **document.origin.mark(),
        "image_fingerprint": document.image_fingerprint,
    }
