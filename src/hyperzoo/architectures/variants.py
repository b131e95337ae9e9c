"""One architecture with other activations and dropouts: what networks of a zoo may differ in."""

from dataclasses import replace
from functools import lru_cache
from typing import Any

from hyperzoo.architectures.architecture import Architecture
from hyperzoo.architectures.layers import Dropout, Layer, Residual


@lru_cache(maxsize=1024)
def varied(
    architecture: Architecture, *, activation: str | None = None, dropout: float | None = None
) -> Architecture:
    """The same layers with another activation, or another rate of dropout; the same tensors.

    Args:
        architecture: the layers.
        activation: takes the place of every activation but linear; None to leave them.
        dropout: the rate of all dropouts; None to leave them.
    """
    layers = tuple(_changed(layer, activation, dropout) for layer in architecture.layers)
    return replace(architecture, layers=layers)


def _changed(layer: Layer, activation: str | None, dropout: float | None) -> Layer:
    if isinstance(layer, Dropout):
        return layer if dropout is None else replace(layer, rate=dropout)
    changes: dict[str, Any] = {}
    if isinstance(layer, Residual):
        changes["layers"] = tuple(_changed(own, activation, dropout) for own in layer.layers)
        changes["shortcut"] = tuple(_changed(own, activation, dropout) for own in layer.shortcut)
    if activation is not None and getattr(layer, "activation", "linear") != "linear":
        changes["activation"] = activation
    return replace(layer, **changes) if changes else layer


def has_activation(layer: Layer) -> bool:
    """Whether a layer has an activation that could be another."""
    return _changed(layer, "linear", None) != layer


def has_dropout(layer: Layer) -> bool:
    """Whether a layer is a dropout, or a block that has one."""
    inner = layer.layers if isinstance(layer, Residual) else (layer,)
    return any(isinstance(own, Dropout) for own in inner)
