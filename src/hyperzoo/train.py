"""The main job on one page: recipe -> plan -> engine -> writer."""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hyperzoo.architectures import Architecture
from hyperzoo.errors import ImageError
from hyperzoo.images import ImageSet, load_images
from hyperzoo.plan import PlannedNetwork
from hyperzoo.population import (
    Device,
    Engine,
    EngineName,
    EpochRecord,
    Settings,
    TrainedNetwork,
    make_engine,
    metrics,
    targets,
)
from hyperzoo.recipe import Recipe
from hyperzoo.zoo import FinishedNetwork, Zoo, ZooWriter, open_zoo


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


def train_zoo(
    recipe: Recipe,
    folder: str | Path,
    *,
    images: ImageSet | str | Path | None = None,
    engine: EngineName | Engine = "auto",
    device: Device = "auto",
    workers: int = 0,
    meter: Meter | None = None,
) -> Zoo:
    """Train the networks of a recipe into a folder.

    Parts that the folder already holds are kept: an interrupted run is resumed, and a recipe with
    more `networks_per_class` grows the zoo. The result does not depend on interruptions, the
    number of workers or the order of work.

    Args:
        recipe: what to train.
        folder: the zoo's folder; made if it is not there.
        images: image set, or file or folder to read the images from in place of the recipe's own.
        engine: an engine or its name.
        device: where a named engine computes.
        workers: threads of a named engine on a CPU; 0 for one a core.
        meter: is told of progress.

    Returns:
        The complete zoo, opened.

    Raises:
        ImageError: the images can't be read, or do not fit the architecture.
        EngineError: the engine can't do the work.
        ZooMismatchError: the folder holds something else.
        ZooLockedError: another run writes to the folder.
        ZooWriteError: the disk refused; finished parts are kept.
    """
    folder = Path(folder)
    image_set = images if isinstance(images, ImageSet) else recipe_images(recipe, images)
    architecture = recipe_architecture(recipe, image_set)
    if (complete := _complete_zoo(folder, recipe, image_set)) is not None:
        return complete
    if not isinstance(engine, Engine):
        engine = make_engine(engine, architecture, device, workers, recipe.training.precision)
    with ZooWriter(
        folder,
        recipe,
        image_classes=image_set.class_names,
        image_fingerprint=image_set.fingerprint,
        images_name=image_set.name,
        architecture=architecture,
        provenance=engine.provenance,
    ) as writer:
        tally = _Tally(writer, recipe, meter)
        for cohort in _cohorts(writer.missing_parts, engine.preferred_cohort):
            waiting: dict[int, dict[int, FinishedNetwork]] = {part: {} for part in cohort}
            networks = [network for part in cohort.values() for network in part]
            home = [(part, row) for part in cohort for row in range(len(cohort[part]))]
            settings = recipe_settings(recipe)
            with closing(
                _train_cohort(engine, architecture, networks, image_set, settings, tally)
            ) as trained:
                for position, finished in trained:
                    part, row = home[position]
                    waiting[part][row] = finished
                    if len(waiting[part]) == len(cohort[part]):
                        rows = waiting.pop(part)
                        writer.write_part(part, [rows[row] for row in sorted(rows)])
                        tally.part_written(len(rows))
    return open_zoo(folder)


class _Tally:
    """Counts what is done and tells the meter."""

    def __init__(self, writer: ZooWriter, recipe: Recipe, meter: Meter | None) -> None:
        self._missing = sum(len(part) for part in writer.missing_parts.values())
        self._planned = sum(len(part) for part in writer.parts)
        self._networks = self._planned - self._missing
        self._epochs, self._epochs_planned = 0, self._missing * recipe.training.epochs
        self._meter = meter
        self._tell()

    def epochs_trained(self, count: int) -> None:
        self._epochs += count
        self._tell()

    def part_written(self, networks: int) -> None:
        self._networks += networks
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


def _cohorts(
    parts: Mapping[int, tuple[PlannedNetwork, ...]], networks: int
) -> Iterator[dict[int, tuple[PlannedNetwork, ...]]]:
    """Group parts, in order, until a group has at least that many networks."""
    cohort: dict[int, tuple[PlannedNetwork, ...]] = {}
    for number, part in parts.items():
        cohort[number] = part
        if sum(map(len, cohort.values())) >= networks:
            yield cohort
            cohort = {}
    if cohort:
        yield cohort


def _train_cohort(
    engine: Engine,
    architecture: Architecture,
    cohort: Sequence[PlannedNetwork],
    images: ImageSet,
    settings: Settings,
    tally: _Tally,
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
                tally.epochs_trained(len(event.networks))
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
        zoo.recipe is not None
        and zoo.recipe.digest == recipe.digest
        and zoo.recipe.networks_per_class == recipe.networks_per_class
        and zoo.image_fingerprint == images.fingerprint
    )
    return zoo if same and zoo.is_complete else None


def recipe_images(recipe: Recipe, path: str | Path | None = None) -> ImageSet:
    """Load a recipe's images, or those of another file or folder in their place."""
    choice = recipe.images
    # Arrays in a file can stand for the bundled digits too, which have no file of their own.
    stands_in = path is not None and choice.source == "digits"
    return load_images(
        "npz" if stands_in else choice.source,
        size=choice.size,
        channels=choice.channels,
        path=recipe.images_path if path is None else Path(path),
    )


def recipe_architecture(recipe: Recipe, images: ImageSet) -> Architecture:
    """The recipe's network for these images.

    Raises:
        ImageError: the network takes images of another shape.
    """
    outputs = 1 if recipe.task.kind == "one-vs-all" else len(images.class_names)
    architecture = recipe.network(outputs)
    if architecture.input_shape != images.image_shape:
        height, _, channels = architecture.input_shape
        raise ImageError(
            f"architecture '{architecture.name}' takes images of shape "
            f"{architecture.input_shape} (height, width, channels), but the images have shape "
            f"{images.image_shape}; set images.size = {height} and images.channels = {channels}"
        )
    return architecture


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
        train_fraction=recipe.training.train_fraction,
        label_noise=recipe.training.label_noise,
    )
