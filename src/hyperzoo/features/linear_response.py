"""Which pattern a network looks for: the product of the linear maps of all its layers.

Take every activation for the identity, every pooling for an average and every bias for zero. What
remains of the network is one linear map from pixels to logits, an image: a product of weights,
which no order and no sign of hidden units can change. It is computed from weights alone; no input
is ever shown to the network.
"""

from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from hyperzoo.architectures import Architecture
from hyperzoo.architectures.forward import forward
from hyperzoo.architectures.layers import (
    BatchNorm,
    Conv2d,
    Dense,
    GlobalAveragePool,
    Layer,
    Normalize,
    Pool2d,
    Residual,
)
from hyperzoo.features.per_network import PerNetwork

AnyLayer = TypeVar("AnyLayer", bound=Layer)


class LinearResponse(PerNetwork):
    """Features: the network's linear map, averaged on a grid, scaled to length 1.

    Attributes:
        architecture: of the networks.
        grid: height and width of the grid; a smaller image keeps its size.
        norm: whether the logarithm of the length before scaling is a feature too.
    """

    def __init__(self, architecture: Architecture, grid: int = 8, norm: bool = False) -> None:
        super().__init__(architecture)
        self.grid = grid
        self.norm = norm

    def _features(self, tensors: dict[str, NDArray[Any]]) -> NDArray[Any]:
        return of_maps(linear_map(self.architecture, tensors), self.grid, self.norm)


def of_maps(maps: torch.Tensor, grid: int, norm: bool) -> NDArray[np.float32]:
    """Linear maps on a grid, each network's scaled to length 1.

    Args:
        maps: [network, output, channel, height, width].
        grid: height and width of the grid; a smaller image keeps its size.
        norm: whether the logarithm of the length before scaling is the last feature.

    Returns:
        float32 [network, feature].
    """
    flat = on_grid(maps, grid).flatten(1)
    scaled = functional.normalize(flat, dim=1)
    if norm:
        length = flat.norm(dim=1, keepdim=True).clamp_min(torch.finfo(flat.dtype).tiny)
        scaled = torch.cat([scaled, length.log()], dim=1)
    features: NDArray[np.float32] = scaled.numpy()
    return features


def on_grid(maps: torch.Tensor, grid: int) -> torch.Tensor:
    """Linear maps averaged on a grid: [network, output, channel, height, width]."""
    height, width = (min(grid, side) for side in maps.shape[-2:])
    coarse = functional.adaptive_avg_pool2d(maps.flatten(0, 1), (height, width))
    return coarse.reshape(*maps.shape[:3], height, width)


def linear_map(architecture: Architecture, tensors: dict[str, NDArray[Any]]) -> torch.Tensor:
    """The linear part of networks.

    Args:
        architecture: of the networks.
        tensors: PyTorch name -> [network, *shape].

    Returns:
        float32 [network, output, channel, height, width].
    """
    linear = replace(architecture, layers=tuple(map(linear_layer, architecture.layers)))
    height, width, channels = architecture.input_shape
    networks = len(next(iter(tensors.values())))
    maps = np.empty((networks, linear.outputs, channels, height, width), np.float32)
    for network, per_output in enumerate(maps):
        own = {
            name: torch.zeros(tensor.shape[1:])
            if name.endswith((".bias", ".running_mean"))
            else torch.as_tensor(np.array(tensor[network]))
            for name, tensor in tensors.items()
        }
        # The gradient of a linear function is the function, wherever it is taken.
        anywhere = torch.zeros(1, channels, height, width, requires_grad=True)
        logits = forward(linear, own, anywhere)[0]
        for output, logit in enumerate(logits):
            (gradient,) = torch.autograd.grad(logit, anywhere, retain_graph=True)
            per_output[output] = gradient[0].numpy()
    return torch.from_numpy(maps)


def linear_layer(layer: AnyLayer) -> AnyLayer:
    """The linear part of a layer: of a batch normalisation its factor, after training."""
    match layer:
        case Conv2d() | Dense() | BatchNorm() | GlobalAveragePool():
            return replace(layer, activation="linear")
        case Pool2d():
            return replace(layer, kind="average", activation="linear")
        case Normalize():
            return replace(layer, mean=(0.0,))
        case Residual():
            return replace(
                layer,
                layers=tuple(linear_layer(own) for own in layer.layers),
                shortcut=tuple(linear_layer(own) for own in layer.shortcut),
                activation="linear",
            )
        case _:
            return layer
