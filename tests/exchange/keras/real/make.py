"""Exports zoos for check.py, with what PyTorch says their networks answer.

python -m tests.exchange.keras.real.make FOLDER
"""

import sys
from itertools import product
from pathlib import Path

import numpy as np
import torch

from hyperzoo.exchange.exporting import export_zoo
from hyperzoo.exchange.importing import import_zoo
from hyperzoo.zoo import Zoo, open_zoo
from tests.architectures.declarations import EVERY
from tests.exchange.modelzoos.makers import NONLINEAR, config, make_trial
from tests.exchange.own_zoo import own_zoo
from tests.zoo.makers import make_zoo, recipe

OWN = (
    "cnn-s", "even kernels", "pooled activations", "normalised", "dropped out", "residual",
    "normalised shortcuts", "overlapping", "scaled",
)  # fmt: skip
TRIALS = {
    "tune_zoo_mnist_hyperparameter": ("CNN", 1, 0.1307, 0.3081),
    "tune_zoo_svhn_hyperparameter": ("CNN", 1, 0.5, 0.5),
    "tune_zoo_svhn_uniform": ("CNN", 1, 0.5, 0.5),
    "tune_zoo_usps": ("CNN", 1, 0.1307, 0.3081),
    "tune_zoo_f_mnist": ("CNN2", 1, 0.5, 0.5),
    "tune_zoo_cifar10_large": ("CNN3", 3, 0.5, 0.5),
    "tune_zoo_stl_small": ("CNN", 3, 0.5, 0.5),
}
"""Names that tell the images -> network, channels, mean and standard deviation of these."""

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
        images = _exported(zoo, folder)
        np.savez(folder / "expected.npz", images=images, **_expected(zoo, images))

    for name in OWN:
        folder = root / name.replace(" ", "-")
        zoo = own_zoo(folder / "zoo", EVERY[name], networks_per_class=2)
        images = _exported(zoo, folder)
        np.savez(folder / "expected.npz", images=images, **_expected(zoo, images))

    for name, (kind, channels, mean, std) in TRIALS.items():
        _modelzoos(root / name, kind, channels, mean, std)


def _modelzoos(folder: Path, kind: str, channels: int, mean: float, std: float) -> None:
    """Trials of every activation, with dropout and without; their modules say what is right."""
    source = folder.parent.with_name("keras-trials") / folder.name
    modules = {}
    for number, (nlin, dropout) in enumerate(product(NONLINEAR, (0.0, 0.5))):
        settings = config(
            **{"model::type": kind, "model::channels_in": channels, "model::nlin": nlin},
            **{"model::dropout": dropout, "dataset::dump": None, "optim::wd": 0.0},
        )
        modules[f"all_{number}"] = make_trial(source, number, settings, epochs=(1,))[1]
    zoo = import_zoo(source, folder / "zoo").zoo
    images = _exported(zoo, folder)
    scaled = (torch.tensor(images).float().div(255).movedim(-1, 1) - mean) / std
    answers: dict[str, np.ndarray] = {}
    for network, module in modules.items():
        with torch.no_grad():
            answers[network] = torch.softmax(module(scaled), dim=1).numpy()
        answers[f"rate/{network}"] = np.array(1e-3)
    np.savez(folder / "expected.npz", images=images, **answers)


def _exported(zoo: Zoo, folder: Path) -> np.ndarray:
    """Write a zoo in both formats; images to ask its networks about."""
    for written in ("keras-h5", "weights-h5"):
        export_zoo(zoo, written, folder / written)
    shape = zoo.architecture.input_shape
    return np.random.default_rng(0).integers(0, 256, (16, *shape), dtype=np.uint8)


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
