"""Use: what generated networks are good for as starts of training, and how they are connected.

Barrier: by how much the loss on the straight line between two aligned networks exceeds the line
between their losses (Frankle et al., "Linear mode connectivity and the lottery ticket hypothesis",
2020; after alignment Entezari et al., 2022).
"""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyperzoo.features.matrix import tensors_of
from hyperzoo.finetune import fine_tune
from hyperzoo.generation.judging.intervals import mean_over_networks, rows_of
from hyperzoo.generation.judging.networks import Networks, answers
from hyperzoo.generation.judging.reference import Reference
from hyperzoo.population import metrics

_PAIRS, _POINTS = 3, (0.0, 0.25, 0.5, 0.75, 1.0)
EPOCHS = (0, 1, 2, 5)


def barriers(networks: Networks, group: str) -> list[dict[str, Any]]:
    """The mean barrier between the first networks of each class and those after them."""
    questions, figures = networks.questions, []
    for label, rows in enumerate(networks.rows):
        count = min(_PAIRS, len(rows) // 2)
        first, second = (networks.aligned[rows[:count]], networks.aligned[rows[count : 2 * count]])
        line = np.concatenate([(1 - at) * first + at * second for at in _POINTS])
        logits = answers(networks.architecture, line.astype(np.float32), questions.images)
        targets = questions.targets(label)
        losses = np.array([metrics(own, targets)["loss"] for own in logits], np.float64)
        by_point = losses.reshape(len(_POINTS), count)
        weight = np.array(_POINTS)[:, None]
        chord = (1 - weight) * by_point[0] + weight * by_point[-1]
        figures.append(mean_over_networks((by_point - chord).max(axis=0), questions.classes[label]))
    return rows_of("barrier", group, questions.classes, figures)


def fine_tuning(
    networks: Networks | None, reference: Reference, group: str, count: int
) -> list[dict[str, Any]]:
    """AUC (accuracy of multi-class networks) after 0, 1, 2 and 5 epochs of training.

    Args:
        networks: where to start; None from scratch.
        reference: whose images to train on.
        group: a name for the rows.
        count: networks of each class; the first ones.
    """
    questions = reference.questions
    classes = [name for name in questions.classes for _ in range(count)]
    start: dict[str, NDArray[np.float32]] | None = None
    if networks is not None:
        rows = np.concatenate([own[:count] for own in networks.rows])
        start = tensors_of(networks.architecture, networks.matrix[rows])
    found = fine_tune(
        replace(
            reference.images,
            validation_images=questions.images,
            validation_labels=questions.labels,
        ),
        reference.architecture,
        start,
        classes,
        epochs=max(EPOCHS),
        kind=questions.kind,
    )
    measure = "auc" if questions.kind == "one-vs-all" else "accuracy"
    table = []
    for epoch in EPOCHS:
        values = found.metrics[measure][epoch].reshape(-1, count)
        figures = [mean_over_networks(v, n) for v, n in zip(values, questions.classes, strict=True)]
        table += rows_of(f"{measure} after {epoch} epochs", group, questions.classes, figures)
    return table
