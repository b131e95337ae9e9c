"""The shape of the cloud that a layer's networks form: principal components, distances.

Everything works on blocks of networks, float32 [network, parameter], so that a zoo is read in
passes and never copied; a matrix in memory (aligned networks, say) is one block.

Principal components follow Halko, Martinsson and Tropp, "Finding structure with randomness",
SIAM Review 53 (2011), algorithm 4.4 (subspace iteration) with one difference: the start is not a
random matrix but the principal axes of a sample of networks, which costs little and is closer.
The networks of the sample are left out of the iteration: axes made of them suit them by chance,
and where nothing stands out they would look like outliers.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hyperzoo.analysis import compiled as kernels
from hyperzoo.errors import AnalysisError

Matrix = NDArray[np.float32]

EXACT = 512
"""A zoo of no more networks has its exact components."""

_SAMPLE = 256
"""Networks of a larger zoo from which the first axes are made."""

_AXES = 8
"""Axes that are carried along; the first few of them are good."""


@dataclass(kw_only=True)
class Moments:
    """Sums over networks that means, distances and principal axes follow from.

    Attributes:
        count: int64 [class], networks.
        sums: [class, parameter], sum of the networks.
        squares: float64 [class], sum of the networks' squared lengths.
        product: [parameter, axis], X^T X V for the networks X outside of the sample, axes V.
    """

    count: NDArray[np.int64]
    sums: NDArray[np.floating]
    squares: NDArray[np.float64]
    product: NDArray[np.floating]

    @staticmethod
    def zeros(classes: int, parameters: int, axes: int) -> "Moments":
        """Of no networks; in float32, which is exact enough for some hundred."""
        return Moments(
            count=np.zeros(classes, np.int64),
            sums=np.zeros((classes, parameters), np.float32),
            squares=np.zeros(classes),
            product=np.zeros((parameters, axes), np.float32),
        )

    def widened(self) -> "Moments":
        """The same in float64, to add many others to."""
        return replace(
            self, sums=self.sums.astype(np.float64), product=self.product.astype(np.float64)
        )

    def include(
        self,
        pieces: Sequence[Matrix],
        labels: NDArray[np.int64],
        axes: Matrix,
        sampled: NDArray[np.bool_],
    ) -> None:
        """Add the sums over a block of networks.

        Args:
            pieces: the networks' parameters, each [network, number]; side by side they are
                [network, parameter].
            labels: [network], the class of each.
            axes: [parameter, axis].
            sampled: [network], whether it belongs to the sample that the axes are made of.
        """
        self.count += np.bincount(labels, minlength=len(self.count))
        along = project(pieces, axes)
        along[sampled] = 0
        begin = 0
        for piece in pieces:
            own = slice(begin, begin + piece.shape[1])
            _add_sums(piece, labels, self.sums[:, own], self.squares)
            _add_products(piece, along, self.product[own])
            begin = own.stop

    def add(self, other: "Moments") -> None:
        """Add the sums over other networks."""
        self.count += other.count
        self.sums += other.sums
        self.squares += other.squares
        self.product += other.product

    @property
    def mean(self) -> NDArray[np.float64]:
        """The mean network: [parameter]."""
        mean: NDArray[np.float64] = self.sums.sum(axis=0, dtype=np.float64) / self.count.sum()
        return mean


def project(pieces: Sequence[Matrix], axes: Matrix) -> Matrix:
    """Networks along axes: [network, axis], from pieces as `Moments.include` takes them."""
    found = np.zeros((len(pieces[0]), axes.shape[1]), np.float32)
    begin = 0
    for piece in pieces:
        own = axes[begin : begin + piece.shape[1]]
        if kernels.is_available() and axes.shape[1] == kernels.AXES:
            kernels.project(_whole(piece), _whole(own), found)
        else:
            found += piece @ own
        begin += piece.shape[1]
    return found


def _add_sums(
    piece: Matrix,
    labels: NDArray[np.int64],
    sums: NDArray[np.floating],
    squares: NDArray[np.float64],
) -> None:
    """Add networks to the sums of their classes, [class, number], and their squares, [class]."""
    if kernels.is_available() and sums.dtype == np.float32:
        kernels.add_sums(_whole(piece), labels, sums, squares)
        return
    member = (labels == np.arange(len(sums))[:, None]).astype(np.float32)
    sums += member @ piece
    np.add.at(squares, labels, np.einsum("np,np->n", piece, piece))


def _add_products(piece: Matrix, along: Matrix, product: NDArray[np.floating]) -> None:
    """Add the networks times what they have along axes, [network, axis]."""
    if kernels.is_available() and product.dtype == np.float32 and product.shape[1] == kernels.AXES:
        kernels.add_products(_whole(piece), along, product)
    else:
        product += piece.T @ along


def _whole(matrix: NDArray[np.floating]) -> Matrix:
    """The same as the kernels read it: contiguous and aligned."""
    return np.require(matrix, np.float32, ["C", "A"])


def sample_size(networks: int) -> int:
    """How many networks of a zoo the first axes are made of."""
    return networks if networks <= EXACT else _SAMPLE


def first_axes(sample: Matrix) -> Matrix:
    """The principal axes of a sample of networks.

    Args:
        sample: [network, parameter]; some hundred networks.

    Returns:
        [parameter, axis], orthonormal; at most `_AXES`, fewer for fewer networks.
    """
    centred = sample - sample.mean(axis=0)
    gram = (centred @ centred.T).astype(np.float64)
    _, vectors = np.linalg.eigh(gram)
    return _orthonormal(centred.T @ vectors[:, : -_AXES - 1 : -1].astype(np.float32))


def better_axes(moments: Moments, axes: Matrix, sampled: int) -> Matrix:
    """One subspace iteration: the axes times the covariance of the networks outside of the sample.

    Args:
        moments: of all networks.
        axes: [parameter, axis].
        sampled: how many networks are in the sample; where it is all, the axes are exact.
    """
    mean, networks = moments.mean, int(moments.count.sum()) - sampled
    if networks <= 0:
        return axes
    return _orthonormal(moments.product - networks * np.outer(mean, mean @ axes))


def _orthonormal(columns: NDArray[np.floating]) -> Matrix:
    return np.linalg.qr(columns)[0].astype(np.float32)


@dataclass(frozen=True, kw_only=True)
class Components:
    """Principal components of a layer's networks.

    Attributes:
        scores: float64 [network, component], mean 0, in the order of the networks.
        shares: float64 [component], share of the total variance, from 0 to 1, decreasing.
    """

    scores: NDArray[np.float64]
    shares: NDArray[np.float64]


def components(projected: Matrix, moments: Moments, count: int) -> Components:
    """Turn projections on axes to the principal directions within their span (Rayleigh-Ritz).

    Args:
        projected: [network, axis], the networks times the axes, not centred.
        moments: of the same networks.
        count: components to return; fewer where there are fewer axes.
    """
    centred = projected.astype(np.float64) - projected.mean(axis=0, dtype=np.float64)
    left, values, _ = np.linalg.svd(centred, full_matrices=False)
    # A component's sign is free: the largest score is positive.
    largest = left[np.abs(left).argmax(axis=0), np.arange(left.shape[1])]
    scores = left * values * np.where(largest < 0, -1.0, 1.0)
    total = total_variance(moments)
    shares = values**2 / total if total > 0 else np.zeros_like(values)
    return Components(scores=scores[:, :count], shares=shares[:count])


def total_variance(moments: Moments) -> float:
    """The sum of the squared distances of all networks to their mean."""
    mean = moments.mean
    return max(0.0, float(moments.squares.sum() - moments.count.sum() * (mean @ mean)))


@dataclass(frozen=True, kw_only=True)
class Distances:
    """How far networks of the same class and of different classes lie apart.

    Attributes:
        classes: float64 [class, class], root of the mean squared Euclidean distance between a
            network of the one and another network of the other; NaN where there is no pair.
        within: the same over all pairs of networks of the same class.
        between: the same over all pairs of networks of different classes.
        share: the share of the total variance that lies between the classes' means (eta squared).
        share_by_chance: the expectation of that share where classes do not matter,
            (classes - 1) / (networks - 1).
    """

    classes: NDArray[np.float64]
    within: float
    between: float
    share: float
    share_by_chance: float


def distances(moments: Moments) -> Distances:
    """Distances from sums: no pair of networks is looked at.

    The mean squared distance of independent x and y is |x|^2 + |y|^2 - 2 mean(x) mean(y) on
    average; within a class the pairs of a network with itself are left out.
    """
    count = moments.count.astype(np.float64)
    sums, squares = moments.sums, moments.squares
    inner = sums @ sums.T
    same = np.eye(len(count), dtype=bool)
    pairs = np.outer(count, count) - np.diag(count)
    # Summed over ordered pairs; a network with itself adds nothing to the sum.
    total = np.outer(count, squares) + np.outer(squares, count) - 2 * inner
    total = np.maximum(total, 0.0)
    occupied = int((count > 0).sum())
    spread = total_variance(moments)
    means = np.where(count > 0, np.diag(inner) / np.maximum(count, 1), 0.0).sum()
    between = means - count.sum() * float(moments.mean @ moments.mean)
    return Distances(
        classes=_root_mean(total, pairs),
        within=float(_root_mean(total[same].sum(), pairs[same].sum())),
        between=float(_root_mean(total[~same].sum(), pairs[~same].sum())),
        share=max(0.0, between) / spread if spread > 0 else float("nan"),
        share_by_chance=(occupied - 1) / (count.sum() - 1) if count.sum() > 1 else float("nan"),
    )


def _root_mean(total: NDArray[np.float64], pairs: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(invalid="ignore", divide="ignore"):
        root: NDArray[np.float64] = np.sqrt(np.asarray(total) / np.asarray(pairs))
    return root


@dataclass(frozen=True, kw_only=True)
class Structure:
    """Principal components of one layer's networks, and distances between them."""

    components: Components
    distances: Distances


def structure(
    blocks: Callable[[], Iterable[Matrix]],
    labels: Sequence[int] | NDArray[np.int64],
    classes: int,
    count: int = 2,
) -> Structure:
    """Study the networks of one layer, or of all, or of aligned ones.

    Args:
        blocks: gives the networks anew at each call, block by block, float32 [network, parameter].
            `lambda: [matrix]` does for a matrix.
        labels: [network], the class of each network, from 0.
        classes: how many classes there are.
        count: principal components to return.

    Raises:
        AnalysisError: there are no networks, or not as many as labels.
    """
    labels = np.asarray(labels, np.int64)
    if not len(labels):
        raise AnalysisError("there are no networks to study; expected at least one")
    size = sample_size(len(labels))
    sampled = np.full(len(labels), False)
    sampled[np.linspace(0, len(labels) - 1, size).round().astype(int)] = True
    found = [block[own] for block, own, _ in _with_rows(blocks(), sampled, labels)]
    axes = first_axes(np.concatenate(found))
    total = Moments.zeros(classes, *axes.shape).widened()
    for block, own, own_labels in _with_rows(blocks(), sampled, labels):
        total.include([block], own_labels, axes, own)
    axes = better_axes(total, axes, size)
    projected = np.concatenate([block @ axes for block in blocks()])
    return Structure(components=components(projected, total, count), distances=distances(total))


def _with_rows(
    blocks: Iterable[Matrix], sampled: NDArray[np.bool_], labels: NDArray[np.int64]
) -> Iterator[tuple[Matrix, NDArray[np.bool_], NDArray[np.int64]]]:
    """Every block with what belongs to its networks."""
    begin = 0
    for block in blocks:
        end = begin + len(block)
        yield block, sampled[begin:end], labels[begin:end]
        begin = end
    if begin != len(labels):
        raise AnalysisError(f"expected {len(labels)} networks, got {begin}")
