"""One network that answers as all networks of a zoo of tasks do: a trunk, and an output a task.

It is distilled by regression of logits (Ba and Caruana, "Do deep nets really need to be deep?",
2014) on training images moved by a pixel, for networks answer otherwise to images that they were
trained on.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hyperzoo.architectures import Architecture, initial_parameters
from hyperzoo.architectures.forward import Pass, forward
from hyperzoo.architectures.steps import Step
from hyperzoo.generation.behaviour import pixels
from hyperzoo.generation.projecting.distilled import summing_steps
from hyperzoo.generation.projecting.unseen import moved
from hyperzoo.images import ImageSet
from hyperzoo.population import evaluate
from hyperzoo.zoo import Zoo

COPIES, PASSES, BATCH, RATE = 2, 12, 128, 2e-3
"""Moved copies of every training image, how often each is seen, how many a step, Adam's rate."""


def trunk_steps(images: ImageSet) -> int:
    """How many steps a distillation takes."""
    return -(-PASSES * COPIES * len(images.train_images) // BATCH)


def distil_trunk(
    zoo: Zoo,
    tasks: Mapping[str, Sequence[int]],
    wide: Architecture,
    images: ImageSet,
    generator: np.random.Generator,
    tell: Callable[[], None],
) -> dict[str, Tensor]:
    """Fit a network with an output for every class of a zoo's networks.

    Args:
        zoo: networks with one output.
        tasks: class of networks -> the rows of those that are sound, one or more.
        wide: the architecture of these, with as many outputs as there are tasks.
        images: the zoo's images; the training split is shown.
        generator: draws.
        tell: is called after every step.

    Returns:
        PyTorch name -> tensor.
    """
    shown = np.concatenate([moved(images.train_images, generator, 1) for _ in range(COPIES)])
    wanted = torch.from_numpy(_mean_logits(zoo, tasks, shown))
    scale = wanted.std()
    start = initial_parameters(wide, int(generator.integers(2**31)), "trunk", 0)
    weights = {name: torch.from_numpy(own.copy()) for name, own in start.items()}
    trained = [weights[p.name].requires_grad_() for p in wide.parameters if p.is_trained]
    steps = trunk_steps(images)
    optimizer = torch.optim.Adam(trained, lr=RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        rows = generator.integers(0, len(shown), BATCH)
        missed = (forward(wide, weights, pixels(shown[rows])) - wanted[rows]) / scale
        optimizer.zero_grad()
        missed.square().mean().backward()
        optimizer.step()
        schedule.step()
        tell()
    return {name: tensor.detach() for name, tensor in weights.items()}


def _mean_logits(
    zoo: Zoo, tasks: Mapping[str, Sequence[int]], images: NDArray[np.uint8]
) -> NDArray[np.float32]:
    """What the networks of every task say on average: [image, task]."""
    said = np.zeros((len(images), len(tasks)), np.float32)
    places = [(row, task) for task, rows in enumerate(tasks.values()) for row in rows]
    places.sort()  # networks in the zoo's order
    counts = [len(rows) for rows in tasks.values()]
    logits = evaluate(zoo.architecture, (zoo.arrays(zoo.ids[row]) for row, _ in places), images)
    for (_, task), own in zip(places, logits, strict=True):
        said[:, task] += own[:, 0] / counts[task]
    return said


def features(
    architecture: Architecture, weights: Mapping[str, Tensor], images: Tensor
) -> NDArray[np.float64]:
    """What arrives at the last layer: float64 [image, feature]."""
    found = _Arriving(architecture, weights)
    with torch.no_grad():
        found.run(images)
    # In rows: sums over another layout have other last bits, and a file keeps no layout.
    values: NDArray[np.float64] = found.last.numpy().astype(np.float64, order="C")
    return values


class _Arriving(Pass):
    last: Tensor

    def sums(self, step: Step, values: Tensor) -> Tensor:
        if step.name == summing_steps(self._architecture)[-1].name:
            self.last = values.flatten(1)
        return super().sums(step, values)
