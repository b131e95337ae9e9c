"""How many validation images there were, worked out from the metrics of one-vs-all networks.

A zoo keeps metrics, not the sizes of its image set. But an accuracy is a fraction of the images, a
recall one of the positive images, a specificity one of the negative: the fractions of many networks
leave a single small image set that fits them all.
"""

from dataclasses import dataclass
from fractions import Fraction
from math import lcm

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from hyperzoo.zoo.tables import numbers_of

_MOST_IMAGES = 1_000_000
_MOST_MULTIPLES = 12
_COLUMNS = ("accuracy", "precision", "recall", "specificity")


@dataclass(frozen=True, kw_only=True)
class SplitSize:
    """The validation split.

    Attributes:
        images: how many there are.
        positives: class -> how many of them are of the class.
    """

    images: int
    positives: dict[str, int]


def split_size(models: pa.Table) -> SplitSize | None:
    """The smallest validation split that all metrics fit exactly.

    With P positives of N images, every network must have whole counts recall * P, specificity *
    (N - P) and accuracy * N, of which the first two add up to the third, and its precision must
    follow from them.

    Args:
        models: a zoo's table of one-vs-all networks, with columns class, accuracy, precision,
            recall and specificity.

    Returns:
        The sizes; None where there are no metrics, or no split fits (if they were rounded, say).
    """
    metrics = np.stack([numbers_of(models[name]) for name in _COLUMNS])
    known = np.isfinite(metrics).all(axis=0)
    if not known.any():
        return None
    classes = np.array(models["class"].to_pylist(), dtype=object)
    groups = {
        str(name): metrics[:, known & (classes == name)] for name in dict.fromkeys(classes[known])
    }
    least = _common_denominator(metrics[0, known])
    for images in range(least, min(_MOST_MULTIPLES * least, _MOST_IMAGES) + 1, least or 1):
        positives = {name: _positives(values, images) for name, values in groups.items()}
        found = {name: count for name, count in positives.items() if count is not None}
        if len(found) == len(positives):
            return SplitSize(images=images, positives=found)
    return None


def _common_denominator(accuracies: NDArray[np.float64]) -> int:
    """The least number of images of which all accuracies are whole counts; 0 if it is too large."""
    least = 1
    for accuracy in np.unique(accuracies):
        fraction = Fraction(float(accuracy)).limit_denominator(_MOST_IMAGES)
        if abs(float(fraction) - accuracy) > 1e-12:
            return 0
        least = lcm(least, fraction.denominator)
        if least > _MOST_IMAGES:
            return 0
    return least


def _positives(values: NDArray[np.float64], images: int) -> int | None:
    """The positives of a class; values: accuracy, precision, recall, specificity [4, network]."""
    accuracy, precision, recall, specificity = values
    # accuracy * N = recall * P + specificity * (N - P), solved for P where it is best conditioned.
    best = int(np.argmax(np.abs(recall - specificity)))
    gap = recall[best] - specificity[best]
    if gap == 0:
        return None
    positives = round(float(images * (accuracy[best] - specificity[best]) / gap))
    if not 0 < positives < images:
        return None
    right_yes, right_no = recall * positives, specificity * (images - positives)
    right = accuracy * images
    whole = [np.rint(count) for count in (right_yes, right_no, right)]
    said = whole[0] + (images - positives) - whole[1]
    follows = np.where(said > 0, whole[0] / np.maximum(said, 1), 0.0)
    fits = (
        np.allclose(right_yes, whole[0], rtol=0, atol=1e-6)
        and np.allclose(right_no, whole[1], rtol=0, atol=1e-6)
        and np.array_equal(whole[0] + whole[1], whole[2])
        and np.allclose(precision, follows, rtol=0, atol=1e-9)
    )
    return positives if fits else None
