"""Zoos whose weights are chosen, so that what a study must find is known."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyperzoo.plan import PlannedNetwork
from hyperzoo.recipe import Recipe
from hyperzoo.zoo import Zoo, open_zoo
from tests.zoo.makers import CLASSES, finished, recipe, writer

Weights = dict[str, NDArray[np.float32]]


def zoo_of(
    folder: Path,
    change: Callable[[PlannedNetwork, Weights], Weights] = lambda network, weights: weights,
    failed: tuple[str, ...] = (),
    chosen: Recipe | None = None,
    image_classes: tuple[str, ...] = CLASSES,
    **sections: Any,
) -> Zoo:
    """A zoo of made-up networks whose weights a function may change.

    `failed` networks have no metrics and weights that are not numbers.
    """
    sections = {"training": {"epochs": 2}, "networks_per_class": 6} | sections
    chosen = chosen or recipe(**sections)
    with writer(folder, chosen, image_classes=image_classes) as open_writer:
        for part, planned in open_writer.missing_parts.items():
            networks = []
            for network in finished(planned, chosen):
                weights = change(network.network, dict(network.parameters))
                network = replace(network, parameters=weights)
                networks.append(_failed(network) if network.network.id in failed else network)
            open_writer.write_part(part, networks)
    return open_zoo(folder)


def _failed(network: Any) -> Any:
    weights = {name: np.full_like(w, np.nan) for name, w in network.parameters.items()}
    nothing = dict.fromkeys(network.metrics)
    return replace(network, status="failed", parameters=weights, metrics=nothing)


def random_weights(
    network: PlannedNetwork, weights: Weights, scale: float = 0.05, seed: int = 0
) -> Weights:
    """Normal weights that depend on the network alone."""
    key = [seed, network.index, *network.class_name.encode()]
    random = np.random.default_rng(key)
    return {
        name: (scale * random.standard_normal(w.shape)).astype(np.float32)
        for name, w in weights.items()
    }
