"""Which networks a recipe asks for, in which order and parts, with which hyper-parameters."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from functools import partial
from itertools import combinations
from typing import TYPE_CHECKING, Any, Literal

from hyperzoo.errors import RecipeError
from hyperzoo.randomness import permutation, uniforms

if TYPE_CHECKING:
    # Engines need the plan's networks where what recipes need may not be installed.
    from hyperzoo.recipe import Distribution, Recipe

PART_SIZE = 50
"""Networks in a part, the unit that is written, resumed and sent as one."""

TaskKind = Literal["one-vs-all", "subset-vs-rest", "multi-class"]

Rule = Literal["adam", "descent", "nesterov", "rmsprop"]

Value = bool | int | float | str
"""Of a hyper-parameter."""

ALL_CLASSES = "all"
"""The class that every network of a multi-class zoo belongs to."""

JOINT = "+"
"""Between the classes of a subset; no class of images has it in its name."""

MOST_SUBSETS = 1_000_000
"""Subsets that are the tasks, or of which tasks are drawn."""

MOST_NETWORKS = 10_000_000
"""Networks of a zoo of subsets: a recipe of a few words can't ask for more than fits in memory."""


@dataclass(frozen=True, kw_only=True)
class PlannedNetwork:
    """A network's identity and the hyper-parameters that are its own.

    Where they are not drawn for each network they are the recipe's; docs/training.md defines them.

    Attributes:
        class_name: the class it detects, the subset of classes ("church+tench"), or
            `ALL_CLASSES`.
        index: 0, 1, 2, ... within the class.
        learning_rate: the optimizer's; 0 where it is not known, or there was no training.
        batch_size: images a step; 0 where it is not known.
        optimizer: "adam", "adamw", "sgd" or "rmsprop".
        momentum: 0 to below 1, of sgd and rmsprop.
        nesterov: whether sgd looks ahead.
        weight_decay: decoupled, of all that is trained; 0 for none.
        l2: factor of the kernels' squares in what is minimised; 0 for none.
        schedule: of the learning rate over the epochs: "constant", "cosine" or "step".
        step_epochs: epochs after which a "step" schedule lowers the rate.
        step_factor: by which it does.
        initialisation: the scheme of its initial weights.
        initialisation_scale: of schemes that have one.
        initial_bias: with which biases start, where they are constant.
        bias_initialisation: how biases start: "constant" or "as_kernels".
        train_fraction: the share of the training images that it sees, above 0.
        label_noise: the share of their labels that it is told wrongly, below 1.
        activation: in place of all activations of the architecture but linear; None for those.
        dropout: rate of all dropouts of the architecture; None for those.
    """

    class_name: str
    index: int
    learning_rate: float
    batch_size: int
    optimizer: str = "adam"
    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0
    l2: float = 0.0
    schedule: str = "constant"
    step_epochs: int = 10
    step_factor: float = 0.1
    initialisation: str = "glorot_uniform"
    initialisation_scale: float = 0.05
    initial_bias: float = 0.0
    bias_initialisation: str = "constant"
    train_fraction: float = 1.0
    label_noise: float = 0.0
    activation: str | None = None
    dropout: float | None = None

    @property
    def id(self) -> str:
        """The network's name in the zoo, e.g. "church_649"."""
        return f"{self.class_name}_{self.index}"

    def learning_rate_in(self, epoch: int, epochs: int) -> float:
        """The learning rate of an epoch.

        Args:
            epoch: 1 for the first.
            epochs: how many there are.
        """
        if self.schedule == "cosine":
            share = (1 + math.cos(math.pi * (epoch - 1) / epochs)) / 2
            # To twelve digits, on which all mathematics libraries agree.
            return self.learning_rate * float(f"{share:.12g}")
        if self.schedule == "step":
            steps = (epoch - 1) // self.step_epochs
            return self.learning_rate * math.prod([self.step_factor] * steps)
        return self.learning_rate

    @property
    def has_plain_adam(self) -> bool:
        """Whether Adam trains it, with neither weight decay nor l2."""
        return self.optimizer in ("adam", "adamw") and self.weight_decay == self.l2 == 0

    @property
    def rule(self) -> Rule:
        """How its gradients become steps, whatever their sizes."""
        match self.optimizer:
            case "rmsprop":
                return "rmsprop"
            case "sgd":
                return "nesterov" if self.nesterov and self.momentum > 0 else "descent"
            case _:
                return "adam"


_KINDS = {
    entry.name: entry.type
    for entry in fields(PlannedNetwork)
    if entry.name not in ("class_name", "index")
}
HYPER_PARAMETERS = tuple(_KINDS)
"""The names of all hyper-parameters, in recipes' `[training]` and `[vary]` and in tables."""

OF_THE_ARCHITECTURE = ("activation", "dropout")
"""Those that are no keys of `[training]`: the architecture has them, unless they are drawn."""


def positives_of(class_name: str) -> tuple[str, ...]:
    """The classes of images to which a network says yes, from the name of its own class.

    One for a one-vs-all network ("church"), one or more for that of a subset ("church+tench").
    """
    return tuple(class_name.split(JOINT))


def network_classes(recipe: "Recipe", image_classes: Sequence[str]) -> tuple[str, ...]:
    """The classes of a recipe's networks: those of the images, subsets of them, or `ALL_CLASSES`.

    Subsets are ordered by their size, then as their classes are in label order. Where a number of
    them is drawn, they keep that order.

    Args:
        recipe: the zoo's recipe.
        image_classes: the images' classes in label order.

    Raises:
        RecipeError: the images have too few classes for the recipe's task, or it asks for too many
            networks.
    """
    match recipe.task.kind:
        case "one-vs-all":
            return tuple(image_classes)
        case "multi-class":
            return (ALL_CLASSES,)
    sizes, wanted = recipe.task.positives, recipe.task.subsets
    count = sum(math.comb(len(image_classes), size) for size in sizes)
    _check(recipe, image_classes, count)
    names = map(JOINT.join, _subsets(image_classes, sizes))
    if wanted is None:
        return tuple(names)
    order = permutation(recipe.seed, ALL_CLASSES, 0, "subsets", count)
    drawn = set(order[:wanted].tolist())
    return tuple(name for place, name in enumerate(names) if place in drawn)


def _subsets(classes: Sequence[str], sizes: Iterable[int]) -> Iterator[tuple[str, ...]]:
    for size in sizes:
        yield from combinations(classes, size)


def _check(recipe: "Recipe", image_classes: Sequence[str], count: int) -> None:
    task, classes = recipe.task, len(image_classes)
    if max(task.positives) >= classes:
        raise RecipeError(
            f"task.positives: expected fewer than the {classes} classes of the images, for some "
            f"must be left to say no to; got {max(task.positives)}"
        )
    if count > MOST_SUBSETS:
        raise RecipeError(
            f"task.positives: {list(task.positives)} of {classes} classes make {count:,} subsets; "
            f"expected up to {MOST_SUBSETS:,}: ask for smaller ones"
        )
    if task.subsets is not None and task.subsets > count:
        raise RecipeError(
            f"task.subsets: {list(task.positives)} of {classes} classes make {count:,} subsets, "
            f"got {task.subsets:,} to draw; leave it out for all of them"
        )
    networks = (task.subsets or count) * recipe.networks_per_class
    if networks > MOST_NETWORKS:
        raise RecipeError(
            f"{networks:,} networks ({recipe.networks_per_class:,} for each of "
            f"{task.subsets or count:,} subsets) are too many; expected up to {MOST_NETWORKS:,}"
        )


def plan_parts(
    recipe: "Recipe", image_classes: Sequence[str], sizes: Sequence[int]
) -> list[tuple[PlannedNetwork, ...]]:
    """Cut a zoo's networks into parts.

    Networks are ordered by index, then class, and cut into parts of `PART_SIZE`. Where a zoo has
    grown, the parts of every earlier size stay as they were and the new networks start a part of
    their own.

    Args:
        recipe: the zoo's recipe.
        image_classes: the images' classes in label order.
        sizes: every `networks_per_class` that the zoo has had, in increasing order.

    Returns:
        The parts, each with its networks in the order of their rows.
    """
    classes = network_classes(recipe, image_classes)
    return _staged(classes, sizes, partial(_planned, recipe))


def generated_parts(
    classes: Sequence[str], sizes: Sequence[int]
) -> list[tuple[PlannedNetwork, ...]]:
    """Cut a zoo of generated networks into parts, as `plan_parts` does.

    Args:
        classes: the networks' classes in label order.
        sizes: every number of networks a class that the zoo has had, in increasing order.
    """
    return _staged(classes, sizes, _untrained)


def _staged(
    classes: Sequence[str],
    sizes: Sequence[int],
    planned: Callable[[str, int], PlannedNetwork],
) -> list[tuple[PlannedNetwork, ...]]:
    parts: list[tuple[PlannedNetwork, ...]] = []
    for begin, end in zip([0, *sizes], sizes, strict=False):
        networks = [
            planned(class_name, index) for index in range(begin, end) for class_name in classes
        ]
        parts += _cut(networks)
    return parts


def _cut(networks: Sequence[PlannedNetwork]) -> list[tuple[PlannedNetwork, ...]]:
    return [tuple(networks[row : row + PART_SIZE]) for row in range(0, len(networks), PART_SIZE)]


def _untrained(class_name: str, index: int) -> PlannedNetwork:
    return PlannedNetwork(class_name=class_name, index=index, learning_rate=0, batch_size=0)


def imported_parts(networks: Sequence[tuple[str, int]]) -> list[tuple[PlannedNetwork, ...]]:
    """Cut networks that were trained elsewhere into parts of `PART_SIZE`.

    Args:
        networks: class and index of each, in the zoo's order.
    """
    return _cut([_untrained(class_name, index) for class_name, index in networks])


def _planned(recipe: "Recipe", class_name: str, index: int) -> PlannedNetwork:
    shared: dict[str, Any] = {
        key: getattr(recipe.training, key)
        for key in HYPER_PARAMETERS
        if key not in OF_THE_ARCHITECTURE
    }
    own = shared | _drawn(recipe, class_name, index)
    # TOML has no point in 1, and what is drawn by choice may be either.
    values: dict[str, Any] = {
        key: float(own[key]) if kind in (float, float | None) else own[key]
        for key, kind in _KINDS.items()
        if key in own
    }
    return PlannedNetwork(class_name=class_name, index=index, **values)


def _drawn(recipe: "Recipe", class_name: str, index: int) -> dict[str, Value]:
    """The hyper-parameters that are the network's own."""
    found: dict[str, Value] = {}
    axes, place = recipe.vary.grid_axes(), index
    for key in reversed(axes):  # the last key changes fastest
        place, position = divmod(place, len(axes[key]))
        found[key] = axes[key][position]
    for key in recipe.vary.drawn:
        if key not in axes:
            number = uniforms(recipe.seed, class_name, index, f"vary/{key}", 1)[0]
            found[key] = _draw(getattr(recipe.vary, key), float(number))
    return found


def _draw(distribution: "Distribution", number: float) -> Value:
    """Turn a uniform number in [0, 1) into a value.

    Drawn values are rounded to six significant digits: they read well, and a last bit that
    mathematics libraries disagree on can't make two machines train different networks.
    """
    if distribution.choice is not None:
        return distribution.choice[int(number * len(distribution.choice))]
    if distribution.uniform is not None:
        low, high = distribution.uniform
        value = low + (high - low) * number
    else:
        assert distribution.log_uniform is not None
        low, high = distribution.log_uniform
        value = math.exp(math.log(low) + (math.log(high) - math.log(low)) * number)
    return min(max(float(f"{value:.6g}"), low), high)
