"""Training as work to share out: a piece is a part of a zoo."""

import logging
from collections.abc import Generator, Sequence
from contextlib import closing
from functools import cached_property
from pathlib import Path

from hyperzoo.architectures import Architecture
from hyperzoo.cluster.work import CLUSTER_FOLDER, Maker, Told, Work
from hyperzoo.errors import ClusterError, ImageError, ZooMismatchError
from hyperzoo.images import ImageSet
from hyperzoo.images.npz import load_npz, write_npz
from hyperzoo.population import Device, Engine, EngineName, make_engine
from hyperzoo.recipe import Recipe
from hyperzoo.train import (
    Part,
    next_cohort,
    recipe_architecture,
    recipe_images,
    recipe_settings,
    train_parts,
)
from hyperzoo.zoo import Trained, ZooWriter, layout
from hyperzoo.zoo.bundle import Bundle
from hyperzoo.zoo.document import ZooDocument, read_document
from hyperzoo.zoo.part_bundle import part_bundle, piece_name, piece_part
from hyperzoo.zoo.write import PATIENCE, Taken, collect_bundles

IMAGES_FILE = "images.npz"

_logger = logging.getLogger(__name__)


class TrainingMaker(Maker):
    """Trains parts of a zoo.

    Args:
        document: the zoo.
        images: its images.
        engine: an engine, or the name of one that is made where it is to train.
        device: where a named engine computes.
        workers: threads of a named engine on a CPU; 0 for one a core.
    """

    def __init__(
        self,
        document: ZooDocument,
        images: ImageSet,
        engine: Engine | EngineName = "auto",
        device: Device = "auto",
        workers: int = 0,
    ) -> None:
        self.document, self.images = document, images
        self._chosen, self._device, self._workers = engine, device, workers

    @property
    def recipe(self) -> Recipe:
        """What is trained.

        Raises:
            ClusterError: the zoo was not trained by a recipe.
        """
        if not isinstance(self.document.origin, Trained):
            raise ClusterError("a zoo of networks that no recipe trained has nothing to train")
        return self.document.origin.recipe

    @property
    def architecture(self) -> Architecture:
        """The networks' architecture; that the images fit it is checked."""
        return recipe_architecture(self.recipe, self.images)

    @cached_property
    def engine(self) -> Engine:
        """The engine; one that was named is made when it is first asked for."""
        if isinstance(self._chosen, Engine):
            return self._chosen
        precision = self.recipe.training.precision
        return make_engine(self._chosen, self.architecture, self._device, self._workers, precision)

    def __getstate__(self) -> dict[str, object]:
        """What travels to other machines: they make an engine of their own."""
        return {key: value for key, value in vars(self).items() if key != "engine"}

    def parts(self, names: Sequence[str]) -> dict[int, Part]:
        """Number -> networks of pieces.

        Raises:
            ClusterError: a name is not that of a part of this zoo.
        """
        plan = self.document.plan()
        parts = {piece_part(name): name for name in names}
        unknown = [name for part, name in parts.items() if part is None or part >= len(plan)]
        if unknown:
            raise ClusterError(
                f"the zoo has no part '{unknown[0]}'; its parts are part-00000 to "
                f"{piece_name(len(plan) - 1)}"
            )
        return {part: plan[part] for part in parts if part is not None}

    def make(self, names: Sequence[str], told: Told) -> Generator[Bundle, None, None]:
        """Train parts side by side."""
        parts, settings = self.parts(names), recipe_settings(self.recipe)
        with closing(
            train_parts(self.engine, self.architecture, parts, self.images, settings, told)
        ) as trained:
            for part, networks in trained:
                provenance = self.engine.provenance
                yield part_bundle(part, networks, parts[part], self.document, provenance)


class Training(Work):
    """A zoo's parts, to be trained.

    Args:
        folder: the zoo's folder.
        maker: trains its parts.
    """

    def __init__(self, folder: Path, maker: TrainingMaker) -> None:
        self.folder = folder
        self._maker = maker

    @property
    def maker(self) -> TrainingMaker:
        """What trains the parts."""
        return self._maker

    @cached_property
    def pieces(self) -> tuple[str, ...]:
        """All parts."""
        return tuple(map(piece_name, range(len(self._maker.document.plan()))))

    def finished(self) -> set[str]:
        """The parts that are complete."""
        return set(map(piece_name, layout.marked_parts(self.folder)))

    def together(self, names: Sequence[str]) -> Sequence[str]:
        """Parts that together make a cohort of the engine's."""
        parts = self._maker.parts(names)
        return names[: len(next_cohort(parts, self._maker.engine.preferred_cohort))]

    def steps(self, name: str) -> int:
        """Epochs, summed over networks."""
        networks = sum(map(len, self._maker.parts([name]).values()))
        return networks * self._maker.document.epochs

    def bytes_needed(self, names: Sequence[str]) -> int:
        """Weights and checkpoints, and 300 bytes an epoch of history."""
        document = self._maker.document
        networks = sum(map(len, self._maker.parts(names).values()))
        sets = 1 + len(document.checkpoint_epochs)
        weights = 4 * document.architecture.parameter_count * sets
        return networks * (weights + 300 * (document.epochs + 1)) + 2**20

    def collect(self, *, once: bool = False) -> Taken:
        """Put delivered parts in place."""
        return collect_bundles(self.folder, once=once)


def open_training(
    folder: Path,
    *,
    images: ImageSet | Path | None = None,
    engine: Engine | EngineName = "auto",
    device: Device = "auto",
    workers: int = 0,
) -> Training:
    """The training of a zoo that is there.

    Args:
        folder: the zoo's folder, made ready by `prepare_zoo` or `train_zoo`.
        images: the zoo's images, or where they lie; None for those that `prepare_zoo` left, or
            else the recipe's own.
        engine: an engine or its name.
        device: where a named engine computes.
        workers: threads of a named engine on a CPU; 0 for one a core.

    Raises:
        ZooNotFoundError: the folder holds no zoo.
        ZooMismatchError: these are other images than the zoo's.
        ClusterError: the zoo was not trained by a recipe, or the images that `prepare_zoo` left
            are damaged.
        ImageError, EngineError: as for `train_zoo`.
    """
    document = read_document(folder)
    if not isinstance(document.origin, Trained):
        raise ClusterError(
            f"{folder} holds networks that no recipe trained: there is nothing to train"
        )
    if not isinstance(images, ImageSet):
        images = _load_images(folder, document, document.origin.recipe, images)
    if images.fingerprint != document.image_fingerprint:
        raise ZooMismatchError(
            f"{folder} is trained on other images: '{document.images_name}' with fingerprint "
            f"{document.image_fingerprint[:16]}, not '{images.name}' with fingerprint "
            f"{images.fingerprint[:16]}; give the same images with --images"
        )
    maker = TrainingMaker(document, images, engine, device, workers)
    maker.engine  # noqa: B018  (what is wrong with it is said now)
    return Training(folder, maker)


def _load_images(
    folder: Path, document: ZooDocument, recipe: Recipe, path: Path | None
) -> ImageSet:
    if path is None and (folder / CLUSTER_FOLDER / IMAGES_FILE).exists():
        return _kept_images(folder, document, recipe)
    return recipe_images(recipe, path)


def _kept_images(folder: Path, document: ZooDocument, recipe: Recipe) -> ImageSet:
    """The images that `prepare_zoo` left.

    Raises:
        ClusterError: they are damaged, or not the zoo's; the message names the file.
    """
    kept, choice = folder / CLUSTER_FOLDER / IMAGES_FILE, recipe.images
    mend = (
        "submit again (--dry-run will do), which writes it anew, or give the images with --images"
    )
    try:
        images = load_npz(
            kept, size=choice.size, channels=choice.channels, name=document.images_name
        )
    except ImageError as error:
        raise ClusterError(f"the images kept for workers are damaged: {error}. {mend}") from error
    if images.fingerprint != document.image_fingerprint:
        raise ClusterError(
            f"the images kept for workers have been changed: {kept} has fingerprint "
            f"{images.fingerprint[:16]}, expected the zoo's, {document.image_fingerprint[:16]}. "
            f"{mend}"
        )
    return images


def prepare_zoo(
    recipe: Recipe,
    folder: Path,
    *,
    images: ImageSet | Path | None = None,
    break_lock: bool = False,
) -> None:
    """Make a zoo's folder ready for workers: zoo.json, and the images, which all of them read.

    A zoo that is there is grown to the recipe's `networks_per_class`, or left as it is. Images that
    were left before are read again, and written anew if they are damaged.

    Args:
        recipe: what to train.
        folder: the zoo's folder, which all machines see under this path.
        images: in place of the recipe's own.
        break_lock: as for `train_zoo`.

    Raises:
        ImageError, ZooMismatchError, ZooLockedError, ZooWriteError: as for `train_zoo`.
    """
    image_set = recipe_images(recipe, images)
    ZooWriter(
        folder,
        recipe,
        image_classes=image_set.class_names,
        image_fingerprint=image_set.fingerprint,
        images_name=image_set.name,
        image_counts=(len(image_set.train_images), len(image_set.validation_images)),
        architecture=recipe_architecture(recipe, image_set),
        provenance=None,
        break_lock=break_lock,
        patience=PATIENCE,  # workers of an earlier submission may be at it
    ).close()
    kept = folder / CLUSTER_FOLDER / IMAGES_FILE
    if kept.exists():
        try:
            _kept_images(folder, read_document(folder), recipe)
        except ClusterError as error:
            _logger.warning("%s is written anew: %s", kept, str(error).partition(": ")[2])
        else:
            return
    write_npz(image_set, kept)
