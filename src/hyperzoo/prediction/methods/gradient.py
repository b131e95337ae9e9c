"""Training a classifier of networks by gradient descent: what two methods share."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional


def train(
    parameters: dict[str, Tensor],
    logits: Callable[[dict[str, Tensor], NDArray[Any]], Tensor],
    networks: NDArray[Any],
    codes: NDArray[np.int64],
    *,
    epochs: int,
    batch: int,
    learning_rate: float,
    seed: int,
) -> dict[str, NDArray[np.float32]]:
    """Adam with a learning rate that falls to zero along a cosine.

    Args:
        parameters: name -> initial value.
        logits: from parameters and weights [network, parameter] to [network, class].
        networks: weights of the training networks, [network, parameter].
        codes: their classes as numbers.
        epochs: passes over them.
        batch: networks in a step.
        learning_rate: at the beginning.
        seed: of the order.

    Returns:
        Name -> trained value.
    """
    learned = {name: value.clone().requires_grad_() for name, value in parameters.items()}
    optimizer = torch.optim.Adam(learned.values(), lr=learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(
        optimizer, T_max=epochs * -(-len(networks) // batch)
    )
    generator = np.random.default_rng(seed)
    targets = torch.as_tensor(codes)
    for _ in range(epochs):
        order = generator.permutation(len(networks))
        for begin in range(0, len(order), batch):
            rows = order[begin : begin + batch]
            optimizer.zero_grad()
            functional.cross_entropy(logits(learned, networks[rows]), targets[rows]).backward()
            optimizer.step()
            schedule.step()
    return {name: value.detach().numpy() for name, value in learned.items()}
