"""Where a zoo's networks come from: trained by a recipe, imported, or generated.

Whatever differs between such zoos is asked of their origin.
"""

import re
import reprlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from typing import Any, ClassVar

import pyarrow as pa

from hyperzoo.architectures import Architecture
from hyperzoo.plan import (
    ALL_CLASSES,
    HYPER_PARAMETERS,
    PlannedNetwork,
    TaskKind,
    Value,
    generated_parts,
    imported_parts,
    network_classes,
    plan_parts,
)
from hyperzoo.recipe import Recipe, parse_recipe
from hyperzoo.words import counted
from hyperzoo.zoo.layout import (
    ALWAYS_TOLD,
    IMPORTED_MODELS_SCHEMA,
    KINDS,
    imported_models_schema,
    models_schema,
)
from hyperzoo.zoo.values import a_list, a_text, a_whole_number, an_object, texts, whole_numbers

MOST_EPOCHS = 100_000

OWN_COLUMN = re.compile(r"[A-Za-z_][A-Za-z0-9_.]{0,99}")
"""What a column that only an imported zoo's origin has may be called."""


@lru_cache(maxsize=4)
def _recipe_parts(
    recipe: Recipe, image_classes: tuple[str, ...], sizes: tuple[int, ...]
) -> list[tuple[PlannedNetwork, ...]]:
    # A million networks take seconds, and one that collects asks for every bundle.
    return plan_parts(recipe, image_classes, sizes)


@dataclass(frozen=True)
class Trained:
    """The networks were trained by a recipe."""

    recipe: Recipe

    @property
    def models_schema(self) -> pa.Schema:
        """The columns of the table of networks."""
        return models_schema(self.recipe.vary.drawn)

    @property
    def name(self) -> str:
        """The zoo's name, for people."""
        return self.recipe.name

    @property
    def recipe_digest(self) -> str:
        """Of the recipe."""
        return self.recipe.digest

    @property
    def history_epochs(self) -> tuple[int, ...]:
        """The epochs of which a network has a row of history."""
        return tuple(range(1, self.recipe.training.epochs + 1))

    @property
    def checkpoint_epochs(self) -> tuple[int, ...]:
        """The epochs of which weights are kept along the way."""
        return self.recipe.training.checkpoint_epochs

    def kind(self, architecture: Architecture) -> TaskKind:
        """The networks' task."""
        return self.recipe.task.kind

    def classes(
        self, image_classes: tuple[str, ...], architecture: Architecture
    ) -> tuple[str, ...]:
        """The classes of the networks, in label order."""
        return network_classes(self.recipe, image_classes)

    def plan(
        self, image_classes: tuple[str, ...], sizes: Sequence[int]
    ) -> list[tuple[PlannedNetwork, ...]]:
        """The zoo's parts with their networks."""
        return list(_recipe_parts(self.recipe, image_classes, tuple(sizes)))

    def table(self) -> dict[str, Any]:
        """What `zoo.json` says of an origin beside the recipe."""
        return {}

    def mark(self) -> dict[str, Any]:
        """What the mark of a part says of the origin."""
        return {"recipe_digest": self.recipe.digest}

    def epoch_flaw(self, epoch: int | None) -> str | None:
        """What is wrong with the epoch whose weights a network keeps; None for nothing."""
        return _epoch_flaw(epoch, self.recipe.training.epochs)

    def grown(self, networks_per_class: int) -> "Trained":
        """The origin of the zoo once it has more networks."""
        return Trained(self.recipe.with_changes(networks_per_class=networks_per_class))


def _epoch_flaw(epoch: int | None, last: int) -> str | None:
    if epoch is not None and 0 <= epoch <= last:
        return None
    return f"expected an epoch from 0 to {last}, got {epoch}"


class _Untrained:
    """What imported and generated networks have in common: no training by a recipe."""

    recipe_digest: ClassVar[None] = None
    made: ClassVar[str]

    @property
    def history_epochs(self) -> tuple[int, ...]:
        """The epochs of which a network has a row of history."""
        return ()

    @property
    def checkpoint_epochs(self) -> tuple[int, ...]:
        """The epochs of which weights are kept along the way."""
        return ()

    @property
    def models_schema(self) -> pa.Schema:
        """The columns of the table of networks."""
        return IMPORTED_MODELS_SCHEMA

    def kind(self, architecture: Architecture) -> TaskKind:
        """The networks' task."""
        return "one-vs-all" if architecture.outputs == 1 else "multi-class"

    def epoch_flaw(self, epoch: int | None) -> str | None:
        """What is wrong with the epoch whose weights a network keeps; None for nothing."""
        return None if epoch is None else f"expected no epoch of a network {self.made}, got {epoch}"


@dataclass(frozen=True)
class NetworkKey:
    """What identifies a network of an imported zoo."""

    class_name: str
    index: int


@dataclass(frozen=True, kw_only=True)
class KnownTraining:
    """What an imported zoo's origin tells of how its networks were trained.

    Attributes:
        epochs: the last epoch.
        checkpoint_epochs: the epochs before it of which weights are kept.
        history_epochs: the epochs of which every network has a row of history.
        drawn: the hyper-parameters that differ from network to network: columns of models.
        shared: hyper-parameter -> value, of those that all networks have in common.
        own_columns: name and kind, one of `layout.KINDS`, of columns that only the origin has:
            its own key, and what recipes do not know.
    """

    epochs: int
    checkpoint_epochs: tuple[int, ...] = ()
    history_epochs: tuple[int, ...] = ()
    drawn: tuple[str, ...] = ()
    shared: Mapping[str, Value] = field(default_factory=dict)
    own_columns: tuple[tuple[str, str], ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns of models that tell of a network's training or its origin."""
        own = (name for name, _ in self.own_columns)
        return tuple(dict.fromkeys((*ALWAYS_TOLD, *self.drawn, *own)))


@dataclass(frozen=True, kw_only=True)
class Imported(_Untrained):
    """The networks were trained elsewhere.

    Attributes:
        formats: name of the format -> how many networks came in it.
        networks: all networks, in the zoo's order: by index, then class.
        training: how they were trained; None where that is not known.
    """

    formats: Mapping[str, int]
    networks: tuple[NetworkKey, ...]
    training: KnownTraining | None = None
    made: ClassVar[str] = "that was imported"
    name: ClassVar[str] = "imported"

    @property
    def history_epochs(self) -> tuple[int, ...]:
        """The epochs of which a network has a row of history."""
        return () if self.training is None else self.training.history_epochs

    @property
    def checkpoint_epochs(self) -> tuple[int, ...]:
        """The epochs of which weights are kept along the way."""
        return () if self.training is None else self.training.checkpoint_epochs

    @property
    def models_schema(self) -> pa.Schema:
        """The columns of the table of networks."""
        if self.training is None:
            return IMPORTED_MODELS_SCHEMA
        return imported_models_schema(self.training.drawn, self.training.own_columns)

    def epoch_flaw(self, epoch: int | None) -> str | None:
        """What is wrong with the epoch whose weights a network keeps; None for nothing."""
        if self.training is None:
            return super().epoch_flaw(epoch)
        return _epoch_flaw(epoch, self.training.epochs)

    def classes(
        self, image_classes: tuple[str, ...], architecture: Architecture
    ) -> tuple[str, ...]:
        """The classes of the networks: in label order, or the one that all belong to."""
        if self.kind(architecture) == "multi-class":
            return (ALL_CLASSES,)
        there = {network.class_name for network in self.networks}
        return tuple(name for name in image_classes if name in there)

    def plan(
        self, image_classes: tuple[str, ...], sizes: Sequence[int]
    ) -> list[tuple[PlannedNetwork, ...]]:
        """The zoo's parts with their networks."""
        return imported_parts([(own.class_name, own.index) for own in self.networks])

    def table(self) -> dict[str, Any]:
        """What `zoo.json` says of an origin beside the recipe."""
        networks = [[own.class_name, own.index] for own in self.networks]
        told = {} if self.training is None else {"training": asdict(self.training)}
        return {"imported": {"formats": dict(self.formats), "networks": networks, **told}}

    def mark(self) -> dict[str, Any]:
        """What the mark of a part says of the origin."""
        return {"recipe_digest": None}

    def with_networks(self, networks: tuple[NetworkKey, ...]) -> "Imported":
        """The same, of these networks."""
        return replace(self, networks=networks)


@dataclass(frozen=True, kw_only=True)
class FittedZoo:
    """The zoo that a generator was fitted on.

    Attributes:
        name: the zoo's, for people.
        recipe_digest: of its recipe; "" where it has none.
        image_fingerprint: of its images; "" where that is not known.
        images_name: what they are, for people.
        training: networks of every class that the generator has seen.
        held_out: networks of every class, after those, that it is judged by.
        fresh: networks of every class, after those, that stand for a second honest sample.
    """

    name: str
    recipe_digest: str
    image_fingerprint: str
    images_name: str
    training: int
    held_out: int
    fresh: int


@dataclass(frozen=True, kw_only=True)
class Given:
    """Images that a generator was given to make networks of their classes.

    Attributes:
        counts: how many of every class, in the order of the networks' classes.
        fingerprint: of all of them, as the networks take them.
    """

    counts: tuple[int, ...]
    fingerprint: str


@dataclass(frozen=True, kw_only=True)
class Generated(_Untrained):
    """The networks were never trained: a fitted generator made them.

    Attributes:
        method: the generator's method.
        fit_seed: seed of the fit.
        seed: seed of the sample.
        generator_digest: SHA-256 (hex) of the generator's file.
        network_classes: the classes of the networks, in label order.
        fitted_on: the zoo that the generator was fitted on.
        given: the images that the networks were made from; None of classes of that zoo.
    """

    method: str
    fit_seed: int
    seed: int
    generator_digest: str
    network_classes: tuple[str, ...]
    fitted_on: FittedZoo
    given: Given | None = None
    made: ClassVar[str] = "that was generated"

    @property
    def name(self) -> str:
        """The zoo's name, for people."""
        return f"{self.fitted_on.name}-{self.method}"

    @property
    def how(self) -> str:
        """How the networks were made and from what, for people: the end of a sentence."""
        source = self.fitted_on
        networks = counted(source.training, "network")
        if self.given is None:
            return (
                f"generated by the method '{self.method}', fitted on {networks} a class of the zoo "
                f"'{source.name}'"
            )
        return (
            f"generated from {counted(sum(self.given.counts), 'given image')} by the method "
            f"'{self.method}', fitted on {networks} a task of the zoo '{source.name}'"
        )

    @property
    def again(self) -> str:
        """With what the same networks are made again, for people."""
        needed = f"the generator's file (SHA-256 {self.generator_digest}) and seed {self.seed}"
        if self.given is None:
            return needed
        return f"{needed}, and the same images (fingerprint {self.given.fingerprint})"

    def classes(
        self, image_classes: tuple[str, ...], architecture: Architecture
    ) -> tuple[str, ...]:
        """The classes of the networks, in label order."""
        return self.network_classes

    def plan(
        self, image_classes: tuple[str, ...], sizes: Sequence[int]
    ) -> list[tuple[PlannedNetwork, ...]]:
        """The zoo's parts with their networks."""
        return generated_parts(self.network_classes, sizes)

    def table(self) -> dict[str, Any]:
        """What `zoo.json` says of an origin beside the recipe."""
        content = asdict(self)
        content["classes"] = list(content.pop("network_classes"))
        if self.given is None:
            del content["given"]
        else:
            content["given"]["counts"] = list(self.given.counts)
        return {"generated": content}

    def mark(self) -> dict[str, Any]:
        """What the mark of a part says of the origin."""
        return {
            "recipe_digest": None,
            "generator_digest": self.generator_digest,
            "seed": self.seed,
            **({} if self.given is None else {"given_fingerprint": self.given.fingerprint}),
        }

    def grown(self, networks_per_class: int) -> "Generated":
        """The origin of the zoo once it has more networks: the same."""
        return self


Origin = Trained | Imported | Generated


def parse_origin(document: Mapping[str, Any]) -> Origin:
    """The origin that `zoo.json` tells.

    Args:
        document: its content.

    Raises:
        KeyError: something is missing.
        ValueError: something is other than it can be.
        RecipeError: the recipe is not valid.
    """
    if document["recipe"] is not None:
        return _parse_trained(document)
    return _parse_generated(document) if "generated" in document else _parse_imported(document)


def _parse_trained(document: Mapping[str, Any]) -> Trained:
    recipe = parse_recipe(an_object(document["recipe"], "recipe"), "the recipe")
    if document["recipe_digest"] != recipe.digest:
        raise ValueError(
            "the recipe has been changed: its digest does not match: expected "
            f"{recipe.digest!r}, got {reprlib.repr(document['recipe_digest'])}"
        )
    return Trained(recipe)


def _parse_imported(document: Mapping[str, Any]) -> Imported:
    imported = an_object(document["imported"], "imported")
    formats = an_object(imported["formats"], "imported.formats")
    whole_numbers(list(formats.values()), "imported.formats")
    networks = a_list(imported["networks"], "imported.networks")
    return Imported(
        formats=formats,
        networks=tuple(map(_parse_network, networks)),
        training=_parse_training(imported["training"]) if "training" in imported else None,
    )


def _parse_training(value: object) -> KnownTraining:
    place = "imported.training"
    table = an_object(value, place)
    (epochs,) = _increasing([table["epochs"]], f"{place}.epochs", MOST_EPOCHS)
    drawn = texts(table["drawn"], f"{place}.drawn")
    if drawn != tuple(key for key in HYPER_PARAMETERS if key in drawn):
        raise ValueError(
            f"{place}.drawn: expected hyper-parameters in the order {', '.join(HYPER_PARAMETERS)}, "
            f"got {reprlib.repr(drawn)}"
        )
    own = tuple(
        _parse_column(entry, f"{place}.own_columns")
        for entry in a_list(table["own_columns"], f"{place}.own_columns")
    )
    names = [*imported_models_schema(drawn).names, *(name for name, _ in own)]
    if len(set(names)) < len(names):
        raise ValueError(f"{place}.own_columns: a column is there twice: {reprlib.repr(own)}")
    return KnownTraining(
        epochs=epochs,
        checkpoint_epochs=_increasing(
            table["checkpoint_epochs"], f"{place}.checkpoint_epochs", epochs - 1
        ),
        history_epochs=_increasing(table["history_epochs"], f"{place}.history_epochs", epochs),
        drawn=drawn,
        shared=_parse_shared(table["shared"], f"{place}.shared"),
        own_columns=own,
    )


def _increasing(value: object, place: str, most: int) -> tuple[int, ...]:
    epochs = whole_numbers(value, place)
    if list(epochs) != sorted(set(epochs)) or any(epoch > most for epoch in epochs):
        raise ValueError(
            f"{place}: expected epochs up to {most}, each larger than the one before, got "
            f"{reprlib.repr(epochs)}"
        )
    return epochs


def _parse_column(value: object, place: str) -> tuple[str, str]:
    entry = texts(value, place)
    if len(entry) != 2 or entry[1] not in KINDS or not OWN_COLUMN.fullmatch(entry[0]):
        raise ValueError(
            f"{place}: expected a name of letters, digits, '_' and '.' and one of "
            f"{', '.join(KINDS)}, got {reprlib.repr(entry)}"
        )
    return entry[0], entry[1]


def _parse_shared(value: object, place: str) -> dict[str, Value]:
    shared: dict[str, Value] = {}
    for key, entry in an_object(value, place).items():
        # type(), because True is an int too.
        if type(entry) not in (int, float, str):
            raise ValueError(f"{place}: expected numbers and texts, got {reprlib.repr(entry)}")
        shared[a_text(key, place)] = a_text(entry, place) if isinstance(entry, str) else entry
    return shared


def _parse_network(value: object) -> NetworkKey:
    entry = a_list(value, "imported.networks")
    if len(entry) != 2:
        raise ValueError(f"imported.networks: expected [class, index], got {reprlib.repr(entry)}")
    whole_numbers([entry[1]], "imported.networks")
    return NetworkKey(a_text(entry[0], "imported.networks"), entry[1])


def _parse_generated(document: Mapping[str, Any]) -> Generated:
    table = an_object(document["generated"], "generated")
    classes = texts(table["classes"], "generated.classes")
    return Generated(
        method=a_text(table["method"], "generated.method"),
        fit_seed=a_whole_number(table["fit_seed"], "generated.fit_seed"),
        seed=a_whole_number(table["seed"], "generated.seed"),
        generator_digest=a_text(table["generator_digest"], "generated.generator_digest"),
        network_classes=classes,
        fitted_on=_parse_fitted_zoo(table["fitted_on"]),
        given=_parse_given(table["given"], classes) if "given" in table else None,
    )


def _parse_given(value: object, classes: tuple[str, ...]) -> Given:
    table, place = an_object(value, "generated.given"), "generated.given"
    counts = whole_numbers(table["counts"], f"{place}.counts")
    if len(counts) != len(classes) or 0 in counts:
        raise ValueError(
            f"{place}.counts: expected 1 or more images for each of {len(classes)} classes, got "
            f"{reprlib.repr(counts)}"
        )
    return Given(counts=counts, fingerprint=a_text(table["fingerprint"], f"{place}.fingerprint"))


def _parse_fitted_zoo(value: object) -> FittedZoo:
    table, place = an_object(value, "generated.fitted_on"), "generated.fitted_on"
    return FittedZoo(
        name=a_text(table["name"], f"{place}.name"),
        recipe_digest=a_text(table["recipe_digest"], f"{place}.recipe_digest"),
        image_fingerprint=a_text(table["image_fingerprint"], f"{place}.image_fingerprint"),
        images_name=a_text(table["images_name"], f"{place}.images_name"),
        training=a_whole_number(table["training"], f"{place}.training"),
        held_out=a_whole_number(table["held_out"], f"{place}.held_out"),
        fresh=a_whole_number(table["fresh"], f"{place}.fresh"),
    )


def check_generated(
    origin: Generated, image_classes: tuple[str, ...], architecture: Architecture
) -> None:
    """Check that generated networks have the classes that their architecture allows.

    Raises:
        ValueError: they have not.
    """
    classes = origin.network_classes
    if architecture.outputs == 1:
        expected = tuple(name for name in image_classes if name in classes)
    else:
        expected = (ALL_CLASSES,)
        if architecture.outputs != len(image_classes):
            raise ValueError(
                f"expected an output for each of {len(image_classes)} classes of images, got "
                f"{architecture.outputs}"
            )
    if not classes or classes != expected:
        raise ValueError(
            f"generated.classes: expected classes of the images, in their order, or "
            f"'{ALL_CLASSES}' of networks with several outputs; got {reprlib.repr(classes)}"
        )


def in_order(networks: Iterable[NetworkKey], classes: tuple[str, ...]) -> tuple[NetworkKey, ...]:
    """The networks of these classes in a zoo's order, each once: by index, then class."""
    places = {name: place for place, name in enumerate(classes)}
    known = {network for network in networks if network.class_name in places}
    return tuple(sorted(known, key=lambda network: (network.index, places[network.class_name])))
