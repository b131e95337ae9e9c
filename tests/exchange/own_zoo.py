"""Zoos of networks of their own layers."""

from dataclasses import replace
from pathlib import Path

from hyperzoo.architectures import Architecture, architecture_names, layer_tables
from hyperzoo.recipe import Recipe
from hyperzoo.zoo import Zoo, open_zoo
from tests.architectures.test_forward import some_parameters
from tests.zoo.makers import CLASSES, finished, recipe, writer


def own_recipe(architecture: Architecture, networks_per_class: int = 1) -> Recipe:
    """Its layers on square images; a built-in network has them by its name."""
    height, _, channels = architecture.input_shape
    is_built_in = architecture.name in architecture_names()
    own = {} if is_built_in else {"layers": layer_tables(architecture)}
    return recipe(
        networks_per_class=networks_per_class,
        images={"source": "npz", "path": "nowhere.npz", "size": height, "channels": channels},
        architecture={
            "name": architecture.name.replace(" ", "-"),
        }
        | own,
        task={"kind": "one-vs-all" if architecture.outputs == 1 else "multi-class"},
        training={"epochs": 1},
    )


def own_zoo(folder: Path, architecture: Architecture, networks_per_class: int = 1) -> Zoo:
    """Networks whose running statistics are not those of the beginning."""
    chosen = own_recipe(architecture, networks_per_class)
    with writer(folder, chosen) as open_writer:
        for part, planned in list(open_writer.missing_parts.items()):
            networks = finished(planned, chosen)
            own = chosen.network(len(CLASSES) if architecture.outputs > 1 else 1)
            open_writer.write_part(
                part,
                [
                    replace(network, parameters=some_parameters(own, seed))
                    for seed, network in enumerate(networks)
                ],
            )
    return open_zoo(folder)
