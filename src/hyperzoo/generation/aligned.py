"""The training networks, all brought to one order of units, and fresh initial weights likewise."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hyperzoo.analysis.alignment import Alignment, align
from hyperzoo.architectures import Architecture, initial_parameters
from hyperzoo.generation.draw import Draw
from hyperzoo.generation.matrix import network_of, rows_of
from hyperzoo.generation.training_set import TrainingSet

_FOR_REFERENCE = 100
"""Networks whose mean is the reference: the mean of more is hardly another."""

_ROUNDS = 1


@dataclass(frozen=True, kw_only=True, eq=False)
class Aligned:
    """Networks that are aligned to one reference, whatever their class.

    Attributes:
        rows: float32 [network, weight].
        reference: float32 [weight], the mean of some networks that were aligned to each other.
        alignment: how the units were moved.
    """

    rows: NDArray[np.float32]
    reference: NDArray[np.float32]
    alignment: Alignment


def aligned_training(data: TrainingSet) -> Aligned:
    """The training networks of all classes, aligned to one reference."""
    architecture = data.architecture
    some = {name: tensor[:_FOR_REFERENCE] for name, tensor in data.weights.items()}
    rough = align(some, architecture=architecture, rounds=_ROUNDS)
    reference = {
        name: tensor.mean(axis=0, dtype=np.float64).astype(np.float32)
        for name, tensor in rough.weights.items()
    }
    alignment = align(data.weights, reference, architecture=architecture)
    return Aligned(
        rows=rows_of(architecture, alignment.weights),
        reference=rows_of(architecture, {name: t[None] for name, t in reference.items()})[0],
        alignment=alignment,
    )


def aligned_classes(data: TrainingSet) -> dict[str, NDArray[np.float32]]:
    """The training networks, those of each class aligned to each other, in the order of `data`.

    Returns:
        PyTorch name -> float32 [network, *shape].
    """
    aligned = {name: np.empty_like(tensor) for name, tensor in data.weights.items()}
    for label in range(len(data.classes)):
        own = align(data.of_class(label), architecture=data.architecture, rounds=1)
        for name, tensor in own.weights.items():
            aligned[name][data.labels == label] = tensor
    return aligned


def class_means(rows: NDArray[np.float32], labels: NDArray[np.int64]) -> NDArray[np.float32]:
    """The mean of every class's rows: float32 [class, weight]."""
    return np.stack(
        [
            rows[labels == label].mean(axis=0, dtype=np.float64).astype(np.float32)
            for label in range(labels.max() + 1)
        ]
    )


def align_start(
    architecture: Architecture,
    reference: NDArray[np.float32],
    start: dict[str, NDArray[np.float32]],
) -> NDArray[np.float32]:
    """Initial weights whose units are brought to the reference's order: float32 [weight]."""
    one = {name: tensor[None] for name, tensor in start.items()}
    target = network_of(architecture, reference)
    row: NDArray[np.float32] = rows_of(
        architecture, align(one, target, architecture=architecture).weights
    )[0]
    return row


def fresh_start(
    architecture: Architecture, reference: NDArray[np.float32], draw: Draw
) -> NDArray[np.float32]:
    """Initial weights of a generated network, aligned: float32 [weight]."""
    return align_start(architecture, reference, draw.initial_parameters(architecture))


def fresh_starts(
    architecture: Architecture, reference: NDArray[np.float32], seed: int, count: int
) -> NDArray[np.float32]:
    """Aligned initial weights to fit with, of no network: float32 [start, weight]."""
    starts = [
        initial_parameters(architecture, seed, "", index, "generation/fit/initialisation")
        for index in range(count)
    ]
    stacked = {p.name: np.stack([own[p.name] for own in starts]) for p in architecture.parameters}
    target = network_of(architecture, reference)
    return rows_of(architecture, align(stacked, target, architecture=architecture).weights)
