"""Everything that determines a zoo, in one immutable object."""

import hashlib
import json
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, PrivateAttr, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from hyperzoo.architectures import (
    Architecture,
    declared_architecture,
    get_architecture,
    layer_tables,
    varied,
)
from hyperzoo.architectures.declared import OUTPUTS
from hyperzoo.errors import RecipeError
from hyperzoo.recipe.architecture import (
    ArchitectureChoice,
    architecture_problems,
    shape_problems,
)
from hyperzoo.recipe.images import Images
from hyperzoo.recipe.problems import problems_of
from hyperzoo.recipe.section import NAME, Section
from hyperzoo.recipe.task import Task
from hyperzoo.recipe.training import ALWAYS_TOLD, MEANT_FOR, Training
from hyperzoo.recipe.vary import Vary


class Recipe(Section):
    """Everything that determines a zoo.

    A recipe is immutable. `with_changes` makes another one; `canonical` and `digest` identify it.
    """

    name: Annotated[str, Field(min_length=1, pattern=f"^{NAME}$")]
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    networks_per_class: Annotated[int, Field(ge=1, le=1_000_000)]
    images: Images
    task: Task = Task()
    architecture: ArchitectureChoice
    training: Training = Training()
    vary: Vary = Vary()

    @model_validator(mode="after")
    def _grids_are_full(self) -> Self:
        if self.networks_per_class % self.vary.grid_points:
            raise PydanticCustomError(
                "networks_per_class,vary",
                "vary.grid has {points} points, so networks_per_class must be a multiple of that, "
                "got {count}",
                {"points": self.vary.grid_points, "count": self.networks_per_class},
            )
        return self

    @model_validator(mode="after")
    def _keys_have_what_they_need(self) -> Self:
        training, drawn = self.training, self.vary.drawn
        for key in ("step_epochs", "step_factor", "initialisation_scale"):
            other, words = MEANT_FOR[key]
            is_default = getattr(training, key) == Training.model_fields[key].default
            if key in drawn and not self._may_be(other, words):
                section = "vary"
            elif not (is_default or getattr(training, other) in words or other in drawn):
                section = "training"
            else:
                continue
            raise PydanticCustomError(
                f"{section},{other}",
                "{section}.{key} is of {other} = {words}; leave it out",
                {"section": section, "key": key, "other": other}
                | {"words": ", ".join(map(repr, words))},
            )
        biases = training.initial_bias or "initial_bias" in drawn
        if biases and not self._may_be(*MEANT_FOR["initial_bias"]):
            raise PydanticCustomError(
                "training,bias_initialisation",
                "initial_bias is of bias_initialisation = 'constant'; leave one of them out",
            )
        momentum = training.momentum or "momentum" in drawn
        if momentum and not self._may_be(*MEANT_FOR["momentum"]):
            raise PydanticCustomError(
                "training,optimizer",
                "momentum is of optimizer = 'sgd' or 'rmsprop'; leave it out",
            )
        nesterov = training.nesterov or "nesterov" in drawn
        if nesterov and not self._may_be(*MEANT_FOR["nesterov"]):
            raise PydanticCustomError(
                "training,optimizer", "nesterov is of optimizer = 'sgd'; leave it out"
            )
        if "nesterov" in drawn and not momentum:
            raise PydanticCustomError(
                "vary,training", "vary.nesterov needs a training.momentum above 0, such as 0.9"
            )
        decays = training.weight_decay or "weight_decay" in drawn
        if self._may_be("optimizer", ("adamw",)) and not decays:
            raise PydanticCustomError(
                "training,optimizer",
                "optimizer = 'adamw' needs a training.weight_decay above 0, such as 0.01",
            )
        return self

    def _may_be(self, key: str, values: Collection[str]) -> bool:
        """Whether a hyper-parameter has one of these values, or may be drawn to have it."""
        drawn = getattr(self.vary, key)
        own = (getattr(self.training, key),) if drawn is None else drawn.choice or ()
        return not set(own).isdisjoint(values)

    # The folder of the recipe's file; relative image paths start there.
    _folder: Path | None = PrivateAttr(default=None)

    @property
    def images_path(self) -> Path | None:
        """Where the images lie, when the recipe says so; relative to the recipe's own file."""
        if self.images.path is None:
            return None
        if self.images.source == "hub":  # a name, not a place on this machine
            return Path(self.images.path)
        return (self._folder or Path()) / Path(self.images.path).expanduser()

    def network(self, outputs: int) -> Architecture:
        """The network that is trained; its activations are "drawn" where they are.

        Args:
            outputs: how many logits it gives.

        Raises:
            ArchitectureError: there is no built-in network of that name.
        """
        own = self._declared(outputs)
        return own if self.vary.activation is None else varied(own, activation="drawn")

    def _declared(self, outputs: int) -> Architecture:
        name, layers = self.architecture.name, self.architecture.layers
        if layers is None:
            return get_architecture(name, outputs)
        shape = (self.images.size, self.images.size, self.images.channels)
        return declared_architecture(name, layers, shape, outputs)

    def with_changes(
        self,
        *,
        networks_per_class: int | None = None,
        epochs: int | None = None,
        checkpoint_epochs: tuple[int, ...] | None = None,
    ) -> "Recipe":
        """The same recipe with another size, length or other checkpoints.

        Raises:
            RecipeError: the changed recipe is not valid.
        """
        document = self.model_dump(exclude_none=True)
        if networks_per_class is not None:
            document["networks_per_class"] = networks_per_class
        if epochs is not None:
            document["training"]["epochs"] = epochs
        if checkpoint_epochs is not None:
            document["training"]["checkpoint_epochs"] = checkpoint_epochs
        changed = parse_recipe(document, "the changed recipe")
        changed._folder = self._folder
        return changed

    def canonical(self) -> dict[str, Any]:
        """The recipe as a plain dict with defaults written out, ready for JSON.

        Where the images lie on this machine is left out: it is nobody else's business, and the
        images have a fingerprint. A name on the Hugging Face Hub is kept.
        """
        document = self.model_dump(mode="json", exclude_none=True)
        if self.images.source != "hub":
            document["images"].pop("path", None)
        for key, field in Training.model_fields.items():
            if key not in ALWAYS_TOLD and getattr(self.training, key) == field.default:
                # Digests are older than the key, and stay what they were.
                del document["training"][key]
        for key in ("positives", "exclude"):  # younger than digests, too
            if not document["task"][key]:
                del document["task"][key]
        if not self.vary.grid:
            del document["vary"]["grid"]  # younger than digests, too
        if self.architecture.layers is not None:
            # However they were written: a default that is spelled out changes nothing.
            document["architecture"]["layers"] = self._layer_tables()
        return document

    def _layer_tables(self) -> list[dict[str, Any]]:
        """The layers of the recipe's own, where "outputs" stays for what only images tell."""
        tables = layer_tables(self._declared(1))
        if self.task.kind == "multi-class":  # else it is 1, and digests are older than the word
            for table, entry in zip(tables, self.architecture.layers, strict=True):
                if entry.get("dense") == OUTPUTS:
                    table["dense"] = OUTPUTS
        return tables

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of all that determines a network's bits, images aside.

        Left out are the recipe's name, the number of networks (a zoo may grow) and the place of
        the images on this machine; the images themselves have a fingerprint of their own. A key
        that a later version adds must be absent from the canonical form at its default, or every
        digest would change.
        """
        document = self.canonical()
        del document["name"], document["networks_per_class"]
        document["images"].pop("path", None)
        text = json.dumps(document, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def parse_recipe(document: dict[str, Any], place: str = "recipe") -> Recipe:
    """Check a recipe given as nested dicts.

    Args:
        document: the recipe as TOML's parser gives it.
        place: where it came from, for the message.

    Raises:
        RecipeError: with every problem, each with its place, the value found, what is allowed,
            and the nearest known name.
    """
    problems = set(architecture_problems(document))
    try:
        recipe = Recipe.model_validate(document)
    except ValidationError as error:
        problems |= set(problems_of(Recipe, document, error))
    if not problems:
        return recipe
    # By itself it is no problem of the recipe: images given to Python may be of another shape.
    problems |= set(shape_problems(document))
    count = f"{len(problems)} problem" + ("s" if len(problems) > 1 else "")
    lines = "\n".join(f"  - {problem}" for problem in sorted(problems))
    raise RecipeError(f"{place} has {count}:\n{lines}")
