"""An oracle: which class of real held-out images a network answers to most."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from hyperzoo.architectures import Architecture
from hyperzoo.classification.features import PerNetwork
from hyperzoo.classification.methods.probing import logits_of


def build(architecture: Architecture, seed: int, images: Sequence[NDArray[np.uint8]]) -> Pipeline:
    """Nothing is drawn and nothing searched."""
    return make_pipeline(
        HeldOutImages(architecture, images),
        StandardScaler(),
        LogisticRegression(max_iter=1000),
    )


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
