"""Folders of trials as the ModelZoos have them: real modules, saved by real PyTorch."""

import json
from pathlib import Path
from typing import Any

import torch
from torch import nn

NONLINEAR: dict[str, type[nn.Module]] = {
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "sigmoid": nn.Sigmoid,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "leakyrelu": nn.LeakyReLU,
}
SIZES = {"CNN": 28, "CNN2": 28, "CNN3": 32}
_FILTERS = {"CNN": (8, 6, 4), "CNN2": (6, 9, 6)}


class Net(nn.Module):
    """As the published definitions: a list of modules, one after another."""

    def __init__(self, kind: str, channels: int, nlin: str, dropout: float) -> None:
        super().__init__()
        act, drop = NONLINEAR[nlin], ([nn.Dropout(dropout)] if dropout > 0 else [])
        if kind == "CNN3":
            drop = [nn.Dropout(dropout)]  # there whatever the rate
            modules: list[nn.Module] = []
            for inputs, filters in ((channels, 16), (16, 32), (32, 15)):
                modules += [nn.Conv2d(inputs, filters, 3), nn.MaxPool2d(2, 2), act(), *drop]
            width = 60
        else:
            first, second, third = _FILTERS[kind]
            modules = [nn.Conv2d(channels, first, 5), nn.MaxPool2d(2, 2), act(), *drop]
            modules += [nn.Conv2d(first, second, 5), nn.MaxPool2d(2, 2), act(), *drop]
            modules += [nn.Conv2d(second, third, 2), act()]
            width = 9 * third
        modules += [nn.Flatten(), nn.Linear(width, 20), act(), *drop, nn.Linear(20, 10)]
        self.module_list = nn.ModuleList(modules)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        for module in self.module_list:
            values = module(values)
        return values


def config(**changes: Any) -> dict[str, Any]:
    return {
        "model::type": "CNN", "model::channels_in": 1, "model::o_dim": 10, "model::nlin": "tanh",
        "model::dropout": 0.0, "model::init_type": "kaiming_uniform", "optim::optimizer": "adam",
        "optim::lr": 1e-3, "optim::wd": 1e-3, "optim::momentum": 0.9, "training::batchsize": 10,
        "training::epochs_train": 50, "seed": 1,
        "dataset::dump": "/home/user/zoos/MNIST/tune_zoo_mnist_hyperparameter/dataset.pt",
    } | changes  # fmt: skip


def result(epoch: int, first: bool = False) -> dict[str, Any]:
    """A line of result.json; before training there is no training loss."""
    return {
        "train_loss": -999 if first else 2.0 - 0.1 * epoch,
        "train_acc": -999 if first else 0.1 * epoch,
        "test_loss": 2.1 - 0.1 * epoch,
        "test_acc": 0.08 * epoch + 0.1,
        "training_iteration": epoch,
        "trial_id": "ab12c_00000",
        "config": {},
    }


def make_trial(
    root: Path,
    number: int,
    settings: dict[str, Any],
    epochs: tuple[int, ...] = (0, 1, 2, 3),
    digits: int = 6,
    first: int = 0,
) -> dict[int, Net]:
    """Write a trial.

    Args:
        root: the folder of trials.
        number: the trial's.
        settings: its configuration.
        epochs: of which there are checkpoints.
        digits: of the number in names of checkpoints; 0 for as many as there are.
        first: the epoch of the first line of results.

    Returns:
        Epoch -> the network.
    """
    folder = root / f"NN_tune_trainable_ab12c_{number:05}_{number}_seed={number}_2021-10-04_12-00-0"
    folder.mkdir(parents=True)
    (folder / "params.json").write_text(json.dumps(settings))
    (folder / "params.pkl").write_bytes(b"cos\nsystem\n(S'exit 1'\ntR.")
    lines = [json.dumps(result(epoch, epoch == 0)) for epoch in range(first, max(epochs) + 1)]
    (folder / "result.json").write_text("\n".join(lines) + "\n")
    (folder / "progress.csv").write_text("train_loss\n1\n")
    networks = {}
    for epoch in epochs:
        torch.manual_seed(1000 * number + epoch)
        net = Net(
            settings["model::type"],
            settings["model::channels_in"],
            settings["model::nlin"],
            settings["model::dropout"],
        ).eval()
        place = folder / f"checkpoint_{epoch:0{digits}}"
        place.mkdir()
        torch.save(net.state_dict(), place / "checkpoints")
        (place / "optimizer").write_bytes(b"cos\nsystem\n(S'exit 1'\ntR.")
        networks[epoch] = net
    return networks
