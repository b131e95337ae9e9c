"""What rows of weights answer to images, in PyTorch, with gradients."""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from hyperzoo.architectures import Architecture
from hyperzoo.architectures.forward import forward
from hyperzoo.generation.training_set import TrainingSet
from hyperzoo.population.evaluate import evaluate


def pixels(images: NDArray[np.uint8]) -> Tensor:
    """Images as networks take them: float32 [image, channel, height, width] in [0, 1]."""
    # Channels stay innermost in memory, which suits convolutions on a CPU.
    return torch.tensor(images).to(torch.float32).div_(255.0).movedim(-1, -3)


def split_row(architecture: Architecture, row: Tensor) -> Mapping[str, Tensor]:
    """A row of weights as a network, views into it: PyTorch name -> [*shape]."""
    parts = row.split([p.size for p in architecture.parameters])
    return {
        p.name: part.view(p.shape) for p, part in zip(architecture.parameters, parts, strict=True)
    }


def row_logits(architecture: Architecture, rows: Tensor, images: Tensor) -> Tensor:
    """The logits of networks on the same images: [network, image, output]."""
    return torch.stack(
        [forward(architecture, split_row(architecture, row), images) for row in rows]
    )


def network_logits(data: TrainingSet) -> NDArray[np.float32]:
    """What the training networks answer to training images: float32 [network, image, output]."""
    assert data.images is not None
    each = (
        {name: tensor[place] for name, tensor in data.weights.items()}
        for place in range(len(data.labels))
    )
    return np.stack(list(evaluate(data.architecture, each, data.images)))


def task_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean cross-entropy of networks, binary or categorical, in nats.

    Args:
        logits: [network, image, output].
        targets: [network, image], 0 or 1, or labels.
    """
    if logits.shape[2] == 1:
        return functional.binary_cross_entropy_with_logits(logits[:, :, 0], targets.float())
    return functional.cross_entropy(logits.flatten(0, 1), targets.flatten())
