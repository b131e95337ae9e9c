"""Diversity: how alike two networks of a class are, and what an ensemble of several gains."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyperzoo.generation.judging.intervals import (
    Draws,
    mean_over_networks,
    mean_over_pairs,
    row,
    rows_of,
)
from hyperzoo.generation.judging.networks import Networks
from hyperzoo.generation.judging.pairs import correlation, distance, overlap
from hyperzoo.generation.judging.quality import auc_of
from hyperzoo.randomness import permutation

CORRELATION = "correlation of logits"
REPEATS = "share of repeats"
_SAME_WEIGHTS, _SAME_LOGITS = 0.65, 0.03
"""A repeat is nearer to another network of its class than these parts of the held-out median; few
logits may be alike by chance."""

SIZES = (2, 5, 10)
_ENSEMBLES = 30


def diversity(networks: Networks, group: str) -> list[dict[str, Any]]:
    """Correlation of logits, overlap of wrong predictions and aligned distance of two networks.

    And by how much the AUC (accuracy of multi-class networks) of the mean logit of several exceeds
    that of one.
    """
    classes, table = networks.questions.classes, []
    for measure, pairs, features in (
        (CORRELATION, correlation, networks.flat_logits),
        ("overlap of wrong predictions", overlap, networks.wrong),
        ("aligned distance", distance, networks.aligned),
    ):
        figures = [
            mean_over_pairs(pairs(features[rows], features[rows]), classes[label])
            for label, rows in enumerate(networks.rows)
        ]
        table += rows_of(measure, group, classes, figures)
    gains = [_gains(networks, label) for label in range(len(classes))]
    for size in gains[0]:
        figures = [own[size] for own in gains if size in own]
        if len(figures) == len(classes):
            table += rows_of(f"gain of an ensemble of {size}", group, classes, figures)
    return table


def repeats(networks: Networks, held_out: Networks, group: str) -> list[dict[str, Any]]:
    """Share of networks that are another one of their class again, by weights or by logits.

    Units that are scaled change weights and leave the function; noise changes both by little.
    """
    found = np.zeros(len(networks.labels))
    for mine, theirs in zip(networks.rows, held_out.rows, strict=True):
        for own, trained, part in (
            (networks.aligned[mine], held_out.aligned[theirs], _SAME_WEIGHTS),
            (networks.flat_logits[mine], held_out.flat_logits[theirs], _SAME_LOGITS),
        ):
            found[mine] += _nearest_other(own) < part * np.median(_nearest_other(trained))
    return [row(REPEATS, group, "all", mean_over_networks((found > 0).astype(float), "all"))]


def _nearest_other(rows: NDArray[Any]) -> NDArray[np.float64]:
    """The distance of every row from the nearest other: [row]."""
    apart = distance(rows, rows)
    np.fill_diagonal(apart, np.inf)
    return np.asarray(apart.min(axis=1))


def _gains(networks: Networks, label: int) -> dict[int, Draws]:
    """Size -> the gain; its draws are means over ensembles drawn anew."""
    rows = networks.rows[label]
    targets = networks.questions.targets(label)
    logits = networks.logits[rows].astype(np.float64)

    def score(mean: Any) -> Any:
        if mean.shape[2] == 1:
            return auc_of(mean[:, :, 0], targets)
        return (mean.argmax(axis=2) == targets).mean(axis=1)

    alone, found = float(score(logits).mean()), {}
    for size in SIZES:
        if size > len(rows):
            continue
        members = [
            permutation(0, networks.questions.classes[label], i, f"judge/{size}", len(rows))[:size]
            for i in range(_ENSEMBLES)
        ]
        gains = score(np.stack([logits[own].mean(axis=0) for own in members])) - alone
        spread = np.random.default_rng(size).integers(len(gains), size=(200, len(gains)))
        found[size] = Draws(float(gains.mean()), gains[spread].mean(axis=1))
    return found
