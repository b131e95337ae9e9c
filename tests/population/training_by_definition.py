"""Training by definition, in float64, for every engine's tests of optimizers and schedules."""

import numpy as np
import torch
from numpy.typing import NDArray

from hyperzoo.architectures import Architecture, Initialisation, initial_parameters
from hyperzoo.architectures.forward import forward, training_forward
from hyperzoo.images import ImageSet
from hyperzoo.plan import PlannedNetwork
from hyperzoo.population import Settings
from hyperzoo.population.task import dropout_masks, image_order, targets

State = dict[str, torch.Tensor]
Arrays = dict[str, NDArray[np.float64]]


def optimized(planned: PlannedNetwork, own: State, gradients: State, state: State, rate: float,
              count: int) -> State:  # fmt: skip
    """One step as Keras 3 takes it (keras/src/optimizers: sgd.py, adam.py, rmsprop.py).

    Weight decay first, `w -= rate decay w` (base_optimizer.py); of kernels the gradient of
    `l2 sum(w^2)` (regularizers.py) is part of the gradient.
    """
    after = {}
    for name, gradient in gradients.items():
        w = own[name]
        if w.ndim > 1:
            gradient = gradient + 2 * planned.l2 * w
        w = w - rate * planned.weight_decay * w
        m, v = (state.setdefault(f"{kind}/{name}", torch.zeros_like(w)) for kind in "mv")
        if planned.optimizer in ("adam", "adamw"):
            m += (gradient - m) * (1 - 0.9)
            v += (gradient**2 - v) * (1 - 0.999)
            alpha = rate * (1 - 0.999**count) ** 0.5 / (1 - 0.9**count)
            after[name] = w - m * alpha / (v.sqrt() + 1e-7)
        elif planned.optimizer == "rmsprop":
            v *= 0.9
            v += 0.1 * gradient**2
            m *= planned.momentum
            m += rate * gradient / (v + 1e-7).sqrt()
            after[name] = w - m
        else:
            m *= planned.momentum
            m -= rate * gradient
            ahead = planned.momentum * m - rate * gradient if planned.nesterov else m
            after[name] = w + ahead
    return after


def train_by_definition(
    architecture: Architecture, planned: PlannedNetwork, images: ImageSet, settings: Settings
) -> tuple[Arrays, NDArray[np.float64]]:
    """All parameters after training, and the validation logits."""
    start = initial_parameters(
        architecture, settings.seed, planned.class_name, planned.index,
        initialisation=Initialisation(
            planned.initialisation, planned.initialisation_scale, planned.initial_bias,
            planned.bias_initialisation,
        ),
    )  # fmt: skip
    own = {name: torch.tensor(value).double() for name, value in start.items()}
    trained = [p.name for p in architecture.parameters if p.is_trained]
    wanted = torch.tensor(targets(planned, settings.kind, images.train_labels, images.class_names))
    state: State = {}
    count = 0
    for epoch in range(1, settings.epochs + 1):
        order = image_order(planned, np.arange(len(wanted)), settings.seed, epoch)
        rate = planned.learning_rate
        if planned.schedule == "cosine":  # torch.optim.lr_scheduler.CosineAnnealingLR, T_max epochs
            rate *= (1 + np.cos(np.pi * (epoch - 1) / settings.epochs)) / 2
        if planned.schedule == "step":  # StepLR
            rate *= planned.step_factor ** ((epoch - 1) // planned.step_epochs)
        for step, begin in enumerate(range(0, len(order), planned.batch_size)):
            batch = order[begin : begin + planned.batch_size]
            masks = dropout_masks(architecture, planned, settings.seed, epoch, step, len(batch))
            leaves = {name: tensor.requires_grad_() for name, tensor in own.items()}
            logits, running = training_forward(
                architecture,
                leaves,
                torch.tensor(images.train_images[batch]).double().permute(0, 3, 1, 2) / 255,
                {name: torch.tensor(mask) for name, mask in masks.items()},
            )
            loss = loss_of(logits, wanted[batch])
            found = torch.autograd.grad(loss, [leaves[name] for name in trained])
            own = {name: tensor.detach() for name, tensor in leaves.items()} | running
            count += 1
            gradients = dict(zip(trained, found, strict=True))
            own |= optimized(planned, own, gradients, state, rate, count)
    held_out = torch.tensor(images.validation_images).double().permute(0, 3, 1, 2) / 255
    said = forward(architecture, own, held_out)
    return {name: tensor.numpy() for name, tensor in own.items()}, said.numpy()


def loss_of(logits: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy, binary of one logit."""
    if logits.shape[1] == 1:
        return torch.nn.functional.binary_cross_entropy_with_logits(logits[:, 0], wanted.double())
    return torch.nn.functional.cross_entropy(logits, wanted)
