"""Counts of weights on a fine grid: what all distributions of weights are computed from.

A weight w lies at the grid point round(w * 10**decimals), halves to even. At 4 decimals a weight
moves by at most 5e-5, against a standard deviation of some 5e-2, so that whole studies need the
weights themselves only once. Per class there is a count for every grid point, per network one for
every bin of some hundred grid points: enough to draw networks anew (the bootstrap) without
reading weights again.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hyperzoo.analysis import compiled as kernels

FARTHEST = 2**17
"""The grid ends at plus and minus this many points (13.1 at 4 decimals); weights beyond count
there."""

LARGEST = 1e15
"""Networks with a larger weight, plus or minus, are not studied: sums of their squares overflow."""

_BLOCK = 2**16
"""Weights that are counted at once: as many as stay in a core's cache with their grid points."""


@dataclass(frozen=True, kw_only=True)
class Bins:
    """Bins of equal width, common to all classes; the first and last hold all beyond as well.

    Attributes:
        edges: int64 [bin + 1], grid points; bin i holds edges[i] <= point < edges[i + 1].
        decimals: those of the grid.
    """

    edges: NDArray[np.int64]
    decimals: int

    @property
    def limits(self) -> NDArray[np.float64]:
        """The edges as weights: [bin + 1]. A grid point stands for the half unit on either side."""
        return np.asarray((self.edges - 0.5) / 10.0**self.decimals, np.float64)

    def __len__(self) -> int:
        return len(self.edges) - 1


def choose_bins(values: NDArray[np.float32], count: int, decimals: int) -> Bins:
    """Bins that cover a sample of a layer's weights: 5 standard deviations, or less if it is less.

    Args:
        values: finite weights of any shape.
        count: how many bins, at least 2.
        decimals: of the grid.
    """
    mean, spread = float(values.mean()), float(values.std())
    low = max(float(values.min()), mean - 5 * spread)
    high = min(float(values.max()), mean + 5 * spread)
    unit = 10.0**decimals
    first = int(np.clip(np.rint(low * unit), -FARTHEST, FARTHEST))
    last = int(np.clip(np.rint(high * unit), -FARTHEST, FARTHEST))
    width = max(1, -(-(last + 1 - first) // count))
    return Bins(edges=first + width * np.arange(count + 1), decimals=decimals)


@dataclass(kw_only=True)
class LayerCounts:
    """How many weights of a layer lie where.

    Attributes:
        bins: the bins of `networks`.
        low: the grid point of the first column of `classes`.
        classes: int64 [class, grid point].
        networks: uint32 [network, bin].
        least: float32 [class], the least weight; plus infinity where there is none.
        greatest: float32 [class], the greatest weight; minus infinity where there is none.
        beyond: int64 [class], weights beyond the end of the grid.
    """

    bins: Bins
    low: int
    classes: NDArray[np.int64]
    networks: NDArray[np.uint32]
    least: NDArray[np.float32]
    greatest: NDArray[np.float32]
    beyond: NDArray[np.int64]

    @property
    def decimals(self) -> int:
        """The decimals of the grid."""
        return self.bins.decimals

    @property
    def points(self) -> NDArray[np.int64]:
        """The grid points of `classes`: [grid point]."""
        return self.low + np.arange(self.classes.shape[1])

    @property
    def values(self) -> NDArray[np.float64]:
        """The weights that the grid points stand for: [grid point]."""
        return self.points / 10.0**self.decimals

    def add(self, other: "LayerCounts") -> None:
        """Add the counts of other networks of the same classes and layer.

        The networks' own counts are not joined: that is done for many at once, in the end.
        """
        low = min(self.low, other.low)
        end = max(self.low + self.classes.shape[1], other.low + other.classes.shape[1])
        if (low, end - low) != (self.low, self.classes.shape[1]):
            wider = np.zeros((len(self.classes), end - low), np.int64)
            begin = self.low - low
            wider[:, begin : begin + self.classes.shape[1]] = self.classes
            self.low, self.classes = low, wider
        begin = other.low - low
        self.classes[:, begin : begin + other.classes.shape[1]] += other.classes
        self.least = np.minimum(self.least, other.least)
        self.greatest = np.maximum(self.greatest, other.greatest)
        self.beyond += other.beyond


def count_layer(
    pieces: Sequence[NDArray[np.float32]],
    labels: NDArray[np.int64],
    classes: int,
    bins: Bins,
    *,
    compiled: bool | None = None,
) -> LayerCounts | None:
    """Count one layer's weights of some networks.

    Args:
        pieces: the layer's parameters, each [network, number].
        labels: [network], the class of each, from 0.
        classes: how many classes there are.
        bins: the bins of the networks' own counts; their decimals are the grid's.
        compiled: whether the compiled kernel counts; None where it was built.

    Returns:
        The counts; None where a weight is not finite or beyond `LARGEST`.
    """
    width = int(bins.edges[-1] - bins.edges[0])
    window = (int(bins.edges[0]) - width // 2, 2 * width + 2)
    if kernels.is_available() if compiled is None else compiled:
        counted = _count_compiled(pieces, labels, _nothing(len(labels), classes, bins, window))
        if counted is not None:
            return counted
    least = np.min([piece.min(axis=1) for piece in pieces], axis=0)
    greatest = np.max([piece.max(axis=1) for piece in pieces], axis=0)
    # Not true of what is not a number.
    if not ((least >= -LARGEST).all() and (greatest <= LARGEST).all()):
        return None
    unit = 10.0**bins.decimals
    reach = np.clip(np.rint([least.min() * unit, greatest.max() * unit]), -FARTHEST, FARTHEST)
    # The bins belong to the window, so that no edge lies outside.
    low = min(int(reach[0]), int(bins.edges[0]))
    span = max(int(reach[1]), int(bins.edges[-1])) + 1 - low
    counted = _nothing(len(labels), classes, bins, (low, span))
    np.minimum.at(counted.least, labels, least)
    np.maximum.at(counted.greatest, labels, greatest)
    clip = max(-float(least.min()), float(greatest.max())) * unit > FARTHEST
    for piece in pieces:
        _count_piece(piece, labels, counted, clip=clip)
    return counted


def _nothing(networks: int, classes: int, bins: Bins, window: tuple[int, int]) -> LayerCounts:
    """Counts of nothing, for grid points from window[0] on, window[1] of them."""
    return LayerCounts(
        bins=bins,
        low=window[0],
        classes=np.zeros((classes, window[1]), np.int64),
        networks=np.zeros((networks, len(bins)), np.uint32),
        least=np.full(classes, np.inf, np.float32),
        greatest=np.full(classes, -np.inf, np.float32),
        beyond=np.zeros(classes, np.int64),
    )


def _count_compiled(
    pieces: Sequence[NDArray[np.float32]], labels: NDArray[np.int64], counted: LayerCounts
) -> LayerCounts | None:
    """Count by the compiled kernel; None where a weight is not finite or far from the bins."""
    bin_of = _bins_of(counted.points, counted.bins).astype(np.uint16)
    least = np.full(len(labels), np.inf, np.float32)
    greatest = np.full(len(labels), -np.inf, np.float32)
    for piece in pieces:
        if not kernels.count(
            np.require(piece, np.float32, ["C", "A"]),
            (counted.low, len(bin_of)),
            10.0**counted.decimals,
            labels,
            bin_of,
            counted.classes,
            counted.networks,
            least,
            greatest,
        ):
            return None
    np.minimum.at(counted.least, labels, least)
    np.maximum.at(counted.greatest, labels, greatest)
    unit = 10.0**counted.decimals
    # Only where the window reaches the grid's end can there be any beyond it.
    if max(-float(least.min()), float(greatest.max())) * unit > FARTHEST:
        return None
    return counted


def _count_piece(
    piece: NDArray[np.float32], labels: NDArray[np.int64], counted: LayerCounts, *, clip: bool
) -> None:
    """Add one parameter's weights, block by block."""
    rows = max(1, _BLOCK // piece.shape[1])
    scaled = np.empty((rows, piece.shape[1]), np.float32)
    points = np.empty((rows, piece.shape[1]), np.intp)
    for begin in range(0, len(piece), rows):
        block, own = piece[begin : begin + rows], labels[begin : begin + rows]
        _to_grid(block, own, scaled[: len(block)], points[: len(block)], counted, clip=clip)
        networks = counted.networks[begin : begin + rows]
        if len(block) == 1:
            _add_large(points[0], int(own[0]), networks[0], counted)
        else:
            _add_small(points[: len(block)], own, networks, counted)


def _to_grid(
    block: NDArray[np.float32],
    labels: NDArray[np.int64],
    scaled: NDArray[np.float32],
    points: NDArray[np.intp],
    counted: LayerCounts,
    *,
    clip: bool,
) -> None:
    """The columns of `counted.classes` in which the weights of a block lie, into `points`."""
    np.multiply(block, np.float32(10.0**counted.decimals), out=scaled)
    np.rint(scaled, out=scaled)
    if clip:
        np.add.at(counted.beyond, labels, (np.abs(scaled) > FARTHEST).sum(axis=1))
        np.clip(scaled, -FARTHEST, FARTHEST, out=scaled)
    # Whole numbers below 2**24, so that the difference is exact.
    scaled -= np.float32(counted.low)
    np.copyto(points, scaled, casting="unsafe")


def _add_large(
    points: NDArray[np.intp], label: int, network: NDArray[np.uint32], counted: LayerCounts
) -> None:
    """Add one network that has more weights than the grid has points, or nearly as many."""
    counts = np.bincount(points, minlength=counted.classes.shape[1])
    counted.classes[label] += counts
    starts = counted.bins.edges[:-1] - counted.low
    starts[0] = 0  # the first bin holds all below as well, the last all above
    network += np.add.reduceat(counts, starts).astype(np.uint32)


def _add_small(
    points: NDArray[np.intp],
    labels: NDArray[np.int64],
    networks: NDArray[np.uint32],
    counted: LayerCounts,
) -> None:
    """Add several networks at once."""
    for label in np.unique(labels):
        counts = np.bincount(points[labels == label].ravel(), minlength=counted.classes.shape[1])
        counted.classes[label] += counts
    bins = len(counted.bins)
    place = _bins_of(points + counted.low, counted.bins)
    place += bins * np.arange(len(points))[:, None]
    sums = np.bincount(place.ravel(), minlength=bins * len(points))
    networks += sums.reshape(len(points), bins).astype(np.uint32)


def _bins_of(points: NDArray[np.intp], bins: Bins) -> NDArray[np.intp]:
    """The bin of each grid point; the first holds all below as well, the last all above."""
    place: NDArray[np.intp] = (points - bins.edges[0]) // (bins.edges[1] - bins.edges[0])
    np.clip(place, 0, len(bins) - 1, out=place)
    return place
