"""Zoos whose networks are alike within a class, but for noise and for the order of their units."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hyperzoo.architectures import get_architecture, initial_parameters
from hyperzoo.architectures.symmetry import hidden_units, move_units
from hyperzoo.zoo import Zoo, open_zoo
from tests.zoo.makers import finished, recipe, writer

NOISE = 0.2


def planted_zoo(folder: Path, networks_per_class: int = 8, seed: int = 0, broken: str = "") -> Zoo:
    """A zoo of five classes; `broken` names a network with a weight that is not a number."""
    chosen = recipe(networks_per_class=networks_per_class, training={"epochs": 1})
    with writer(folder, chosen) as open_writer:
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
