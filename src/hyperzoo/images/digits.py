"""The handwritten digits that come with scikit-learn: real images that need no download."""

import numpy as np

from hyperzoo.images.image_set import ImageSet
from hyperzoo.images.resize import resize_bilinear

CLASS_NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def load_digits(*, size: int, channels: int) -> ImageSet:
    """Load the 1,797 digits, which are 8x8 pixels with 17 levels of grey.

    Every fifth image (index % 5 == 4 in scikit-learn's order) is for validation, the others are
    for training: 1,438 and 359. Grey levels 0 to 16 become 0 to 255, and RGB has three equal
    channels.

    Args:
        size: height and width to resize to, in pixels.
        channels: 1 or 3.

    Returns:
        The images, uint8 [image, size, size, channels].

    Reference: E. Alpaydin and C. Kaynak, "Optical recognition of handwritten digits", UCI Machine
    Learning Repository, 1998.
    """
    from sklearn import datasets

    digits = datasets.load_digits()
    grey = np.rint(digits.images * 255 / 16).astype(np.uint8)[..., None]
    images = np.stack([resize_bilinear(image, size) for image in grey])
    images = images.repeat(channels, axis=-1)
    labels = digits.target.astype(np.int64)
    validation = np.arange(len(labels)) % 5 == 4
    return ImageSet(
        name="digits",
        class_names=CLASS_NAMES,
        train_images=images[~validation],
        train_labels=labels[~validation],
        validation_images=images[validation],
        validation_labels=labels[validation],
    )
