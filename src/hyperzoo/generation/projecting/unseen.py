"""How training networks answer to images that they were not trained on, without any such images.

A method may see training images alone, and a network knows those by heart: its answers to them are
not those that it gives to others. But a training image moved by a pixel, or mirrored and moved by
two where the mirror makes no difference to what is in it, is new enough. On Imagenette and on
digits, LeNet-5 networks' logits for such images have the AUC, spread and correlation that they
have on validation images (docs/generation.md).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from hyperzoo.generation.behaviour import pixels
from hyperzoo.generation.training_set import TrainingSet
from hyperzoo.population import evaluate

MOVES, MOVES_MIRRORED = 32, 16
"""An image is moved by up to this part of its side, each way; by more where it is mirrored too."""

COPIES, LEAST_IMAGES = 2, 5_000
"""Every training image is moved so many times; more often where there are fewer images."""

POSITIVE_SHARE = 0.25
"""Of the images in a step of a fit, how many are of the network's own class."""

MIRROR_AGREEMENT = 0.7
"""Mirrored images are used where networks' logits for an image and its mirror correlate so."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Answers:
    """Moved training images, and what training networks say to them.

    Attributes:
        images: uint8 [image, height, width, channel].
        sources: int64 [image], which training image each was made of.
        logits: float32 [network, image, output], networks in the order of the training set.
        mirrored: whether the images are mirrored.
    """

    images: NDArray[np.uint8]
    sources: NDArray[np.int64]
    logits: NDArray[np.float32]
    mirrored: bool

    def pixels(self, rows: NDArray[np.int64]) -> Tensor:
        """Some of the images as networks take them: [image, channel, height, width] in [0, 1]."""
        return pixels(self.images[rows])

    def of_class(self, data: TrainingSet, label: int) -> NDArray[np.float32]:
        """The logits of one class's networks: [network, image, output]."""
        own: NDArray[np.float32] = self.logits[data.labels == label]
        return own


class Batches:
    """Rows of images for the steps of a fit, of the network's own class a share.

    Args:
        data: the training set.
        sources: int64 [image], the training image that each was made of.
        label: the class of the networks that are fitted.
        among: int64 [row], of those that may be drawn.
        generator: draws.
    """

    def __init__(
        self,
        data: TrainingSet,
        sources: NDArray[np.int64],
        label: int,
        among: NDArray[np.int64],
        generator: np.random.Generator,
    ) -> None:
        self._generator = generator
        self._pools = [among]
        if data.kind == "one-vs-all":
            own = data.targets(label)[sources[among]] == 1
            self._pools = [among[own], among[~own]]

    def rows(self, count: int) -> NDArray[np.int64]:
        """Some images, drawn anew: int64 [image]."""
        own = round(POSITIVE_SHARE * count) if len(self._pools) > 1 else count
        counts = (own, count - own)[: len(self._pools)]
        drawn = zip(self._pools, counts, strict=True)
        return np.concatenate([self._generator.choice(pool, some) for pool, some in drawn])

    def drawn(self, count: int) -> Iterator[NDArray[np.int64]]:
        """The rows of one step after another, without end."""
        while True:
            yield self.rows(count)


def evenly(rows: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Some of the rows, evenly spread over all, or all of them."""
    return rows[np.linspace(0, len(rows) - 1, min(len(rows), count)).astype(np.int64)]


def agreement(logits: NDArray[np.float32]) -> float:
    """The mean correlation of two networks' logits [network, image, output]."""
    table = np.atleast_2d(np.corrcoef(logits.reshape(len(logits), -1)))
    return float(table[np.triu_indices(len(table), 1)].mean())


def unseen_answers(data: TrainingSet, seed: int) -> Answers:
    """Move the training images, and ask the training networks."""
    assert data.images is not None  # the registry says that the method needs images
    generator = np.random.default_rng([seed, 0])
    copies = max(COPIES, -(-LEAST_IMAGES // len(data.images)))
    sources = np.tile(np.arange(len(data.images)), copies)
    mirror = _mirror_is_alike(data)
    most = max(1, min(data.images.shape[1:3]) // (MOVES_MIRRORED if mirror else MOVES))
    images = np.concatenate([moved(data.images, generator, most) for _ in range(copies)])
    if mirror:
        images = np.ascontiguousarray(images[:, :, ::-1])
    count = len(data.ids)
    networks = ({n: t[row] for n, t in data.weights.items()} for row in range(count))
    return Answers(
        images=images,
        sources=sources,
        logits=np.stack(list(evaluate(data.architecture, networks, images))),
        mirrored=mirror,
    )


def moved(
    images: NDArray[np.uint8], generator: np.random.Generator, most: int
) -> NDArray[np.uint8]:
    """Every image [image, height, width, channel] moved by up to `most` pixels each way.

    Edges are repeated.
    """
    count, height, width, _ = images.shape
    padded = np.pad(images, ((0, 0), (most, most), (most, most), (0, 0)), mode="edge")
    down, right = generator.integers(0, 2 * most + 1, (2, count))
    rows = (down[:, None] + np.arange(height))[:, :, None]
    columns = (right[:, None] + np.arange(width))[:, None]
    result: NDArray[np.uint8] = padded[np.arange(count)[:, None, None], rows, columns]
    return result


def _mirror_is_alike(data: TrainingSet) -> bool:
    """Whether the networks take an image and its mirror for nearly the same."""
    assert data.images is not None
    some = data.images[:1000]
    rows = [np.flatnonzero(data.labels == label)[0] for label in range(len(data.classes))]
    networks = [{n: t[row] for n, t in data.weights.items()} for row in rows]
    mirrored = np.ascontiguousarray(some[:, :, ::-1])
    pairs = zip(
        evaluate(data.architecture, networks, some),
        evaluate(data.architecture, networks, mirrored),
        strict=True,
    )
    agreement = [np.corrcoef(one.ravel(), other.ravel())[0, 1] for one, other in pairs]
    return bool(np.nanmean(agreement) >= MIRROR_AGREEMENT)
