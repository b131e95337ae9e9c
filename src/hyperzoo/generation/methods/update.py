"""Fresh initial weights plus a multiple of what training adds to them on average.

Training moves a network little: of a trained network's weights most is its random initialisation.
So a generated network starts from one of its own. Initial weights, aligned, plus the mean update
of the class, lengthened because the updates of different networks partly cancel.
"""

import numpy as np
import torch
from numpy.typing import NDArray

from hyperzoo.architectures import Architecture
from hyperzoo.architectures.symmetry import move_units
from hyperzoo.cores import one_thread
from hyperzoo.generation.aligned import aligned_training, class_means, fresh_start, fresh_starts
from hyperzoo.generation.behaviour import pixels, row_logits, task_loss
from hyperzoo.generation.draw import Draw
from hyperzoo.generation.matrix import network_of, rows_of
from hyperzoo.generation.registry import Meter, State, require_tensors
from hyperzoo.generation.training_set import TrainingSet

MULTIPLES = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0)
STARTS, IMAGES = 4, 200
"""Fresh starts and training images by which a class's multiple is chosen."""


def refusal(data: TrainingSet) -> str | None:
    """Initial weights must be known."""
    if data.recipe_seed is None:
        return (
            "it needs the weights that the networks started from, which are known of zoos that a "
            "recipe trained; choose another method, such as 'learned-update'"
        )
    return None


def fit(data: TrainingSet, seed: int, meter: Meter) -> State:
    """Takes the mean update of every class, by the multiple with the least loss.

    The loss is that of fresh initial weights plus the update, on training images.
    """
    assert data.images is not None
    architecture = data.architecture
    aligned = aligned_training(data)
    moves = aligned.alignment
    started = move_units(architecture, data.initial_weights, moves.permutations, moves.signs)
    updates = class_means(aligned.rows - rows_of(architecture, started), data.labels)
    starts = torch.tensor(fresh_starts(architecture, aligned.reference, seed, STARTS))
    shown = np.random.default_rng(seed).permutation(len(data.images))[:IMAGES]
    images = pixels(data.images[shown])
    for label, update in enumerate(updates):
        targets = torch.tensor(data.targets(label)[shown]).expand(STARTS, -1)
        losses = []
        for multiple in MULTIPLES:
            with one_thread(), torch.no_grad():
                rows = starts + torch.from_numpy(update * np.float32(multiple))
                losses.append(float(task_loss(row_logits(architecture, rows, images), targets)))
        update *= np.float32(MULTIPLES[int(np.argmin(losses))])
        meter(label + 1, len(updates))
    return State(tensors={"reference": aligned.reference, "updates": updates})


def check(state: State, architecture: Architecture, classes: tuple[str, ...]) -> None:
    """One network to align to, and an update for every class."""
    count = architecture.parameter_count
    require_tensors(state, {"reference": (count,), "updates": (len(classes), count)})


def make(
    state: State, architecture: Architecture, classes: tuple[str, ...], draw: Draw
) -> dict[str, NDArray[np.float32]]:
    """Initial weights of its own, aligned, plus the class's update."""
    start = fresh_start(architecture, state.tensors["reference"], draw)
    return network_of(
        architecture, start + state.tensors["updates"][classes.index(draw.class_name)]
    )
