"""The reading of a zoo's weights that all studies of weights share.

First a sample of parts is read, for the range of the bins and the first principal axes; then all
parts, for counts and sums; then all again, for the networks' places along better axes. Parts are
worked on by all cores, each dropped before the next, and their results are joined in order.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from hyperzoo.analysis.counts import LARGEST, Bins, LayerCounts, choose_bins, count_layer
from hyperzoo.analysis.layers import Layer, layers_of
from hyperzoo.analysis.stream import Meter, map_in_order
from hyperzoo.analysis.structure import (
    Matrix,
    Moments,
    Structure,
    better_axes,
    components,
    distances,
    first_axes,
    project,
    sample_size,
)
from hyperzoo.errors import AnalysisError
from hyperzoo.plan import PART_SIZE
from hyperzoo.zoo import Zoo

FEWEST_DECIMALS, MOST_DECIMALS = 1, 5
"""What weights may be rounded to; the grid itself has at least 4 decimals."""

_GRID_DECIMALS = 4
_BINS = 100
_COMPONENTS = 4
_RANGE_SAMPLE = 64
"""Networks from which the range of the bins is taken."""
_TASK = 8
"""Parts that are worked on as one: fewer results to join."""


@dataclass(frozen=True, kw_only=True)
class Weights:
    """What the studies of a zoo's weights start from.

    Attributes:
        classes: the classes, in the zoo's order.
        layers: the layers, in the network's order.
        ids: the networks that are studied, in the zoo's order.
        labels: int64 [network], the class of each of them.
        left_out: the networks that are not: failed, or with weights that are not finite or beyond
            `LARGEST`.
        counts: layer -> counts of its weights.
        structure: layer -> principal components and distances.
    """

    classes: tuple[str, ...]
    layers: tuple[Layer, ...]
    ids: tuple[str, ...]
    labels: NDArray[np.int64]
    left_out: tuple[str, ...]
    counts: dict[str, LayerCounts]
    structure: dict[str, Structure]


def read_weights(
    zoo: Zoo, *, decimals: int = 4, workers: int = 0, meter: Meter | None = None
) -> Weights:
    """Read a zoo's weights for all studies of them.

    Networks that failed, and those with a weight that is not finite or beyond `LARGEST`, are left
    out.

    Args:
        zoo: the zoo.
        decimals: decimals that weights are to be rounded to, 1 to 5; the grid on which they are
            counted has at least 4.
        workers: threads; 0 for one a core.
        meter: is told of progress.

    Raises:
        AnalysisError: there is nothing to study, or the decimals are out of range.
        ZooFormatError: a file of weights is missing or damaged.
    """
    check_decimals(decimals)
    # Threads of matrix products would wait for each other more than they work.
    with threadpool_limits(1, "blas"):
        return _read(zoo, max(decimals, _GRID_DECIMALS), workers, meter or (lambda *_: None))


def _read(zoo: Zoo, decimals: int, workers: int, meter: Meter) -> Weights:
    if not len(zoo):
        raise AnalysisError(
            f"{zoo.path} has no networks yet: none of its {len(zoo.plan)} parts is complete; "
            "train it first"
        )
    reader = _Reader(zoo)
    bins, axes = _first_look(reader, decimals, workers)
    parts = zoo.parts_complete
    tasks = [parts[begin : begin + _TASK] for begin in range(0, len(parts), _TASK)]
    meter(0, 2 * len(parts))
    done = 0
    total: _Sums | None = None
    for sums in map_in_order(lambda task: _sums(reader, task, bins, axes), tasks, workers):
        total = _joined(total, sums)
        done += len(sums.parts)
        meter(done, 2 * len(parts))
    assert total is not None
    assert total.counts
    sampled = int(reader.sampled.sum())
    axes = {name: better_axes(total.moments[name], old, sampled) for name, old in axes.items()}
    projected: dict[str, list[Matrix]] = {name: [] for name in axes}
    for found in map_in_order(lambda part: reader.project(part, axes), parts, workers):
        for name, matrix in found.items():
            projected[name].append(matrix)
        done += 1
        meter(done, 2 * len(parts))
    return _weights(reader, total, projected)


def check_decimals(decimals: int, most: int = MOST_DECIMALS) -> None:
    """Refuse decimals that the grid of counts does not have.

    Raises:
        AnalysisError: they are out of range.
    """
    if not FEWEST_DECIMALS <= decimals <= most:
        raise AnalysisError(
            f"decimals must be {FEWEST_DECIMALS} to {most}, got {decimals}; weights are counted "
            f"on a grid of {most} decimals"
        )


class _Reader:
    """Reads the networks of parts that can be studied.

    Attributes:
        zoo: the zoo.
        layers: its layers.
        sampled: [network], whether the first axes are made of it.
    """

    def __init__(self, zoo: Zoo) -> None:
        self.zoo = zoo
        self.layers = layers_of(zoo.architecture)
        places = {name: place for place, name in enumerate(zoo.classes)}
        labels = np.array([places[name] for name in zoo.models["class"].to_pylist()], np.int64)
        failed = np.array([status == "failed" for status in zoo.models["status"].to_pylist()])
        sizes = [len(zoo.plan[part]) for part in zoo.parts_complete]
        rows = np.split(np.arange(len(zoo)), np.cumsum(sizes)[:-1])
        self._rows = dict(zip(zoo.parts_complete, rows, strict=True))
        self._labels, self._failed = labels, failed
        self.sampled = np.full(len(zoo), False)

    def read(self, part: int) -> tuple[NDArray[np.int64], dict[str, list[Matrix]]]:
        """All networks of a part that did not fail.

        Returns:
            Their rows in the zoo; and layer -> its parameters, each [network, number].
        """
        weights, rows = self.zoo.part_weights(part), self._rows[part]
        pieces = {layer.name: layer.pieces(weights) for layer in self.layers}
        usable = ~self._failed[rows]
        return (rows, pieces) if usable.all() else (rows[usable], _chosen(pieces, usable))

    def read_finite(self, part: int) -> tuple[NDArray[np.int64], dict[str, list[Matrix]]]:
        """The same without networks of which a weight is not finite or beyond `LARGEST`."""
        rows, pieces = self.read(part)
        usable = np.full(len(rows), True)
        for piece in itertools.chain.from_iterable(pieces.values()):
            # Not true where any weight is not a number.
            usable &= (piece.min(axis=1) >= -LARGEST) & (piece.max(axis=1) <= LARGEST)
        return (rows, pieces) if usable.all() else (rows[usable], _chosen(pieces, usable))

    def project(self, part: int, axes: dict[str, Matrix]) -> dict[str, Matrix]:
        """All networks of a part along axes: layer -> [network, axis]; NaN where it failed."""
        weights = self.zoo.part_weights(part)
        with np.errstate(invalid="ignore", over="ignore"):
            return {
                layer.name: project(layer.pieces(weights), axes[layer.name])
                for layer in self.layers
            }

    def labels(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """The classes of networks."""
        return self._labels[rows]


def _chosen(
    pieces: dict[str, list[Matrix]], networks: NDArray[np.bool_]
) -> dict[str, list[Matrix]]:
    return {name: [piece[networks] for piece in own] for name, own in pieces.items()}


def _first_look(
    reader: _Reader, decimals: int, workers: int
) -> tuple[dict[str, Bins], dict[str, Matrix]]:
    """Bins and first axes of every layer, from a sample of networks spread over the parts."""
    parts = reader.zoo.parts_complete
    size = sample_size(len(reader.zoo))
    step = max(1, len(parts) * PART_SIZE // (size + PART_SIZE))
    spread = parts[::step]
    sample: dict[str, list[Matrix]] = {layer.name: [] for layer in reader.layers}
    networks = 0
    ordered = [*spread, *(part for part in parts if part not in spread)]
    found = map_in_order(reader.read_finite, ordered, workers)
    for part, (rows, pieces) in zip(ordered, found, strict=False):
        rows = rows[: size - networks]
        reader.sampled[rows] = True
        for name, own in pieces.items():
            sample[name].append(np.concatenate([piece[: len(rows)] for piece in own], axis=1))
        networks += len(rows)
        # Beyond the spread parts one looks only for any network at all.
        if networks == size or (networks and part == spread[-1]):
            break
    if not networks:
        raise AnalysisError(
            f"all {len(reader.zoo)} networks of {reader.zoo.path} failed or have weights that are "
            f"not finite or beyond {LARGEST:.0e}; there is nothing to analyse"
        )

    def choose(layer: Layer) -> tuple[str, Bins, Matrix]:
        matrix = np.concatenate(sample.pop(layer.name))
        bins = choose_bins(matrix[:_RANGE_SAMPLE], _BINS, decimals)
        return layer.name, bins, first_axes(matrix)

    chosen = list(map_in_order(choose, reader.layers, workers))
    return {name: bins for name, bins, _ in chosen}, {name: axes for name, _, axes in chosen}


@dataclass(kw_only=True)
class _Sums:
    """What the first pass finds in some parts."""

    parts: list[int]
    rows: list[NDArray[np.int64]]
    counts: dict[str, LayerCounts]
    networks: dict[str, list[NDArray[np.uint32]]]
    moments: dict[str, Moments]


def _sums(
    reader: _Reader, parts: Sequence[int], bins: dict[str, Bins], axes: dict[str, Matrix]
) -> _Sums:
    total = _Sums(parts=list(parts), rows=[], counts={}, networks={}, moments={})
    for part in parts:
        rows, pieces = reader.read(part)
        counted = _counts(reader, rows, pieces, bins)
        if counted is None:
            rows, pieces = reader.read_finite(part)
            counted = _counts(reader, rows, pieces, bins)
        total.rows.append(rows)
        for name, counts in (counted or {}).items():
            if name not in total.counts:
                total.counts[name], total.networks[name] = counts, []
                total.moments[name] = Moments.zeros(len(counts.classes), *axes[name].shape)
            else:
                total.counts[name].add(counts)
            total.networks[name].append(counts.networks)
            total.moments[name].include(
                pieces[name], reader.labels(rows), axes[name], reader.sampled[rows]
            )
    return total


def _counts(
    reader: _Reader,
    rows: NDArray[np.int64],
    pieces: dict[str, list[Matrix]],
    bins: dict[str, Bins],
) -> dict[str, LayerCounts] | None:
    """Counts of every layer; of none where there are no networks; None as `count_layer`."""
    counted = {}
    for name, own in pieces.items() if len(rows) else ():
        counts = count_layer(own, reader.labels(rows), len(reader.zoo.classes), bins[name])
        if counts is None:
            return None
        counted[name] = counts
    return counted


def _joined(total: _Sums | None, found: _Sums) -> _Sums:
    """Add what was found in later parts."""
    if total is None or not total.counts:
        found.moments = {name: moments.widened() for name, moments in found.moments.items()}
    if total is None:
        return found
    total.parts += found.parts
    total.rows += found.rows
    if not total.counts:
        total.counts, total.networks, total.moments = found.counts, found.networks, found.moments
        return total
    for name, counts in found.counts.items():
        total.counts[name].add(counts)
        total.networks[name] += found.networks[name]
        total.moments[name].add(found.moments[name])
    return total


def _weights(reader: _Reader, sums: _Sums, projected: dict[str, list[Matrix]]) -> Weights:
    zoo, rows = reader.zoo, np.concatenate(sums.rows)
    studied = set(rows.tolist())
    structure = {}
    for name, moments in sums.moments.items():
        sums.counts[name].networks = np.concatenate(sums.networks[name])
        structure[name] = Structure(
            components=components(np.concatenate(projected[name])[rows], moments, _COMPONENTS),
            distances=distances(moments),
        )
    return Weights(
        classes=zoo.classes,
        layers=reader.layers,
        ids=tuple(zoo.ids[row] for row in rows),
        labels=reader.labels(rows),
        left_out=tuple(name for row, name in enumerate(zoo.ids) if row not in studied),
        counts=sums.counts,
        structure=structure,
    )
