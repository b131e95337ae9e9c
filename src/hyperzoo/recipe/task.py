"""`[task]` of a recipe."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from hyperzoo.recipe.section import Section


class Task(Section):
    """`[task]`: what every network learns."""

    kind: Literal["one-vs-all", "multi-class"] = "one-vs-all"
    negatives: Literal["all", "sampled"] = "all"
    positive_fraction: Annotated[float, Field(gt=0, lt=1)] | None = None

    @model_validator(mode="after")
    def _sampled_needs_a_fraction(self) -> Self:
        if self.negatives == "sampled" and self.kind == "multi-class":
            raise PydanticCustomError(
                "negatives,kind", "negatives = 'sampled' needs kind = 'one-vs-all'"
            )
        if (self.negatives == "sampled") != (self.positive_fraction is not None):
            raise PydanticCustomError(
                "positive_fraction,negatives",
                "positive_fraction and negatives = 'sampled' go together: give both or neither",
            )
        return self
