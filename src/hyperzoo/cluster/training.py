"""Training as work to share out: a piece is a part of a zoo."""

from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from functools import cached_property
from pathlib import Path

from hyperzoo.cluster.work import Told, Work
from hyperzoo.errors import ClusterError, ZooMismatchError
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
from hyperzoo.zoo import ZooWriter, layout
from hyperzoo.zoo.bundle import Bundle
from hyperzoo.zoo.document import read_document
from hyperzoo.zoo.part_bundle import part_bundle, piece_name, piece_part
from hyperzoo.zoo.write import Taken, collect_bundles

CLUSTER_FOLDER = ".cluster"
IMAGES_FILE = "images.npz"


class Training(Work):
    """A zoo's parts.

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
        ClusterError: the zoo was imported.
        ImageError, EngineError: as for `train_zoo`.
    """

    def __init__(
        self,
        folder: Path,
        *,
        images: ImageSet | Path | None = None,
        engine: Engine | EngineName = "auto",
        device: Device = "auto",
        workers: int = 0,
    ) -> None:
        self.folder = folder
        self._document = read_document(folder)
        recipe = self._document.recipe
        if recipe is None:
            raise ClusterError(f"{folder} holds imported networks: there is nothing to train")
        self._recipe = recipe
        self._plan = self._document.plan()
        if not isinstance(images, ImageSet):
            images = self._load_images(images)
        if images.fingerprint != self._document.image_fingerprint:
            raise ZooMismatchError(
                f"{folder} is trained on other images: '{self._document.images_name}' with "
                f"fingerprint {self._document.image_fingerprint[:16]}, not '{images.name}' with "
                f"fingerprint {images.fingerprint[:16]}; give the same images with --images"
            )
        self._images = images
        self._architecture = recipe_architecture(recipe, images)
        if not isinstance(engine, Engine):
            precision = recipe.training.precision
            engine = make_engine(engine, self._architecture, device, workers, precision)
        self._engine = engine

    def _load_images(self, path: Path | None) -> ImageSet:
        left = self.folder / CLUSTER_FOLDER / IMAGES_FILE
        if path is None and left.exists():
            choice = self._recipe.images
            name = self._document.images_name
            return load_npz(left, size=choice.size, channels=choice.channels, name=name)
        return recipe_images(self._recipe, path)

    @cached_property
    def pieces(self) -> tuple[str, ...]:
        """All parts."""
        return tuple(map(piece_name, range(len(self._plan))))

    def finished(self) -> set[str]:
        """The parts that are complete."""
        return set(map(piece_name, layout.marked_parts(self.folder)))

    def together(self, names: Sequence[str]) -> Sequence[str]:
        """Parts that together make a cohort of the engine's."""
        return names[: len(next_cohort(self._parts(names), self._engine.preferred_cohort))]

    def make(self, names: Sequence[str], told: Told) -> Generator[Bundle, None, None]:
        """Train parts side by side."""
        parts, settings = self._parts(names), recipe_settings(self._recipe)
        with closing(
            train_parts(self._engine, self._architecture, parts, self._images, settings, told)
        ) as trained:
            for part, networks in trained:
                yield part_bundle(
                    part, networks, parts[part], self._document, self._engine.provenance
                )

    def bytes_needed(self, names: Sequence[str]) -> int:
        """Weights and checkpoints, and 300 bytes an epoch of history."""
        networks = sum(map(len, self._parts(names).values()))
        sets = 1 + len(self._document.checkpoint_epochs)
        weights = 4 * self._architecture.parameter_count * sets
        return networks * (weights + 300 * (self._document.epochs + 1)) + 2**20

    def collect(self) -> Taken:
        """Put delivered parts in place."""
        return collect_bundles(self.folder)

    def _parts(self, names: Sequence[str]) -> Mapping[int, Part]:
        parts = {piece_part(name): name for name in names}
        unknown = [name for part, name in parts.items() if part is None or part >= len(self._plan)]
        if unknown:
            raise ClusterError(
                f"{self.folder} has no part '{unknown[0]}'; its parts are part-00000 to "
                f"{self.pieces[-1]}"
            )
        return {part: self._plan[part] for part in parts if part is not None}


def prepare_zoo(
    recipe: Recipe,
    folder: Path,
    *,
    images: ImageSet | Path | None = None,
    break_lock: bool = False,
) -> None:
    """Make a zoo's folder ready for workers: zoo.json, and the images, which all of them read.

    A zoo that is there is grown to the recipe's `networks_per_class`, or left as it is.

    Args:
        recipe: what to train.
        folder: the zoo's folder, which all machines see under this path.
        images: in place of the recipe's own.
        break_lock: as for `train_zoo`.

    Raises:
        ImageError, ZooMismatchError, ZooLockedError, ZooWriteError: as for `train_zoo`.
    """
    image_set = images if isinstance(images, ImageSet) else recipe_images(recipe, images)
    ZooWriter(
        folder,
        recipe,
        image_classes=image_set.class_names,
        image_fingerprint=image_set.fingerprint,
        images_name=image_set.name,
        architecture=recipe_architecture(recipe, image_set),
        provenance=None,
        break_lock=break_lock,
    ).close()
    if not (left := folder / CLUSTER_FOLDER / IMAGES_FILE).exists():
        write_npz(image_set, left)
