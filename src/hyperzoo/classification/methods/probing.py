"""Showing images to many networks at once, and images to show."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from hyperzoo.architectures import Architecture
from hyperzoo.architectures.forward import forward
from hyperzoo.randomness import uniforms


def logits_of(architecture: Architecture, tensors: dict[str, Any], images: Tensor) -> Tensor:
    """The logits of many networks for the same images, by one batched forward pass.

    Args:
        architecture: of the networks.
        tensors: PyTorch name -> [network, *shape], arrays or tensors.
        images: [image, channel, height, width] in [0, 1].

    Returns:
        float32 [network, image, output].
    """
    stacked = {name: torch.as_tensor(np.asarray(tensor)) for name, tensor in tensors.items()}

    def single(own: dict[str, Tensor]) -> Tensor:
        return forward(architecture, own, images)

    logits: Tensor = torch.func.vmap(single)(stacked)
    return logits


def smooth_images(architecture: Architecture, count: int, patches: int) -> Tensor:
    """Smooth random images: uniform colours on a coarse grid, interpolated in between.

    Always the same for an architecture: they hang on no zoo and no seed.

    Args:
        architecture: whose input they fit.
        count: how many.
        patches: height and width of the grid.

    Returns:
        float32 [image, channel, height, width] in [0, 1].
    """
    height, width, channels = architecture.input_shape
    numbers = uniforms(0, "", 0, "smooth images", count * channels * patches * patches)
    coarse = torch.from_numpy(numbers.reshape(count, channels, patches, patches)).float()
    return spread(coarse, height, width)


def spread(coarse: Tensor, height: int, width: int) -> Tensor:
    """Interpolate images on a coarse grid [image, channel, patch, patch] to full size."""
    return functional.interpolate(
        coarse, size=(height, width), mode="bilinear", align_corners=False
    )


def per_network(
    architecture: Architecture, tensors: dict[str, NDArray[Any]], images: Tensor
) -> NDArray[np.float32]:
    """Logits of networks as features, [network, image x output]."""
    with torch.no_grad():
        logits: NDArray[np.float32] = logits_of(architecture, tensors, images).flatten(1).numpy()
    return logits
