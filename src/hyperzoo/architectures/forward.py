"""What an architecture computes, in PyTorch, as a function of its weights."""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from hyperzoo.architectures.activations import FUNCTIONS
from hyperzoo.architectures.architecture import Architecture
from hyperzoo.architectures.layers import (
    Activation,
    Add,
    BatchNorm,
    Conv2d,
    Dense,
    Dropout,
    Flatten,
    GlobalAveragePool,
    Normalize,
    Pool2d,
)
from hyperzoo.architectures.module import build_module, normalised
from hyperzoo.architectures.steps import Step

__all__ = ["Pass", "build_module", "forward", "training_forward"]


def forward(architecture: Architecture, parameters: Mapping[str, Tensor], images: Tensor) -> Tensor:
    """The logits of one network.

    A pure function, so `torch.func.vmap` turns it into the forward pass of many networks.

    Args:
        architecture: the network's declaration.
        parameters: PyTorch name -> tensor in PyTorch's axes.
        images: [image, channel, height, width], scaled to [0, 1].

    Returns:
        [image, output].
    """
    return Pass(architecture, parameters).run(images)


def training_forward(
    architecture: Architecture,
    parameters: Mapping[str, Tensor],
    images: Tensor,
    masks: Mapping[str, Tensor],
) -> tuple[Tensor, dict[str, Tensor]]:
    """The logits of one network in training: with dropout, normalised by the batch.

    Args:
        architecture: the network's declaration.
        parameters: PyTorch name -> tensor in PyTorch's axes.
        images: [image, channel, height, width], scaled to [0, 1].
        masks: name of every dropout ("dropout1") -> bool [channel, height, width, image], what
            it keeps.

    Returns:
        [image, output], and the running statistics after this batch by their names.
    """
    training = _Training(architecture, parameters, masks)
    logits = training.run(images)
    return logits, training.statistics


class Pass:
    """A pass after training, for those who want to look at or change what is summed up in it.

    Args:
        architecture: the network's declaration.
        parameters: PyTorch name -> tensor in PyTorch's axes.
    """

    def __init__(self, architecture: Architecture, parameters: Mapping[str, Tensor]) -> None:
        self._architecture, self._parameters = architecture, parameters

    def run(self, images: Tensor) -> Tensor:
        """The logits of images [image, channel, height, width]: [image, output]."""
        values = [images]
        for step in self._architecture.steps:
            values.append(self._step(step, [values[place] for place in step.inputs]))
        return values[-1]

    def _step(self, step: Step, inputs: list[Tensor]) -> Tensor:
        values = inputs[0]
        match step.layer:
            case Conv2d() | Dense():
                values = self.sums(step, values)
            case Pool2d(kind="average") as layer:
                values = self.averages(layer, values)
            case Pool2d() as layer:
                values = functional.max_pool2d(values, layer.size, layer.step)
            case GlobalAveragePool():
                values = values.mean(dim=(2, 3))
            case BatchNorm() as layer:
                values = self._normalise(step.name, layer, values)
            case Dropout() as layer:
                return self._drop(step.name, layer, values)
            case Flatten():
                return values.flatten(1)
            case Normalize() as layer:
                return normalised(layer, values)
            case Add():
                values = inputs[0] + inputs[1]
        return self.activated(step.layer.activation, values)

    def sums(self, step: Step, values: Tensor) -> Tensor:
        """What a convolution or a dense layer sums up of its inputs, before its activation."""
        weight = self._parameters[f"{step.name}.weight"]
        bias = self._parameters.get(f"{step.name}.bias")
        if isinstance(step.layer, Conv2d):
            padding, values = _pad(step.layer, step, values)
            return functional.conv2d(values, weight, bias, step.layer.stride, padding)
        return functional.linear(values.flatten(1), weight, bias)

    def averages(self, layer: Pool2d, values: Tensor) -> Tensor:
        """The averages over squares."""
        return functional.avg_pool2d(values, layer.size, layer.step)

    def activated(self, activation: Activation, values: Tensor) -> Tensor:
        """An activation of what a layer has."""
        return FUNCTIONS[activation](values)

    def _normalise(self, name: str, layer: BatchNorm, values: Tensor) -> Tensor:
        own = self._parameters
        scale = own[f"{name}.weight"] / torch.sqrt(own[f"{name}.running_var"] + layer.epsilon)
        shift = own[f"{name}.bias"] - own[f"{name}.running_mean"] * scale
        shape = (-1, *(1,) * (values.ndim - 2))
        return values * scale.reshape(shape) + shift.reshape(shape)

    def _drop(self, name: str, layer: Dropout, values: Tensor) -> Tensor:
        return values


class _Training(Pass):
    """A pass in training."""

    def __init__(
        self,
        architecture: Architecture,
        parameters: Mapping[str, Tensor],
        masks: Mapping[str, Tensor],
    ) -> None:
        super().__init__(architecture, parameters)
        self._masks = masks
        self.statistics: dict[str, Tensor] = {}

    def _normalise(self, name: str, layer: BatchNorm, values: Tensor) -> Tensor:
        own = self._parameters
        axes = [axis for axis in range(values.ndim) if axis != 1]
        found = values.detach()
        batch = {
            "running_mean": found.mean(dim=axes),
            "running_var": found.var(dim=axes, correction=0),
        }
        for kind, statistic in batch.items():
            running = own[f"{name}.{kind}"].detach()
            self.statistics[f"{name}.{kind}"] = running + (statistic - running) * (
                1 - layer.momentum
            )
        # The function of torch itself: that of torch.nn refuses a batch of one value a channel.
        return torch.batch_norm(
            values,
            own[f"{name}.weight"],
            own[f"{name}.bias"],
            None,
            None,
            True,
            0.0,
            layer.epsilon,
            torch.backends.cudnn.enabled,
        )

    def _drop(self, name: str, layer: Dropout, values: Tensor) -> Tensor:
        kept = self._masks[name].movedim(-1, 0).reshape(values.shape)
        return values * kept.to(values.dtype) * (1 / (1 - layer.rate))


def _pad(layer: Conv2d, step: Step, values: Tensor) -> tuple[tuple[int, int], Tensor]:
    """Split Keras's padding into what conv2d can do itself and explicit zeros before it."""
    (top, bottom), (left, right) = layer.pads(step.shape[0]), layer.pads(step.shape[1])
    if top == bottom and left == right:
        return (top, left), values
    return (0, 0), functional.pad(values, (left, right, top, bottom))
