"""`[vary]` of a recipe."""

import math
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from hyperzoo.recipe.problems import words_of
from hyperzoo.recipe.section import Section
from hyperzoo.recipe.training import Training


def _ordered(bounds: tuple[float, float] | None) -> tuple[float, float] | None:
    if bounds is not None and not bounds[0] < bounds[1]:
        raise ValueError("the lower bound must be less than the upper bound")
    return bounds


Bounds = Annotated[tuple[float, float] | None, Field(strict=False), AfterValidator(_ordered)]


class Distribution(Section):
    """What a varied hyper-parameter is drawn from; exactly one of three.

    Attributes:
        choice: values, each equally likely.
        uniform: two bounds; every value between them is equally likely.
        log_uniform: two bounds; the logarithm of the value is uniform.
    """

    choice: Annotated[
        tuple[bool | int | float | str, ...] | None,
        Field(strict=False, min_length=1, max_length=10_000),
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

    @field_validator("log_uniform")
    @classmethod
    def _has_logarithms(cls, bounds: tuple[float, float] | None) -> tuple[float, float] | None:
        if bounds is not None and bounds[0] <= 0:
            raise ValueError("the lower bound must be above 0, which has no logarithm")
        return bounds

    def extremes(self) -> tuple[bool | int | float | str, ...]:
        """All values, or those between which every drawn value lies."""
        return self.choice or self.uniform or self.log_uniform or ()


class _OfTheArchitecture(Section):
    """What hyper-parameters of the architecture may be."""

    activation: Literal["tanh", "relu", "sigmoid", "gelu", "silu", "leaky_relu"] = "relu"
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0


class Vary(Section):
    """`[vary]`: hyper-parameters drawn for each network instead of shared by all.

    Attributes:
        grid: whether the values of all `choice`s make a full factorial, which the networks of a
            class go through by their index, the last key of this list fastest.
    """

    learning_rate: Distribution | None = None
    batch_size: Distribution | None = None
    optimizer: Distribution | None = None
    momentum: Distribution | None = None
    nesterov: Distribution | None = None
    weight_decay: Distribution | None = None
    l2: Distribution | None = None
    schedule: Distribution | None = None
    step_epochs: Distribution | None = None
    step_factor: Distribution | None = None
    initialisation: Distribution | None = None
    initialisation_scale: Distribution | None = None
    initial_bias: Distribution | None = None
    bias_initialisation: Distribution | None = None
    train_fraction: Distribution | None = None
    label_noise: Distribution | None = None
    activation: Distribution | None = None
    dropout: Distribution | None = None
    grid: bool = False

    @property
    def drawn(self) -> tuple[str, ...]:
        """The hyper-parameters that are drawn, in the order of this section."""
        return tuple(
            key for key in type(self).model_fields if isinstance(getattr(self, key), Distribution)
        )

    @property
    def grid_points(self) -> int:
        """How many networks of a class make a full grid; 1 where there is none."""
        return math.prod(len(values) for values in self.grid_axes().values())

    def grid_axes(self) -> dict[str, tuple[bool | int | float | str, ...]]:
        """Key -> values, of the full factorial."""
        chosen = {key: getattr(self, key).choice for key in self.drawn if self.grid}
        return {key: values for key, values in chosen.items() if values is not None}

    @field_validator("*")
    @classmethod
    def _possible(cls, drawn: Any, info: ValidationInfo) -> Any:
        """Check all values by what `[training]` allows."""
        key = info.field_name or ""
        if not isinstance(drawn, Distribution):
            return drawn
        section = _OfTheArchitecture if key in _OfTheArchitecture.model_fields else Training
        kind = type(section.model_fields[key].default)
        if drawn.choice is None and kind is not float:
            raise ValueError("can only be drawn by choice, as in { choice = [...] }")
        # Whether there is a momentum for it is a question to the recipe as a whole.
        beside = {"momentum": 0.9} if key == "nesterov" else {}
        for value in drawn.extremes():
            try:
                section.model_validate({**beside, key: value})
            except ValidationError as error:
                allowed = words_of(error.errors(include_url=False)[0])
                # Else the text "true" would look like true.
                shown = repr(value) if isinstance(value, str) and kind is not str else value
                raise ValueError(f"{shown} is impossible: {allowed}") from None
        return drawn

    @model_validator(mode="after")
    def _a_grid_has_axes(self) -> Self:
        if self.grid and not self.grid_axes():
            raise PydanticCustomError(
                "grid,choice", "grid = true needs a key that is drawn by choice = [...]"
            )
        return self
