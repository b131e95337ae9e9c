"""Images, plans and settings for declared networks, for every engine's tests."""

import numpy as np
from numpy.typing import NDArray

from hyperzoo.architectures import Architecture
from hyperzoo.images import ImageSet
from hyperzoo.plan import ALL_CLASSES, PlannedNetwork
from hyperzoo.population import Settings


def noise_images(architecture: Architecture, train: int = 45, validation: int = 20) -> ImageSet:
    """Random images of the shape that a network takes, of as many classes as it tells apart."""
    generator = np.random.default_rng(3)
    classes = max(architecture.outputs, 2)

    def split(count: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        pixels = generator.integers(0, 256, (count, *architecture.input_shape), dtype=np.uint8)
        return pixels, np.arange(count) % classes

    (train_images, train_labels), (held_out, held_out_labels) = split(train), split(validation)
    return ImageSet(
        name="noise",
        class_names=tuple(f"c{number}" for number in range(classes)),
        train_images=train_images,
        train_labels=train_labels,
        validation_images=held_out,
        validation_labels=held_out_labels,
    )


def planned_for(architecture: Architecture, index: int = 0) -> PlannedNetwork:
    """A network whose batches of 20 leave one of 5."""
    name = "c1" if architecture.outputs == 1 else ALL_CLASSES
    return PlannedNetwork(class_name=name, index=index, learning_rate=1e-3, batch_size=20)


def settings_for(architecture: Architecture, epochs: int = 1) -> Settings:
    kind = "one-vs-all" if architecture.outputs == 1 else "multi-class"
    return Settings(seed=0, kind=kind, positive_fraction=None, epochs=epochs, keep="last")
