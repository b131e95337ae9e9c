"""How well networks were named, and how sure that is."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyperzoo.prediction.splits import TEST_SHARE


def confusion_counts(
    classes: Sequence[str], labels: NDArray[Any], named: NDArray[Any]
) -> NDArray[np.int64]:
    """How many networks of each class were given each name: [class, name]."""
    place = {name: position for position, name in enumerate(classes)}
    counts = np.zeros((len(classes), len(classes)), np.int64)
    for label, name in zip(labels, named, strict=True):
        counts[place[label], place[name]] += 1
    return counts


def scores_of(counts: NDArray[np.int64]) -> dict[str, float]:
    """Accuracy, and the unweighted means over the classes of four scores.

    Args:
        counts: [class, name]. A score whose denominator is zero counts as 0, as in scikit-learn.

    Returns:
        accuracy, precision, recall (sensitivity), specificity and f1, each in [0, 1].
    """
    total = counts.sum()
    hits = np.diag(counts).astype(np.float64)
    of_class, of_name = counts.sum(axis=1), counts.sum(axis=0)
    precision = hits / np.maximum(of_name, 1)
    recall = hits / np.maximum(of_class, 1)
    others = total - of_class
    specificity = (others - (of_name - hits)) / np.maximum(others, 1)
    f1 = 2 * hits / np.maximum(of_class + of_name, 1)
    return {
        "accuracy": float(hits.sum() / max(total, 1)),
        "precision": float(precision.mean()),
        "recall": float(recall.mean()),
        "specificity": float(specificity.mean()),
        "f1": float(f1.mean()),
    }


def interval(accuracies: Sequence[float], tested: int) -> tuple[float, float]:
    """A 95 % interval for the accuracy: the wider of two on each side.

    One is for the choice of networks that train and test: Student's t over the splits, with the
    variance corrected for their overlap (Nadeau and Bengio, "Inference for the generalization
    error", 2003, equation 9). Where all splits agree that is a point, so the other is for the
    number of networks of one test: Wilson's.

    Args:
        accuracies: one for each split.
        tested: test networks of one split.
    """
    from scipy.stats import norm

    mean = float(np.mean(accuracies))
    z = float(norm.ppf(0.975))
    centre = (mean + z * z / (2 * tested)) / (1 + z * z / tested)
    half = z / (1 + z * z / tested) * np.sqrt(mean * (1 - mean) / tested + (z / (2 * tested)) ** 2)
    low, high = centre - half, centre + half
    if len(accuracies) > 1:
        reach = corrected_reach(accuracies)
        low, high = min(low, mean - reach), max(high, mean + reach)
    return max(0.0, float(low)), min(1.0, float(high))


def corrected_reach(scores: Sequence[float]) -> float:
    """Half the width of Student's 95 % interval over splits that share networks.

    Args:
        scores: one for each of two splits or more.
    """
    from scipy.stats import t

    count = len(scores)
    overlap = 1 / count + TEST_SHARE / (1 - TEST_SHARE)
    return float(t.ppf(0.975, count - 1) * np.sqrt(overlap * np.var(scores, ddof=1)))
