"""Images that are learned together with the classifier of the logits they call forth.

After Kofinas et al., "Graph neural networks for learning equivariant representations of neural
networks", 2024 (probe features), and Herrmann, Faccio and Schmidhuber, "Learning useful
representations of recurrent neural network weight matrices", 2024 (probing).
"""

from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from torch import Tensor

from hyperzoo.architectures import Architecture
from hyperzoo.features.matrix import CHUNK, tensors_of
from hyperzoo.features.probes import logits_of, smooth_images, spread
from hyperzoo.prediction.methods.gradient import train


def build(architecture: Architecture, seed: int) -> "LearnedProbes":
    """The images begin as smooth random ones."""
    return LearnedProbes(architecture, seed=seed)


class LearnedProbes(ClassifierMixin, BaseEstimator):
    """A linear classifier of the logits for a few learned images.

    Attributes:
        architecture: of the networks.
        probes: how many images.
        patches: height and width of the grid on which an image is learned.
        epochs: passes over the training networks.
        seed: of their order.
        classes_: the classes' names.
        learned_: "probes" [image, channel, patch, patch] before the logistic function, and the
            classifier's "mean", "scale", "weight" and "bias".
    """

    def __init__(
        self,
        architecture: Architecture,
        probes: int = 8,
        patches: int = 8,
        epochs: int = 4,
        seed: int = 0,
    ) -> None:
        self.architecture = architecture
        self.probes = probes
        self.patches = patches
        self.epochs = epochs
        self.seed = seed

    def fit(self, networks: NDArray[Any], labels: NDArray[Any]) -> Self:
        """Learn images and classifier from weights [network, parameter]."""
        self.classes_, codes = np.unique(labels, return_inverse=True)
        _, _, channels = self.architecture.input_shape
        shape = (self.probes, channels, self.patches, self.patches)
        coarse = smooth_images(self.architecture, self.probes, self.patches)
        coarse = torch.nn.functional.adaptive_avg_pool2d(coarse, shape[2:])
        start = {"probes": torch.logit(coarse, eps=0.01)}
        with torch.no_grad():
            answers = torch.cat(
                [
                    self._answers(start, networks[begin : begin + CHUNK])
                    for begin in range(0, len(networks), CHUNK)
                ]
            )
        start["mean"] = answers.mean(dim=0)
        start["scale"] = answers.std(dim=0, correction=0).clamp_min(1e-6)
        start["weight"] = torch.zeros(answers.shape[1], len(self.classes_))
        start["bias"] = torch.zeros(len(self.classes_))
        self.learned_ = train(
            start,
            self._logits,
            networks,
            codes,
            epochs=self.epochs,
            batch=32,
            learning_rate=0.05,
            seed=self.seed,
        )
        return self

    def _answers(self, learned: dict[str, Tensor], networks: NDArray[Any]) -> Tensor:
        height, width, _ = self.architecture.input_shape
        images = spread(torch.sigmoid(learned["probes"]), height, width)
        return logits_of(
            self.architecture, tensors_of(self.architecture, networks), images
        ).flatten(1)

    def _logits(self, learned: dict[str, Tensor], networks: NDArray[Any]) -> Tensor:
        scaled = (self._answers(learned, networks) - learned["mean"]) / learned["scale"]
        return scaled @ learned["weight"] + learned["bias"]

    def predict_proba(self, networks: NDArray[Any]) -> NDArray[np.float32]:
        """Probabilities [network, class]."""
        learned = {name: torch.from_numpy(value) for name, value in self.learned_.items()}
        with torch.no_grad():
            chunks = [
                self._logits(learned, networks[begin : begin + CHUNK]).softmax(dim=1).numpy()
                for begin in range(0, len(networks), CHUNK)
            ]
        return np.concatenate(chunks)

    def predict(self, networks: NDArray[Any]) -> NDArray[Any]:
        """The likeliest class of each network."""
        likeliest: NDArray[Any] = self.classes_[self.predict_proba(networks).argmax(axis=1)]
        return likeliest
