"""`[images]` of a recipe."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from hyperzoo.recipe.section import Section


class Images(Section):
    """`[images]`: which images the networks are trained on."""

    source: Literal[
        "digits", "imagenette", "folder", "npz", "idx", "cifar10", "cifar100", "cifar100-coarse",
        "svhn", "stl10", "hub",
    ]  # fmt: skip
    path: str | None = None
    size: Annotated[int, Field(ge=1, le=4096)] = 32
    channels: Literal[1, 3] = 3

    @model_validator(mode="after")
    def _digits_are_bundled(self) -> Self:
        if self.source == "digits" and self.path is not None:
            raise PydanticCustomError("path,source", "path has no meaning for source = 'digits'")
        return self
