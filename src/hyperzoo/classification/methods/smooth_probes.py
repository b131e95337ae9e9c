"""How a network answers to 64 smooth random images, with logistic regression."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from hyperzoo.architectures import Architecture
from hyperzoo.classification.features import PerNetwork
from hyperzoo.classification.methods.probing import per_network, smooth_images


def build(architecture: Architecture, seed: int) -> Pipeline:
    """Nothing is searched; the images are the same for every seed."""
    return make_pipeline(
        SmoothProbes(architecture), StandardScaler(), LogisticRegression(C=0.1, max_iter=1000)
    )


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
