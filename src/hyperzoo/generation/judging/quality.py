"""Quality: how well networks do on images that neither training nor a generator has seen.

Expected calibration error: Guo et al., "On calibration of modern neural networks", 2017, with 15
bins of equal width of the probability of what a network says.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyperzoo.generation.judging.intervals import mean_over_networks, rows_of
from hyperzoo.generation.judging.networks import Networks

Array = NDArray[np.float64]

_BINS = 15

OWN_CLASS = "share best at their own class"
"""Of one-vs-all networks; of multi-class networks, of their outputs."""

OTHER_CLASS = "share made for another class"
"""Of networks, or of outputs, those that are better at another class than at their own, by far."""

_FAR = 0.25
"""By so much of AUC."""


def quality(networks: Networks, group: str) -> list[dict[str, Any]]:
    """AUC, F1, accuracy and calibration error; of one-vs-all networks also with a new threshold."""
    questions = networks.questions
    found: dict[str, list[Array]] = {}
    for label in range(len(networks.rows)):
        for measure, values in of_class(networks, label).items():
            found.setdefault(measure, []).append(values)
    table = []
    for measure, by_class in found.items():
        figures = [
            mean_over_networks(values, name)
            for name, values in zip(questions.classes, by_class, strict=True)
        ]
        table += rows_of(measure, group, questions.classes, figures)
    return table


def of_class(networks: Networks, label: int) -> dict[str, Array]:
    """Each measure of the networks of a class: name -> [network]."""
    questions, rows = networks.questions, networks.rows[label]
    targets = questions.targets(label)
    if questions.kind == "multi-class":
        own = _multi(networks.logits[rows], targets)
        own |= _outputs_best_at(networks.logits[rows], targets)
        return own
    own = _binary(networks.logits[rows, :, 0], targets)
    own |= _best_at(networks, label)
    known = questions.targets(label, questions.training_labels)
    thresholds = best_thresholds(networks.training_logits[rows, :, 0], known)
    moved = networks.logits[rows, :, 0] - thresholds[:, None]
    own["F1, threshold refitted"] = f1_of(moved > 0, targets)
    own["accuracy, threshold refitted"] = ((moved > 0) == targets).mean(axis=1)
    return own


def _best_at(networks: Networks, label: int) -> dict[str, Array]:
    """For each network of a class 1 where its AUC is highest for it, and where it is not by far."""
    questions, logits = networks.questions, networks.logits[networks.rows[label], :, 0]
    scores = [auc_of(logits, questions.targets(c)) for c in range(len(questions.classes))]
    return _of_own(np.array(scores), label)


def _outputs_best_at(logits: NDArray[np.float32], targets: NDArray[np.int64]) -> dict[str, Array]:
    """The same for each multi-class network, as shares of its outputs."""
    there = np.unique(targets)
    found = []
    for place, output in enumerate(there):
        scores = [auc_of(logits[:, :, output], np.equal(targets, c).astype(int)) for c in there]
        found.append(_of_own(np.array(scores), place))
    return {name: np.mean([own[name] for own in found], axis=0) for name in found[0]}


def _of_own(scores: Array, own: int) -> dict[str, Array]:
    """Of AUC [class, network]: where that of a class is the highest, and where another is far."""
    return {
        OWN_CLASS: (scores.argmax(axis=0) == own).astype(np.float64),
        OTHER_CLASS: (scores.max(axis=0) > scores[own] + _FAR).astype(np.float64),
    }


def auc_of(scores: NDArray[Any], targets: NDArray[np.int64]) -> Array:
    """Area under the ROC curve of every row: [row]."""
    from scipy.stats import rankdata

    positives = int(targets.sum())
    negatives = len(targets) - positives
    ranks = rankdata(scores, axis=1)[:, targets == 1].sum(axis=1)
    return np.asarray((ranks - positives * (positives + 1) / 2) / (positives * negatives))


def f1_of(said: NDArray[np.bool_], targets: NDArray[np.int64]) -> Array:
    """F1 of every row: [row]; 0 for one that never says yes."""
    right = (said & (targets == 1)).sum(axis=1)
    return np.asarray(2 * right / (said.sum(axis=1) + targets.sum()))


def best_thresholds(logits: NDArray[Any], targets: NDArray[np.int64]) -> Array:
    """For every row the logit above which saying yes has the highest F1: [row]."""
    order = np.argsort(-logits, axis=1, kind="stable")
    sorted_logits = np.take_along_axis(logits, order, axis=1).astype(np.float64)
    right = np.cumsum(targets[order], axis=1)
    said = np.arange(1, logits.shape[1] + 1)
    f1 = 2 * right / (said + targets.sum())
    f1[:, :-1][sorted_logits[:, :-1] == sorted_logits[:, 1:]] = -1  # can't be cut between equals
    best = f1.argmax(axis=1)
    rows = np.arange(len(logits))
    after = np.minimum(best + 1, logits.shape[1] - 1)
    middle = (sorted_logits[rows, best] + sorted_logits[rows, after]) / 2
    return np.asarray(np.where(after > best, middle, sorted_logits[rows, best] - 1))


def _binary(logits: NDArray[np.float32], targets: NDArray[np.int64]) -> dict[str, Array]:
    from scipy.special import expit

    said = logits > 0
    return {
        "AUC": auc_of(logits, targets),
        "F1": f1_of(said, targets),
        "accuracy": (said == targets).mean(axis=1),
        "calibration error": _calibration(expit(np.abs(logits)), said == targets),
    }


def _multi(logits: NDArray[np.float32], targets: NDArray[np.int64]) -> dict[str, Array]:
    from scipy.special import softmax

    said = logits.argmax(axis=2)
    confidence = softmax(logits.astype(np.float64), axis=2).max(axis=2)
    f1 = [f1_of(said == c, np.equal(targets, c).astype(np.int64)) for c in np.unique(targets)]
    return {
        "accuracy": (said == targets).mean(axis=1),
        "F1": np.mean(f1, axis=0),
        "calibration error": _calibration(confidence, said == targets),
    }


def _calibration(confidence: NDArray[Any], right: NDArray[np.bool_]) -> Array:
    bins = np.minimum((confidence * _BINS).astype(np.int64), _BINS - 1)
    gap: NDArray[np.float64] = right - confidence.astype(np.float64)
    sums = [np.where(bins == b, gap, 0).sum(axis=1) for b in range(_BINS)]
    return np.asarray(np.abs(sums).sum(axis=0) / confidence.shape[1])
