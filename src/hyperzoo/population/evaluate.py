"""What networks that are there already say of images."""

import numpy as np
from numpy.typing import NDArray

from hyperzoo.architectures import Architecture
from hyperzoo.errors import ImageError
from hyperzoo.population.engine import Parameters

BATCH = 256
"""Images at once: what they pass through then still fits in a processor's cache."""


def evaluate(
    architecture: Architecture, parameters: Parameters, images: NDArray[np.uint8]
) -> NDArray[np.float32]:
    """The logits of a network.

    They are those of the PyTorch engine but for rounding; `metrics` makes the network's
    performance of them.

    Args:
        architecture: the network's architecture.
        parameters: its weights.
        images: uint8 [image, height, width, channel].

    Returns:
        float32 [image, output].

    Raises:
        ImageError: the images have another shape than the network takes.
    """
    import torch

    from hyperzoo.architectures.forward import forward

    if images.shape[1:] != architecture.input_shape:
        raise ImageError(
            f"architecture '{architecture.name}' takes images of shape "
            f"{architecture.input_shape} (height, width, channels), got {images.shape[1:]}"
        )
    # Copies: what a zoo hands out is mapped and not to be written to, which torch warns of.
    weights = {name: torch.tensor(tensor) for name, tensor in parameters.items()}
    logits = []
    with torch.no_grad():
        for begin in range(0, len(images), BATCH):
            pixels = torch.tensor(images[begin : begin + BATCH])
            # Channels stay innermost in memory, which suits convolutions on a CPU.
            scaled = pixels.to(torch.float32).div_(255.0).movedim(-1, -3)
            logits.append(forward(architecture, weights, scaled))
    return torch.cat(logits).numpy()
