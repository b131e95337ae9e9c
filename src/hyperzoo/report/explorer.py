"""The data of a report's explorer: table of the networks, training curves, first-layer kernels.

A page has room for some 500 bytes a network, so that curves and kernels are kept coarsely: good for
a drawing, not for a measurement. What was made coarser or left out is told in `Explorer.notes`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from hyperzoo.analysis.performance import remarkable_networks
from hyperzoo.report.confusion import split_size
from hyperzoo.report.packing import pack
from hyperzoo.zoo import Zoo

CURVES = ("training_loss", "validation_loss", "training_accuracy", "validation_accuracy")
CURVE_LEVELS = 127
CURVE_POINTS = 40
"""Epochs of a curve that are kept; of longer ones, evenly spaced ones."""
KERNEL_LEVELS = (15, 11, 9, 7)
"""Shades a colour of a kernel's picture, odd so that zero has its own; the first that fits."""
NOT_FINITE = 255
"""Stands for infinities and NaN in curves and kernels."""

_CURVE_SHARE = 0.6  # of the room that curves and kernels have together
_KERNELS_FROM = 10_000  # less room than this is not worth a few networks' pictures

_METRICS = {
    "loss": "loss",
    "accuracy": "accuracy",
    "precision": "precision",
    "recall": "recall",
    "specificity": "specificity",
    "f1": "F1",
    "auc": "ROC AUC",
}
_SETTINGS = {"learning_rate": "learning rate", "batch_size": "batch size", "epoch": "epoch kept"}


@dataclass(frozen=True, kw_only=True)
class Explorer:
    """What the page's script gets, each packed as `packing.pack` does.

    Attributes:
        table: ids, classes, metrics, findings; what the page shows at once.
        curves: loss and accuracy over the epochs; None where there are none.
        kernels: the first layer's kernels; None where there are none, or no room.
        notes: for the reader: what was made coarser or left out, and why.
    """

    table: str
    curves: str | None
    kernels: str | None
    notes: tuple[str, ...]


def explorer(zoo: Zoo, room: int) -> Explorer:
    """Collect and pack what the explorer shows.

    Args:
        zoo: a zoo with one network or more.
        room: bytes that all of it may take. The table is kept whatever it takes; curves come next;
            kernels get what is left.

    Raises:
        ZooFormatError: a file of the zoo is missing or damaged.
    """
    table = network_table(zoo)
    room -= len(table)
    curves, curve_notes = _curves(zoo, int(room * _CURVE_SHARE))
    kernels, kernel_notes = _kernels(zoo, room - len(curves or ""))
    return Explorer(
        table=table, curves=curves, kernels=kernels, notes=(*curve_notes, *kernel_notes)
    )


def network_table(zoo: Zoo) -> str:
    """Ids, classes, findings, and every column in which networks can differ."""
    models = zoo.models
    findings = {
        row["id"]: row["finding"]
        for row in remarkable_networks(zoo).to_pylist()  # few
    }
    kinds = sorted(set(findings.values()))
    places = {name: place for place, name in enumerate(zoo.classes)}
    columns = {name: _column(models, name) for name in (*_METRICS, *_SETTINGS)}
    shown = [
        name
        for name, values in columns.items()
        if (np.isfinite(values).any() if name in _METRICS else len(np.unique(values)) > 1)
    ]
    size = split_size(models) if zoo.architecture.outputs == 1 else None
    header = {
        "ids": zoo.ids,
        "classes": list(zoo.classes),
        "findings": kinds,
        "columns": [[name, (_METRICS | _SETTINGS)[name]] for name in shown],
        "metrics": [name for name in shown if name in _METRICS],
        "outputs": zoo.architecture.outputs,
        "images": size and size.images,
        "positives": size and [size.positives.get(name) for name in zoo.classes],
    }
    arrays: dict[str, NDArray[Any]] = {
        "class": np.array([places[name] for name in models["class"].to_pylist()], np.uint16),
        # 0 where there is none.
        "finding": np.array(
            [kinds.index(findings[name]) + 1 if name in findings else 0 for name in zoo.ids],
            np.uint8,
        ),
        "kept": columns["epoch"].astype(np.float32),
    }
    arrays |= {f"column.{name}": columns[name].astype(np.float32) for name in shown}
    return pack(header, arrays)


def _column(models: pa.Table, name: str) -> NDArray[np.float64]:
    """A column as float64; NaN where it is null, not there, or beyond what the page can hold."""
    if name not in models.column_names:
        return np.full(len(models), np.nan)
    values = models[name].cast(pa.float64()).to_numpy()
    return np.where(np.abs(values) <= np.finfo(np.float32).max, values, np.nan)


def _curves(zoo: Zoo, room: int) -> tuple[str | None, list[str]]:
    history = zoo.history()
    if not len(history):
        return None, ["Training curves: the zoo has no training history."]
    networks = len(zoo)
    epochs = len(history) // networks
    curves = np.stack(
        [history[name].to_numpy().reshape(networks, epochs) for name in CURVES], axis=1
    )
    kept = np.unique(np.linspace(0, epochs - 1, min(epochs, CURVE_POINTS)).round().astype(int))
    levels, ranges = quantise_curves(curves[:, :, kept])
    header = {"epochs": [zoo.history_epochs[place] for place in kept], "levels": CURVE_LEVELS}

    def packed(count: int) -> str:
        own: dict[str, NDArray[Any]] = {
            "ranges": ranges[:count],
            "curves": _differences(levels[:count]),
        }
        return pack(header | {"networks": count}, own)

    count, text = _most_that_fit(networks, room, packed)
    notes = []
    if len(kept) < epochs:
        notes.append(
            f"Training curves have {len(kept)} of {epochs:,} epochs, evenly spaced, so that the "
            "page stays small."
        )
    if count < networks:
        notes.append(_first_only("Training curves", count, networks))
    return text, notes


def quantise_curves(
    curves: NDArray[np.float64],
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Curves as levels between the least and the greatest value of a network's two of a kind.

    Args:
        curves: [network, 4, epoch], in the order of `CURVES`.

    Returns:
        uint8 [network, 4, epoch], 0 to `CURVE_LEVELS` - 1, or `NOT_FINITE`; and float32 [network,
        2, 2]: for loss and accuracy, the values of the lowest and the highest level.
    """
    networks, _, epochs = curves.shape
    pairs = curves.reshape(networks, 2, 2 * epochs)
    # What float32 can't hold diverged as well.
    finite = np.abs(pairs) <= np.finfo(np.float32).max
    low = np.min(pairs, axis=2, where=finite, initial=np.inf)
    high = np.max(pairs, axis=2, where=finite, initial=-np.inf)
    known = low <= high
    low, high = _round_out(np.where(known, low, 0.0), np.where(known, high, 0.0))
    span = np.where(high > low, high - low, 1.0)[..., None]
    steps = np.where(finite, (pairs - low[..., None]) / span, 0.0) * (CURVE_LEVELS - 1)
    levels = np.where(finite, np.rint(steps), NOT_FINITE).astype(np.uint8)
    ranges = np.stack([low, high], axis=2).astype(np.float32)
    return levels.reshape(curves.shape), ranges


def _round_out(
    low: NDArray[np.float64], high: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rounder bounds, a hundredth of the range wider at most, that pack into less."""
    # A range below what numbers of that size can tell apart would be rounded past the values.
    least = np.maximum(1e-9, 1e-12 * np.maximum(np.abs(low), np.abs(high)))
    step = 10.0 ** np.floor(np.log10(np.maximum(high - low, least)) - 2)
    limit = float(np.finfo(np.float32).max)
    low, high = np.floor(low / step) * step, np.ceil(high / step) * step
    return np.clip(low, -limit, limit), np.clip(high, -limit, limit)


def _differences(levels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """From epoch to epoch, modulo 256: curves are smooth, so that these pack into less."""
    return np.diff(levels, axis=2, prepend=np.uint8(0))


def _kernels(zoo: Zoo, room: int) -> tuple[str | None, list[str]]:
    first = zoo.architecture.parameters[0]
    if len(first.shape) != 4 or first.shape[1] not in (1, 3):
        return None, [f"Kernels: {first.name} has no kernels of 1 or 3 channels to be pictured."]
    weights = zoo.weights(first.name)
    if room < _KERNELS_FROM:
        return None, ["Kernels are left out, so that the page stays small."]
    header = {"name": first.name, "shape": list(first.shape)}

    def packed(levels: int, count: int) -> str:
        pictures = {"kernels": quantise_kernels(weights[:count], levels)}
        return pack(header | {"levels": levels, "networks": count}, pictures, noise=True)

    networks = count = len(zoo)
    text: str | None = None
    for levels in KERNEL_LEVELS:
        text = packed(levels, networks)
        if len(text) <= room:
            break
    else:
        count, text = _most_that_fit(networks, room, partial(packed, levels))
    notes = [
        f"Kernels are drawn with {levels} shades a colour, each filter scaled by its own largest "
        "weight" + (", so that the page stays small." if levels < KERNEL_LEVELS[0] else ".")
    ]
    if count < networks:
        notes.append(_first_only(f"Kernels of {first.name}", count, networks))
    return text, notes


def quantise_kernels(weights: NDArray[np.float32], levels: int) -> NDArray[np.uint8]:
    """Kernels as shades, each filter scaled by its own largest absolute weight.

    Args:
        weights: [network, out_channel, in_channel, kernel_height, kernel_width].
        levels: how many shades, odd: the middle one is zero.

    Returns:
        uint8 [network, out_channel, in_channel * kernel_height * kernel_width], 0 to levels - 1,
        or `NOT_FINITE`.
    """
    filters = weights.reshape(*weights.shape[:2], -1)
    finite = np.isfinite(filters)
    values = np.where(finite, filters, np.float32(0))
    largest = np.abs(values).max(axis=2, keepdims=True)
    half = levels // 2
    shades = np.rint(values / np.where(largest > 0, largest, 1) * half) + half
    return np.where(finite, shades, NOT_FINITE).astype(np.uint8)


def _most_that_fit(
    networks: int, room: int, packed: Callable[[int], str]
) -> tuple[int, str | None]:
    """The first so many networks whose packed data has room. Every class comes in turn in these."""
    count = networks
    while count:
        text = packed(count)
        if len(text) <= room:
            return count, text
        count = min(count - 1, int(0.99 * count * max(room, 0) / len(text)))
    return 0, None


def _first_only(what: str, count: int, networks: int) -> str:
    return (
        f"{what} are on this page for the first {count:,} of {networks:,} networks (by index, then "
        "class), so that it stays small; the zoo has them all."
    )
