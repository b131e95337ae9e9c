"""What a network is distilled from: images of many kinds, and what training networks say to them.

A network that has learned the mean of training networks from some images misses it elsewhere by
twice as much: what is short is images, not weights. The mean can be asked about any image. So
beside the moved images, which stand for those that networks are used on (`unseen.py`), a network
learns from the training images themselves, to which training networks answer as to no others, and
from images made of them: zoomed, with other colours, two blended, and with a patch of another.
What is made of each, and how much it helps, is told in docs/generation.md.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from hyperzoo.generation.projecting.unseen import Answers
from hyperzoo.generation.training_set import TrainingSet
from hyperzoo.population import evaluate

ZOOM, STRETCH, SHIFT = 0.2, 0.08, 0.06
"""Of a zoomed image: how much larger or smaller it is, how much wider than high, and by what part
of its side it is moved, each way, at most."""

CONTRAST, BRIGHTNESS = 0.15, 15.0
"""Of a zoomed image: by what part its contrast, and by how much of 255 each channel is changed."""

BLEND = 0.5
"""The share of the second of two blended images, at most."""

LEAST_PATCH, MOST_PATCH = 0.25, 0.6
"""Of the sides of a patch, in parts of the image's."""

_AT_ONCE = 1000


@dataclass(frozen=True, kw_only=True, eq=False)
class Lessons:
    """Images, and the mean logits of each class's networks.

    Attributes:
        images: uint8 [image, height, width, channel].
        sources: int64 [image], which training image each was made of, or mostly.
        means: float32 [class, image, output].
    """

    images: NDArray[np.uint8]
    sources: NDArray[np.int64]
    means: NDArray[np.float32]


def lessons(
    data: TrainingSet, answers: Answers, rows: NDArray[np.int64], generator: np.random.Generator
) -> Lessons:
    """Make images and ask the training networks.

    Args:
        data: the training set.
        answers: to moved images.
        rows: of the moved images, those that are learned; nothing is made of training images of
            which none is learned.
        generator: draws.
    """
    assert data.images is not None  # the registry says that the method needs images
    sources = answers.sources[rows]
    kinds = [answers.images[rows]]
    of = [sources]
    for images, own in _made(data.images, sources, answers.mirrored, generator):
        kinds.append(images)
        of.append(own)
    further = np.concatenate(kinds[1:])
    known = np.stack(
        [answers.of_class(data, label)[:, rows].mean(axis=0) for label in range(len(data.classes))]
    )
    return Lessons(
        images=np.concatenate([kinds[0], further]),
        sources=np.concatenate(of),
        means=np.concatenate([known, _means(data, further)], axis=1),
    )


def _made(
    images: NDArray[np.uint8],
    sources: NDArray[np.int64],
    mirrored: bool,
    generator: np.random.Generator,
) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.int64]]]:
    """Images of every kind, and what each was made of."""
    learned = np.unique(sources)
    yield images[learned], learned
    if mirrored:
        yield images[learned][:, :, ::-1], learned
    yield zoomed(images[sources], generator, mirrored), sources
    yield blended(images[sources], generator), sources
    yield patched(images[sources], generator), sources


def zoomed(
    images: NDArray[np.uint8], generator: np.random.Generator, mirrored: bool
) -> NDArray[np.uint8]:
    """Images [image, height, width, channel] of another size, place and colour.

    Args:
        images: uint8.
        generator: draws.
        mirrored: whether half of them are mirrored too.
    """
    made = np.empty_like(images)
    for begin in range(0, len(images), _AT_ONCE):
        own = torch.from_numpy(images[begin : begin + _AT_ONCE].transpose(0, 3, 1, 2).copy())
        count, channels = own.shape[:2]
        size = generator.uniform(1 - ZOOM, 1 + ZOOM, count)
        turn = np.where(generator.random(count) < 0.5, -1, 1) if mirrored else 1
        places = np.zeros((count, 2, 3))
        places[:, 0, 0] = size * turn
        places[:, 1, 1] = size * generator.uniform(1 - STRETCH, 1 + STRETCH, count)
        places[:, :, 2] = generator.uniform(-2 * SHIFT, 2 * SHIFT, (count, 2))  # sides are 2 long
        grid = functional.affine_grid(
            torch.from_numpy(places.astype(np.float32)), list(own.shape), align_corners=False
        )
        seen = functional.grid_sample(
            own.float(), grid, padding_mode="reflection", align_corners=False
        ).numpy()
        contrast = generator.uniform(1 - CONTRAST, 1 + CONTRAST, (count, 1, 1, 1))
        colour = generator.uniform(-BRIGHTNESS, BRIGHTNESS, (count, channels, 1, 1))
        changed = np.rint((seen - 127.5) * contrast + 127.5 + colour).clip(0, 255)
        made[begin : begin + count] = changed.astype(np.uint8).transpose(0, 2, 3, 1)
    return made


def blended(images: NDArray[np.uint8], generator: np.random.Generator) -> NDArray[np.uint8]:
    """Each image with some of another (Zhang et al., "mixup", 2018)."""
    share = generator.uniform(0, BLEND, (len(images), 1, 1, 1)).astype(np.float32)
    others = images[generator.permutation(len(images))]
    return np.rint((1 - share) * images + share * others).astype(np.uint8)


def patched(images: NDArray[np.uint8], generator: np.random.Generator) -> NDArray[np.uint8]:
    """Each image with a patch of another (Yun et al., "CutMix", 2019)."""
    count, height, width, _ = images.shape
    others, inside = images[generator.permutation(count)], []
    for side in (height, width):
        long = generator.uniform(LEAST_PATCH, MOST_PATCH, (count, 1)) * side
        begin = generator.uniform(0, 1, (count, 1)) * (side - long)
        inside.append((np.arange(side) >= begin) & (np.arange(side) < begin + long))
    rows, columns = inside
    return np.where((rows[:, :, None] & columns[:, None])[..., None], others, images)


def _means(data: TrainingSet, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The mean logits of every class's training networks: [class, image, output]."""
    sums = np.zeros((len(data.classes), len(images), data.architecture.outputs), np.float32)
    networks = ({n: t[row] for n, t in data.weights.items()} for row in range(len(data.ids)))
    said = evaluate(data.architecture, networks, images)
    for label, logits in zip(data.labels, said, strict=True):
        sums[label] += logits
    counts = np.bincount(data.labels, minlength=len(data.classes))
    sums /= counts[:, None, None]
    return sums
