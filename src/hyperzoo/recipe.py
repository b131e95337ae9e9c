"""A recipe: everything that determines a zoo, parsed from TOML."""

import hashlib
import json
import re
import tomllib
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from hyperzoo.architectures import (
    Architecture,
    architecture_names,
    declared_architecture,
    get_architecture,
    layer_tables,
    parse_layers,
)
from hyperzoo.errors import RecipeError, did_you_mean

_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*"


class _Section(BaseModel):
    # Strict: 25.0 epochs or "25" epochs are mistakes, not numbers to be guessed.
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Images(_Section):
    """`[images]`: which images the networks are trained on."""

    source: Literal["digits", "imagenette", "folder", "npz"]
    path: str | None = None
    size: Annotated[int, Field(ge=1, le=4096)] = 32
    channels: Literal[1, 3] = 3

    @model_validator(mode="after")
    def _digits_are_bundled(self) -> Self:
        if self.source == "digits" and self.path is not None:
            raise PydanticCustomError("path", "path has no meaning for source = 'digits'")
        return self


class Task(_Section):
    """`[task]`: what every network learns."""

    kind: Literal["one-vs-all", "multi-class"] = "one-vs-all"
    negatives: Literal["all", "sampled"] = "all"
    positive_fraction: Annotated[float, Field(gt=0, lt=1)] | None = None

    @model_validator(mode="after")
    def _sampled_needs_a_fraction(self) -> Self:
        if self.negatives == "sampled" and self.kind == "multi-class":
            raise PydanticCustomError(
                "negatives", "negatives = 'sampled' needs kind = 'one-vs-all'"
            )
        if (self.negatives == "sampled") != (self.positive_fraction is not None):
            raise PydanticCustomError(
                "positive_fraction",
                "positive_fraction and negatives = 'sampled' go together: give both or neither",
            )
        return self


class ArchitectureChoice(_Section):
    """`[architecture]`: which network is trained: a built-in one, or layers of its own.

    Attributes:
        name: a built-in network's, or any other where `layers` are given.
        layers: a list of tables, which `hyperzoo.architectures.declared` reads; None for a
            built-in network.
    """

    name: Annotated[str, Field(min_length=1)]
    layers: Any = None


def _increasing(epochs: tuple[int, ...]) -> tuple[int, ...]:
    if list(epochs) != sorted(set(epochs)):
        raise ValueError("epochs must increase and not repeat")
    return epochs


LearningRate = Annotated[float, Field(gt=0, le=10)]
BatchSize = Annotated[int, Field(ge=1, le=65536)]


class Training(_Section):
    """`[training]`: how every network is trained."""

    optimizer: Literal["adam"] = "adam"
    learning_rate: LearningRate = 1e-3
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
    def _checkpoints_lie_within(self) -> Self:
        late = [epoch for epoch in self.checkpoint_epochs if epoch > self.epochs]
        if late:
            raise PydanticCustomError(
                "checkpoint_epochs",
                "checkpoint_epochs {late} lie beyond the last epoch, {epochs}",
                {"late": late, "epochs": self.epochs},
            )
        return self


def _ordered(bounds: tuple[float, float] | None) -> tuple[float, float] | None:
    if bounds is not None and not bounds[0] < bounds[1]:
        raise ValueError("the lower bound must be less than the upper bound")
    return bounds


Bounds = Annotated[
    tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]] | None,
    Field(strict=False),
    AfterValidator(_ordered),
]


class Distribution(_Section):
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
                "distribution",
                "expected exactly one of choice = [...], uniform = [low, high], "
                "log_uniform = [low, high]",
            )
        return self

    def extremes(self) -> tuple[int | float, ...]:
        """Values between which every drawn value lies."""
        return self.choice or self.uniform or self.log_uniform or ()


class Vary(_Section):
    """`[vary]`: hyper-parameters drawn for each network instead of shared by all."""

    learning_rate: Distribution | None = None
    batch_size: Distribution | None = None

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


class Recipe(_Section):
    """Everything that determines a zoo.

    A recipe is immutable. `with_changes` makes another one; `canonical` and `digest` identify it.
    """

    name: Annotated[str, Field(min_length=1, pattern=f"^{_NAME}$")]
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
        self, *, networks_per_class: int | None = None, epochs: int | None = None
    ) -> "Recipe":
        """The same recipe with another size or length.

        Raises:
            RecipeError: the changed recipe is not valid.
        """
        document = self.model_dump(exclude_none=True)
        if networks_per_class is not None:
            document["networks_per_class"] = networks_per_class
        if epochs is not None:
            document["training"]["epochs"] = epochs
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


def builtin_recipes() -> dict[str, str]:
    """The built-in recipes: name -> TOML text, in alphabetical order."""
    folder = resources.files("hyperzoo") / "recipes"
    files = sorted(
        (file for file in folder.iterdir() if file.name.endswith(".toml")),
        key=lambda file: file.name,
    )
    return {file.name.removesuffix(".toml"): file.read_text("utf-8") for file in files}


def load_recipe(name_or_path: str | Path) -> Recipe:
    """Read a recipe.

    Args:
        name_or_path: the name of a built-in recipe ("digits-lenet5"), or a path to a TOML file.

    Raises:
        RecipeError: there is no such recipe, or it is not valid; every problem is listed.
    """
    builtin = builtin_recipes()
    if str(name_or_path) in builtin:
        return _parse_toml(builtin[str(name_or_path)], f"built-in recipe '{name_or_path}'")
    path = Path(name_or_path)
    if not path.is_file():
        raise RecipeError(
            f"no recipe '{name_or_path}': neither a file nor a built-in recipe"
            f"{did_you_mean(str(name_or_path), builtin)} (built in: {', '.join(builtin)})"
        )
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"recipe {path} can't be read: {error}") from error
    recipe = _parse_toml(text, str(path))
    recipe._folder = path.parent
    return recipe


def _parse_toml(text: str, place: str) -> Recipe:
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{place} is not valid TOML: {error}") from error
    return parse_recipe(document, place)


def parse_recipe(document: dict[str, Any], place: str = "recipe") -> Recipe:
    """Check a recipe given as nested dicts.

    Args:
        document: the recipe as TOML's parser gives it.
        place: where it came from, for the message.

    Raises:
        RecipeError: with every problem, each with its place, the value found, what is allowed,
            and the nearest known name.
    """
    problems: set[str] = set()
    try:
        recipe = Recipe.model_validate(document)
    except ValidationError as error:
        recipe = None
        problems = {_problem(detail) for detail in error.errors(include_url=False)}
    problems |= set(_layer_problems(document))
    if recipe is not None and not problems:
        return recipe
    count = f"{len(problems)} problem" + ("s" if len(problems) > 1 else "")
    lines = "\n".join(f"  - {problem}" for problem in sorted(problems))
    raise RecipeError(f"{place} has {count}:\n{lines}")


def _layer_problems(document: dict[str, Any]) -> Iterator[str]:
    """What is wrong with the layers of a recipe that has its own."""
    choice = document.get("architecture") if isinstance(document, dict) else None
    if not isinstance(choice, dict) or choice.get("layers") is None:
        return
    name = choice.get("name")
    if name in architecture_names():
        yield (
            f"architecture.name: '{name}' is a built-in network, which has its own layers; leave "
            "`layers` out, or give another name"
        )
    elif isinstance(name, str) and not re.fullmatch(_NAME, name):
        yield (
            "architecture.name: expected letters, digits, '.', '_' and '-', beginning with a "
            f"letter or digit, got {name!r}"
        )
    try:
        images = Images.model_validate(document.get("images"))
    except ValidationError:
        shape = None  # reported by itself
    else:
        shape = (images.size, images.size, images.channels)
    _, problems = parse_layers(choice["layers"], shape, 1)
    yield from (f"architecture.layers: {problem}" for problem in problems)


def _problem(detail: ErrorDetails) -> str:
    """One of pydantic's findings as one line: place, what is allowed, found, nearest name."""
    place = ".".join(str(part) for part in detail["loc"]) or "recipe"
    if detail["type"] == "extra_forbidden":
        known = _known_keys(detail["loc"][:-1])
        nearest = did_you_mean(str(detail["loc"][-1]), known)
        return f"{place}: unknown key{nearest} (known here: {', '.join(known)})"
    if detail["type"] == "missing":
        return f"{place}: missing, and it has no default"
    if detail["type"] == "model_type":
        return f"{place}: expected a table of keys, got {detail['input']!r}"
    message = detail["msg"].removeprefix("Value error, ")
    message = message[0].lower() + message[1:]
    if isinstance(detail["input"], dict):
        return f"{place}: {message}"
    nearest = ""
    if detail["type"] == "literal_error":
        nearest = did_you_mean(str(detail["input"]), re.findall("'(.*?)'", message))
    return f"{place}: {message}, got {detail['input']!r}{nearest}"


def _known_keys(place: tuple[int | str, ...]) -> list[str]:
    """The keys allowed in a section of the recipe, found by walking down its models."""
    section: type[BaseModel] = Recipe
    for part in place:
        annotation = section.model_fields[str(part)].annotation
        members = (annotation, *get_args(annotation))
        section = next(m for m in members if isinstance(m, type) and issubclass(m, BaseModel))
    return list(section.model_fields)
