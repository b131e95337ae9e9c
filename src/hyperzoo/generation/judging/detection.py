"""Detection: can a classifier tell generated networks from held-out trained ones?

A classifier two-sample test (Lopez-Paz and Oquab, "Revisiting classifier two-sample tests", 2017):
the cross-validated AUC of a logistic regression; .5 where they can't be told apart. Columns are
standardised within the training folds, with networks of both sides. Standardised on the networks
that a generator was fitted on, mere copies of those would be told apart. The null is held-out
against fresh networks, in the same way.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyperzoo.cores import one_thread
from hyperzoo.generation.judging.intervals import DRAWS, Draws, row
from hyperzoo.generation.judging.networks import Networks
from hyperzoo.randomness import permutation

Array = NDArray[np.float64]

FEATURES = ("invariants", "statistics", "linear response", "logits")
_FOLDS, _REPEATS = 5, 2


def detection(networks: Networks, held_out: Networks, group: str) -> list[dict[str, Any]]:
    """AUC of telling networks from held-out ones by each kind of features, over all classes."""
    first, second = _as_many(networks, held_out)
    sides = np.r_[np.ones(len(first)), np.zeros(len(second))].astype(np.int64)
    classes = np.r_[networks.labels[first], held_out.labels[second]]
    table = []
    for name in FEATURES:
        both = np.concatenate([features(networks, name)[first], features(held_out, name)[second]])
        with one_thread():
            table.append(row(f"detection, {name}", group, "all", _auc(both, sides, classes)))
    return table


def features(networks: Networks, name: str) -> NDArray[Any]:
    """A kind of features: [network, column]."""
    if name == "logits":
        return np.concatenate([networks.flat_logits, _by_answer(networks)], axis=1)
    return np.asarray(getattr(networks, name.replace("linear response", "response")))


def _by_answer(networks: Networks) -> Array:
    """Quantiles of the logits of images that are, and are not, of the network's class.

    Whatever the class: so a classifier over all classes sees, say, that generated networks are
    less sure than trained ones.
    """
    columns = []
    for network, label in enumerate(networks.labels):
        targets = networks.questions.targets(int(label))
        logits = networks.logits[network]
        if logits.shape[1] > 1:
            own = logits[np.arange(len(targets)), targets]
            parts = [own, logits.max(axis=1)]
        else:
            parts = [logits[targets == 1, 0], logits[targets == 0, 0]]
        columns.append(np.concatenate([np.quantile(part, np.linspace(0, 1, 9)) for part in parts]))
    return np.array(columns)


def _as_many(one: Networks, other: Networks) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The first networks of each class, as many on both sides."""
    counts = [min(len(a), len(b)) for a, b in zip(one.rows, other.rows, strict=True)]
    first, second = (
        np.concatenate([rows[:count] for rows, count in zip(side.rows, counts, strict=True)])
        for side in (one, other)
    )
    return first, second


def _auc(both: NDArray[Any], sides: NDArray[np.int64], classes: NDArray[np.int64]) -> Draws:
    """Cross-validated AUC, and its draws over networks."""
    from scipy.stats import rankdata

    ranks = np.zeros(len(both))
    for repeat in range(_REPEATS):
        scores = np.empty(len(both))
        for test in _folds(sides, classes, repeat):
            train = ~test
            mean = both[train].mean(axis=0, dtype=np.float64)
            deviation = both[train].std(axis=0, dtype=np.float64)
            scaled = (both - mean) / np.where(deviation > 1e-12, deviation, 1)
            scores[test] = _scores(scaled[train], sides[train], scaled[test])
        ranks += rankdata(scores)
    generator = np.random.default_rng(0)
    positive, negative = ranks[sides == 1], ranks[sides == 0]
    drawn = np.array(
        [
            _area(
                generator.choice(positive, len(positive)), generator.choice(negative, len(negative))
            )
            for _ in range(DRAWS)
        ]
    )
    return Draws(_area(positive, negative), drawn)


def _scores(train: Array, sides: NDArray[np.int64], test: Array) -> Array:
    """Log-odds of the test rows by ridge logistic regression.

    In the coordinates of the training rows' inner products: the same regression, with as many
    columns as rows.
    """
    from sklearn.linear_model import LogisticRegression

    if train.shape[1] > len(train):
        values, vectors = np.linalg.eigh(train @ train.T)
        kept = (values > 1e-9 * values[-1]) & (values > 0)
        if not kept.any():  # all networks are the same
            return np.zeros(len(test))
        axes = vectors[:, kept] / np.sqrt(values[kept])
        train, test = (train @ train.T) @ axes, (test @ train.T) @ axes
    model = LogisticRegression(max_iter=2000, tol=1e-3).fit(train, sides)
    return np.asarray(model.decision_function(test))


def _folds(
    sides: NDArray[np.int64], classes: NDArray[np.int64], repeat: int
) -> Iterator[NDArray[np.bool_]]:
    """Test networks of each fold, balanced in sides and classes: [network]."""
    fold = np.empty(len(sides), np.int64)
    for place, label in enumerate(np.unique(classes)):
        for side in (0, 1):
            rows = np.flatnonzero((classes == label) & (sides == side))
            order = permutation(repeat, "", int(label), f"judge/folds/{side}", len(rows))
            fold[rows[order]] = (np.arange(len(rows)) + place) % _FOLDS
    for number in np.unique(fold):  # very few networks fill fewer folds
        yield fold == number


def _area(positive: Array, negative: Array) -> float:
    from scipy.stats import rankdata

    ranks = rankdata(np.concatenate([positive, negative]))[: len(positive)]
    count = len(positive)
    return float((ranks.sum() - count * (count + 1) / 2) / (count * len(negative)))
