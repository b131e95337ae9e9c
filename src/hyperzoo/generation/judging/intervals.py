"""Means with 95 % intervals: networks are drawn anew within their class (bootstrap).

Efron and Tibshirani, "An introduction to the bootstrap", 1993, section 13.3: percentiles of the
draws. A figure over all classes is the mean of the classes' figures.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyperzoo.analysis.resampling import bootstrap

Array = NDArray[np.float64]

DRAWS = 200
ALL = "all"
"""The name of the mean of all classes in tables."""


@dataclass(frozen=True)
class Draws:
    """A figure and its bootstrap draws.

    Attributes:
        value: of the networks as they are.
        drawn: [draw].
    """

    value: float
    drawn: Array


def row(measure: str, group: str, class_name: str, figure: Draws) -> dict[str, Any]:
    """A row of a table; low and high are null where there are too few networks."""
    known = figure.drawn[np.isfinite(figure.drawn)]
    low, high = np.quantile(known, [0.025, 0.975]) if len(known) else (np.nan, np.nan)
    numbers = {"value": figure.value, "low": low, "high": high}
    return {
        "measure": measure,
        "group": group,
        "class": class_name,
        **{name: None if np.isnan(number) else float(number) for name, number in numbers.items()},
    }


def rows_of(
    measure: str, group: str, classes: Sequence[str], figures: Sequence[Draws]
) -> list[dict[str, Any]]:
    """A row a class, and one of their mean."""
    rows = [row(measure, group, name, own) for name, own in zip(classes, figures, strict=True)]
    return [row(measure, group, ALL, mean_of(figures)), *rows]


def mean_of(figures: Sequence[Draws]) -> Draws:
    """The mean over classes; those in which a figure is not defined are left out."""
    values = np.array([figure.value for figure in figures])
    known = np.isfinite(values)
    if not known.any():
        return Draws(np.nan, np.full(DRAWS, np.nan))
    drawn = np.stack([figure.drawn for figure in figures])[known]
    return Draws(float(values[known].mean()), drawn.mean(axis=0))


def mean_over_networks(values: NDArray[Any], class_name: str) -> Draws:
    """The mean of [network]; what is NaN is left out."""
    known = np.asarray(values, np.float64)[np.isfinite(values)]
    if not len(known):
        return Draws(np.nan, np.full(DRAWS, np.nan))
    counts = bootstrap(class_name, len(known), DRAWS, 0)
    return Draws(float(known.mean()), counts @ known / len(known))


def mean_over_pairs(values: NDArray[Any], class_name: str) -> Draws:
    """The mean of [network, network] over pairs of different networks; NaN is left out."""
    known = np.isfinite(values)
    np.fill_diagonal(known, False)
    filled = np.where(known, values, 0.0)
    if not known.any():
        return Draws(np.nan, np.full(DRAWS, np.nan))
    counts = bootstrap(class_name, len(values), DRAWS, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        drawn = ((counts @ filled) * counts).sum(axis=1) / ((counts @ known) * counts).sum(axis=1)
    return Draws(float(filled.sum() / known.sum()), drawn)
