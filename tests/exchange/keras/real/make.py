"""Exports zoos for check.py, with what PyTorch says their networks answer.

python -m tests.exchange.keras.real.make FOLDER
"""

import sys
from pathlib import Path

import numpy as np
import torch

from hyperzoo.exchange.exporting import export_zoo
from hyperzoo.zoo import open_zoo
from tests.architectures.declarations import EVERY
from tests.exchange.own_zoo import own_zoo
from tests.zoo.makers import make_zoo, recipe

OWN = (
    "cnn-s", "even kernels", "pooled activations", "normalised", "dropped out", "residual",
    "overlapping", "scaled",
)  # fmt: skip
VARIED = {"learning_rate": {"log_uniform": [1e-4, 1e-2]}}


def main(root: Path) -> None:
    for name, channels, kind in (
        ("lenet5", 3, "one-vs-all"),
        ("lenet5", 3, "multi-class"),
        ("smallcnn", 1, "one-vs-all"),
        ("smallcnn", 1, "multi-class"),
    ):
        chosen = recipe(
            networks_per_class=2,
            architecture={"name": name},
            images={"source": "npz", "path": "nowhere.npz", "channels": channels},
            task={"kind": kind},
            vary=VARIED,
        )
        folder = root / f"{name}-{kind}"
        zoo = open_zoo(make_zoo(folder / "zoo", chosen))
        for written in ("keras-h5", "weights-h5"):
            export_zoo(zoo, written, folder / written)
        generator = np.random.default_rng(0)
        images = generator.integers(0, 256, (16, 32, 32, channels), dtype=np.uint8)
        np.savez(folder / "expected.npz", images=images, **_expected(zoo, images))

    for name in OWN:
        zoo = own_zoo(root / name.replace(" ", "-") / "zoo", EVERY[name], networks_per_class=2)
        folder = root / name.replace(" ", "-")
        for written in ("keras-h5", "weights-h5"):
            export_zoo(zoo, written, folder / written)
        shape = zoo.architecture.input_shape
        images = np.random.default_rng(0).integers(0, 256, (16, *shape), dtype=np.uint8)
        np.savez(folder / "expected.npz", images=images, **_expected(zoo, images))


def _expected(zoo, images) -> dict[str, np.ndarray]:
    scaled = torch.tensor(images).float().div(255).movedim(-1, 1)
    answers: dict[str, np.ndarray] = {}
    for network in (network for part in zoo.plan for network in part):
        with torch.no_grad():
            logits = zoo.network(network.id)(scaled)
        one = logits.shape[1] == 1
        probabilities = torch.sigmoid(logits) if one else torch.softmax(logits, dim=1)
        answers[network.id] = probabilities.numpy()
        answers[f"rate/{network.id}"] = np.array(network.learning_rate)
    return answers


if __name__ == "__main__":
    main(Path(sys.argv[1]))
