"""Coverage: do networks lie where held-out ones lie, and everywhere that these lie?

Precision and recall: Kynkaanniemi et al., "Improved precision and recall metric for assessing
generative models", 2019. Density and coverage: Naeem et al., "Reliable fidelity and diversity
metrics for generative models", 2020. On logits, within a class.
"""

from typing import Any

import numpy as np

from hyperzoo.generation.judging.intervals import Draws, rows_of
from hyperzoo.generation.judging.networks import Networks
from hyperzoo.generation.judging.pairs import distance

NEIGHBOURS = 5


def coverage(networks: Networks, held_out: Networks, group: str) -> list[dict[str, Any]]:
    """Precision, recall, density and coverage against held-out networks."""
    found: dict[str, list[Draws]] = {}
    for mine, theirs in zip(networks.rows, held_out.rows, strict=True):
        values = prdc(networks.flat_logits[mine], held_out.flat_logits[theirs])
        for name, value in values.items():
            found.setdefault(name, []).append(Draws(value, np.full(1, np.nan)))
    table = []
    for name, figures in found.items():
        table += rows_of(name, group, networks.questions.classes, figures)
    return table


def prdc(made: Any, real: Any, neighbours: int = NEIGHBOURS) -> dict[str, float]:
    """The four figures of [network, feature] against [network, feature].

    Of few networks, only as many neighbours are taken as there are others.
    """
    k = min(neighbours, len(made) - 1, len(real) - 1)
    real_radius = np.sort(distance(real, real), axis=1)[:, k]
    made_radius = np.sort(distance(made, made), axis=1)[:, k]
    between = distance(real, made)
    within = between < real_radius[:, None]
    return {
        "precision": float(within.any(axis=0).mean()),
        "recall": float((between < made_radius[None]).any(axis=1).mean()),
        "density": float(within.sum(axis=0).mean() / k),
        "coverage": float((between.min(axis=1) < real_radius).mean()),
    }
