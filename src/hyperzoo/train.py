"""The main job on one page: recipe -> plan -> engine -> writer."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hyperzoo.architectures import Architecture
from hyperzoo.errors import EngineError, ImageError, ZooLockedError
from hyperzoo.images import ImageSet, load_images, source_at
from hyperzoo.images.parts import in_parts
from hyperzoo.images.remember import remember_place
from hyperzoo.plan import PlannedNetwork, network_classes, plan_parts
from hyperzoo.population import (
    Device,
    Engine,
    EngineName,
    EpochRecord,
    Settings,
    TrainedNetwork,
    engine_kind,
    make_engine,
    metrics,
    targets,
)
from hyperzoo.recipe import Recipe, load_recipe
from hyperzoo.zoo import FinishedNetwork, Trained, Zoo, ZooWriter, open_zoo
from hyperzoo.zoo.write import collect_bundles


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a run has come; networks count when their part is on disk.

    Attributes:
        networks: networks of the zoo that are on disk.
        networks_planned: networks of the complete zoo.
        networks_to_train: networks that this run sets out to train.
        epochs: epochs trained in this run, summed over networks.
        epochs_planned: epochs that this run sets out to train, summed over networks.
    """

    networks: int
    networks_planned: int
    networks_to_train: int
    epochs: int
    epochs_planned: int


Meter = Callable[[Progress], None]
"""Is told of progress, at least once an epoch of every network."""


class Machines(ABC):
    """Other machines that train a zoo's parts, in place of this one."""

    @abstractmethod
    def train(
        self,
        writer: ZooWriter,
        images: ImageSet,
        engine: EngineName,
        device: Device,
        told: Callable[[int], None],
    ) -> None:
        """Train all parts that are missing, and have the writer take the bundles.

        Args:
            writer: the zoo.
            images: its images.
            engine: the name of an engine.
            device: where it computes.
            told: is told of epochs, summed over networks, as they are trained, and of the last
                ones of a part when it is in place.
        """


def train_zoo(
    recipe: Recipe | str | Path,
    folder: str | Path,
    *,
    images: ImageSet | str | Path | None = None,
    engine: EngineName | Engine = "auto",
    device: Device = "auto",
    workers: int = 0,
    meter: Meter | None = None,
    break_lock: bool = False,
    on: Machines | None = None,
) -> Zoo:
    """Train the networks of a recipe into a folder.

    Parts that the folder already holds are kept: an interrupted run is resumed, and a recipe with
    more `networks_per_class` grows the zoo. The result does not depend on interruptions, the
    number of workers or the order of work.

    Args:
        recipe: what to train; or a built-in recipe's name, or the path of a TOML file.
        folder: the zoo's folder; made if it is not there.
        images: image set, or a place to read the images from (see `load_images_at`) in place of
            the recipe's own. What was assumed of images that were read stands in the `notes` of
            what `load_images` and `load_images_at` return.
        engine: an engine or its name.
        device: where a named engine computes.
        workers: threads of a named engine on a CPU; 0 for one a core.
        meter: is told of progress.
        break_lock: take the zoo's lock from a run that left it; needed only on file systems that
            have no locks of their own.
        on: other machines that train, e.g. `OnRay`; this process then only writes, and `workers`
            means nothing.

    Returns:
        The complete zoo, opened.

    Raises:
        RecipeError: there is no such recipe, or it is not valid.
        ImageError: the images can't be read, or do not fit the architecture.
        EngineError: the engine can't do the work.
        ZooMismatchError: the folder holds something else.
        ZooLockedError: another run writes to the folder.
        ZooWriteError: the disk refused; finished parts are kept.
        ClusterError: other machines can't be reached, or can't do the work.
    """
    folder = Path(folder)
    if not isinstance(recipe, Recipe):
        recipe = load_recipe(recipe)
    image_set = recipe_images(recipe, images)
    architecture = recipe_architecture(recipe, image_set)
    if (complete := _complete_zoo(folder, recipe, image_set)) is not None:
        return complete
    if on is not None and isinstance(engine, Engine):
        raise EngineError(
            f"other machines make an engine of their own: expected its name, got {engine!r}"
        )
    if on is None and not isinstance(engine, Engine):
        engine = make_engine(engine, architecture, device, workers, recipe.training.precision)
    check_engine(engine, recipe, image_set)
    with ZooWriter(
        folder,
        recipe,
        image_classes=image_set.class_names,
        image_fingerprint=image_set.fingerprint,
        images_name=image_set.name,
        image_counts=(len(image_set.train_images), len(image_set.validation_images)),
        architecture=architecture,
        provenance=engine.provenance if isinstance(engine, Engine) else None,
        break_lock=break_lock,
    ) as writer:
        # Workers may be training the same zoo: what they have delivered need not be trained.
        writer.take_bundles()
        tally = _Tally(writer, recipe, meter)
        if isinstance(engine, Engine):
            _train_here(writer, engine, recipe, image_set, tally)
        elif on is not None:
            on.train(writer, image_set, engine, device, tally.parts_placed)
        tally.tell()
    with suppress(ZooLockedError):  # then that one looks for what came in last
        collect_bundles(folder)
    return open_zoo(folder)


def _train_here(
    writer: ZooWriter, engine: Engine, recipe: Recipe, images: ImageSet, tally: "_Tally"
) -> None:
    architecture, settings = recipe_architecture(recipe, images), recipe_settings(recipe)
    while cohort := next_cohort(writer.missing_parts, engine.preferred_cohort):
        with closing(
            train_parts(engine, architecture, cohort, images, settings, tally.epochs_trained)
        ) as trained:
            for part, networks in trained:
                writer.write_part(part, networks)
                tally.tell()
        writer.take_bundles()
        tally.tell()


class _Tally:
    """Counts what is done and tells the meter."""

    def __init__(self, writer: ZooWriter, recipe: Recipe, meter: Meter | None) -> None:
        self._missing = sum(map(len, writer.missing_parts.values()))
        self._planned = sum(map(len, writer.parts))
        self._epochs, self._epochs_planned = 0, self._missing * recipe.training.epochs
        self._writer, self._meter = writer, meter
        self.tell()

    def epochs_trained(self, count: int) -> None:
        self._epochs += count
        self._tell()

    def parts_placed(self, epochs: int) -> None:
        self._epochs += epochs
        self.tell()

    def tell(self) -> None:
        """Count what is on disk."""
        self._networks = self._planned - sum(map(len, self._writer.missing_parts.values()))
        self._tell()

    def _tell(self) -> None:
        if self._meter is not None:
            self._meter(
                Progress(
                    networks=self._networks,
                    networks_planned=self._planned,
                    networks_to_train=self._missing,
                    epochs=self._epochs,
                    epochs_planned=self._epochs_planned,
                )
            )


Part = tuple[PlannedNetwork, ...]


def next_cohort(parts: Mapping[int, Part], networks: int) -> dict[int, Part]:
    """The first parts, in order, that together have at least that many networks."""
    cohort: dict[int, Part] = {}
    for number, part in parts.items():
        cohort[number] = part
        if sum(map(len, cohort.values())) >= networks:
            break
    return cohort


def train_parts(
    engine: Engine,
    architecture: Architecture,
    parts: Mapping[int, Part],
    images: ImageSet,
    settings: Settings,
    trained: Callable[[int], None],
) -> Generator[tuple[int, list[FinishedNetwork]], None, None]:
    """Train parts side by side.

    Args:
        engine: what trains them.
        architecture: the networks' architecture.
        parts: number -> networks.
        images: the images.
        settings: what the networks share.
        trained: is told of epochs, summed over networks, as they are trained.

    Yields:
        Number and networks of each part, as soon as all of them are finished.
    """
    waiting: dict[int, dict[int, FinishedNetwork]] = {part: {} for part in parts}
    home = [(part, row) for part in parts for row in range(len(parts[part]))]
    networks = [network for part in parts.values() for network in part]
    with closing(
        _train_cohort(engine, architecture, networks, images, settings, trained)
    ) as finished:
        for position, network in finished:
            part, row = home[position]
            waiting[part][row] = network
            if len(waiting[part]) == len(parts[part]):
                rows = waiting.pop(part)
                yield part, [rows[row] for row in sorted(rows)]


def _train_cohort(
    engine: Engine,
    architecture: Architecture,
    cohort: Sequence[PlannedNetwork],
    images: ImageSet,
    settings: Settings,
    trained: Callable[[int], None],
) -> Generator[tuple[int, FinishedNetwork], None, None]:
    """Train a cohort; yields the position and the record of every network as it is finished."""
    history = {
        column: np.full((len(cohort), settings.epochs), np.nan) for column in _HISTORY_COLUMNS
    }
    with closing(engine.train(architecture, cohort, images, settings)) as events:
        for event in events:
            if isinstance(event, EpochRecord):
                for column, values in history.items():
                    values[event.networks, event.epoch - 1] = getattr(event, column)
                trained(len(event.networks))
            else:
                own = {column: values[event.network] for column, values in history.items()}
                network = cohort[event.network]
                yield event.network, _finished(network, event, own, images, settings)


_HISTORY_COLUMNS = (
    "training_loss",
    "training_accuracy",
    "validation_loss",
    "validation_accuracy",
)


def _finished(
    network: PlannedNetwork,
    trained: TrainedNetwork,
    history: Mapping[str, NDArray[np.float64]],
    images: ImageSet,
    settings: Settings,
) -> FinishedNetwork:
    """Judge a trained network; one whose losses or weights are not all finite has failed."""
    labels, names = images.validation_labels, images.class_names
    losses = (history["training_loss"], history["validation_loss"])
    finite = all(np.isfinite(values).all() for values in losses) and all(
        np.isfinite(tensor).all() for tensor in trained.parameters.values()
    )
    return FinishedNetwork(
        network=network,
        status="ok" if finite else "failed",
        epoch=trained.epoch,
        metrics=metrics(trained.logits, targets(network, settings.kind, labels, names)),
        history=history,
        parameters=trained.parameters,
        checkpoints=trained.checkpoints,
    )


def _complete_zoo(folder: Path, recipe: Recipe, images: ImageSet) -> Zoo | None:
    """The zoo in the folder if it is just what was asked for, without waking an engine."""
    if not (folder / "zoo.json").exists():
        return None
    zoo = open_zoo(folder)
    same = (
        isinstance(zoo.origin, Trained)
        and zoo.origin.recipe_digest == recipe.digest
        and zoo.origin.recipe.networks_per_class == recipe.networks_per_class
        and zoo.image_fingerprint == images.fingerprint
    )
    return zoo if same and zoo.is_complete else None


def recipe_images(
    recipe: Recipe, place: ImageSet | str | Path | None = None, *, excluded: bool = False
) -> ImageSet:
    """The images that a recipe's networks see: the recipe's, or others in their place.

    Args:
        recipe: the recipe. What its `task.exclude` names is left out, and what its `task.parts`
            divides is divided, which is noted.
        place: an image set; or a place to load one from (see `source_at`); None for the recipe's.
        excluded: images as they are, with what the recipe excludes: none is trained on these.

    Raises:
        ImageError: the images can't be read, or have no class that is to be left out.
    """
    if isinstance(place, ImageSet):
        return place if excluded else images_of_task(recipe, place)
    choice = recipe.images
    source: str = choice.source
    path = recipe.images_path
    if place is not None:
        source, path = source_at(place, as_source=choice.source)
    # Before all images are read: the recipe alone tells.
    _check_shape(recipe.network(1), (choice.size, choice.size, choice.channels))
    images = load_images(source, size=choice.size, channels=choice.channels, path=path)
    if not excluded:
        images = images_of_task(recipe, images)
    remember_place(images.fingerprint, source, path)
    return images


def images_of_task(recipe: Recipe, images: ImageSet, *, lacking: bool = False) -> ImageSet:
    """Images as a recipe's networks see them: without some classes, and classes in parts.

    Args:
        recipe: the recipe, of whose `[task]` this is.
        images: images as they are, or as this gave them.
        lacking: they may lack classes that are to be left out.

    Raises:
        ImageError: the images have no class that is to be left out, or can't be divided so.
    """
    excluded = recipe.task.exclude
    images = images.without([n for n in excluded if n in images.class_names or not lacking])
    parts = recipe.task.parts
    return images if parts is None else in_parts(images, parts.model_dump())


def recipe_architecture(recipe: Recipe, images: ImageSet) -> Architecture:
    """The recipe's network for these images.

    Raises:
        ImageError: the network takes images of another shape.
        RecipeError: the images have not the classes that the recipe's task needs.
    """
    network_classes(recipe, images.class_names)  # before anything is written
    outputs = len(images.class_names) if recipe.task.kind == "multi-class" else 1
    architecture = recipe.network(outputs)
    _check_shape(architecture, images.image_shape)
    return architecture


def _check_shape(architecture: Architecture, shape: tuple[int, ...]) -> None:
    if architecture.input_shape != shape:
        height, _, channels = architecture.input_shape
        raise ImageError(
            f"architecture '{architecture.name}' takes images of shape "
            f"{architecture.input_shape} (height, width, channels), but the images have shape "
            f"{shape}; set images.size = {height} and images.channels = {channels}"
        )


def check_engine(engine: Engine | EngineName, recipe: Recipe, images: ImageSet) -> None:
    """Refuse what an engine can't train, before anything is written.

    Args:
        engine: an engine, or the name of one that other machines make.
        recipe: what is to be trained.
        images: its images.

    Raises:
        EngineError: the engine can't do the work; of "auto" that is not known yet.
    """
    kind = engine if isinstance(engine, Engine) else engine_kind(engine)
    if kind is not None:
        parts = plan_parts(recipe, images.class_names, [recipe.networks_per_class])
        networks = [network for part in parts for network in part]
        kind.check(recipe_architecture(recipe, images), networks, recipe_settings(recipe))


def recipe_settings(recipe: Recipe) -> Settings:
    """What an engine needs to know of a recipe."""
    return Settings(
        seed=recipe.seed,
        kind=recipe.task.kind,
        positive_fraction=recipe.task.positive_fraction,
        epochs=recipe.training.epochs,
        keep=recipe.training.keep,
        checkpoint_epochs=recipe.training.checkpoint_epochs,
        precision=recipe.training.precision,
    )
