"""Small zoos that were really trained, and their images: made once for all tests of generation."""

from pathlib import Path

import numpy as np
import pytest

from hyperzoo.generation.from_images import ImageGenerator
from hyperzoo.images import ImageSet, load_images
from hyperzoo.recipe import parse_recipe
from hyperzoo.train import train_zoo
from hyperzoo.zoo import Zoo, open_zoo
from tests.generation.makers import image_generator, task_zoo

CLASSES = 4
"""Digits that there are networks of: zero to three."""

NETWORKS = 12
"""Of each class; tests of methods use the first 8."""


@pytest.fixture(scope="session")
def images() -> ImageSet:
    """Real digits, 30 of each class for training and 25 for validation."""
    given = load_images("digits", channels=1)
    train = [np.flatnonzero(given.train_labels == c)[:30] for c in range(CLASSES)]
    validation = [np.flatnonzero(given.validation_labels == c)[:25] for c in range(CLASSES)]
    first, second = np.sort(np.concatenate(train)), np.sort(np.concatenate(validation))
    return ImageSet(
        name="few digits",
        class_names=given.class_names[:CLASSES],
        train_images=given.train_images[first],
        train_labels=given.train_labels[first],
        validation_images=given.validation_images[second],
        validation_labels=given.validation_labels[second],
    )


@pytest.fixture(scope="session")
def zoo(images: ImageSet, tmp_path_factory: pytest.TempPathFactory) -> Zoo:
    """48 one-vs-all networks of four classes."""
    return _trained(tmp_path_factory.mktemp("trained") / "one-vs-all", images, "one-vs-all")


@pytest.fixture(scope="session")
def multi(images: ImageSet, tmp_path_factory: pytest.TempPathFactory) -> Zoo:
    """12 multi-class networks."""
    return _trained(tmp_path_factory.mktemp("trained") / "multi-class", images, "multi-class")


def _trained(folder: Path, images: ImageSet, kind: str) -> Zoo:
    recipe = parse_recipe(
        {
            "name": "small",
            "networks_per_class": NETWORKS,
            "images": {"source": "digits", "channels": 1},
            "task": {"kind": kind},
            "architecture": {"name": "smallcnn"},
            "training": {"epochs": 25, "batch_size": 16, "learning_rate": 0.01},
        }
    )
    train_zoo(recipe, folder, images=images)
    return open_zoo(folder)


@pytest.fixture(scope="session")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> Zoo:
    """A zoo of tasks."""
    return task_zoo(tmp_path_factory.mktemp("trained") / "tasks")


@pytest.fixture(scope="session")
def generator(tasks: Zoo) -> ImageGenerator:
    """A generator of networks from images."""
    return image_generator(tasks)
