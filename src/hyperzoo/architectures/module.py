"""An architecture as an ordinary PyTorch module."""

import math
from collections import OrderedDict
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from hyperzoo.architectures.activations import MODULES
from hyperzoo.architectures.architecture import Architecture
from hyperzoo.architectures.layers import (
    Activation,
    BatchNorm,
    Conv2d,
    Dense,
    Dropout,
    Flatten,
    GlobalAveragePool,
    Normalize,
    Pool2d,
)
from hyperzoo.architectures.steps import Step


def build_module(architecture: Architecture) -> nn.Module:
    """The architecture as an ordinary PyTorch module.

    Args:
        architecture: the network's declaration.

    Returns:
        A module from images [image, channel, height, width] in [0, 1] to logits [image, output].
        Its `state_dict` has hyperzoo's parameter names (and `num_batches_tracked` of batch
        normalisations, which nothing reads); its weights are PyTorch's own draws. What scales the
        images is a part of the module and not of its `state_dict`. It is a
        `Sequential` where the architecture has no residual blocks. In training mode its running
        variances follow PyTorch's unbiased estimate, not Keras's.
    """
    if architecture.is_straight:
        return nn.Sequential(
            OrderedDict(entry for step in architecture.steps for entry in _modules(step))
        )
    return _Branched(architecture)


class _Branched(nn.Module):
    """A network with residual blocks, its modules side by side under their own names."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self._steps = []
        for step in architecture.steps:
            names = []
            for name, module in _modules(step):
                self.add_module(name, module)
                names.append(name)
            self._steps.append((step.inputs, names))

    def forward(self, images: Tensor) -> Tensor:
        """The logits of images."""
        values = [images]
        for inputs, names in self._steps:
            value = values[inputs[0]]
            for place in inputs[1:]:
                value = value + values[place]
            for name in names:
                value = self.get_submodule(name)(value)
            values.append(value)
        return values[-1]


class _Normalize(nn.Module):
    """Scales images by what the architecture says; its `state_dict` is empty."""

    def __init__(self, layer: Normalize) -> None:
        super().__init__()
        self._layer = layer

    def forward(self, images: Tensor) -> Tensor:
        """Images [image, channel, height, width], scaled."""
        return normalised(self._layer, images)


def normalised(layer: Normalize, images: Tensor) -> Tensor:
    """Images [image, channel, height, width], scaled in the precision that they have."""
    factors, offsets = (
        torch.tensor(own, dtype=images.dtype, device=images.device)[:, None, None]
        for own in layer.affine(images.shape[1])
    )
    scaled: Tensor = images * factors + offsets
    return scaled


def _modules(step: Step) -> Iterator[tuple[str, nn.Module]]:
    """A step as modules, each with its name; an addition is its activation alone."""
    shape = step.shape
    match step.layer:
        case Conv2d() as layer:
            (top, bottom), (left, right) = layer.pads(shape[0]), layer.pads(shape[1])
            even = top == bottom and left == right
            if not even:
                yield f"{step.name}_pad", nn.ZeroPad2d((left, right, top, bottom))
            padding = (top, left) if even else 0
            yield (
                step.name,
                nn.Conv2d(
                    shape[2], layer.filters, layer.kernel, layer.stride, padding, bias=layer.bias
                ),
            )
        case Pool2d(kind="average") as layer:
            yield step.name, nn.AvgPool2d(layer.size, layer.step)
        case Pool2d() as layer:
            yield step.name, nn.MaxPool2d(layer.size, layer.step)
        case GlobalAveragePool():
            yield step.name, nn.AdaptiveAvgPool2d(1)
            yield f"{step.name}_flatten", nn.Flatten()
        case Dense() as layer:
            if not step.flat:
                yield f"{step.name}_flatten", nn.Flatten()
            yield step.name, nn.Linear(math.prod(shape), layer.units, bias=layer.bias)
        case BatchNorm() as layer:
            kind = nn.BatchNorm1d if step.flat else nn.BatchNorm2d
            yield step.name, kind(shape[2], layer.epsilon, 1 - layer.momentum)
        case Dropout() as layer:
            yield step.name, nn.Dropout(layer.rate)
        case Flatten():
            yield step.name, nn.Flatten()
        case Normalize() as layer:
            yield step.name, _Normalize(layer)
    activation: Activation = getattr(step.layer, "activation", "linear")
    if activation != "linear":
        yield f"{step.name}_{activation}", MODULES[activation]()
