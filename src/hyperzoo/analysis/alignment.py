"""Alignment: bring the hidden units of many networks into the order of a reference's.

Networks that compute alike keep their hidden units in any order, and with tanh under any sign.
Weight matching (Ainsworth, Hayase and Srinivasa, "Git Re-Basin", 2023, algorithm 1), extended by
signs, looks for the order and signs under which a network's weights have the largest inner
product with the reference's: layer by layer an assignment problem, which is solved exactly while
the other layers are held, over and over until nothing changes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from hyperzoo.analysis.stream import map_in_order
from hyperzoo.architectures import Architecture
from hyperzoo.architectures.symmetry import (
    HiddenUnits,
    by_unit,
    hidden_units,
    incoming,
    move_group,
    outgoing,
)
from hyperzoo.errors import ArchitectureError
from hyperzoo.zoo import Zoo

_CHUNK = 16  # networks at once: bounds the memory for similarities and copies
_MAX_SWEEPS = 50  # every sweep gains, so the end comes by itself; this is a guard
_LEAST_GAIN = 1e-6  # relative; less is rounding

Weights = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Alignment:
    """Aligned networks.

    Attributes:
        weights: PyTorch name -> float32 [network, *shape]; the same functions as before.
        permutations: layer -> int64 [network, unit]: the new unit i is the old unit at place i.
        signs: layer -> int8 [network, unit]: 1 or -1 for the new unit i.
        reference: PyTorch name -> float32 [*shape], what the networks were aligned to.
        distance_before: [network], Euclidean distance to the reference before.
        distance_after: [network], the same after.
    """

    weights: dict[str, NDArray[np.float32]]
    permutations: dict[str, NDArray[np.int64]]
    signs: dict[str, NDArray[np.int8]]
    reference: dict[str, NDArray[np.float32]]
    distance_before: NDArray[np.float64]
    distance_after: NDArray[np.float64]


def align(
    zoo_or_weights: Zoo | Weights,
    reference: str | Weights | None = None,
    *,
    architecture: Architecture | None = None,
    rounds: int = 0,
) -> Alignment:
    """Align networks to a reference by permuting hidden units and, where allowed, flipping signs.

    Deterministic: the same networks and the same reference give the same result, whatever other
    networks stand beside them (with `rounds` the mean depends on all of them).

    Args:
        zoo_or_weights: a zoo, or PyTorch name -> [network, *shape].
        reference: a network's id (of a zoo), or PyTorch name -> [*shape]; None for the first
            network.
        architecture: of the networks; needed for weights, known for a zoo.
        rounds: how often to replace the reference by the mean of the aligned networks and to align
            to that again.

    Returns:
        The aligned networks in the order of those given.

    Raises:
        ArchitectureError: weights do not have the shapes of the architecture, or are not finite.
        NetworkNotFoundError: the zoo has no network of that id.
    """
    if isinstance(zoo_or_weights, Zoo):
        zoo, architecture = zoo_or_weights, zoo_or_weights.architecture
        if isinstance(reference, str):
            reference = {name: t.numpy() for name, t in zoo.state_dict(reference).items()}
        weights: Weights = {p.name: zoo.weights(p.name) for p in architecture.parameters}
    else:
        weights = zoo_or_weights
    if architecture is None:
        raise TypeError("align: weights without a zoo need `architecture`")
    if isinstance(reference, str):
        raise TypeError("align: a reference is named by its id only in a zoo; give its weights")
    networks = _checked(architecture, weights)
    if reference is None:
        target = {name: tensor[0] for name, tensor in networks.items()}
    else:
        stacked = {name: np.asarray(tensor)[None] for name, tensor in reference.items()}
        target = {name: t[0] for name, t in _checked(architecture, stacked, "reference").items()}
    alignment = _align_to(architecture, networks, target)
    for _ in range(rounds):
        mean = {
            name: tensor.mean(axis=0, dtype=np.float64).astype(np.float32)
            for name, tensor in alignment.weights.items()
        }
        alignment = _align_to(architecture, networks, mean)
    return alignment


def _checked(
    architecture: Architecture, weights: Weights, what: str = "weights"
) -> dict[str, NDArray[np.float32]]:
    """The architecture's tensors, as float32, of one or more networks."""
    checked: dict[str, NDArray[np.float32]] = {}
    for parameter in architecture.parameters:
        tensor = np.asarray(weights.get(parameter.name, ()))
        shape = tensor.shape
        if shape[1:] != parameter.shape or not len(tensor) or tensor.dtype.kind != "f":
            raise ArchitectureError(
                f"{what}: {parameter.name}: expected numbers of shape (networks, "
                f"{', '.join(map(str, parameter.shape))}), got shape {shape} of {tensor.dtype}"
            )
        if not np.isfinite(tensor).all():
            raise ArchitectureError(
                f"{what}: {parameter.name} holds numbers that are not finite; leave out networks "
                "whose training failed"
            )
        checked[parameter.name] = tensor.astype(np.float32, copy=False)
    counts = {len(tensor) for tensor in checked.values()}
    if len(counts) > 1:
        raise ArchitectureError(f"{what}: the tensors have different numbers of networks: {counts}")
    return checked


def _align_to(
    architecture: Architecture,
    networks: dict[str, NDArray[np.float32]],
    target: dict[str, NDArray[np.float32]],
) -> Alignment:
    count = len(next(iter(networks.values())))
    groups = hidden_units(architecture)
    aligned = {name: np.empty_like(tensor) for name, tensor in networks.items()}
    orders = {g.layer: np.empty((count, g.units), np.int64) for g in groups}
    signs = {g.layer: np.empty((count, g.units), np.int8) for g in groups}

    def match(begin: int) -> None:
        rows = slice(begin, begin + _CHUNK)
        chunk = {name: tensor[rows].copy() for name, tensor in networks.items()}
        order, sign = _match(groups, chunk, target)
        for name, tensor in chunk.items():
            aligned[name][rows] = tensor
        for layer in orders:
            orders[layer][rows], signs[layer][rows] = order[layer], sign[layer]

    # Threads of matrix products as small as these would wait for each other more than they work.
    with threadpool_limits(1, "blas"):
        for _ in map_in_order(match, range(0, count, _CHUNK)):
            pass
    return Alignment(
        weights=aligned,
        permutations=orders,
        signs=signs,
        reference=target,
        distance_before=_distances(networks, target),
        distance_after=_distances(aligned, target),
    )


def _match(
    groups: tuple[HiddenUnits, ...],
    weights: dict[str, NDArray[np.float32]],
    target: dict[str, NDArray[np.float32]],
) -> tuple[dict[str, NDArray[np.int64]], dict[str, NDArray[np.int8]]]:
    """Move the units of some networks, in `weights`; returns how they were moved."""
    count = len(next(iter(weights.values())))
    orders = {g.layer: np.tile(np.arange(g.units), (count, 1)) for g in groups}
    signs = {g.layer: np.ones((count, g.units), np.int8) for g in groups}
    active = np.arange(count)  # the networks that still change
    for sweep in range(_MAX_SWEEPS):
        # The first sweep goes by incoming weights alone: the outgoing ones say nothing while the
        # units of the layers after are in disorder.
        similarity = _similarity if sweep else _incoming_similarity
        some = {name: tensor[active] for name, tensor in weights.items()}
        changed = np.full(len(active), not sweep)
        for group in groups:
            order, sign = _assign(similarity(group, some, target), group.signs)
            moved = (order != np.arange(group.units)).any(axis=1) | (sign != 1).any(axis=1)
            if group.loops and moved.any():
                # One tensor has its rows and its columns moved, which the assignment can't see.
                moved &= _gains(some, group, order, sign, target)
            if not moved.any():
                continue
            _move_some(some, group, moved, order[moved], sign[moved])
            changed |= moved
            rows, layer = active[moved], group.layer
            orders[layer][rows] = np.take_along_axis(orders[layer][rows], order[moved], axis=1)
            earlier = np.take_along_axis(signs[layer][rows], order[moved], axis=1)
            signs[layer][rows] = earlier * sign[moved]
        for name, tensor in weights.items():
            tensor[active] = some[name]
        active = active[changed]
        if not len(active):
            break
    return orders, signs


def _move_some(
    weights: dict[str, NDArray[np.float32]],
    group: HiddenUnits,
    rows: NDArray[np.bool_],
    order: NDArray[np.int64],
    sign: NDArray[np.int8],
) -> None:
    """Move the units of some networks, which `rows` marks, in `weights`."""
    some = {name: weights[name][rows] for name in group.tensors}
    move_group(some, group, order, sign)
    for name in group.tensors:
        weights[name][rows] = some[name]


def _gains(
    weights: Weights,
    group: HiddenUnits,
    order: NDArray[np.int64],
    sign: NDArray[np.int8],
    target: Weights,
) -> NDArray[np.bool_]:
    """For which networks a move brings the group's tensors nearer to the target: [network]."""
    some = {name: weights[name] for name in group.tensors}
    moved = {name: tensor.copy() for name, tensor in some.items()}
    move_group(moved, group, order, sign)
    wanted = {name: target[name] for name in group.tensors}
    before, after = _distances(some, wanted), _distances(moved, wanted)
    return after < before * (1 - _LEAST_GAIN)


@dataclass(frozen=True, kw_only=True)
class _Similarity:
    """Inner products [network, unit of target, unit]: of what a sign turns, and of the rest."""

    turned: NDArray[np.float32]
    unturned: NDArray[np.float32] | None = None

    @property
    def whole(self) -> NDArray[np.float32]:
        return self.turned if self.unturned is None else self.turned + self.unturned


def _incoming_similarity(group: HiddenUnits, weights: Weights, target: Weights) -> _Similarity:
    """By incoming weights, biases, and what is kept for each unit."""
    turned: NDArray[np.float32] | None = None
    for name in group.rows:
        wanted = incoming(target[name][None])[0]
        own = wanted @ incoming(weights[name]).transpose(0, 2, 1)
        turned = own if turned is None else np.add(turned, own, out=turned)
    assert turned is not None  # a group has a layer that makes it
    for name in group.vectors:
        turned += _vector_similarity(group, name, weights, target)
    unturned: NDArray[np.float32] | None = None
    for name in group.scales:
        own = _vector_similarity(group, name, weights, target)
        unturned = own if unturned is None else unturned + own
    return _Similarity(turned=turned, unturned=unturned)


def _vector_similarity(
    group: HiddenUnits, name: str, weights: Weights, target: Weights
) -> NDArray[np.float32]:
    wanted = by_unit(target[name][None], group)[0]
    similarity: NDArray[np.float32] = wanted @ by_unit(weights[name], group).transpose(0, 2, 1)
    return similarity


def _similarity(group: HiddenUnits, weights: Weights, target: Weights) -> _Similarity:
    """By all weights into and out of units."""

    def unit_first(columns: NDArray[Any]) -> NDArray[Any]:
        swapped = columns.transpose(0, 2, 1, 3)
        return swapped.reshape(len(columns), group.units, -1)

    found = _incoming_similarity(group, weights, target)
    for name in group.columns:
        wanted = unit_first(outgoing(target[name][None], group))[0]
        given = unit_first(outgoing(weights[name], group))
        np.add(found.turned, wanted @ given.transpose(0, 2, 1), out=found.turned)
    return found


def _assign(similarity: _Similarity, signs: bool) -> tuple[NDArray[np.int64], NDArray[np.int8]]:
    """The best order and signs for each network; those it has where no others are better."""
    from scipy.optimize import linear_sum_assignment

    whole = similarity.whole
    count, units, _ = whole.shape
    gain = whole
    if signs:
        gain = np.abs(similarity.turned)
        if similarity.unturned is not None:
            gain = gain + similarity.unturned
    orders = np.tile(np.arange(units), (count, 1))
    chosen = np.ones((count, units), np.int8)
    for network in range(count):
        _, order = linear_sum_assignment(gain[network], maximize=True)
        now = np.trace(whole[network], dtype=np.float64)
        best = gain[network][np.arange(units), order].sum(dtype=np.float64)
        if best - now > _LEAST_GAIN * abs(best):
            orders[network] = order
            if signs:
                picked = similarity.turned[network][np.arange(units), order]
                chosen[network] = np.where(picked < 0, -1, 1)
    return orders, chosen


def _distances(networks: Weights, target: Weights) -> NDArray[np.float64]:
    squares = np.zeros(len(next(iter(networks.values()))))
    for name, tensor in networks.items():
        difference = (tensor - target[name]).reshape(len(tensor), -1)
        squares += np.einsum("ni,ni->n", difference, difference, dtype=np.float64)
    return np.sqrt(squares)
