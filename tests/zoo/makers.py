"""Zoos of made-up numbers: what the format does with networks does not depend on training."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hyperzoo.architectures import initial_parameters
from hyperzoo.plan import PlannedNetwork
from hyperzoo.recipe import Recipe, parse_recipe
from hyperzoo.zoo import FinishedNetwork, ZooWriter, layout
from hyperzoo.zoo.tensors import open_tensors

CLASSES = ("cat", "dog", "owl", "rat", "yak")
PROVENANCE = {"engine": "torch", "device": "cpu"}


def recipe(**sections: Any) -> Recipe:
    document = {
        "name": "made-up",
        "networks_per_class": 12,
        "images": {"source": "npz", "path": "nowhere.npz", "channels": 1},
        "architecture": {"name": "smallcnn"},
        "training": {"epochs": 2, "checkpoint_epochs": [1]},
    }
    return parse_recipe(document | sections)


def writer(folder: Path, chosen: Recipe | None = None, **changes: Any) -> ZooWriter:
    chosen = chosen or recipe()
    outputs = 1 if chosen.task.kind == "one-vs-all" else len(CLASSES)
    arguments: dict[str, Any] = {
        "image_classes": CLASSES,
        "image_fingerprint": "0123456789abcdef" * 4,
        "images_name": "animals",
        "architecture": chosen.network(outputs),
        "provenance": PROVENANCE,
    }
    return ZooWriter(folder, chosen, **(arguments | changes))


def finished(networks: Sequence[PlannedNetwork], chosen: Recipe) -> list[FinishedNetwork]:
    """Networks with initial weights, and with metrics that tell them apart."""
    return [_finished(network, chosen) for network in networks]


def _finished(network: PlannedNetwork, chosen: Recipe) -> FinishedNetwork:
    outputs = 1 if chosen.task.kind == "one-vs-all" else len(CLASSES)
    architecture = chosen.network(outputs)
    epochs = np.arange(1, chosen.training.epochs + 1)
    value = (network.index + 1) / 1000

    def weights(seed: int) -> dict[str, Any]:
        return initial_parameters(architecture, seed, network.class_name, network.index)

    return FinishedNetwork(
        network=network,
        status="ok",
        epoch=chosen.training.epochs,
        metrics={name: value + place for place, name in enumerate(layout.METRICS)}
        | ({} if outputs == 1 else {"specificity": None, "auc": None}),
        history={name: value + place / epochs for place, name in enumerate(layout.HISTORY_COLUMNS)},
        parameters=weights(0),
        checkpoints={epoch: weights(epoch) for epoch in chosen.training.checkpoint_epochs},
    )


def make_zoo(folder: Path, chosen: Recipe | None = None, parts: int | None = None) -> Path:
    """Write a zoo, or its first parts."""
    chosen = chosen or recipe()
    with writer(folder, chosen) as open_writer:
        for part, networks in list(open_writer.missing_parts.items())[:parts]:
            open_writer.write_part(part, finished(networks, chosen))
    return folder


def read_tensors(path: Path, *, mmap: bool = True) -> dict[str, Any]:
    """All tensors of a safetensors file."""
    file = open_tensors(path, mmap=mmap)
    return {name: file.tensor(name) for name in file.places}
