"""The structure of networks before and after their hidden units are aligned."""

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from hyperzoo.analysis.alignment import align
from hyperzoo.analysis.structure import Structure, structure
from hyperzoo.analysis.weights import Weights
from hyperzoo.architectures import Architecture
from hyperzoo.architectures.symmetry import hidden_units
from hyperzoo.zoo import Zoo

MOST = 100
"""Networks that are aligned: solving their assignments takes longer than reading a whole zoo."""

_SWEEPS = 5
"""After as many it hardly matters which network came first."""


@dataclass(frozen=True, kw_only=True, eq=False)
class AlignedStructure:
    """The same networks before and after alignment.

    Attributes:
        ids: the networks.
        labels: int64 [network], the class of each.
        before: layer -> principal components and distances of the networks as they are.
        after: the same of the aligned networks.
        moved: layers whose units were put into another order.
    """

    ids: tuple[str, ...]
    labels: NDArray[np.int64]
    before: dict[str, Structure]
    after: dict[str, Structure]
    moved: tuple[str, ...]


def aligned_structure(zoo: Zoo, weights: Weights, *, most: int = MOST) -> AlignedStructure | None:
    """Align some of a zoo's networks and study them before and after.

    The reference is the mean of one network of each class that were aligned to each other. A
    single trained network would favour its class: networks of that class would follow it more
    closely than others, and stand apart because of it. Of each class the first networks are
    taken, as many of each.

    Args:
        zoo: the zoo.
        weights: its studied weights, of which only ids, labels and layers are used.
        most: networks to align at most; but one of each class in any case.

    Returns:
        The structures; None where no unit can move, or there are fewer than 3 networks.
    """
    if not hidden_units(zoo.architecture):
        return None
    classes = len(np.unique(weights.labels))
    each = max(1, most // max(1, classes))
    rows = np.sort(
        np.concatenate(
            [np.flatnonzero(weights.labels == c)[:each] for c in range(len(zoo.classes))]
        )
    )
    if len(rows) < 3:
        return None
    networks = [zoo.arrays(weights.ids[row]) for row in rows]
    stacked = {name: np.stack([own[name] for own in networks]) for name in networks[0]}
    labels = weights.labels[rows]
    _, firsts = np.unique(labels, return_index=True)
    reference = _consensus(zoo.architecture, {n: t[firsts] for n, t in stacked.items()})
    alignment = align(stacked, reference, architecture=zoo.architecture)

    def study(tensors: dict[str, NDArray[np.float32]]) -> dict[str, Structure]:
        found = {}
        for layer in weights.layers:
            matrix = np.concatenate(layer.pieces(tensors), axis=1)
            found[layer.name] = structure(partial(list, [matrix]), labels, len(zoo.classes))
        return found

    return AlignedStructure(
        ids=tuple(weights.ids[row] for row in rows),
        labels=labels,
        before=study(stacked),
        after=study(alignment.weights),
        moved=tuple(alignment.permutations),
    )


def _consensus(
    architecture: Architecture, networks: dict[str, NDArray[np.float32]]
) -> dict[str, NDArray[np.float32]]:
    """The mean of a few networks, each of which is aligned to the mean of the others."""
    aligned = align(networks, architecture=architecture).weights
    count = len(next(iter(aligned.values())))
    for _ in range(_SWEEPS if count > 1 else 0):
        moved = False
        for place in range(count):
            others = {n: np.delete(t, place, axis=0).mean(axis=0) for n, t in aligned.items()}
            own = {name: tensor[place : place + 1] for name, tensor in aligned.items()}
            found = align(own, others, architecture=architecture)
            for name, tensor in found.weights.items():
                moved |= not np.array_equal(aligned[name][place], tensor[0])
                aligned[name][place] = tensor[0]
        if not moved:
            break
    return {name: tensor.mean(axis=0) for name, tensor in aligned.items()}
