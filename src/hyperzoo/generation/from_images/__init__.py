"""Networks for a class that no network was trained on, from a few of its images.

`fit` takes a zoo whose networks tell subsets of classes from the rest and distils one trunk that
answers as all of them do; `ImageGenerator.sample` is given images of a class that is in none of
them. docs/unseen-classes.md has what it does, and how well.
"""

from hyperzoo.generation.from_images.generator import HEADS, ImageGenerator, fit

__all__ = ["HEADS", "ImageGenerator", "fit"]
