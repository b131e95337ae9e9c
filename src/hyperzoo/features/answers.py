"""How much a network tells images apart, by its answers to some whose order does not matter.

Where the activation differs from network to network, weights do not say which it is: they are taken
for those of a ReLU network and for those of a tanh network, one after the other.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hyperzoo.architectures import Architecture, varied
from hyperzoo.features.pattern import SignalsAndPattern
from hyperzoo.features.probes import HeldOutImages, logits_of, smooth_images
from hyperzoo.features.singular import singular_values

_LEAST = 1e-9
"""What is smaller counts as this, for its logarithm."""


def readings(architecture: Architecture) -> list[Architecture]:
    """The architectures that the weights may be of."""
    if architecture.is_drawn:
        return [varied(architecture, activation=own) for own in ("relu", "tanh")]
    return [architecture]


class PatternAndProbes(SignalsAndPattern):
    """Features: how differently 64 smooth random images are answered, then `SignalsAndPattern`."""

    def _features(self, tensors: dict[str, NDArray[Any]]) -> NDArray[Any]:
        images = smooth_images(self.architecture, 64, 6)
        found = []
        with torch.no_grad():
            for own in readings(self.architecture):
                found.append(told_apart(logits_of(own, tensors, images).double()).numpy())
        return np.concatenate([*found, super()._features(tensors)], axis=1)


class AskedImages(HeldOutImages):
    """Features: accuracy, loss and confidence on the first real images of each class."""

    def _features(self, tensors: dict[str, NDArray[Any]]) -> NDArray[Any]:
        shown = [np.asarray(own[: self.per_class]) for own in self.images]
        labels = torch.from_numpy(np.repeat(np.arange(len(shown)), [len(own) for own in shown]))
        pixels = torch.from_numpy(np.concatenate(shown)).float().div(255).movedim(-1, 1)
        found = []
        with torch.no_grad():
            for own in readings(self.architecture):
                logits = logits_of(own, tensors, pixels).double()
                found += [told_apart(logits), right(logits, labels)]
        joined: NDArray[Any] = torch.cat(found, dim=1).numpy()
        return joined


def told_apart(logits: Tensor) -> Tensor:
    """Of logits [network, image, output]: spreads, entropies, singular values; their logarithms."""
    chances = logits.softmax(dim=2) if logits.shape[2] > 1 else logits.sigmoid()
    single, mean = _entropy(chances).mean(dim=1), _entropy(chances.mean(dim=1))
    centred = logits - logits.mean(dim=1, keepdim=True)
    sizes = [
        singular_values(centred),
        centred.square().mean(dim=1).sqrt().sort(dim=1).values,
        (mean - single)[:, None],  # what an answer tells of the image, in nats
    ]
    return torch.cat(
        [*(own.clamp_min(_LEAST).log() for own in sizes), single[:, None], mean[:, None]], dim=1
    )


def _entropy(chances: Tensor) -> Tensor:
    """In nats, over the last axis; of one chance only the part of a yes, which orders alike."""
    entropy: Tensor = -(chances * chances.clamp_min(1e-12).log()).sum(dim=-1)
    return entropy


def right(logits: Tensor, labels: Tensor) -> Tensor:
    """Accuracy, the logarithm of the loss, and the mean chance of what is right: [network, 3].

    Of one logit, whose network has a class of its own: how many of each class get a yes.
    """
    if logits.shape[2] == 1:
        yes = (logits[:, :, 0] > 0).double()
        classes = [yes[:, labels == label].mean(dim=1) for label in labels.unique()]
        return torch.stack(classes, dim=1)
    chance = logits.softmax(dim=2)[:, torch.arange(len(labels)), labels]
    accuracy = (logits.argmax(dim=2) == labels).double().mean(dim=1)
    loss = -chance.clamp_min(1e-12).log().mean(dim=1)
    return torch.stack([accuracy, loss.clamp_min(_LEAST).log(), chance.mean(dim=1)], dim=1)
