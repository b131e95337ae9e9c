"""Values that finite samples make too great: less their bias, and with an interval.

The bias of a divergence falls as one over the number of networks, that of the Jensen-Shannon
divergence as it is and that of the Wasserstein distance in its square. So of classes half as large
it is twice as great, and their distance from the value tells how much of it the value has: the
idea of the jackknife (Efron and Tibshirani, "An introduction to the bootstrap", 1993, chapter 11).
The interval is the basic bootstrap interval (section 13.3) about what remains. docs/analysis.md
says how far both can be trusted.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

LEVEL = 0.95
"""The share of draws that an interval holds, and the quantile of the noise that counts as high."""


@dataclass(frozen=True, kw_only=True)
class Estimates:
    """Values of a measure between pairs of classes, and what tells how far they can be trusted.

    Attributes:
        power: of the measure, whose bias falls as one over the number of networks.
        value: [value], over all networks.
        drawn: [draw, value], over bootstrap samples; NaN where there are too few networks.
        halves: [split, value], over halves of both classes; NaN where there are too few networks.
        inverse: [all or halves, value], one over the networks of the one class plus one over those
            of the other: what the bias is proportional to.
    """

    power: int
    value: Array
    drawn: Array
    halves: Array
    inverse: Array

    def mean(self) -> "Estimates":
        """Those of the mean of all values."""
        return Estimates(
            power=self.power,
            value=self.value.mean(keepdims=True),
            drawn=self.drawn.mean(axis=1, keepdims=True),
            halves=self.halves.mean(axis=1, keepdims=True),
            inverse=self.inverse.mean(axis=1, keepdims=True),
        )

    def center(self) -> Array:
        """The values to their power, less their bias: [value]."""
        value = self.value**self.power
        ratio = self.inverse[1] / self.inverse[0]
        with np.errstate(divide="ignore", invalid="ignore"):
            bias = ((self.halves**self.power).mean(axis=0) - value) / (ratio - 1)
        # Two or three networks have no halves: then by how much the bootstrap's draws are greater.
        center: Array = value - np.where(np.isnan(bias), self._drawn().mean(axis=0) - value, bias)
        return center

    def turned(self) -> Array:
        """The bootstrap's draws, to their power, about the center: [draw, value].

        They are turned round: by as much as a draw lies above the others, the value may lie below
        the truth.
        """
        drawn = self._drawn()
        turned: Array = self.center() + drawn.mean(axis=0) - drawn
        return turned

    def rows(self) -> list[dict[str, float | None]]:
        """A row a value: value, corrected, and low and high of the interval, not below 0."""
        tail = (1 - LEVEL) / 2
        low, high = np.quantile(self.turned(), [tail, 1 - tail], axis=0)
        around = {"corrected": self.center(), "low": low, "high": high}
        figures = {k: np.maximum(0.0, v) ** (1 / self.power) for k, v in around.items()}
        return [
            {"value": float(value), **{k: known_or_none(v[place]) for k, v in figures.items()}}
            for place, value in enumerate(self.value)
        ]

    def _drawn(self) -> Array:
        drawn: Array = self.drawn**self.power
        return drawn


def known_or_none(value: float) -> float | None:
    """A number for a table, in which what is not known is null."""
    return None if np.isnan(value) else float(value)
