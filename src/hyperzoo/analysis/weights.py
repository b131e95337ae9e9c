"""The reading of a zoo's weights that all studies of weights share.

First a sample of parts is read, for the range of the bins and the first principal axes; then all
parts, for counts and sums; then all again, for the networks' places along better axes. Parts are
worked on by all cores, each dropped before the next, and their results are joined in order.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from hyperzoo.analysis.counts import Bins, LayerCounts, choose_bins, count_layer
from hyperzoo.analysis.layers import Layer, layers_of
from hyperzoo.analysis.stream import Meter, map_in_order
from hyperzoo.analysis.structure import (
    SAMPLE,
    Matrix,
    Moments,
    Structure,
    better_axes,
    components,
    distances,
    first_axes,
)
from hyperzoo.errors import AnalysisError
from hyperzoo.plan import PART_SIZE
from hyperzoo.zoo import Zoo

FEWEST_DECIMALS, MOST_DECIMALS = 1, 5
"""What weights may be rounded to; the grid itself has at least 4 decimals."""

_GRID_DECIMALS = 4
Extremes = tuple[NDArray[np.float32], NDArray[np.float32]]

_BINS = 100
_COMPONENTS = 4
_TASK = 4
"""Parts that are worked on as one: fewer results to join."""


@dataclass(frozen=True, kw_only=True)
class Weights:
    """What the studies of a zoo's weights start from.

    Attributes:
        classes: the classes, in the zoo's order.
        layers: the layers, in the network's order.
        ids: the networks that are studied, in the zoo's order.
        labels: int64 [network], the class of each of them.
        left_out: the networks that are not: failed, or with weights that are not finite.
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

    Networks that failed, and those with a weight that is not finite, are left out.

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
    bins, axes = _first_look(reader, decimals)
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
    axes = {name: better_axes(total.moments[name], old) for name, old in axes.items()}
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
    """Reads the networks of parts that can be studied."""

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

    def read(
        self, part: int, buffers: dict[tuple[str, int], Matrix]
    ) -> tuple[NDArray[np.int64], dict[str, Matrix], dict[str, Extremes]]:
        """The networks of a part that can be studied.

        Args:
            part: the part.
            buffers: memory that is used again and again: what the last call with them returned
                is lost.

        Returns:
            Their rows in the zoo; layer -> [network, number]; and layer -> the least and the
            greatest weight of each network.
        """
        weights = self.zoo.part_weights(part)
        rows = self._rows[part]
        usable = ~self._failed[rows]
        matrices: dict[str, Matrix] = {}
        extremes: dict[str, Extremes] = {}
        for layer in self.layers:
            key = (layer.name, len(rows))
            if key not in buffers:
                buffers[key] = np.empty((len(rows), layer.size), np.float32)
            matrices[layer.name] = matrix = layer.matrix(weights, buffers[key])
            extremes[layer.name] = (matrix.min(axis=1), matrix.max(axis=1))
            # Not finite where any weight is not.
            usable &= np.isfinite(extremes[layer.name]).all(axis=0)
        if not usable.all():
            matrices = {name: matrix[usable] for name, matrix in matrices.items()}
            extremes = {name: (low[usable], high[usable]) for name, (low, high) in extremes.items()}
        return rows[usable], matrices, extremes

    def project(self, part: int, axes: dict[str, Matrix]) -> dict[str, Matrix]:
        """All networks of a part along axes: layer -> [network, axis]; NaN where it failed."""
        weights = self.zoo.part_weights(part)
        projected = {}
        with np.errstate(invalid="ignore", over="ignore"):
            for layer in self.layers:
                own = axes[layer.name]
                found = np.zeros((len(self._rows[part]), own.shape[1]), np.float32)
                begin = 0
                for piece in layer.pieces(weights):
                    found += piece @ own[begin : begin + piece.shape[1]]
                    begin += piece.shape[1]
                projected[layer.name] = found
        return projected

    def labels(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """The classes of networks."""
        return self._labels[rows]


def _first_look(reader: _Reader, decimals: int) -> tuple[dict[str, Bins], dict[str, Matrix]]:
    """Bins and first axes of every layer, from a sample of networks spread over the parts."""
    parts = reader.zoo.parts_complete
    step = -(-len(parts) * PART_SIZE // SAMPLE)
    spread = parts[:: max(step, 1)]
    sample: dict[str, list[Matrix]] = {layer.name: [] for layer in reader.layers}
    networks = 0
    for part in [*spread, *(part for part in parts if part not in spread)]:
        rows, matrices, _ = reader.read(part, {})
        for name, matrix in matrices.items():
            sample[name].append(matrix[: SAMPLE - networks])
        networks = min(SAMPLE, networks + len(rows))
        # Beyond the spread parts one looks only for any network at all.
        if networks == SAMPLE or (networks and part == spread[-1]):
            break
    if not networks:
        raise AnalysisError(
            f"all {len(reader.zoo)} networks of {reader.zoo.path} failed or have weights that are "
            "not finite; there is nothing to analyse"
        )
    bins, axes = {}, {}
    for layer in reader.layers:
        matrix = np.concatenate(sample.pop(layer.name))
        bins[layer.name] = choose_bins(matrix, _BINS, decimals)
        axes[layer.name] = first_axes(matrix)
    return bins, axes


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
    classes = len(reader.zoo.classes)
    total = _Sums(parts=list(parts), rows=[], counts={}, networks={}, moments={})
    buffers: dict[tuple[str, int], Matrix] = {}
    for part in parts:
        rows, matrices, extremes = reader.read(part, buffers)
        total.rows.append(rows)
        labels = reader.labels(rows)
        for name, matrix in matrices.items() if len(rows) else ():
            counts = count_layer(matrix, labels, classes, bins[name], extremes[name])
            if name not in total.counts:
                total.counts[name], total.networks[name] = counts, [counts.networks]
                total.moments[name] = Moments.zeros(classes, *axes[name].shape)
            else:
                total.counts[name].add(counts)
                total.networks[name].append(counts.networks)
            total.moments[name].include(matrix, labels, axes[name])
    return total


def _joined(total: _Sums | None, found: _Sums) -> _Sums:
    """Add what was found in later parts."""
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
