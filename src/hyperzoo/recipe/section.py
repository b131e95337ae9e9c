"""What all sections of a recipe have in common."""

from pydantic import BaseModel, ConfigDict

NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*"
"""What a zoo or a network may be called: fit for file names."""

NAME_RULE = "letters, digits, '.', '_' and '-', beginning with a letter or digit"
"""The same in words."""


class Section(BaseModel):
    """A table of a recipe."""

    # Strict: 25.0 epochs or "25" epochs are mistakes, not numbers to be guessed.
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)
