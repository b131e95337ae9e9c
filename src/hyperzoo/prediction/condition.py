"""Which networks are held out: those of a condition on one column, as "activation=tanh"."""

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyperzoo.errors import PredictionError
from hyperzoo.prediction.target import known_values
from hyperzoo.zoo import Zoo

_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "!=": operator.ne,
    "=": operator.eq,
    ">": operator.gt,
    "<": operator.lt,
}


@dataclass(frozen=True)
class Condition:
    """A column of `Zoo.models`, how it is compared, and with what.

    Attributes:
        column: its name.
        comparison: =, !=, <, <=, > or >=.
        value: as it was written.
    """

    column: str
    comparison: str
    value: str

    def __str__(self) -> str:
        return f"{self.column}{self.comparison}{self.value}"

    def of(self, zoo: Zoo) -> NDArray[np.bool_]:
        """For which networks of a zoo it holds, [network]; never where the value is not known.

        Raises:
            PredictionError: there is no such column, or it can't be compared so.
        """
        values = known_values(zoo, self.column)
        compare = _OPERATORS[self.comparison]
        if values.dtype != object:
            found: NDArray[np.bool_] = compare(values, self._number()) & np.isfinite(values)
            return found
        if self.comparison not in ("=", "!="):
            raise PredictionError(
                f"{self}: '{self.column}' is a word, which is compared by = or != alone"
            )
        return np.array([v is not None and bool(compare(v, self.value)) for v in values], bool)

    def _number(self) -> float:
        try:
            return float(self.value)
        except ValueError:
            raise PredictionError(
                f"{self}: '{self.column}' is a number, got {self.value!r} to compare it with"
            ) from None


def parse_condition(text: str) -> Condition:
    """A condition as people write it: "activation=tanh", "learning_rate>0.01".

    Raises:
        PredictionError: it is none.
    """
    found = re.fullmatch(r"\s*(\w+)\s*(>=|<=|!=|=|>|<)\s*([^=<>!].*?)\s*", text)
    if found is None:
        raise PredictionError(
            f"{text!r}: expected a column, one of {' '.join(_OPERATORS)}, and a value, as in "
            "activation=tanh or learning_rate>0.01"
        )
    return Condition(*found.groups())
