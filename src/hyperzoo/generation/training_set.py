"""What a method may see while it is fitted: training networks and training images, nothing else."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from hyperzoo.architectures import Architecture
from hyperzoo.errors import GenerationError
from hyperzoo.generation.kept import Kept
from hyperzoo.generation.split import Split
from hyperzoo.images import ImageSet
from hyperzoo.plan import PlannedNetwork, TaskKind
from hyperzoo.population.start import own_start
from hyperzoo.zoo import Trained, Zoo


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainingSet:
    """The training networks of a zoo, and the training split of its images.

    Attributes:
        architecture: of the networks.
        kind: their task.
        classes: the networks' classes; ("all",) for multi-class networks.
        image_classes: the images' classes in label order.
        ids: [network] names.
        labels: int64 [network], positions in `classes`.
        planned: [network] class, index and hyper-parameters of each.
        weights: PyTorch name -> float32 [network, *shape].
        images: uint8 [image, height, width, channel], the training split; None where none were
            given.
        image_labels: int64 [image], positions in `image_classes`.
        recipe_seed: of the recipe that trained the networks; None where it is not known.
        kept: where a long fit keeps what is done of it; None for nowhere.
    """

    architecture: Architecture
    kind: TaskKind
    classes: tuple[str, ...]
    image_classes: tuple[str, ...]
    ids: tuple[str, ...]
    labels: NDArray[np.int64]
    planned: tuple[PlannedNetwork, ...]
    weights: dict[str, NDArray[np.float32]]
    images: NDArray[np.uint8] | None
    image_labels: NDArray[np.int64] | None
    recipe_seed: int | None
    kept: Kept | None = None

    def of_class(self, label: int) -> dict[str, NDArray[np.float32]]:
        """The weights of one class's networks: PyTorch name -> [network, *shape]."""
        rows = np.flatnonzero(self.labels == label)
        return {name: tensor[rows] for name, tensor in self.weights.items()}

    def square_lengths(self, label: int) -> dict[str, float]:
        """The mean squared length of one class's tensors: PyTorch name -> number."""
        return {
            name: float(np.square(stacked, dtype=np.float64).sum() / len(stacked))
            for name, stacked in self.of_class(label).items()
        }

    @cached_property
    def initial_weights(self) -> dict[str, NDArray[np.float32]]:
        """The weights that the networks started from, exactly: PyTorch name -> [network, *shape].

        Raises:
            GenerationError: the networks were not trained by a recipe.
        """
        if self.recipe_seed is None:
            raise GenerationError(
                "the networks' initial weights are known of zoos that a recipe trained, and this "
                "one was not; choose another method"
            )
        starts = [
            own_start(self.architecture, network, self.recipe_seed) for network in self.planned
        ]
        return {
            p.name: np.stack([own[p.name] for own in starts]) for p in self.architecture.parameters
        }

    def targets(self, label: int) -> NDArray[np.int64]:
        """What networks of a class should answer: int64 [image], 0 or 1, or the images' labels.

        Raises:
            GenerationError: no images were given.
        """
        if self.image_labels is None:
            raise GenerationError("this method needs images; give the zoo's images")
        if self.kind == "multi-class":
            return self.image_labels
        own = self.image_classes.index(self.classes[label])
        return np.equal(self.image_labels, own).astype(np.int64)


def training_set(zoo: Zoo, split: Split, images: ImageSet | None) -> TrainingSet:
    """Cut out of a zoo and its images what a method may see.

    Args:
        zoo: the zoo.
        split: which of its networks are for training.
        images: the zoo's images; None for methods that need none.

    Raises:
        GenerationError: the zoo has too few networks, weights that are not finite, or the images
            are not those that its networks were trained on.
    """
    if images is not None:
        check_images(zoo, images)
    rows = split.rows(zoo, "training")
    weights = {p.name: zoo.weights(p.name)[rows] for p in zoo.architecture.parameters}
    for name, tensor in weights.items():
        if not np.isfinite(tensor).all():
            raise GenerationError(
                f"{zoo.path}: {name} of some networks holds numbers that are not finite; see with "
                "`hyperzoo verify` whether the zoo is damaged"
            )
    classes = zoo.models["class"].take(rows).to_pylist()
    planned = {network.id: network for part in zoo.plan for network in part}
    return TrainingSet(
        architecture=zoo.architecture,
        kind=zoo.kind,
        classes=zoo.classes,
        image_classes=zoo.image_classes,
        ids=tuple(zoo.ids[row] for row in rows),
        labels=np.array([zoo.classes.index(name) for name in classes], np.int64),
        planned=tuple(planned[zoo.ids[row]] for row in rows),
        weights=weights,
        images=None if images is None else images.train_images,
        image_labels=None if images is None else images.train_labels,
        recipe_seed=zoo.origin.recipe.seed if isinstance(zoo.origin, Trained) else None,
    )


def check_images(zoo: Zoo, images: ImageSet) -> None:
    """Check that images are those of a zoo.

    Raises:
        GenerationError: they are not.
    """
    if zoo.image_fingerprint and images.fingerprint != zoo.image_fingerprint:
        raise GenerationError(
            f"{zoo.path}: its networks were trained on '{zoo.images_name}' with fingerprint "
            f"{zoo.image_fingerprint[:16]}, not on '{images.name}' with fingerprint "
            f"{images.fingerprint[:16]}; give the same images"
        )
