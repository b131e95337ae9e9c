"""How near predicted numbers are, and how sure that is."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyperzoo.prediction.scores import corrected_reach

Score = Callable[[NDArray[Any], NDArray[Any]], float]

RESAMPLES = 300
"""Of the test networks, for an interval."""


def r2(wanted: NDArray[Any], said: NDArray[Any]) -> float:
    """The coefficient of determination: 1 less the squared error by that of the wanted mean.

    1 is perfect, 0 as good as the mean, below 0 worse. Where all wanted numbers are equal it is 1
    if all are met, and 0 otherwise.
    """
    error = float(np.square(wanted - said).sum())
    spread = float(np.square(wanted - wanted.mean()).sum())
    return 1 - error / spread if spread else float(error == 0)


def tau(wanted: NDArray[Any], said: NDArray[Any]) -> float:
    """Kendall's rank correlation, tau-b, from -1 to 1; 0 where all of one side are equal."""
    from scipy.stats import kendalltau

    if np.ptp(wanted) == 0 or np.ptp(said) == 0:
        return 0.0
    return float(kendalltau(wanted, said).statistic)


def tau_within(wanted: NDArray[Any], said: NDArray[Any], classes: NDArray[Any]) -> float:
    """Kendall's tau among the networks of each class, the mean over classes.

    Classes differ in what networks reach, so that who names the class predicts much; this does not
    count here. Of one class it is `tau`.
    """
    found = []
    for name in np.unique(classes):
        own = classes == name
        if own.sum() > 1 and np.ptp(wanted[own]) > 0:
            found.append(tau(wanted[own], said[own]))
    return float(np.mean(found)) if found else 0.0


def interval(
    score: Score, splits: Sequence[tuple[NDArray[Any], NDArray[Any]]]
) -> tuple[float, float]:
    """A 95 % interval of a score: the wider of two on each side, as `scores.interval`.

    One is Student's t over the splits, corrected for their overlap; the other the percentiles of
    the first split's score over resamples of its test networks, moved to the mean.

    Args:
        score: of wanted and predicted numbers; at most 1.
        splits: wanted and predicted numbers of every split.
    """
    found = [score(*own) for own in splits]
    mean, (wanted, said) = float(np.mean(found)), splits[0]
    draws = np.random.default_rng(0).integers(len(wanted), size=(RESAMPLES, len(wanted)))
    resampled = [score(wanted[rows], said[rows]) for rows in draws]
    low, high = np.percentile(resampled, [2.5, 97.5]) - found[0] + mean
    low, high = min(low, mean), max(high, mean)
    if len(found) > 1:
        reach = corrected_reach(found)
        low, high = min(low, mean - reach), max(high, mean + reach)
    return float(low), min(1.0, float(high))
