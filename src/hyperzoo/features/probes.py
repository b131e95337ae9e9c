"""How networks answer to images: showing them to many at once, and images to show."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from hyperzoo.architectures import Architecture
from hyperzoo.architectures.forward import forward
from hyperzoo.features.per_network import PerNetwork
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


class SmoothProbes(PerNetwork):
    """Features: the logits for fixed smooth random images.

    Attributes:
        architecture: of the networks.
        probes: how many images.
        patches: height and width of the grid of colours that an image is interpolated from.
    """

    def __init__(self, architecture: Architecture, probes: int = 64, patches: int = 6) -> None:
        super().__init__(architecture)
        self.probes = probes
        self.patches = patches

    def _features(self, tensors: dict[str, NDArray[Any]]) -> NDArray[np.float32]:
        images = smooth_images(self.architecture, self.probes, self.patches)
        return per_network(self.architecture, tensors, images)


class HeldOutImages(PerNetwork):
    """Features: the mean logit for the images of each class.

    Attributes:
        architecture: of the networks.
        images: for each class uint8 [image, height, width, channel].
        per_class: how many images of a class to show, the first ones.
    """

    def __init__(
        self,
        architecture: Architecture,
        images: Sequence[NDArray[np.uint8]],
        per_class: int = 16,
    ) -> None:
        super().__init__(architecture)
        self.images = images
        self.per_class = per_class

    def _features(self, tensors: dict[str, NDArray[Any]]) -> NDArray[np.float32]:
        means = []
        for images in self.images:
            pixels = np.asarray(images[: self.per_class], np.float32).transpose(0, 3, 1, 2) / 255
            with torch.no_grad():
                logits = logits_of(self.architecture, tensors, torch.from_numpy(pixels))
            means.append(logits.mean(dim=1).numpy())
        return np.concatenate(means, axis=1)
