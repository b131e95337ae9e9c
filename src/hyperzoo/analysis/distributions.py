"""Distributions of weights: moments, quantiles, histograms; by class, by layer, by both.

All follow from the counts on the grid (`counts.py`), whose points stand for the weights. Against
the weights themselves a quantile is off by at most half a grid unit (5e-5 at 4 decimals), the
least and the greatest weight are exact.
"""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from hyperzoo.analysis.weights import Weights

ALL_CLASSES = "all classes"
ALL_LAYERS = "all layers"

BIN_LOW, BIN_HIGH = "bin low", "bin high"
"""Columns beside those of the classes: with a space, which no class's name has."""

QUANTILES = (0.001, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 0.999)

ZOOM, ZOOM_BINS = 0.2, 500
"""The published zoom on weights near zero: from -0.2 to 0.2 in 500 bins."""


def class_groups(weights: Weights) -> list[tuple[str, NDArray[np.int64]]]:
    """Names of the classes with their rows of `LayerCounts.classes`; all of them together last."""
    groups = [(name, np.array([row])) for row, name in enumerate(weights.classes)]
    if len(groups) > 1:
        groups.append((ALL_CLASSES, np.arange(len(groups))))
    return groups


def layer_groups(weights: Weights) -> list[tuple[str, tuple[str, ...]]]:
    """Names of the layers with what they hold; all of them together last."""
    groups: list[tuple[str, tuple[str, ...]]] = [
        (layer.name, (layer.name,)) for layer in weights.layers
    ]
    if len(groups) > 1:
        groups.append((ALL_LAYERS, tuple(layer.name for layer in weights.layers)))
    return groups


def grid_counts(
    weights: Weights, layers: tuple[str, ...]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Counts of the weights of several layers together.

    Returns:
        The weights that the grid points stand for, [grid point], increasing; and
        [class, grid point].
    """
    parts = [weights.counts[name] for name in layers]
    low = min(part.low for part in parts)
    end = max(part.low + part.classes.shape[1] for part in parts)
    counts = np.zeros((len(weights.classes), end - low), np.int64)
    for part in parts:
        begin = part.low - low
        counts[:, begin : begin + part.classes.shape[1]] += part.classes
    return (low + np.arange(end - low)) / 10.0 ** parts[0].decimals, counts


def moments_table(weights: Weights) -> pa.Table:
    """Moments and quantiles of the weights of every layer and class.

    Returns:
        A row a layer and class, all layers and all classes included. Columns: layer, class,
        networks, weights (how many), mean, sd (the population's), skewness, kurtosis (excess: 0
        for a normal distribution), least, greatest, q<...> for `QUANTILES`, beyond (weights that
        were counted at the grid's end).
    """
    rows = []
    for layer, layers in layer_groups(weights):
        values, counts = grid_counts(weights, layers)
        for name, members in class_groups(weights):
            own = counts[members].sum(axis=0)
            parts = [weights.counts[part] for part in layers]
            row: dict[str, object] = {
                "layer": layer,
                "class": name,
                "networks": int(np.isin(weights.labels, members).sum()),
                **moments(values, own),
                "least": _finite(min(part.least[members].min() for part in parts)),
                "greatest": _finite(max(part.greatest[members].max() for part in parts)),
            }
            levels = quantiles(values, own, QUANTILES)
            row |= {f"q{100 * q:g}": level for q, level in zip(QUANTILES, levels, strict=True)}
            row["beyond"] = int(sum(part.beyond[members].sum() for part in parts))
            rows.append(row)
    whole = ("networks", "weights", "beyond")
    types = {name: pa.int64() if name in whole else pa.float64() for name in rows[0]}
    types |= {"layer": pa.string(), "class": pa.string()}
    return pa.Table.from_pylist(rows, schema=pa.schema(list(types.items())))


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def moments(
    values: NDArray[np.float64], counts: NDArray[np.int64]
) -> dict[str, int | float | None]:
    """Count, mean, standard deviation, skewness and excess kurtosis of counted values.

    Skewness is m3 / m2^1.5 and excess kurtosis m4 / m2^2 - 3 with the central moments m of the
    population (Joanes and Gill, "Comparing measures of sample skewness and kurtosis", 1998, g1
    and g2).
    """
    number = int(counts.sum())
    if not number:
        return {"weights": 0, "mean": None, "sd": None, "skewness": None, "kurtosis": None}
    # Sums of products, not matrix products, whose threads would wait more than they work.
    mean = float((counts * values).sum()) / number
    centred = values - mean
    square = centred * centred
    powers = (square, square * centred, square * square)
    second, third, fourth = (float((counts * power).sum()) / number for power in powers)
    spread = second > 0
    return {
        "weights": number,
        "mean": mean,
        "sd": second**0.5,
        "skewness": third / second**1.5 if spread else None,
        "kurtosis": fourth / second**2 - 3 if spread else None,
    }


def quantiles(
    values: NDArray[np.float64], counts: NDArray[np.int64], levels: tuple[float, ...]
) -> list[float | None]:
    """The least values that at least the given shares of the counted values do not exceed."""
    cumulated = counts.cumsum()
    if not len(counts) or not cumulated[-1]:
        return [None] * len(levels)
    # At least one value, so that the share 0 gives the least value and not the grid's end.
    ranks = np.maximum(np.ceil(np.array(levels) * cumulated[-1] - 1e-9), 1)
    return [float(value) for value in values[np.searchsorted(cumulated, ranks)]]


def zoom_edges() -> NDArray[np.float64]:
    """The edges of the zoom's bins: [bin + 1]."""
    return np.linspace(-ZOOM, ZOOM, ZOOM_BINS + 1)


def wide_edges(weights: Weights, layers: tuple[str, ...], bins: int = 200) -> NDArray[np.float64]:
    """Edges of bins that cover all but the outermost weights of some layers: [bin + 1].

    The range is symmetric and holds all but one weight in 100,000.
    """
    values, counts = grid_counts(weights, layers)
    low, high = quantiles(values, counts.sum(axis=0), (5e-6, 1 - 5e-6))
    unit = 10.0 ** -weights.counts[layers[0]].decimals
    reach = max(abs(low or 0.0), abs(high or 0.0), unit)
    # A whole number of grid points to a bin: else some bins would hold one more than others.
    width = max(1, np.ceil(2 * reach / unit / bins)) * unit
    edges: NDArray[np.float64] = width * (np.arange(bins + 1) - bins / 2)
    return edges


def histogram(weights: Weights, layers: tuple[str, ...], edges: NDArray[np.float64]) -> pa.Table:
    """Counts of the weights of some layers together, by class.

    Args:
        weights: the studied weights.
        layers: names of layers.
        edges: [bin + 1], increasing. A grid point belongs to the bin that holds it; one on an edge
            to the bin above.

    Returns:
        Columns `BIN_LOW`, `BIN_HIGH` (the bin's edges), then a column a class with counts, and
        `ALL_CLASSES`.
    """
    values, counts = grid_counts(weights, layers)
    # A hundredth of a grid unit, so that rounding of the edges does not part equal points.
    margin = 0.01 * 10.0 ** -weights.counts[layers[0]].decimals
    columns = np.searchsorted(values, edges - margin)
    cumulated = np.concatenate([np.zeros((len(counts), 1), np.int64), counts.cumsum(axis=1)], 1)
    binned = np.diff(cumulated[:, columns], axis=1)
    # Edges come from sums of fractions: 10 decimals of them are meant.
    table = {BIN_LOW: edges[:-1].round(10), BIN_HIGH: edges[1:].round(10)}
    table |= {name: binned[members].sum(axis=0) for name, members in class_groups(weights)}
    return pa.table(table)
