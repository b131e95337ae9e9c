"""Images that the networks of another's zoo were tested on."""

import numpy as np

from hyperzoo.images import ImageSet


def images_of(labels: np.ndarray, images: np.ndarray) -> ImageSet:
    return ImageSet(
        name="made-up",
        class_names=tuple(f"digit{number}" for number in range(10)),
        train_images=images,
        train_labels=labels,
        validation_images=images,
        validation_labels=labels,
    )
