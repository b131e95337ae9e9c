"""Everything that determines a zoo, in one immutable object."""

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, PrivateAttr, ValidationError

from hyperzoo.architectures import (
    Architecture,
    declared_architecture,
    get_architecture,
    layer_tables,
)
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
from hyperzoo.recipe.training import Training
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

    # The folder of the recipe's file; relative image paths start there.
    _folder: Path | None = PrivateAttr(default=None)

    @property
    def images_path(self) -> Path | None:
        """Where the images lie, when the recipe says so; relative to the recipe's own file."""
        if self.images.path is None:
            return None
        return (self._folder or Path()) / Path(self.images.path).expanduser()

    def network(self, outputs: int) -> Architecture:
        """The network that is trained.

        Args:
            outputs: how many logits it gives.

        Raises:
            ArchitectureError: there is no built-in network of that name.
        """
        name, layers = self.architecture.name, self.architecture.layers
        if layers is None:
            return get_architecture(name, outputs)
        images = self.images
        return declared_architecture(
            name, layers, (images.size, images.size, images.channels), outputs
        )

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
        images have a fingerprint.
        """
        document = self.model_dump(mode="json", exclude_none=True, exclude={"images": {"path"}})
        for key in ("precision", "train_fraction", "label_noise"):
            if getattr(self.training, key) == Training.model_fields[key].default:
                # Older than the key, so that digests of recipes without it stay what they were.
                del document["training"][key]
        if self.architecture.layers is not None:
            # However they were written: a default that is spelled out changes nothing.
            document["architecture"]["layers"] = layer_tables(self.network(1))
        return document

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
