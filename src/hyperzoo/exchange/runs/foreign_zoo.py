"""A zoo of somebody else's, as its reader gives it: all that is known of its networks but weights.

Weights are read when they are asked for, so that a zoo of any size passes through little memory.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from hyperzoo.architectures import Architecture, varied
from hyperzoo.architectures.layers import Dropout
from hyperzoo.errors import ForeignFileError
from hyperzoo.plan import OF_THE_ARCHITECTURE, Value
from hyperzoo.zoo.layout import ALWAYS_TOLD
from hyperzoo.zoo.origin import MOST_EPOCHS

Block = Mapping[str, NDArray[np.float32]]
"""PyTorch's name of a parameter -> float32 [network, *shape]."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ForeignZoo:
    """The networks of another's zoo, one for each training run, by increasing index.

    Attributes:
        format: which kind of zoo it is.
        images_name: what the networks were trained on, for people.
        architecture: of all; activations that differ between them are "drawn".
        indices: a network's number, which makes its id.
        epochs: the last epoch.
        checkpoint_epochs: those before it of which weights are kept.
        there: bool [network, checkpoint], whether a network has weights of these epochs.
        last: int64 [network], the epoch of its last weights.
        diverged: bool [network], whether its figures say that training failed.
        history_epochs: the epochs that there are figures of.
        history: float64 [network, epoch, figure] in the order of `layout.HISTORY_COLUMNS`; NaN
            where nothing is known.
        columns: hyper-parameter -> a value a network, None where it is not known.
        shared: what all networks have in common.
        own_columns: (name, kind) -> a value a network, of what hyperzoo has no name for.
        weights: gives the weights of networks (by their places here) after an epoch, or the last
            ones (None); NaN where there are none.
        notes: what was assumed, passed over or changed.
        done: what was done to weights; `weights` adds to it while they are read.
    """

    format: str
    images_name: str
    architecture: Architecture
    indices: Sequence[int]
    epochs: int
    checkpoint_epochs: tuple[int, ...]
    there: NDArray[np.bool_]
    last: NDArray[np.int64]
    diverged: NDArray[np.bool_]
    history_epochs: tuple[int, ...]
    history: NDArray[np.float64]
    columns: Mapping[str, Sequence[Value | None]]
    shared: Mapping[str, Value]
    own_columns: Mapping[tuple[str, str], Sequence[Value | None]]
    weights: Callable[[Sequence[int], int | None], Block]
    notes: tuple[str, ...] = ()
    done: set[str] = field(default_factory=set)

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def lacks(self) -> NDArray[np.bool_]:
        """Bool [network], whether its last epoch or a checkpoint is missing."""
        lacking: NDArray[np.bool_] = (self.last != self.epochs) | ~np.all(self.there, axis=1)
        return lacking

    def with_last_only(self) -> "ForeignZoo":
        """The same without the checkpoints on the way."""
        return replace(self, checkpoint_epochs=(), there=self.there[:, :0])

    def architecture_of(self, place: int) -> Architecture:
        """The architecture of one network."""
        drawn = {
            key: self.columns[key][place] for key in OF_THE_ARCHITECTURE if key in self.columns
        }
        return varied(self.architecture, **cast(dict[str, Any], drawn))


@dataclass(frozen=True, kw_only=True, eq=False)
class Settled:
    """Hyper-parameters sorted by whether networks differ in them, and the architecture.

    Attributes:
        architecture: with the common activation and dropout, or those that are drawn.
        columns: hyper-parameter -> a value a network.
        shared: hyper-parameter -> the value of all networks.
    """

    architecture: Architecture
    columns: dict[str, Sequence[Value | None]]
    shared: dict[str, Value]


def settle(
    architecture: Architecture,
    told: Mapping[str, Sequence[Value | None]],
    always: Sequence[str] = (),
) -> Settled:
    """Tell what differs from network to network, as a recipe's `[vary]` does.

    Args:
        architecture: with any activation, and with dropouts where networks may have some.
        told: hyper-parameter -> a value a network, activation among them.
        always: hyper-parameters that are columns even where networks do not differ.

    Raises:
        ForeignFileError: a rate of dropout can be none.
    """
    for rate in told.get("dropout", ()):
        if rate is not None and not 0 <= float(rate) < 1:
            raise ForeignFileError(f"expected a rate of dropout from 0 to below 1, got {rate}")
    columns: dict[str, Sequence[Value | None]] = {}
    shared: dict[str, Value] = {}
    for key, values in told.items():
        first = values[0]
        if key in (*ALWAYS_TOLD, *always) or any(value != first for value in values):
            columns[key] = values
        elif first is not None:
            shared[key] = first
    words = set(told["activation"])
    activation = str(words.pop()) if len(words) == 1 else "drawn"
    dropout = shared.get("dropout")
    if not any(told.get("dropout", ())):
        layers = tuple(own for own in architecture.layers if not isinstance(own, Dropout))
        architecture, dropout = replace(architecture, layers=layers), None
    return Settled(
        architecture=varied(
            architecture,
            activation=activation,
            dropout=None if dropout is None else float(dropout),
        ),
        columns=columns,
        shared=shared,
    )


def check_epochs(last: int, source: str) -> None:
    """Check that a zoo can have so many epochs.

    Raises:
        ForeignFileError: it can't.
    """
    if last > MOST_EPOCHS:
        raise ForeignFileError(f"{source}: expected at most {MOST_EPOCHS} epochs, got {last}")


def some(names: Sequence[str]) -> str:
    """The first of some names, for messages."""
    return ", ".join(name[:80] for name in names[:5]) + ", ..." * (len(names) > 5)
