"""What generated networks are compared with: prepared once for a zoo, a split and images."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from hyperzoo.analysis import align
from hyperzoo.architectures import Architecture
from hyperzoo.errors import GenerationError
from hyperzoo.features.matrix import matrix_of, tensors_of
from hyperzoo.generation.judging.networks import Networks, Questions
from hyperzoo.generation.split import LEAST_HELD_OUT, LEAST_TRAINING, Split, default_split
from hyperzoo.generation.training_set import check_images
from hyperzoo.images import ImageSet
from hyperzoo.randomness import permutation, uniforms
from hyperzoo.zoo import Zoo

Half = Literal["report", "settings"]
Row = dict[str, Any]
T = TypeVar("T")

_MOST_TRAINING_IMAGES = 500
"""By which a threshold is refitted; all of a large set would cost more than all else."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Reference:
    """The three kinds of trained networks.

    Attributes:
        zoo: they are of.
        split: which are which.
        half: the half of the validation images that networks are asked about.
        questions: those images.
        training: what generators see.
        held_out: what all figures are compared with.
        fresh: the null; None where the split has none.
        images: all of the images, for fine-tuning.
        kept: what was computed of trained networks, by name; see `once`.
    """

    zoo: Zoo
    split: Split
    half: Half
    questions: Questions
    training: Networks
    held_out: Networks
    fresh: Networks | None
    images: ImageSet
    kept: dict[str, Any] = field(default_factory=dict)

    @property
    def architecture(self) -> Architecture:
        """Of all networks."""
        return self.zoo.architecture

    def once(self, name: str, compute: Callable[[], T]) -> T:
        """What is known of trained networks, computed when it is first asked for."""
        if name not in self.kept:
            self.kept[name] = compute()
        found: T = self.kept[name]
        return found

    def networks(self, weights: Mapping[str, Mapping[str, NDArray[Any]]]) -> Networks:
        """Networks to be judged: class -> PyTorch name -> [network, *shape].

        Raises:
            GenerationError: a class is missing, unknown, or has fewer than 2 networks; weights
                are of another architecture or not finite.
        """
        classes = self.questions.classes
        missing = [name for name in classes if name not in weights]
        strange = sorted(set(weights) - set(classes))
        if missing or strange:
            raise GenerationError(
                f"judge: expected networks of every class of {self.zoo.path}; "
                + (f"there are none of '{missing[0]}'" if missing else f"it has no '{strange[0]}'")
            )
        blocks, labels = [], []
        for label, name in enumerate(classes):
            own = {p.name: np.asarray(weights[name].get(p.name)) for p in self._parameters()}
            counts = {len(tensor) if tensor.ndim else 0 for tensor in own.values()}
            for p in self._parameters():
                if own[p.name].shape[1:] != p.shape or len(counts) != 1:
                    raise GenerationError(
                        f"judge: class '{name}', {p.name}: expected [network, "
                        f"{', '.join(map(str, p.shape))}] of '{self.architecture.name}', got "
                        f"{own[p.name].shape}; judge against a zoo of the same architecture"
                    )
                if not np.isfinite(own[p.name]).all():
                    raise GenerationError(
                        f"judge: class '{name}', {p.name}: numbers that are not finite"
                    )
            (count,) = counts
            if count < LEAST_HELD_OUT:
                raise GenerationError(
                    f"judge: class '{name}' has {count} network(s), but {LEAST_HELD_OUT} are "
                    "needed to say how networks differ; generate more"
                )
            blocks.append(matrix_of(self.architecture, own))
            labels += [label] * count
        return Networks(
            architecture=self.architecture,
            labels=np.array(labels, np.int64),
            matrix=np.concatenate(blocks),
            targets=self.training.targets,
            questions=self.questions,
        )

    def _parameters(self) -> Any:
        return self.architecture.parameters


def prepare_reference(
    zoo: Zoo, images: ImageSet, split: Split | None = None, half: Half = "report"
) -> Reference:
    """Prepare what networks are judged against.

    Args:
        zoo: the zoo.
        images: its images.
        split: of its networks; None for `default_split`.
        half: the half of the validation images that is asked about: "settings" to choose settings
            by, "report" for what is reported. Which half an image is in follows from its position.

    Raises:
        GenerationError: the zoo has too few networks, or the images are not its own.
    """
    check_images(zoo, images)
    split = split or default_split(zoo)
    if split.training < LEAST_TRAINING or split.held_out < LEAST_HELD_OUT:
        raise GenerationError(
            f"{zoo.path}: judging needs {LEAST_TRAINING} training and {LEAST_HELD_OUT} held-out "
            f"networks of every class, got {split.training} and {split.held_out}"
        )
    questions = _questions(zoo, images, half)
    matrix, labels = _rows(zoo, split, "training")
    targets = tuple(
        # One round: to the first network, then to the mean of what that gave.
        align(tensors_of(zoo.architecture, own), architecture=zoo.architecture, rounds=1).reference
        for own in (matrix[labels == label] for label in range(len(zoo.classes)))
    )

    def networks(matrix: NDArray[np.float32], labels: NDArray[np.int64]) -> Networks:
        return Networks(
            architecture=zoo.architecture,
            labels=labels,
            matrix=matrix,
            targets=targets,
            questions=questions,
        )

    return Reference(
        zoo=zoo,
        split=split,
        half=half,
        questions=questions,
        training=networks(matrix, labels),
        held_out=networks(*_rows(zoo, split, "held_out")),
        fresh=networks(*_rows(zoo, split, "fresh")) if split.fresh >= LEAST_HELD_OUT else None,
        images=images,
    )


def _rows(
    zoo: Zoo, split: Split, role: Literal["training", "held_out", "fresh"]
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    rows = split.rows(zoo, role)
    weights = {p.name: zoo.weights(p.name)[rows] for p in zoo.architecture.parameters}
    matrix = matrix_of(zoo.architecture, weights)
    if not np.isfinite(matrix).all():
        raise GenerationError(
            f"{zoo.path}: some {role.replace('_', '-')} networks hold numbers that are not finite; "
            "see with `hyperzoo verify` whether the zoo is damaged"
        )
    names = zoo.models["class"].take(rows).to_pylist()
    return matrix, np.array([zoo.classes.index(name) for name in names], np.int64)


def _questions(zoo: Zoo, images: ImageSet, half: Half) -> Questions:
    first = uniforms(0, "", 0, "judge/half", len(images.validation_labels)) < 0.5
    chosen = np.flatnonzero(first if half == "report" else ~first)
    labels = images.validation_labels[chosen]
    wanted = zoo.classes if zoo.kind == "one-vs-all" else zoo.image_classes
    for name in wanted:
        if not (labels == images.class_names.index(name)).any():
            raise GenerationError(
                f"judge: the {half} half of the validation images has none of class '{name}'; "
                "judging needs more validation images"
            )
    order = permutation(0, "", 0, "judge/training images", len(images.train_labels))
    some = np.sort(order[:_MOST_TRAINING_IMAGES])
    return Questions(
        kind=zoo.kind,
        classes=zoo.classes,
        image_classes=images.class_names,
        images=images.validation_images[chosen],
        labels=labels.astype(np.int64),
        training_images=images.train_images[some],
        training_labels=images.train_labels[some].astype(np.int64),
    )
