"""What files say of an architecture, so that whoever reads them needs no table of names."""

import reprlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hyperzoo.architectures.architecture import Architecture
from hyperzoo.architectures.builtin import architecture_names, get_architecture
from hyperzoo.architectures.declared import declared_architecture, layer_tables
from hyperzoo.errors import ArchitectureError

MOST_OUTPUTS, LARGEST_SIDE = 10_000, 4096


def architecture_facts(architecture: Architecture) -> dict[str, Any]:
    """Name, shape of the images, number of logits, and layers, ready for JSON."""
    return {
        "name": architecture.name,
        "input_shape": list(architecture.input_shape),
        "outputs": architecture.outputs,
        "layers": layer_tables(architecture),
    }


def architecture_from(facts: Mapping[str, Any]) -> Architecture:
    """The architecture that such facts describe; nothing in them is taken on trust.

    Args:
        facts: what `architecture_facts` gave, from a JSON text; other keys are passed over.

    Raises:
        ArchitectureError: the facts are not complete, the layers can't be built, or they are
            other ones than those of the built-in network of that name.
    """
    name, outputs, shape = (facts.get(key) for key in ("name", "outputs", "input_shape"))
    if not isinstance(name, str) or not name.isprintable() or not 1 <= len(name) <= 200:
        raise ArchitectureError(
            f"name: expected 1 to 200 printable characters, got {reprlib.repr(name)}"
        )
    if type(outputs) is not int or not 1 <= outputs <= MOST_OUTPUTS:
        raise ArchitectureError(
            f"outputs: expected 1 to {MOST_OUTPUTS}, got {reprlib.repr(outputs)}"
        )
    if (
        not isinstance(shape, list)
        or len(shape) != 3
        or not all(type(size) is int and 1 <= size <= LARGEST_SIDE for size in shape)
    ):
        raise ArchitectureError(
            f"input_shape: expected height, width and channels from 1 to {LARGEST_SIDE}, got "
            f"{reprlib.repr(shape)}"
        )
    found = declared_architecture(name, facts.get("layers"), tuple(shape), outputs)
    if name in architecture_names() and found != get_architecture(name, outputs):
        raise ArchitectureError(f"its layers are not those of the built-in network '{name}'")
    return found


def under_own_name(architecture: Architecture) -> Architecture:
    """The architecture as a file may tell it: a built-in network's name means that one's layers.

    Args:
        architecture: perhaps a built-in network with another activation than its own.

    Returns:
        It, or then the same under its name with that activation behind it: "lenet5-relu".
    """
    name, outputs = architecture.name, architecture.outputs
    if name not in architecture_names() or architecture == get_architecture(name, outputs):
        return architecture
    activations = (getattr(layer, "activation", "linear") for layer in architecture.layers)
    other = next((own for own in activations if own != "linear"), "linear")
    return replace(architecture, name=f"{name}-{other}")
