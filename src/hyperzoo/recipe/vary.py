"""`[vary]` of a recipe."""

from typing import Annotated, Self

from pydantic import AfterValidator, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from hyperzoo.recipe.section import Section


def _ordered(bounds: tuple[float, float] | None) -> tuple[float, float] | None:
    if bounds is not None and not bounds[0] < bounds[1]:
        raise ValueError("the lower bound must be less than the upper bound")
    return bounds


Bounds = Annotated[
    tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]] | None,
    Field(strict=False),
    AfterValidator(_ordered),
]


class Distribution(Section):
    """What a varied hyper-parameter is drawn from; exactly one of three.

    Attributes:
        choice: values, each equally likely.
        uniform: two bounds; every value between them is equally likely.
        log_uniform: two bounds; the logarithm of the value is uniform.
    """

    choice: Annotated[
        tuple[int | float, ...] | None, Field(strict=False, min_length=1, max_length=10_000)
    ] = None
    uniform: Bounds = None
    log_uniform: Bounds = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if len(self.model_fields_set) != 1:
            raise PydanticCustomError(
                "choice,uniform,log_uniform",
                "expected exactly one of choice = [...], uniform = [low, high], "
                "log_uniform = [low, high]",
            )
        return self

    def extremes(self) -> tuple[int | float, ...]:
        """Values between which every drawn value lies."""
        return self.choice or self.uniform or self.log_uniform or ()


class Vary(Section):
    """`[vary]`: hyper-parameters drawn for each network instead of shared by all."""

    learning_rate: Distribution | None = None
    batch_size: Distribution | None = None

    @property
    def drawn(self) -> tuple[str, ...]:
        """The hyper-parameters that are drawn."""
        return tuple(key for key in type(self).model_fields if getattr(self, key) is not None)

    @field_validator("learning_rate")
    @classmethod
    def _possible_learning_rates(cls, drawn: Distribution | None) -> Distribution | None:
        for value in drawn.extremes() if drawn else ():
            if not 0 < value <= 10:
                raise ValueError(f"{value} is impossible; allowed: above 0 and at most 10")
        return drawn

    @field_validator("batch_size")
    @classmethod
    def _possible_batch_sizes(cls, drawn: Distribution | None) -> Distribution | None:
        if drawn and drawn.choice is None:
            raise ValueError("can only be drawn by choice, as in { choice = [32, 64] }")
        for value in drawn.extremes() if drawn else ():
            if not isinstance(value, int) or not 1 <= value <= 65536:
                raise ValueError(f"{value} is impossible; allowed: whole numbers 1 to 65536")
        return drawn
