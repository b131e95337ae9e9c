"""`[task]` of a recipe."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from hyperzoo.recipe.section import Section


def _increasing(sizes: tuple[int, ...]) -> tuple[int, ...]:
    if list(sizes) != sorted(set(sizes)):
        raise ValueError("sizes must increase and not repeat")
    return sizes


def _different(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) < len(names):
        raise ValueError("expected every class once")
    return names


class Parts(Section):
    """`[task] parts`: into how many parts every class is divided, by what images look like.

    Attributes:
        brightness: parts from dark to bright.
        warmth: parts from blue to red.
        edges: parts from smooth to detailed.
    """

    brightness: Annotated[int, Field(ge=1, le=10)] = 1
    warmth: Annotated[int, Field(ge=1, le=10)] = 1
    edges: Annotated[int, Field(ge=1, le=10)] = 1

    @model_validator(mode="after")
    def _divides(self) -> Self:
        if self.brightness * self.warmth * self.edges == 1:
            raise PydanticCustomError(
                "parts", "expected 2 or more of something, as in parts = { brightness = 3 }"
            )
        return self


class Task(Section):
    """`[task]`: what every network learns.

    Attributes:
        kind: of the task.
        positives: how many classes a network says yes to, of kind "subset-vs-rest": all subsets
            of these sizes are tasks.
        subsets: how many of those subsets are drawn; None for all.
        exclude: classes whose images no network sees.
        parts: what divides every class into several, which are the classes then; None for nothing.
        negatives: whether a network sees all images that it should say no to.
        positive_fraction: share of the positives among those that it sees.
    """

    kind: Literal["one-vs-all", "subset-vs-rest", "multi-class"] = "one-vs-all"
    # Lax here alone: TOML has lists, a frozen recipe has tuples.
    positives: Annotated[
        tuple[Annotated[int, Field(strict=True, ge=1, le=1000)], ...],
        Field(strict=False, max_length=100),
        AfterValidator(_increasing),
    ] = ()
    subsets: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    exclude: Annotated[
        tuple[Annotated[str, Field(strict=True, min_length=1)], ...],
        Field(strict=False, max_length=10_000),
        AfterValidator(_different),
    ] = ()
    parts: Parts | None = None
    negatives: Literal["all", "sampled"] = "all"
    positive_fraction: Annotated[float, Field(gt=0, lt=1)] | None = None

    @model_validator(mode="after")
    def _sampled_needs_a_fraction(self) -> Self:
        if self.negatives == "sampled" and self.kind == "multi-class":
            raise PydanticCustomError(
                "negatives,kind",
                "negatives = 'sampled' needs kind = 'one-vs-all' or 'subset-vs-rest'",
            )
        if (self.negatives == "sampled") != (self.positive_fraction is not None):
            raise PydanticCustomError(
                "positive_fraction,negatives",
                "positive_fraction and negatives = 'sampled' go together: give both or neither",
            )
        return self

    @model_validator(mode="after")
    def _subsets_have_sizes(self) -> Self:
        if (self.kind == "subset-vs-rest") != bool(self.positives):
            raise PydanticCustomError(
                "positives,kind",
                "kind = 'subset-vs-rest' and positives = [1, 2], how many classes a network says "
                "yes to, go together: give both or neither",
            )
        if self.subsets is not None and self.kind != "subset-vs-rest":
            raise PydanticCustomError(
                "subsets,kind", "subsets is of kind = 'subset-vs-rest'; leave it out"
            )
        return self
