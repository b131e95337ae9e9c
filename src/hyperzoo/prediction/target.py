"""What is asked of networks: their class, a metric, a hyper-parameter, an epoch."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from hyperzoo.errors import PredictionError, did_you_mean
from hyperzoo.recipe.training import MEANT_FOR
from hyperzoo.zoo import Zoo

Kind = Literal["category", "number"]
"""Words are told apart, numbers are regressed."""

CLASS = "class"
EPOCH = "epoch"

_PLACES = ("id", "index", "part", "row", "status", "key")
"""Columns that say where a network stands in the zoo, and nothing of the network."""

_DECADES = 2
"""Positive numbers that span more than so many powers of ten are regressed as logarithms."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """One thing that is asked of every network.

    Attributes:
        name: a column of `Zoo.models`.
        kind: whether its values are words or numbers.
        logarithmic: it is the logarithm to base 10 that is predicted, and that scores are of.
    """

    name: str
    kind: Kind
    logarithmic: bool = False

    @property
    def quantity(self) -> str:
        """What scores are of: "accuracy", "log10 learning_rate"."""
        return f"log10 {self.name}" if self.logarithmic else self.name


NAMING = Target(name=CLASS, kind="category")
"""The target of `hyperzoo classify`."""


def target_names(zoo: Zoo) -> list[str]:
    """What can be asked of a zoo's networks, whether or not they differ in it."""
    return [name for name in zoo.models.column_names if name not in _PLACES]


def known_values(zoo: Zoo, name: str) -> NDArray[Any]:
    """What is known of every network of a zoo.

    Args:
        zoo: the zoo.
        name: a column of `Zoo.models`.

    Returns:
        object [network] of words, None where nothing is known; or float64 [network] of numbers,
        NaN where nothing is known. A value that was drawn for a network to which it means nothing,
        as momentum to Adam, is not known either.

    Raises:
        PredictionError: there is no such column, or it says nothing of the networks.
    """
    if name in _PLACES:
        raise PredictionError(
            f"'{name}' says where a network stands in the zoo, which its weights do not know; "
            f"targets: {', '.join(target_names(zoo))}"
        )
    if name not in zoo.models.column_names:
        known = target_names(zoo)
        raise PredictionError(
            f"the zoo's networks have no '{name}'{did_you_mean(name, known)} (there are: "
            f"{', '.join(known)})"
        )
    column = zoo.models[name]
    meant = _meant(zoo, name)
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        numbers: NDArray[Any] = column.cast(pa.float64(), safe=False).to_numpy().astype(np.float64)
        return np.where(np.isfinite(numbers) & meant, numbers, np.nan)
    # Yes and no as recipes write them.
    column = column.cast(pa.string()) if pa.types.is_boolean(column.type) else column
    values = [None if value is None else str(value) for value in column.to_pylist()]
    words = np.array(values, dtype=object)
    words[~meant] = None
    return words


def _meant(zoo: Zoo, name: str) -> NDArray[np.bool_]:
    """For which networks a drawn value had a meaning: for others it is no property of theirs."""
    other, meaningful = MEANT_FOR.get(name, (name, ()))
    if not meaningful or other not in zoo.models.column_names:
        return np.ones(len(zoo), bool)
    return np.array([value in meaningful for value in zoo.models[other].to_pylist()], bool)


def kind_of(zoo: Zoo, name: str) -> Kind:
    """Whether a target's values are words or numbers; errors as of `known_values`."""
    return "category" if known_values(zoo, name).dtype == object else "number"


def target_of(name: str, values: NDArray[Any]) -> Target:
    """The target of that name, by the values that networks have.

    Args:
        name: the column's.
        values: object or float64 [network], all of them known.
    """
    if values.dtype == object:
        return Target(name=name, kind="category")
    wide = len(values) > 0 and values.min() > 0 and values.max() > 10**_DECADES * values.min()
    return Target(name=name, kind="number", logarithmic=bool(wide))


def check_varies(zoo: Zoo, name: str, values: NDArray[Any]) -> None:
    """Check that there is something to predict.

    Raises:
        PredictionError: no value is known, or all networks have the same.
    """
    found = sorted(set(values.tolist()))
    if len(found) > 1 or name == CLASS:  # a split says of classes what is missing
        return
    others = [other for other in target_names(zoo) if _varies(zoo, other)]
    value = f"{found[0]:g}" if found and isinstance(found[0], float) else "".join(found)
    raise PredictionError(
        (f"all networks have {name} {value}" if found else f"of no network is {name} known")
        + ", so there is nothing to predict; networks of this zoo differ in "
        + (", ".join(others) or "nothing")
    )


def _varies(zoo: Zoo, name: str) -> bool:
    values = [value for value in zoo.models[name].to_pylist() if value is not None]
    return len({value for value in values if value == value}) > 1
