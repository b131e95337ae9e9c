"""Training over the epochs: the median network of every class, its band, the best epoch."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from hyperzoo.errors import ZooFormatError
from hyperzoo.zoo import Zoo

CURVES = ("training_loss", "validation_loss", "training_accuracy", "validation_accuracy")

LOW, HIGH = 0.1, 0.9
"""The band holds four networks of five."""


@dataclass(frozen=True, kw_only=True)
class Training:
    """How the networks of a zoo learned.

    Attributes:
        curves: a row a class and epoch: class, epoch, networks, then <curve>_median, _low (10 %
            quantile) and _high (90 %) for every curve in `CURVES`.
        best_epochs: a row a class and epoch: class, epoch, networks (whose validation loss was
            least after this epoch; the first of equals).
    """

    curves: pa.Table
    best_epochs: pa.Table


def training(zoo: Zoo) -> Training | None:
    """Curves of loss and accuracy, and best epochs, by class.

    A network is left out of the epochs after which one of its figures is not finite; it has a best
    epoch only if there are none.

    Args:
        zoo: the zoo.

    Returns:
        The study; None when the zoo has no training history.

    Raises:
        ZooFormatError: a file of the history is missing or damaged.
    """
    history = zoo.history()
    if not len(history) or not len(zoo):
        return None
    epochs = len(history) // len(zoo)
    if history["id"].to_pylist() != [name for name in zoo.ids for _ in range(epochs)]:
        raise ZooFormatError(
            f"{zoo.path}: the history does not have the zoo's networks in order with the same "
            "number of epochs each; `hyperzoo verify` tells more"
        )
    columns = {name: history[name].to_numpy().reshape(len(zoo), epochs) for name in CURVES}
    classes = np.array(zoo.models["class"].to_pylist(), dtype=object)
    curves, best = [], []
    for name in zoo.classes:
        own = {key: column[classes == name] for key, column in columns.items()}
        curves += [
            _levels(name, epoch, {key: column[:, place] for key, column in own.items()})
            for place, epoch in enumerate(zoo.history_epochs)
        ]
        losses = own["validation_loss"]
        losses = losses[np.isfinite(losses).all(axis=1)]
        counts = np.bincount(losses.argmin(axis=1), minlength=epochs)
        best += [
            {"class": name, "epoch": epoch, "networks": int(count)}
            for epoch, count in zip(zoo.history_epochs, counts, strict=True)
        ]
    return Training(curves=pa.Table.from_pylist(curves), best_epochs=pa.Table.from_pylist(best))


def _levels(
    name: str, epoch: int, values: dict[str, NDArray[np.float64]]
) -> dict[str, str | int | float | None]:
    """One class after one epoch; the values of each curve are [network]."""
    finite = np.isfinite(list(values.values())).all(axis=0)
    row: dict[str, str | int | float | None] = {
        "class": name,
        "epoch": epoch,
        "networks": int(finite.sum()),
    }
    for key, column in values.items():
        levels = np.quantile(column[finite], (0.5, LOW, HIGH)) if finite.any() else [None] * 3
        for end, level in zip(("median", "low", "high"), levels, strict=True):
            row[f"{key}_{end}"] = None if level is None else float(level)
    return row
