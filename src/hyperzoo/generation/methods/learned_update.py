"""Fresh initial weights plus an update of the class that is learned for *any* start.

As `update`, but the update is not a mean of what training did: gradient descent looks for the one
vector that, added to any aligned initial weights, gives a network that does the class's task. It
begins with the mean update and ends where the loss is that of the training networks, so that
generated networks are neither more nor less sure of themselves than trained ones.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hyperzoo.architectures import Architecture
from hyperzoo.cores import one_thread
from hyperzoo.generation.aligned import aligned_training, class_means, fresh_starts
from hyperzoo.generation.behaviour import pixels, row_logits, task_loss
from hyperzoo.generation.matrix import rows_of
from hyperzoo.generation.methods.update import check, make
from hyperzoo.generation.registry import Meter, State
from hyperzoo.generation.training_set import TrainingSet

__all__ = ["check", "fit", "make", "refusal"]

STARTS = 200
"""Fresh starts to learn on: with few, the update suits those alone."""

STEPS, NETWORKS, IMAGES = 500, 4, 32
"""Steps of Adam for a class; starts and training images of a step."""

_RATE = 2e-3
_LENGTHENED = 2.0
"""Times the mean update, to begin with."""

_SMOOTHING = 0.98
_THREADS = 2


def refusal(data: TrainingSet) -> str | None:
    """Nothing is in the way."""
    return None


def fit(data: TrainingSet, seed: int, meter: Meter) -> State:
    """Learns an update for every class, on fresh starts and training images."""
    assert data.images is not None
    architecture = data.architecture
    aligned = aligned_training(data)
    starts = fresh_starts(architecture, aligned.reference, seed, STARTS)
    updates = _LENGTHENED * (class_means(aligned.rows, data.labels) - starts.mean(axis=0))
    images, pool = pixels(data.images), torch.from_numpy(starts)

    def learned(label: int) -> NDArray[np.float32]:
        own = {name: tensor[:NETWORKS] for name, tensor in data.of_class(label).items()}
        # A generator a class: no class's update depends on which thread was first.
        words = np.random.SeedSequence([seed, label]).generate_state(1, np.uint64)
        random = torch.Generator().manual_seed(int(words[0]))
        task = _Task(architecture, images, torch.tensor(data.targets(label)), pool, random)
        wanted = task.loss_of(torch.from_numpy(rows_of(architecture, own)))
        return _learned(torch.from_numpy(updates[label]), task, wanted)

    # Threads begin with the number of PyTorch's threads that is set here: one.
    with one_thread(), ThreadPoolExecutor(_THREADS) as threads:
        for label, update in enumerate(threads.map(learned, range(len(data.classes)))):
            updates[label] = update
            meter(label + 1, len(data.classes))
    return State(tensors={"reference": aligned.reference, "updates": updates})


@dataclass(frozen=True)
class _Task:
    """What a class's networks are to do, and the starts from which an update must reach it."""

    architecture: Architecture
    images: Tensor
    targets: Tensor
    starts: Tensor
    random: torch.Generator

    @torch.no_grad()
    def loss_of(self, rows: Tensor) -> float:
        """The mean loss of networks on all images."""
        logits = row_logits(self.architecture, rows, self.images)
        return float(task_loss(logits, self.targets.expand(len(rows), -1)))

    def sampled_loss(self, update: Tensor) -> Tensor:
        """The loss of some starts plus an update, on some images."""
        drawn = torch.randint(len(self.starts), (NETWORKS,), generator=self.random)
        shown = torch.randint(len(self.images), (IMAGES,), generator=self.random)
        rows = self.starts[drawn] + update
        logits = row_logits(self.architecture, rows, self.images[shown])
        return task_loss(logits, self.targets[shown].expand(NETWORKS, -1))


def _learned(update: Tensor, task: _Task, wanted: float) -> NDArray[np.float32]:
    """Adam on an update, until its smoothed loss is as small as wanted."""
    update = update.clone().requires_grad_()
    optimizer = torch.optim.Adam([update], _RATE)
    smoothed = None
    for step in range(STEPS):
        # Falls to nothing: the last steps average over starts and images.
        optimizer.param_groups[0]["lr"] = _RATE * (1 - step / STEPS)
        loss = task.sampled_loss(update)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        now = float(loss.detach())
        smoothed = now if smoothed is None else _SMOOTHING * smoothed + (1 - _SMOOTHING) * now
        if smoothed < wanted:
            break
    return update.detach().numpy()
