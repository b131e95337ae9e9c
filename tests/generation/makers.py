"""A small zoo with images of its own, and a generator that was fitted on it."""

from pathlib import Path

import numpy as np

from hyperzoo.images import ImageSet
from hyperzoo.zoo import Zoo, open_zoo
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
