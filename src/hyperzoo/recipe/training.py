"""`[training]` of a recipe."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from hyperzoo.architectures.initialisation import SCALED, Biases, Scheme
from hyperzoo.recipe.section import Section


def _increasing(epochs: tuple[int, ...]) -> tuple[int, ...]:
    if list(epochs) != sorted(set(epochs)):
        raise ValueError("epochs must increase and not repeat")
    return epochs


LearningRate = Annotated[float, Field(gt=0, le=10)]
BatchSize = Annotated[int, Field(ge=1, le=65536)]

MEANT_FOR: dict[str, tuple[str, tuple[str, ...]]] = {
    "momentum": ("optimizer", ("sgd", "rmsprop")),
    "nesterov": ("optimizer", ("sgd",)),
    "step_epochs": ("schedule", ("step",)),
    "step_factor": ("schedule", ("step",)),
    "initialisation_scale": ("initialisation", SCALED),
    "initial_bias": ("bias_initialisation", ("constant",)),
}
"""Hyper-parameters -> another one, and its words with which they mean something; with others they
are passed over."""

ALWAYS_TOLD = {
    "optimizer", "learning_rate", "batch_size", "epochs", "keep", "checkpoint_epochs",
}  # fmt: skip
"""Keys that a recipe's canonical form always has; later ones only where they are no default."""


class Training(Section):
    """`[training]`: how every network is trained."""

    optimizer: Literal["adam", "adamw", "sgd", "rmsprop"] = "adam"
    learning_rate: LearningRate = 1e-3
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.0
    nesterov: bool = False
    weight_decay: Annotated[float, Field(ge=0, le=1)] = 0.0
    l2: Annotated[float, Field(ge=0, le=1)] = 0.0
    schedule: Literal["constant", "cosine", "step"] = "constant"
    step_epochs: Annotated[int, Field(ge=1, le=100_000)] = 10
    step_factor: Annotated[float, Field(gt=0, le=1)] = 0.1
    initialisation: Scheme = "glorot_uniform"
    initialisation_scale: Annotated[float, Field(gt=0, le=100)] = 0.05
    initial_bias: Annotated[float, Field(ge=-100, le=100)] = 0.0
    bias_initialisation: Biases = "constant"
    batch_size: BatchSize = 128
    epochs: Annotated[int, Field(ge=1, le=100_000)] = 25
    keep: Literal["last", "best"] = "last"
    precision: Literal["float32", "tf32", "bfloat16"] = "float32"
    train_fraction: Annotated[float, Field(gt=0, le=1)] = 1.0
    label_noise: Annotated[float, Field(ge=0, lt=1)] = 0.0
    # Lax here alone: TOML has lists, a frozen recipe has tuples.
    checkpoint_epochs: Annotated[
        tuple[Annotated[int, Field(strict=True, ge=0)], ...],
        Field(strict=False),
        AfterValidator(_increasing),
    ] = ()

    @model_validator(mode="after")
    def _momentum_has_an_optimizer(self) -> Self:
        if self.nesterov and self.momentum == 0:
            raise PydanticCustomError(
                "nesterov,momentum", "nesterov = true needs a momentum above 0, such as 0.9"
            )
        return self

    @model_validator(mode="after")
    def _checkpoints_lie_within(self) -> Self:
        late = [epoch for epoch in self.checkpoint_epochs if epoch > self.epochs]
        if late:
            raise PydanticCustomError(
                "checkpoint_epochs,epochs",
                "checkpoint_epochs {late} lie beyond the last epoch, {epochs}; leave them out",
                {"late": late, "epochs": self.epochs},
            )
        return self
