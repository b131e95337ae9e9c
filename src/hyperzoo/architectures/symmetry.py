"""Which changes of a network's weights leave its function as it is.

Hidden units may change places: the rows of their layer and the columns of the next are reordered
alike. Where the activation is odd (tanh, linear) and all between it and the next layer is linear
(average pooling, flattening), a unit may also change its sign: tanh(-x) = -tanh(x). ReLU is not
odd, and the maximum of negated values is not the negated maximum, so neither allows that.
(Hecht-Nielsen, "On the algebraic structure of feedforward network weight spaces", 1990.)
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyperzoo.architectures.architecture import Architecture
from hyperzoo.architectures.layers import Conv2d, Dense, Pool2d
from hyperzoo.errors import ArchitectureError

_ODD_ACTIVATIONS = ("tanh", "linear")


@dataclass(frozen=True, kw_only=True)
class HiddenUnits:
    """The interchangeable units of one hidden layer.

    Attributes:
        layer: the layer whose outputs they are ("conv1").
        next_layer: the layer with parameters that takes them in ("conv2").
        units: how many: filters of a convolution, units of a dense layer.
        signs: whether a unit's sign may change as well.
    """

    layer: str
    next_layer: str
    units: int
    signs: bool


def hidden_units(architecture: Architecture) -> tuple[HiddenUnits, ...]:
    """The groups of interchangeable units, in the order of the layers."""
    groups: list[HiddenUnits] = []
    layer, units, signs = None, 0, False
    for name, declared in zip(architecture.layer_names, architecture.layers, strict=True):
        match declared:
            case Conv2d() | Dense():
                assert name is not None  # every layer with parameters has a name
                if layer is not None:
                    groups.append(
                        HiddenUnits(layer=layer, next_layer=name, units=units, signs=signs)
                    )
                layer = name
                units = declared.filters if isinstance(declared, Conv2d) else declared.units
                signs = declared.activation in _ODD_ACTIVATIONS
            case Pool2d(kind="max"):
                signs = False
            case _:
                pass  # averages are linear: they keep whatever sign comes in
    return tuple(groups)


def move_units(
    architecture: Architecture,
    weights: Mapping[str, NDArray[Any]],
    permutations: Mapping[str, NDArray[np.int64]],
    signs: Mapping[str, NDArray[Any]],
) -> dict[str, NDArray[Any]]:
    """Reorder the hidden units of networks and change their signs; the function stays the same.

    Args:
        architecture: the networks' declaration.
        weights: PyTorch name -> [network, *shape].
        permutations: layer -> [network, unit]; the new unit i is the old unit
            `permutations[layer][network, i]`. A layer that is left out keeps its order.
        signs: layer -> [network, unit], 1 or -1 for the *new* unit i. A layer that is left out
            keeps its signs.

    Returns:
        PyTorch name -> [network, *shape], new arrays.

    Raises:
        ArchitectureError: a layer has no units to move, an order is no permutation, or a sign may
            not change.
    """
    moved = {
        parameter.name: np.array(weights[parameter.name]) for parameter in architecture.parameters
    }
    groups = {group.layer: group for group in hidden_units(architecture)}
    for layer in {**permutations, **signs}:
        if layer not in groups:
            raise ArchitectureError(
                f"layer {layer!r} of '{architecture.name}' has no hidden units that could move; "
                f"those that have: {', '.join(groups)}"
            )
    for layer, group in groups.items():
        networks = len(moved[f"{layer}.bias"])
        identity = np.broadcast_to(np.arange(group.units), (networks, group.units))
        order = np.asarray(permutations.get(layer, identity))
        sign = np.asarray(signs.get(layer, np.ones((networks, group.units))))
        _check_move(group, networks, order, sign)
        move_group(moved, group, order, sign)
    return moved


def move_group(
    weights: dict[str, NDArray[Any]],
    group: HiddenUnits,
    order: NDArray[Any],
    sign: NDArray[Any],
) -> None:
    """Move the units of one group, in place of the arrays in `weights`.

    Args:
        weights: PyTorch name -> [network, *shape].
        group: which units.
        order: [network, unit], as in `move_units`; not checked.
        sign: [network, unit], as in `move_units`; not checked.
    """
    own, bias, following = (
        f"{group.layer}.weight",
        f"{group.layer}.bias",
        f"{group.next_layer}.weight",
    )
    sign = sign.astype(weights[bias].dtype)
    weights[bias] = np.take_along_axis(weights[bias], order, axis=1) * sign
    # Indexed, which copies whole rows; `take_along_axis` would go number by number.
    networks = np.arange(len(order))[:, None]
    moved = incoming(weights[own])[networks, order]
    moved *= sign[:, :, None]
    weights[own] = moved.reshape(weights[own].shape)
    columns = outgoing(weights[following], group)
    outs = np.arange(columns.shape[1])[:, None]
    moved = columns[networks[:, None], outs, order[:, None, :]]
    moved *= sign[:, None, :, None]
    weights[following] = moved.reshape(weights[following].shape)


def incoming(weight: NDArray[Any]) -> NDArray[Any]:
    """A layer's weight by its units: [network, unit, input]."""
    return weight.reshape(weight.shape[0], weight.shape[1], -1)


def outgoing(weight: NDArray[Any], group: HiddenUnits) -> NDArray[Any]:
    """The next layer's weight by the units that it takes in: [network, out, unit, place].

    The places are those of the kernel, or, where images are flattened, those of the image:
    PyTorch flattens channel by channel, so a unit's weights lie together in both cases.
    """
    return weight.reshape(weight.shape[0], weight.shape[1], group.units, -1)


def _check_move(group: HiddenUnits, networks: int, order: NDArray[Any], sign: NDArray[Any]) -> None:
    shape = (networks, group.units)
    if order.shape != shape or not (np.sort(order, axis=1) == np.arange(group.units)).all():
        raise ArchitectureError(
            f"layer {group.layer!r}: expected a permutation of {group.units} units for each of "
            f"{networks} networks, got an array of shape {order.shape}"
            + (" whose rows are no permutations" if order.shape == shape else "")
        )
    if sign.shape != shape or not (np.abs(sign) == 1).all():
        raise ArchitectureError(
            f"layer {group.layer!r}: expected signs 1 or -1 of shape {shape}, got "
            f"shape {sign.shape}" + (" with other numbers" if sign.shape == shape else "")
        )
    if not group.signs and (sign != 1).any():
        raise ArchitectureError(
            f"layer {group.layer!r}: its units may change places but not signs, because its "
            "activation is not odd or maximum pooling follows"
        )
