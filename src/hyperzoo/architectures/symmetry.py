"""Which changes of a network's weights leave its function as it is.

Hidden units may change places: the rows of their layer and the columns of the next are reordered
alike, and with them what a batch normalisation between the two keeps for each. Channels that a
residual block adds to others have one order with these: all layers that write them, and all that
read them, are reordered together. Where the activation is odd (tanh, linear) and all between it
and the next layer is odd too (average pooling, dropout, batch normalisation, addition), a unit may
also change its sign: tanh(-x) = -tanh(x). ReLU and its kin are not odd, and the maximum of negated
values is not the negated maximum, so neither allows that.
(Hecht-Nielsen, "On the algebraic structure of feedforward network weight spaces", 1990.)
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyperzoo.architectures.architecture import Architecture
from hyperzoo.architectures.layers import (
    Add,
    BatchNorm,
    Conv2d,
    Dense,
    Dropout,
    Flatten,
    Normalize,
    Pool2d,
)
from hyperzoo.architectures.steps import Step
from hyperzoo.errors import ArchitectureError

_ODD_ACTIVATIONS = ("tanh", "linear")


@dataclass(frozen=True, kw_only=True)
class HiddenUnits:
    """The interchangeable units of one hidden layer, or of several whose outputs are added.

    Attributes:
        layer: the first layer whose outputs they are ("conv1").
        units: how many: filters of a convolution, units of a dense layer.
        signs: whether a unit's sign may change as well.
        rows: the weights that make them: a unit is a place of their first axis.
        vectors: biases, and means and offsets of batch normalisations: what changes its sign with
            a unit.
        scales: factors and variances of batch normalisations, which have no part in a sign.
        columns: the weights that take them in, along their second axis.
    """

    layer: str
    units: int
    signs: bool
    rows: tuple[str, ...]
    vectors: tuple[str, ...]
    scales: tuple[str, ...]
    columns: tuple[str, ...]

    @property
    def tensors(self) -> tuple[str, ...]:
        """All tensors that a move of the units changes, each once."""
        names = (*self.rows, *self.vectors, *self.scales, *self.columns)
        return tuple(dict.fromkeys(names))

    @property
    def loops(self) -> bool:
        """Whether a layer both takes in and makes them: a block of one convolution does."""
        return bool(set(self.rows) & set(self.columns))


class _Channels:
    """The channels of a value, while the steps are gone through."""

    def __init__(self, step: Step | None) -> None:
        """Those that a convolution or dense layer makes; without one the image's, which stay."""
        self.layer = "" if step is None else step.name
        self.units = 0 if step is None else step.output_shape[2]
        self.fixed = step is None
        self.signs = True
        self.rows = [] if step is None else [f"{step.name}.weight"]
        self.vectors: list[str] = []
        self.scales: list[str] = []
        self.columns: list[str] = []

    def join(self, other: "_Channels") -> None:
        """Take over what is added to these."""
        if other.units and not self.units:
            self.layer, self.units = other.layer, other.units
        self.fixed |= other.fixed
        self.signs &= other.signs
        self.rows += other.rows
        self.vectors += other.vectors
        self.scales += other.scales
        self.columns += other.columns


def hidden_units(architecture: Architecture) -> tuple[HiddenUnits, ...]:
    """The groups of interchangeable units, in the order of the layers."""
    names = {parameter.name for parameter in architecture.parameters}
    values = [_Channels(None)]
    for step in architecture.steps:
        channels = values[step.inputs[0]]
        match step.layer:
            case Conv2d() | Dense() as layer:
                channels.columns.append(f"{step.name}.weight")
                channels = _Channels(step)
                if layer.bias:
                    channels.vectors.append(f"{step.name}.bias")
            case BatchNorm():
                channels.vectors += [f"{step.name}.bias", f"{step.name}.running_mean"]
                channels.scales += [f"{step.name}.weight", f"{step.name}.running_var"]
            case Pool2d(kind="max"):
                channels.signs = False
            case Add():
                other = values[step.inputs[1]]
                if other is not channels:
                    # The shortcut's channels were there first: the block adds to them.
                    other.join(channels)
                    values = [other if value is channels else value for value in values]
                    channels = other
        if not isinstance(step.layer, Dropout | Flatten | Normalize):
            channels.signs &= step.layer.activation in _ODD_ACTIVATIONS
        values.append(channels)
    values[-1].fixed = True  # the logits
    groups = dict.fromkeys(value for value in values if not value.fixed)
    order = [step.name for step in architecture.steps]
    return tuple(
        HiddenUnits(
            layer=group.layer,
            units=group.units,
            signs=group.signs,
            rows=tuple(group.rows),
            vectors=tuple(name for name in group.vectors if name in names),
            scales=tuple(group.scales),
            columns=tuple(group.columns),
        )
        for group in sorted(groups, key=lambda group: order.index(group.layer))
    )


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
        networks = len(moved[group.rows[0]])
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
    networks = np.arange(len(order))[:, None]
    sign = sign.astype(weights[group.rows[0]].dtype)
    # Indexed, which copies whole rows; `take_along_axis` would go number by number.
    for name in (*group.vectors, *group.scales):
        moved = by_unit(weights[name], group)[networks, order]
        if name in group.vectors:
            moved *= sign[:, :, None]
        weights[name] = moved.reshape(weights[name].shape)
    for name in group.rows:
        moved = incoming(weights[name])[networks, order]
        moved *= sign[:, :, None]
        weights[name] = moved.reshape(weights[name].shape)
    for name in group.columns:
        columns = outgoing(weights[name], group)
        outs = np.arange(columns.shape[1])[:, None]
        moved = columns[networks[:, None], outs, order[:, None, :]]
        moved *= sign[:, None, :, None]
        weights[name] = moved.reshape(weights[name].shape)


def by_unit(vector: NDArray[Any], group: HiddenUnits) -> NDArray[Any]:
    """A vector by its units: [network, unit, place]; more than one place after a flatten."""
    return vector.reshape(len(vector), group.units, -1)


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
            "activation is not odd or what follows is not"
        )
