"""Diversity: how alike two networks of a class are, and what an ensemble of several gains."""

from typing import Any

import numpy as np

from hyperzoo.generation.judging.intervals import Draws, mean_over_pairs, rows_of
from hyperzoo.generation.judging.networks import Networks
from hyperzoo.generation.judging.pairs import correlation, distance, overlap
from hyperzoo.generation.judging.quality import auc_of
from hyperzoo.randomness import permutation

SIZES = (2, 5, 10)
_ENSEMBLES = 30


def diversity(networks: Networks, group: str) -> list[dict[str, Any]]:
    """Correlation of logits, overlap of wrong predictions and aligned distance of two networks.

    And by how much the AUC (accuracy of multi-class networks) of the mean logit of several exceeds
    that of one.
    """
    classes, table = networks.questions.classes, []
    for measure, pairs, features in (
        ("correlation of logits", correlation, networks.flat_logits),
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
