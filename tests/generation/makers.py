"""Small zoos with images of their own, and generators that were fitted on them."""

from pathlib import Path

import numpy as np
import pytest

from hyperzoo.generation import from_images
from hyperzoo.generation.from_images import ImageGenerator, heads, steps
from hyperzoo.images import ImageSet, load_images
from hyperzoo.recipe import parse_recipe
from hyperzoo.train import train_zoo
from hyperzoo.zoo import Zoo, open_zoo
from tests.helpers import few
from tests.zoo.makers import CLASSES, finished, recipe, writer


def images(seed: int = 0, count: int = 10) -> ImageSet:
    """Random images, ten a split, of the classes of the made-up zoos."""
    generator = np.random.default_rng(seed)
    labels = np.arange(count) % len(CLASSES)
    return ImageSet(
        name="noise",
        class_names=CLASSES,
        train_images=generator.integers(0, 256, (count, 32, 32, 1), np.uint8),
        train_labels=labels,
        validation_images=generator.integers(0, 256, (count, 32, 32, 1), np.uint8),
        validation_labels=labels.copy(),
    )


def source_zoo(folder: Path, kind: str = "one-vs-all") -> Zoo:
    """A zoo of eight networks a class that knows its images."""
    chosen = recipe(networks_per_class=8, task={"kind": kind})
    with writer(folder, chosen, image_fingerprint=images().fingerprint) as open_writer:
        for part, networks in list(open_writer.missing_parts.items()):
            open_writer.write_part(part, finished(networks, chosen))
    return open_zoo(folder)


LEFT_OUT = "zero"
"""The class that no network of a zoo of tasks has seen."""


def digits() -> ImageSet:
    """A few digits of every class."""
    return few(load_images("digits", channels=1), 300, 120)


def task_zoo(folder: Path, epochs: int = 6) -> Zoo:
    """Nine networks, each of which tells one digit from the others; none has seen `LEFT_OUT`."""
    chosen = parse_recipe(
        {
            "name": "tasks",
            "networks_per_class": 1,
            "images": {"source": "digits", "channels": 1},
            "task": {"kind": "subset-vs-rest", "positives": [1], "exclude": [LEFT_OUT]},
            "architecture": {"name": "smallcnn"},
            "training": {"epochs": epochs, "batch_size": 32},
        }
    )
    return train_zoo(chosen, folder, images=digits())


def image_generator(zoo: Zoo) -> ImageGenerator:
    """A generator of networks from images, whose writer has learned little."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(heads, "EPISODES", 200)
        patch.setattr(steps, "EPISODES", 100)
        return from_images.fit(zoo, images=digits().without([LEFT_OUT]))
