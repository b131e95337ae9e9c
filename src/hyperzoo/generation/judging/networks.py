"""What the judge knows of some networks: their weights, aligned and not, and their answers."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from hyperzoo.analysis import align
from hyperzoo.analysis.stream import map_in_order
from hyperzoo.architectures import Architecture
from hyperzoo.features.matrix import matrix_of, tensors_of
from hyperzoo.plan import TaskKind
from hyperzoo.population import evaluate

Array = NDArray[np.float64]

_CHUNK = 16


@dataclass(frozen=True, kw_only=True, eq=False)
class Questions:
    """The images that networks are asked about, and the right answers.

    Attributes:
        kind: the networks' task.
        classes: the networks' classes; ("all",) for multi-class networks.
        image_classes: the images' classes in label order.
        images: uint8 [image, height, width, channel], of the validation split.
        labels: int64 [image].
        training_images: uint8 [image, height, width, channel], by which thresholds are refitted.
        training_labels: int64 [image].
    """

    kind: TaskKind
    classes: tuple[str, ...]
    image_classes: tuple[str, ...]
    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    training_images: NDArray[np.uint8]
    training_labels: NDArray[np.int64]

    def targets(self, label: int, labels: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
        """What networks of a class should answer: 0 or 1, or the images' labels: int64 [image]."""
        labels = self.labels if labels is None else labels
        if self.kind == "multi-class":
            return labels
        return np.equal(labels, self.image_classes.index(self.classes[label])).astype(np.int64)


@dataclass(frozen=True, kw_only=True, eq=False)
class Networks:
    """Networks of one origin. What is computed of them is kept.

    Attributes:
        architecture: of the networks.
        labels: int64 [network], positions in the questions' classes.
        matrix: float32 [network, parameter].
        targets: for each class what its networks are aligned to, PyTorch name -> [*shape]: the
            mean of the class's training networks.
        questions: what they are asked.
    """

    architecture: Architecture
    labels: NDArray[np.int64]
    matrix: NDArray[np.float32]
    targets: tuple[Mapping[str, NDArray[np.float32]], ...]
    questions: Questions

    @cached_property
    def rows(self) -> tuple[NDArray[np.int64], ...]:
        """The networks of each class."""
        return tuple(np.flatnonzero(self.labels == c) for c in range(len(self.questions.classes)))

    @cached_property
    def aligned(self) -> NDArray[np.float32]:
        """Weights with hidden units in the order of their class's target: [network, parameter]."""
        moved = np.empty_like(self.matrix)
        for rows, target in zip(self.rows, self.targets, strict=True):
            tensors = tensors_of(self.architecture, self.matrix[rows])
            found = align(tensors, target, architecture=self.architecture)
            moved[rows] = matrix_of(self.architecture, found.weights)
        return moved

    @cached_property
    def logits(self) -> NDArray[np.float32]:
        """The answers to the images: [network, image, output]."""
        return answers(self.architecture, self.matrix, self.questions.images)

    @cached_property
    def training_logits(self) -> NDArray[np.float32]:
        """The answers to the training images: [network, image, output]."""
        return answers(self.architecture, self.matrix, self.questions.training_images)

    @cached_property
    def flat_logits(self) -> NDArray[np.float32]:
        """The answers as features: [network, image x output]."""
        return self.logits.reshape(len(self.logits), -1)

    @cached_property
    def wrong(self) -> NDArray[np.bool_]:
        """Which images each network gets wrong: [network, image]."""
        said = self.logits[:, :, 0] > 0 if self.logits.shape[2] == 1 else self.logits.argmax(axis=2)
        targets = np.stack([self.questions.targets(c) for c in range(len(self.rows))])
        return np.asarray(said != targets[self.labels])

    @cached_property
    def response(self) -> NDArray[np.float32]:
        """Linear responses: [network, feature]."""
        from hyperzoo.features.linear_response import LinearResponse

        return _side_by_side(LinearResponse(self.architecture), self.matrix)

    @cached_property
    def invariants(self) -> NDArray[np.float32]:
        """Features that no order and no sign of units changes: [network, feature]."""
        from hyperzoo.features.invariants import Invariants

        return _side_by_side(Invariants(self.architecture), self.matrix)

    @cached_property
    def statistics(self) -> NDArray[np.float32]:
        """Moments and quantiles of every tensor: [network, feature]."""
        from hyperzoo.features.statistics import LayerStatistics

        return LayerStatistics(self.architecture).transform(self.matrix)


def _side_by_side(features: Any, matrix: NDArray[np.float32]) -> NDArray[np.float32]:
    """Features of chunks of networks on all cores: many small problems, each on one thread."""
    chunks = [matrix[begin : begin + _CHUNK] for begin in range(0, len(matrix), _CHUNK)]
    with threadpool_limits(1, "blas"):
        return np.concatenate(list(map_in_order(features.transform, chunks)))


def answers(
    architecture: Architecture, matrix: NDArray[np.float32], images: NDArray[np.uint8]
) -> NDArray[np.float32]:
    """Logits of many networks: float32 [network, image, output]."""

    def networks() -> Iterator[dict[str, NDArray[np.float32]]]:
        for row in range(len(matrix)):
            tensors = tensors_of(architecture, matrix[row : row + 1])
            yield {name: tensor[0] for name, tensor in tensors.items()}

    return np.stack(list(evaluate(architecture, networks(), images)))
