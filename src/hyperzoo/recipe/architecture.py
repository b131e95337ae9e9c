"""`[architecture]` of a recipe."""

import re
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

from pydantic import Field, ValidationError

from hyperzoo.architectures import architecture_names, get_architecture, parse_layers
from hyperzoo.architectures.layers import Layer
from hyperzoo.architectures.variants import has_activation, has_dropout
from hyperzoo.errors import did_you_mean
from hyperzoo.recipe.images import Images
from hyperzoo.recipe.section import NAME, NAME_RULE, Section


class ArchitectureChoice(Section):
    """`[architecture]`: which network is trained: a built-in one, or layers of its own.

    Attributes:
        name: a built-in network's, or any other where `layers` are given.
        layers: a list of tables, which `hyperzoo.architectures.declared` reads; None for a
            built-in network.
    """

    name: Annotated[str, Field(min_length=1)]
    layers: Any = None

    def __hash__(self) -> int:
        # Layers are lists of tables, as TOML's parser gives them.
        return hash(self.name)


def architecture_problems(document: dict[str, Any]) -> Iterator[str]:
    """What is wrong with the network of a recipe, beside its keys.

    Args:
        document: the recipe as TOML's parser gives it.
    """
    choice = document.get("architecture") if isinstance(document, dict) else None
    if not isinstance(choice, dict):
        return
    name = choice.get("name")
    if choice.get("layers") is not None:
        yield from _layer_problems(name, choice["layers"], document)
    elif name in architecture_names():
        yield from _nothing_to_draw(get_architecture(name, 1).layers, document)
    elif isinstance(name, str) and name not in architecture_names():
        known = architecture_names()
        yield (
            f"architecture.name: expected one of {', '.join(known)} (or give layers of your own), "
            f"got {name!r}{did_you_mean(name, known)}"
        )


def _layer_problems(name: object, layers: object, document: dict[str, Any]) -> Iterator[str]:
    """What is wrong with layers of a recipe's own, and their name."""
    if name in architecture_names():
        yield (
            f"architecture.name: '{name}' is a built-in network, which has its own layers; leave "
            "`layers` out, or give another name"
        )
    elif isinstance(name, str) and not re.fullmatch(NAME, name):
        yield f"architecture.name: expected {NAME_RULE}, got {name!r}"
    try:
        images = Images.model_validate(document.get("images"))
    except ValidationError:
        shape = None  # reported by itself
    else:
        shape = (images.size, images.size, images.channels)
    found, problems = parse_layers(layers, shape, 1)
    yield from (f"architecture.layers: {problem}" for problem in problems)
    yield from _nothing_to_draw(found, document)


def _nothing_to_draw(layers: Sequence[Layer], document: dict[str, Any]) -> Iterator[str]:
    """Which hyper-parameters are drawn of an architecture that has none of the kind."""
    vary = document.get("vary")
    if not layers or not isinstance(vary, dict):
        return
    if "activation" in vary and not any(map(has_activation, layers)):
        yield "vary.activation: the architecture has no activation that could be another"
    if "dropout" in vary and not any(map(has_dropout, layers)):
        yield "vary.dropout: the architecture has no dropout; add layers such as { dropout = 0.5 }"


def shape_problems(document: dict[str, Any]) -> Iterator[str]:
    """That a built-in network takes images of another shape than the recipe asks for.

    Args:
        document: the recipe as TOML's parser gives it, right or wrong.
    """
    choice = document.get("architecture") if isinstance(document, dict) else None
    if not isinstance(choice, dict) or "layers" in choice:
        return
    name = choice.get("name")
    if not isinstance(name, str) or name not in architecture_names():
        return
    try:
        images = Images.model_validate(document.get("images"))
    except ValidationError:
        return  # reported by itself
    height, _, channels = get_architecture(name, 1).input_shape
    for key, wanted in (("size", height), ("channels", channels)):
        if (found := getattr(images, key)) != wanted:
            yield f"images.{key}: architecture '{name}' takes {wanted}, got {found}"
