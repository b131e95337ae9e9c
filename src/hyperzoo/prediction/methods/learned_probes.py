"""Images that are learned together with a linear map of the logits they call forth.

After Kofinas et al., "Graph neural networks for learning equivariant representations of neural
networks", 2024 (probe features), and Herrmann, Faccio and Schmidhuber, "Learning useful
representations of recurrent neural network weight matrices", 2024 (probing).
"""

from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from hyperzoo.architectures import Architecture
from hyperzoo.features.matrix import CHUNK, tensors_of
from hyperzoo.features.probes import logits_of, smooth_images, spread
from hyperzoo.prediction.methods.gradient import Learned
from hyperzoo.prediction.target import Kind


def build(architecture: Architecture, seed: int, kind: Kind) -> "LearnedProbes":
    """The images begin as smooth random ones; numbers take longer than words."""
    return LearnedProbes(architecture, kind, epochs=4 if kind == "category" else 20, seed=seed)


class LearnedProbes(Learned):
    """A linear map of the logits for a few learned images.

    Attributes:
        probes: how many images.
        patches: height and width of the grid on which an image is learned.
        learned_: "probes" [image, channel, patch, patch] before the logistic function, and the
            linear map's "mean", "scale", "weight" and "bias".
    """

    learning_rate = 0.05

    def __init__(
        self,
        architecture: Architecture,
        kind: Kind = "category",
        probes: int = 8,
        patches: int = 8,
        epochs: int = 4,
        seed: int = 0,
    ) -> None:
        super().__init__(architecture, kind, epochs, seed)
        self.probes = probes
        self.patches = patches

    def _start(self, networks: NDArray[Any], outputs: int) -> dict[str, Tensor]:
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
        start["weight"] = torch.zeros(answers.shape[1], outputs)
        start["bias"] = torch.zeros(outputs)
        return start

    def _answers(self, learned: dict[str, Tensor], networks: NDArray[Any]) -> Tensor:
        height, width, _ = self.architecture.input_shape
        images = spread(torch.sigmoid(learned["probes"]), height, width)
        return logits_of(
            self.architecture, tensors_of(self.architecture, networks), images
        ).flatten(1)

    def _outputs(self, learned: dict[str, Tensor], networks: NDArray[Any]) -> Tensor:
        scaled = (self._answers(learned, networks) - learned["mean"]) / learned["scale"]
        return scaled @ learned["weight"] + learned["bias"]
