"""The loss of stacks of networks, in PyTorch."""

import torch
from torch import Tensor
from torch.nn import functional


def image_losses(logits: Tensor, stack_targets: Tensor) -> Tensor:
    """Binary or categorical cross-entropy of every image, in nats: [network, image]."""
    if logits.shape[2] == 1:
        return functional.binary_cross_entropy_with_logits(
            logits[:, :, 0], stack_targets.to(logits.dtype), reduction="none"
        )
    losses = functional.cross_entropy(
        logits.flatten(0, 1), stack_targets.flatten(), reduction="none"
    )
    return losses.view(stack_targets.shape)


def loss_gradient(logits: Tensor, stack_targets: Tensor) -> Tensor:
    """The gradient of each network's mean loss for its logits: [network, image, output]."""
    if logits.shape[2] == 1:
        slopes = logits.sigmoid().sub_(stack_targets[:, :, None])
    else:
        places = torch.arange(logits.shape[2], device=logits.device)
        slopes = logits.softmax(dim=2).sub_((stack_targets[:, :, None] == places).to(logits.dtype))
    return slopes.div_(logits.shape[1])


def answered_right(logits: Tensor, stack_targets: Tensor) -> Tensor:
    """Whether every image is classified rightly (threshold: probability 0.5): [network, image]."""
    said = (logits[:, :, 0] > 0).long() if logits.shape[2] == 1 else logits.argmax(dim=2)
    return said == stack_targets
