"""Networks for a class that no network was trained on, from a few of its images.

`fit` takes a zoo whose networks tell subsets of classes from the rest and distils one trunk that
answers as all of them do; `ImageGenerator.sample` is given images of a class that is in none of
them, and `generate_from_images` makes a zoo of such networks. docs/unseen-classes.md has what it
does, and how well.
"""

from hyperzoo.generation.from_images.fitting import fit
from hyperzoo.generation.from_images.generator import (
    ImageGenerator,
    load_image_generator,
)
from hyperzoo.generation.from_images.making import (
    Conditioned,
    conditioned,
    generate_from_images,
)

__all__ = [
    "Conditioned",
    "ImageGenerator",
    "conditioned",
    "fit",
    "generate_from_images",
    "load_image_generator",
]
