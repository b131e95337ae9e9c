"""Zoos whose networks are alike within a class, but for noise and for the order of their units."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyperzoo.architectures import get_architecture, initial_parameters
from hyperzoo.architectures.symmetry import hidden_units, move_units
from hyperzoo.zoo import Zoo, open_zoo
from tests.zoo.makers import finished, recipe, writer

NOISE = 0.2


def planted_zoo(
    folder: Path, networks_per_class: int = 8, seed: int = 0, broken: str = "", **changes: Any
) -> Zoo:
    """A zoo of five classes; `broken` names a network with a weight that is not a number."""
    chosen = recipe(networks_per_class=networks_per_class, training={"epochs": 1})
    with writer(folder, chosen, **changes) as open_writer:
        for part, planned in list(open_writer.missing_parts.items()):
            networks = []
            for network in finished(planned, chosen):
                identity = network.network
                weights = planted_weights(identity.class_name, identity.index, seed)
                if identity.id == broken:
                    weights["conv2.weight"][0, 0, 0, 0] = np.nan
                networks.append(replace(network, parameters=weights))
            open_writer.write_part(part, networks)
    return open_zoo(folder)


def planted_weights(class_name: str, index: int, seed: int) -> dict[str, NDArray[np.float32]]:
    """The class's own weights with noise, the hidden units in random order."""
    architecture = get_architecture("smallcnn", 1)
    own = initial_parameters(architecture, 99, class_name, 0)
    noise = initial_parameters(architecture, seed, class_name, index)
    weights = {name: (own[name] + NOISE * noise[name])[None] for name in own}
    generator = np.random.default_rng([seed, index, len(class_name)])
    orders = {
        group.layer: generator.permutation(group.units)[None]
        for group in hidden_units(architecture)
    }
    moved = move_units(architecture, weights, orders, {})
    return {name: tensor[0].astype(np.float32) for name, tensor in moved.items()}


def graded_zoo(
    folder: Path, networks_per_class: int = 8, large: Sequence[str] = (), **vary: Any
) -> Zoo:
    """A zoo whose accuracy is told by the size of the second layer's weights, by nothing else.

    Learning rates span powers of ten; weights after epoch 1 are half of the last ones. `large`
    names networks with weights that overflow what is computed of them.
    """
    chosen = recipe(
        networks_per_class=networks_per_class,
        vary={"learning_rate": {"log_uniform": [1e-5, 1e-1]}} | vary,
    )
    architecture = get_architecture("smallcnn", 1)
    with writer(folder, chosen) as open_writer:
        for part, planned in list(open_writer.missing_parts.items()):
            networks = []
            for network in finished(planned, chosen):
                own = network.network
                accuracy = np.random.default_rng([own.index, *own.class_name.encode()]).random()
                weights = initial_parameters(architecture, 0, own.class_name, own.index)
                weights["conv2.weight"] = (weights["conv2.weight"] * (0.5 + accuracy)).astype("f4")
                if own.id in large:
                    weights = {name: tensor * np.float32(1e12) for name, tensor in weights.items()}
                early = {name: tensor / 2 for name, tensor in weights.items()}
                metrics = network.metrics | {"accuracy": accuracy}
                networks.append(
                    replace(network, parameters=weights, checkpoints={1: early}, metrics=metrics)
                )
            open_writer.write_part(part, networks)
    return open_zoo(folder)
