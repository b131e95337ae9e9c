"""Novelty: how near networks come to training networks, against how near held-out ones come.

Aligned distances are of networks in the order of their class's mean training network.

C_T: Meehan, Chaudhuri and Dasgupta, "A non-parametric test to detect data-copying in generative
models", 2020: the Mann-Whitney z of distances to the nearest training network, here by class. Far
below 0: copies. Far above 0: no network of the kind that training makes.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyperzoo.generation.judging.intervals import Draws, mean_over_networks, row, rows_of
from hyperzoo.generation.judging.networks import Networks
from hyperzoo.generation.judging.pairs import correlation, distance, overlap
from hyperzoo.generation.judging.reference import Reference

Array = NDArray[np.float64]

C_T_BAR = 2.0

NEARER = "share nearer than 1 % of held-out"
COPIES = "share of copies"

_COPY = 0.05
"""A copy is nearer to a training network than this part of the held-out median of its class."""


def novelty(networks: Networks, reference: Reference, group: str) -> list[dict[str, Any]]:
    """Distances to training networks, and C_T against held-out ones."""
    classes, table = reference.questions.classes, []
    own, held = nearest(networks, reference), held_out_nearest(reference)
    for measure, values in own.items():
        figures = [
            mean_over_networks(values[rows], name)
            for rows, name in zip(networks.rows, classes, strict=True)
        ]
        table += rows_of(measure, group, classes, figures)
    distances = relative(own["nearest aligned distance"], networks, reference)
    usual = relative(held["nearest aligned distance"], reference.held_out, reference)
    for measure, limit in ((NEARER, np.quantile(usual, 0.01)), (COPIES, _COPY)):
        share = mean_over_networks((distances < limit).astype(np.float64), "all")
        table.append(row(measure, group, "all", share))
    for name, measure in (
        ("weights", "nearest aligned distance"),
        ("linear response", "nearest distance of linear response"),
        ("logits", "nearest distance of logits"),
    ):
        scores = [
            c_t(own[measure][mine], held[measure][theirs])
            for mine, theirs in zip(networks.rows, reference.held_out.rows, strict=True)
        ]
        unknown = np.full(1, np.nan)
        table += [
            row(f"C_T, {name}", group, own_class, Draws(z, unknown))
            for own_class, z in zip(classes, scores, strict=True)
        ]
        within = float(np.mean(np.abs(scores) <= C_T_BAR))
        table.append(row(f"C_T, {name}: classes within 2", group, "all", Draws(within, unknown)))
        table.append(row(f"C_T, {name}", group, "all", Draws(float(np.mean(scores)), unknown)))
    return table


def nearest(networks: Networks, reference: Reference) -> dict[str, Array]:
    """Measure -> [network], each against the training networks of its class."""
    found: dict[str, Array] = {}
    training = reference.training
    for mine, theirs in zip(networks.rows, training.rows, strict=True):
        weights = distance(networks.aligned[mine], training.aligned[theirs])
        values = {
            "nearest aligned distance": weights.min(axis=1),
            "nearest over median aligned distance": weights.min(axis=1)
            / np.maximum(np.median(weights, axis=1), np.finfo(np.float64).tiny),
            "nearest distance of linear response": distance(
                networks.response[mine], training.response[theirs]
            ).min(axis=1),
            "nearest distance of logits": distance(
                networks.flat_logits[mine], training.flat_logits[theirs]
            ).min(axis=1),
            "largest correlation of logits": correlation(
                networks.flat_logits[mine], training.flat_logits[theirs]
            ).max(axis=1),
            "largest overlap of wrong predictions": np.nan_to_num(
                overlap(networks.wrong[mine], training.wrong[theirs])
            ).max(axis=1),
        }
        for measure, numbers in values.items():
            found.setdefault(measure, np.empty(len(networks.labels)))[mine] = numbers
    return found


def held_out_nearest(reference: Reference) -> dict[str, Array]:
    """`nearest` of the held-out networks, computed once."""
    return reference.once("nearest", lambda: nearest(reference.held_out, reference))


def c_t(generated: Array, held_out: Array) -> float:
    """The Mann-Whitney z of distances: below 0 where those of generated networks are smaller."""
    from scipy.stats import rankdata

    n, m = len(generated), len(held_out)
    ranks = rankdata(np.concatenate([generated, held_out]))
    u = ranks[:n].sum() - n * (n + 1) / 2
    return float((u - n * m / 2) / np.sqrt(n * m * (n + m + 1) / 12))


def farthest_c_t(generated: int, held_out: int) -> float:
    """The largest C_T that so many networks can have."""
    return float(np.sqrt(3 * generated * held_out / (generated + held_out + 1)))


def relative(values: Array, networks: Networks, reference: Reference) -> Array:
    """Distances over the median of the class's held-out networks, so that classes compare."""
    held = held_out_nearest(reference)["nearest aligned distance"]
    medians = np.array([np.median(held[rows]) for rows in reference.held_out.rows])
    return np.asarray(values / medians[networks.labels])
