"""How different the weights of two classes are, layer by layer, and how much of that is noise.

Two measures on common bins of equal width (`LayerCounts.bins`):

- the Jensen-Shannon *divergence* (Lin, "Divergence measures based on the Shannon entropy", IEEE
  Transactions on Information Theory 37, 1991), not its square root, the distance; with the
  logarithm to base 2, so in bits, from 0 (equal) to 1 (no value in common);
- the Wasserstein-1 distance, how far weights must be moved on average to turn one distribution
  into the other, in units of the layer's standard deviation over all classes.

Both are above 0 for any two finite sets of networks. So each comes with what says how much of it
is signal: a correction and an interval (`estimates.py`), and the same measure between two random
halves of one class.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from hyperzoo.analysis.distributions import moments
from hyperzoo.analysis.estimates import LEVEL, Estimates, known_or_none
from hyperzoo.analysis.layers import Layer
from hyperzoo.analysis.resampling import bootstrap, halves
from hyperzoo.analysis.weights import Weights
from hyperzoo.errors import AnalysisError

Array = NDArray[np.float64]


def jensen_shannon(first: Array, second: Array) -> Array:
    """Jensen-Shannon divergence in bits.

    Args:
        first: [..., bin], counts or shares; normalised here.
        second: the same.

    Returns:
        [...], from 0 to 1; NaN where there is nothing counted.
    """
    return _jensen_shannon(_with_entropy(first), _with_entropy(second))


def _shares(counts: Array) -> Array:
    with np.errstate(invalid="ignore"):
        shares: Array = counts / counts.sum(axis=-1, keepdims=True)
    return shares


def _entropy(shares: Array) -> Array:
    # 0 log 0 is 0, and what is unknown stays so.
    entropy: Array = -(shares * np.log2(np.where(shares == 0, 1.0, shares))).sum(axis=-1)
    return entropy


def _with_entropy(counts: Array) -> Array:
    """The shares [..., bin], and one more: their entropy."""
    shares = _shares(counts)
    return np.concatenate([shares, _entropy(shares)[..., None]], axis=-1)


def _jensen_shannon(first: Array, second: Array) -> Array:
    middle = (first + second) / 2
    return np.clip(_entropy(middle[..., :-1]) - middle[..., -1], 0.0, 1.0)


def wasserstein(first: Array, second: Array) -> Array:
    """Wasserstein-1 distance in bin widths: the area between the cumulated distributions.

    Args:
        first: [..., bin], counts or shares; normalised here.
        second: the same.
    """
    return _wasserstein(_cumulated(first), _cumulated(second))


def _cumulated(counts: Array) -> Array:
    cumulated: Array = _shares(counts).cumsum(axis=-1)
    return cumulated


def _wasserstein(first: Array, second: Array) -> Array:
    area: Array = np.abs(first - second).sum(axis=-1)
    return area


MEASURES: dict[str, tuple[Callable[[Array], Array], Callable[[Array, Array], Array]]] = {
    "jensen_shannon": (_with_entropy, _jensen_shannon),
    "wasserstein": (_cumulated, _wasserstein),
}
"""What is made of counts once, and what two of those are compared by."""

POWER = {"jensen_shannon": 1, "wasserstein": 2}
"""The power of a measure whose bias falls as one over the number of networks."""


@dataclass(frozen=True, kw_only=True)
class Divergence:
    """Differences between the classes of a zoo.

    In all tables `measure` is "jensen_shannon" (bits) or "wasserstein" (standard deviations of
    the layer's weights over all classes).

    Attributes:
        pairs: a row a measure, layer and pair of classes. value: over all networks; corrected:
            that less the bias that halves show, not below 0; low, high: the basic bootstrap
            interval of it; halves: the mean over random halves of both classes; noise: the
            mean over the two halves of the same class; noise_high: the 95 % quantile of those;
            distinct: whether halves lies above noise_high. Null where a class has too few
            networks: 2 for the bootstrap, 4 for halves.
        within: a row a measure, layer and class: networks, and noise and noise_high of its halves.
        layers: a row a measure and layer: weights (of one network), pairs (of classes), distinct
            (pairs), the means over the pairs of value, corrected, halves and noise, low and high
            of corrected's; least, most: the share of bootstrap draws in which the layer's mean is
            the least, the greatest of all layers'.
    """

    pairs: pa.Table
    within: pa.Table
    layers: pa.Table


def divergence(
    weights: Weights, *, seed: int = 0, draws: int = 200, splits: int = 50
) -> Divergence:
    """Compare the classes of a zoo by the distributions of their weights.

    Args:
        weights: the studied weights.
        seed: of the bootstrap and of the halves; for all layers the same networks are drawn.
        draws: bootstrap samples.
        splits: random halves of each class.

    Raises:
        AnalysisError: fewer than two classes have networks.
    """
    places = np.unique(weights.labels)
    if len(places) < 2:
        raise AnalysisError(
            f"divergence compares classes, but the networks that can be studied are all of "
            f"{len(places)} class; expected at least 2"
        )
    names = [weights.classes[place] for place in places]
    rows = [np.flatnonzero(weights.labels == place) for place in places]
    sizes = [len(r) for r in rows]
    drawn = [bootstrap(n, len(r), draws, seed) for n, r in zip(names, rows, strict=True)]
    halved = [halves(n, len(r), splits, seed) for n, r in zip(names, rows, strict=True)]

    def compare(layer: Layer) -> dict[tuple[str, str], _Compared]:
        counts = weights.counts[layer.name].networks.astype(np.float64)
        samples = _Samples.of([counts[r] for r in rows], drawn, halved)
        return {
            (measure, layer.name): _compare(
                samples, measure, _scale(weights, layer.name, measure), sizes
            )
            for measure in MEASURES
        }

    compared: dict[tuple[str, str], _Compared] = {}
    # Threads would wait for each other more than they work: everything here is small.
    with threadpool_limits(1, "blas"):
        for layer in weights.layers:
            compared |= compare(layer)
    return _tables(weights, compared, names, sizes)


def _tables(
    weights: Weights,
    compared: dict[tuple[str, str], "_Compared"],
    names: list[str],
    sizes: list[int],
) -> Divergence:
    pairs: list[dict[str, object]] = []
    within: list[dict[str, object]] = []
    layers: list[dict[str, object]] = []
    for measure in MEASURES:
        own, mean_draws = [], []
        for layer in weights.layers:
            found = compared[measure, layer.name]
            where: dict[str, object] = {"measure": measure, "layer": layer.name}
            own_pairs = _pair_rows(found, names)
            pairs += [where | row for row in own_pairs]
            within += [where | row for row in _within_rows(found, names, sizes)]
            mean = found.estimates.mean()
            own.append(where | {"weights": layer.size} | _layer_row(found, mean, own_pairs))
            mean_draws.append(mean.turned()[:, 0])
        _add_ranks(own, np.stack(mean_draws))
        layers += own
    return Divergence(
        pairs=pa.Table.from_pylist(pairs),
        within=pa.Table.from_pylist(within),
        layers=pa.Table.from_pylist(layers),
    )


@dataclass(frozen=True, kw_only=True)
class _Samples:
    """Counts in bins of one layer: [class, bin], [draw, class, bin] and [split, class, bin]."""

    all: Array
    drawn: Array
    one_half: Array
    other_half: Array

    @staticmethod
    def of(counts: list[Array], drawn: list[Array], halved: list[Array]) -> "_Samples":
        """From the networks' counts of every class, [network, bin], and the draws of each."""

        def sums(chosen: list[Array]) -> Array:
            return np.stack([c @ own for c, own in zip(chosen, counts, strict=True)], axis=1)

        return _Samples(
            all=np.stack([own.sum(axis=0) for own in counts]),
            drawn=sums(drawn),
            # A comparison with NaN is False, and networks too few would count as none.
            one_half=sums([np.where(np.isnan(h), np.nan, h > 0) for h in halved]),
            other_half=sums([np.where(np.isnan(h), np.nan, h < 0) for h in halved]),
        )


@dataclass(frozen=True, kw_only=True)
class _Compared:
    """One measure in one layer; NaN where there are too few networks.

    Attributes:
        pairs: the pairs of classes.
        estimates: [pair].
        noise: [split, class], between halves of one class.
    """

    pairs: list[tuple[int, int]]
    estimates: Estimates
    noise: Array


def _compare(samples: _Samples, measure: str, scale: float, sizes: list[int]) -> _Compared:
    prepare, compare = MEASURES[measure]
    pairs = list(itertools.combinations(range(len(samples.all)), 2))

    def over_pairs(prepared: Array) -> Array:
        values = [compare(prepared[..., a, :], prepared[..., b, :]) for a, b in pairs]
        return scale * np.stack(values, axis=-1)

    one_half = prepare(samples.one_half)
    networks = np.array(sizes, np.float64)
    # A single network has no halves: its values are unknown, whatever their bias is divided by.
    both = np.stack([networks, np.maximum(1.0, networks // 2)])
    inverse = np.stack([1 / both[:, a] + 1 / both[:, b] for a, b in pairs], axis=1)
    return _Compared(
        pairs=pairs,
        estimates=Estimates(
            power=POWER[measure],
            value=over_pairs(prepare(samples.all)),
            drawn=over_pairs(prepare(samples.drawn)),
            halves=over_pairs(one_half),
            inverse=inverse,
        ),
        noise=scale * compare(one_half, prepare(samples.other_half)),
    )


def _scale(weights: Weights, layer: str, measure: str) -> float:
    """What turns a measure on bins into its unit."""
    if measure == "jensen_shannon":
        return 1.0
    counts = weights.counts[layer]
    spread = moments(counts.values, counts.classes.sum(axis=0))["sd"]
    width = np.diff(counts.bins.limits[:2])[0]
    return float(width) / spread if spread else 0.0


def _pair_rows(compared: _Compared, names: list[str]) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    # [split and class of the pair, pair]
    noises = np.concatenate(compared.noise[:, np.array(compared.pairs)].swapaxes(1, 2))
    estimates, highs = compared.estimates.rows(), np.quantile(noises, LEVEL, 0)
    for place, (a, b) in enumerate(compared.pairs):
        noise, high = noises[:, place], highs[place]
        halves_mean = compared.estimates.halves[:, place].mean()
        known = not np.isnan(halves_mean)
        rows.append(
            {
                "class_a": names[a],
                "class_b": names[b],
                **estimates[place],
                "halves": known_or_none(halves_mean),
                "noise": known_or_none(noise.mean()),
                "noise_high": known_or_none(high),
                "distinct": bool(halves_mean > high) if known else None,
            }
        )
    return rows


def _within_rows(
    compared: _Compared, names: list[str], sizes: list[int]
) -> list[dict[str, object]]:
    return [
        {
            "class": name,
            "networks": size,
            "noise": known_or_none(noise.mean()),
            "noise_high": known_or_none(np.quantile(noise, LEVEL)),
        }
        for name, size, noise in zip(names, sizes, compared.noise.T, strict=True)
    ]


def _layer_row(
    compared: _Compared, mean: Estimates, pairs: list[dict[str, object]]
) -> dict[str, object]:
    distinct = [row["distinct"] for row in pairs]
    known = None not in distinct
    (overall,) = mean.rows()
    return {
        "pairs": len(compared.pairs),
        "distinct": sum(map(bool, distinct)) if known else None,
        **overall,
        "halves": known_or_none(mean.halves.mean()),
        "noise": known_or_none(compared.noise.mean()),
    }


def _add_ranks(rows: list[dict[str, object]], drawn: Array) -> None:
    """Add how often each layer's mean is the least and the greatest; drawn is [layer, draw]."""
    known = not np.isnan(drawn).any()
    for place, row in enumerate(rows):
        row["least"] = float((drawn.argmin(axis=0) == place).mean()) if known else None
        row["most"] = float((drawn.argmax(axis=0) == place).mean()) if known else None
