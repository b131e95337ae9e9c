"""How the scores of a benchmark are drawn and called: shares in per cent, R2 as it is."""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from hyperzoo.prediction import Benchmark
from hyperzoo.prediction.target import CLASS

LEAST_R2 = -0.5
"""Worse R2 are drawn here: how bad a bad method is does not matter."""


@dataclass(frozen=True, kw_only=True)
class Scale:
    """How the main score of a benchmark is drawn and called.

    Attributes:
        prefix: of the names of figures.
        score: the column.
        label: of an axis.
        what: it in a sentence.
        factor: by which scores are multiplied.
        span: from where to where an axis goes.
        chance: the score of who knows nothing.
        guess: what that is called.
    """

    prefix: str
    score: str
    label: str
    what: str
    factor: float
    span: tuple[float, float]
    chance: float
    guess: str

    def of(self, value: Any) -> Any:
        """A score, or several, as drawn."""
        return np.clip(self.factor * np.asarray(value, np.float64), *self.span)


def scale_of(found: Benchmark) -> Scale:
    """The scale of a benchmark's kind of target."""
    target = found.target
    asked = "classification" if target.name == CLASS else f"prediction-{target.name}"
    named = asked + _circumstances(found)
    for sign, word in (("!", "-not-"), ("<", "-below-"), (">", "-above-")):
        named = named.replace(sign, word)
    prefix = re.sub(r"[^a-z0-9]+", "-", named.lower()).strip("-")
    if target.kind == "number":
        return Scale(
            prefix=prefix,
            score="r2",
            label=f"R2 of {target.quantity}",
            what=f"R2 of {target.quantity}",
            factor=1,
            span=(LEAST_R2, 1.02),
            chance=0,
            guess="the mean",
        )
    return Scale(
        prefix=prefix,
        score="accuracy",
        label="networks named rightly (%)",
        what=f"the share of test networks whose {target.name} is named rightly",
        factor=100,
        span=(0, 102),
        chance=100 / len(found.about["classes"]),
        guess="guessing",
    )


def title_of(found: Benchmark) -> str:
    """The heading of a benchmark's section."""
    asked = "Naming" if found.target.kind == "category" else "Predicting"
    return f"{asked} the {found.target.name.replace('_', ' ')}{_circumstances(found)}"


def _circumstances(found: Benchmark) -> str:
    """From which epoch, and without which networks; mostly nothing."""
    early, held_out = found.about.get("from_epoch"), found.about.get("hold_out")
    return (f" from epoch {early}" if early is not None else "") + (
        f" without {held_out}" if held_out is not None else ""
    )
