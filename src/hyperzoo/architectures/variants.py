"""One architecture with other activations, dropouts or padding, and the same tensors."""

from collections.abc import Set
from dataclasses import replace
from functools import lru_cache
from typing import Any

from hyperzoo.architectures.architecture import Architecture
from hyperzoo.architectures.layers import Conv2d, Dropout, Layer, Residual


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


@lru_cache(maxsize=1024)
def without_dropout(architecture: Architecture) -> Architecture:
    """The same layers without dropouts, which act in training alone; the same tensors and answers.

    A block of nothing else keeps them.
    """
    return replace(architecture, layers=_undropped(architecture.layers))


def _undropped(layers: tuple[Any, ...]) -> tuple[Any, ...]:
    kept = [own for own in layers if not isinstance(own, Dropout)]
    return tuple(
        replace(own, layers=_undropped(own.layers) or own.layers)
        if isinstance(own, Residual)
        else own
        for own in kept
    )


def padded_symmetrically(architecture: Architecture) -> Architecture:
    """The same layers with as many zeros before as after, as PyTorch's modules have them.

    Args:
        architecture: the layers.

    Returns:
        The architecture, "-symmetric" added to its name; itself where its zeros lie so already.
    """
    uneven = {
        step.layer
        for step in architecture.steps
        if isinstance(step.layer, Conv2d)
        and any(before != after for before, after in map(step.layer.pads, step.shape[:2]))
        and step.layer.kernel % 2
    }
    if not uneven:
        return architecture
    layers = tuple(_padded(layer, uneven) for layer in architecture.layers)
    return replace(architecture, name=f"{architecture.name}-symmetric", layers=layers)


def _padded(layer: Any, uneven: Set[Layer]) -> Any:
    if isinstance(layer, Residual):
        return replace(
            layer,
            layers=tuple(_padded(own, uneven) for own in layer.layers),
            shortcut=tuple(_padded(own, uneven) for own in layer.shortcut),
        )
    return replace(layer, padding="symmetric") if layer in uneven else layer


def has_activation(layer: Layer) -> bool:
    """Whether a layer has an activation that could be another."""
    return _changed(layer, "linear", None) != layer


def has_dropout(layer: Layer) -> bool:
    """Whether a layer is a dropout, or a block that has one."""
    inner = layer.layers if isinstance(layer, Residual) else (layer,)
    return any(isinstance(own, Dropout) for own in inner)
