"""Mixing: is a network a training network with noise, or a mixture of several?

Whoever mixes networks first brings their hidden units into one order, which the judge is not told,
and may shuffle the units of what comes out. So some networks of each class are looked at closely.
Training networks are brought into the order of the *network itself*: one that is in it, be it under
noise, falls into place, and least squares give its share. And the training networks are brought
into the orders in which networks are usually mixed, to see how much of the network lies outside of
their span. A mixture of many networks in yet another order is not found so.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyperzoo.analysis import align
from hyperzoo.analysis.stream import map_in_order
from hyperzoo.architectures import Architecture
from hyperzoo.architectures.symmetry import hidden_units, incoming
from hyperzoo.features.matrix import matrix_of, tensors_of
from hyperzoo.generation.judging.intervals import mean_over_networks, rows_of
from hyperzoo.generation.judging.networks import Networks
from hyperzoo.generation.judging.reference import Reference

Array = NDArray[np.float64]
Matrix = NDArray[np.float32]
Tensors = Mapping[str, NDArray[np.float32]]

PROBES, LEAST_PROBES = 20, 2
"""Networks that are looked at, of all classes together; and of each class at least."""

ONE_NETWORK = "share that is one training network"
MIXTURES = "share of mixtures"

_MOST, _SECOND = 0.7, 0.5
"""A network is one training network where that has more than this share, and the second less than
this part of it. Held-out networks: .13 and .13 in LeNet-5, which fits all alike into its order."""

_NOTHING, _WHOLE = 0.01, 0.95
"""Shares that are taken for nothing, and for all."""

_LEFT = 0.5
"""A mixture leaves less outside of the span than this part of what held-out networks leave."""

_CANDIDATES = 10
"""Training networks that are brought into a network's order: those with the likest first layer."""

_FOR_REFERENCE = 100
"""Networks of all classes whose mean is a reference."""

_ROUNDING = 1e-6
"""Share of a usual squared deviation that is taken for rounding."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Order:
    """The training networks of a class in one order of their units.

    Attributes:
        target: what they were aligned to; None for networks as they are.
        training: [network, parameter].
    """

    target: Tensors | None
    training: Matrix


def mixing(networks: Networks, reference: Reference, group: str) -> list[dict[str, Any]]:
    """Shares of training networks in networks, and what of these lies outside of their span."""
    classes = reference.questions.classes
    found: dict[str, list[Array]] = {}
    for label in range(len(classes)):
        probes = _probes(networks, label)
        training = reference.training.matrix[reference.training.rows[label]]
        shares = largest_shares(networks.architecture, probes, training)
        left = _left(networks, reference, label)
        usual = reference.once(
            f"left {label}", partial(_left, reference.held_out, reference, label)
        )
        # Noise lies outside of the span; what lies within is whole or a mixture.
        within = (left < _NOTHING) & (shares[:, 0] < _WHOLE)
        alone = (shares[:, 0] > _MOST) & (shares[:, 1] < _SECOND * shares[:, 0]) & ~within
        values = {
            "largest share of one training network": shares[:, 0],
            "share of deviation outside the span": left,
            ONE_NETWORK: alone.astype(np.float64),
            MIXTURES: (~alone & (left < _LEFT * np.median(usual))).astype(np.float64),
        }
        for measure, numbers in values.items():
            found.setdefault(measure, []).append(numbers)
    table = []
    for measure, by_class in found.items():
        figures = [mean_over_networks(v, n) for v, n in zip(by_class, classes, strict=True)]
        table += rows_of(measure, group, classes, figures)
    return table


def _probes(networks: Networks, label: int) -> Matrix:
    """The networks of a class that are looked at."""
    count = max(LEAST_PROBES, PROBES // len(networks.rows))
    return networks.matrix[networks.rows[label][:count]]


def _left(networks: Networks, reference: Reference, label: int) -> Array:
    """What each network that is looked at leaves outside of the span."""
    kept = reference.once(f"orders {label}", partial(orders, reference, label))
    return outside(networks.architecture, _probes(networks, label), kept)


def largest_shares(architecture: Architecture, networks: Matrix, training: Matrix) -> Array:
    """The two largest shares of training networks in each network: [network, 2].

    Least squares over training networks that were aligned to the network.
    """

    def shares(row: int) -> Array:
        target = {n: t[0] for n, t in tensors_of(architecture, networks[row : row + 1]).items()}
        few = training[likest(architecture, networks[row], training)]
        tensors = tensors_of(architecture, few)
        aligned = matrix_of(architecture, align(tensors, target, architecture=architecture).weights)
        found = np.linalg.lstsq(aligned.T, networks[row], rcond=None)[0]
        return np.asarray(np.sort(found)[::-1][:2], np.float64)

    return np.stack(list(map_in_order(shares, range(len(networks)))))


def likest(
    architecture: Architecture, network: NDArray[np.float32], training: Matrix
) -> NDArray[np.int64]:
    """The training networks whose first layers are likest a network's: rows, the likest first.

    By the cosines of each unit's incoming weights with those of its likest unit there, whatever
    the order and, where they may be flipped, the signs.
    """
    groups = hidden_units(architecture)
    if not groups:
        return np.arange(min(_CANDIDATES, len(training)))
    first = groups[0]

    def units(matrix: Matrix) -> Matrix:
        columns = incoming(tensors_of(architecture, matrix)[f"{first.layer}.weight"])
        lengths = np.linalg.norm(columns, axis=2, keepdims=True)
        return np.asarray(columns / np.maximum(lengths, 1e-12), np.float32)

    cosines = units(training) @ units(network[None])[0].T
    likeness = (np.abs(cosines) if first.signs else cosines).max(axis=1).mean(axis=1)
    return np.argsort(-likeness, kind="stable")[:_CANDIDATES]


def orders(reference: Reference, label: int) -> list[Order]:
    """A class's training networks as they are, and aligned to usual references.

    To the first of them, to the mean of what that gives, and to the mean of all classes.
    """
    architecture, training = reference.architecture, reference.training
    own = training.matrix[training.rows[label]]
    tensors = tensors_of(architecture, own)
    targets: list[Tensors] = [{name: tensor[0] for name, tensor in tensors.items()}]
    if len(training.targets) > 1:
        targets.append(reference.once("mean of all", lambda: _mean_of_all(reference)))
    found = [
        Order(target=None, training=own),
        Order(target=training.targets[label], training=training.aligned[training.rows[label]]),
    ]
    for target in targets:
        moved = align(tensors, target, architecture=architecture).weights
        found.append(Order(target=target, training=matrix_of(architecture, moved)))
    return found


def _mean_of_all(reference: Reference) -> Tensors:
    some = tensors_of(reference.architecture, reference.training.matrix[:_FOR_REFERENCE])
    return align(some, architecture=reference.architecture, rounds=1).reference


def outside(architecture: Architecture, networks: Matrix, orders: list[Order]) -> Array:
    """What of each network's deviation no mixture explains, in the order that explains most.

    Networks are tried as they are and, in an order with a reference, aligned to it as well.
    """
    tried = []
    for order in orders:
        tried.append(outside_span(networks, order.training))
        if order.target is not None:
            tensors = tensors_of(architecture, networks)
            moved = align(tensors, order.target, architecture=architecture).weights
            tried.append(outside_span(matrix_of(architecture, moved), order.training))
    return np.asarray(np.min(tried, axis=0))


def outside_span(networks: Matrix, training: Matrix) -> Array:
    """Share of each squared deviation from the training mean that no mixture of them explains.

    Of the network's deviation or of that which training networks have, whichever is larger: the
    training mean itself deviates by nothing, and a network near it is a mixture.
    """
    mean = training.mean(axis=0, dtype=np.float64).astype(np.float32)
    rows, moved = training - mean, networks - mean
    values, vectors = np.linalg.eigh((rows @ rows.T).astype(np.float64))
    usual = max(values.sum() / len(rows), np.finfo(np.float64).tiny)
    kept = values > _ROUNDING * max(values[-1], np.finfo(np.float64).tiny)
    inner = (moved @ rows.T).astype(np.float64) @ vectors[:, kept] / np.sqrt(values[kept])
    total = np.einsum("np,np->n", moved, moved, dtype=np.float64)
    left = total - np.square(inner).sum(axis=1)
    left[left < _ROUNDING * usual] = 0
    return np.asarray(left / np.maximum(total, usual))
