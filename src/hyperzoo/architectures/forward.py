"""What an architecture computes, in PyTorch: as a function of its weights, and as a module."""

import math
from collections import OrderedDict
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from hyperzoo.architectures.architecture import Architecture
from hyperzoo.architectures.layers import Conv2d, Dense, GlobalAveragePool, Layer, Pool2d, Shape

_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "relu": torch.relu,
    "linear": lambda sums: sums,
}
_ACTIVATION_MODULES = {"tanh": nn.Tanh, "relu": nn.ReLU}


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
    values = images
    layers = zip(architecture.layer_names, architecture.layers, architecture.shapes, strict=False)
    for name, layer, shape in layers:
        match layer:
            case Conv2d():
                weight, bias = parameters[f"{name}.weight"], parameters[f"{name}.bias"]
                padding, values = _pad(layer, shape, values)
                values = functional.conv2d(
                    values, weight, bias, stride=layer.stride, padding=padding
                )
                values = _ACTIVATIONS[layer.activation](values)
            case Pool2d(kind="average"):
                values = functional.avg_pool2d(values, layer.size)
            case Pool2d():
                values = functional.max_pool2d(values, layer.size)
            case GlobalAveragePool():
                values = values.mean(dim=(2, 3))
            case Dense():
                weight, bias = parameters[f"{name}.weight"], parameters[f"{name}.bias"]
                values = functional.linear(values.flatten(1), weight, bias)
                values = _ACTIVATIONS[layer.activation](values)
    return values


def _pad(layer: Conv2d, shape: Shape, values: Tensor) -> tuple[tuple[int, int], Tensor]:
    """Split Keras's padding into what conv2d can do itself and explicit zeros before it."""
    (top, bottom), (left, right) = layer.pads(shape[0]), layer.pads(shape[1])
    if top == bottom and left == right:
        return (top, left), values
    return (0, 0), functional.pad(values, (left, right, top, bottom))


def build_module(architecture: Architecture) -> nn.Sequential:
    """The architecture as an ordinary PyTorch module.

    Args:
        architecture: the network's declaration.

    Returns:
        A module from images [image, channel, height, width] in [0, 1] to logits [image, output].
        Its `state_dict` has hyperzoo's parameter names; its weights are PyTorch's own draws.
    """
    modules: OrderedDict[str, nn.Module] = OrderedDict()
    layers = zip(architecture.layer_names, architecture.layers, architecture.shapes, strict=False)
    for number, (name, layer, shape) in enumerate(layers, start=1):
        after_dense = number > 1 and isinstance(architecture.layers[number - 2], Dense)
        for kind, module in _modules(layer, shape, after_dense):
            modules[name if name and not kind else f"{kind}{number}"] = module
    return nn.Sequential(modules)


def _modules(layer: Layer, shape: Shape, after_dense: bool) -> list[tuple[str, nn.Module]]:
    """A layer as modules, each with its kind; the one with parameters has the empty kind."""
    modules: list[tuple[str, nn.Module]] = []
    match layer:
        case Conv2d():
            (top, bottom), (left, right) = layer.pads(shape[0]), layer.pads(shape[1])
            even = top == bottom and left == right
            if not even:
                modules.append(("pad", nn.ZeroPad2d((left, right, top, bottom))))
            padding = (top, left) if even else 0
            modules.append(
                ("", nn.Conv2d(shape[2], layer.filters, layer.kernel, layer.stride, padding))
            )
        case Pool2d(kind="average"):
            modules.append(("pool", nn.AvgPool2d(layer.size)))
        case Pool2d():
            modules.append(("pool", nn.MaxPool2d(layer.size)))
        case GlobalAveragePool():
            modules.append(("pool", nn.AdaptiveAvgPool2d(1)))
        case Dense():
            if not after_dense:
                modules.append(("flatten", nn.Flatten()))
            modules.append(("", nn.Linear(math.prod(shape), layer.units)))
    if isinstance(layer, Conv2d | Dense) and layer.activation != "linear":
        modules.append((layer.activation, _ACTIVATION_MODULES[layer.activation]()))
    return modules
