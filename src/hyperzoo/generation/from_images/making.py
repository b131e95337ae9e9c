"""Makes a zoo of networks from images of their classes."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hyperzoo.architectures import Architecture
from hyperzoo.errors import GenerationError
from hyperzoo.generation.from_images.generator import Aim, ImageGenerator
from hyperzoo.generation.making import Asked, asked, write_generated
from hyperzoo.generation.registry import Meter
from hyperzoo.generation.stored import FittedOn
from hyperzoo.images import ImageSet
from hyperzoo.images.given import GivenImages
from hyperzoo.plan import TaskKind
from hyperzoo.zoo import Given, Zoo


@dataclass(frozen=True, kw_only=True, eq=False)
class Conditioned:
    """A generator with the images that it makes networks from.

    Attributes:
        generator: the generator.
        shown: the images by their class.
        classes: the same classes in label order.
    """

    generator: ImageGenerator
    shown: GivenImages
    classes: tuple[str, ...]
    _aims: dict[tuple[str, int], Aim] = field(default_factory=dict)

    @property
    def method(self) -> str:
        """How last layers are had."""
        return self.generator.method

    @property
    def seed(self) -> int:
        """Of the fit."""
        return self.generator.seed

    @property
    def architecture(self) -> Architecture:
        """Of the networks."""
        return self.generator.architecture

    @property
    def kind(self) -> TaskKind:
        """Their task."""
        return self.generator.kind

    @property
    def fitted_on(self) -> FittedOn:
        """The zoo that the generator was fitted on."""
        return self.generator.fitted_on

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the generator's file."""
        return self.generator.digest

    @property
    def given(self) -> Given:
        """The images, as a zoo keeps them."""
        counts = tuple(len(self.shown.images[name]) for name in self.classes)
        return Given(counts=counts, fingerprint=self.shown.fingerprint)

    def make(self, class_name: str, index: int, *, seed: int = 0) -> dict[str, NDArray[np.float32]]:
        """Make one network: PyTorch name -> float32 [*shape]."""
        key = class_name, seed
        if key not in self._aims:  # threads that come at once all have the same one
            self._aims[key] = self.generator.aim(self.shown.images[class_name], seed)
        return self.generator.make(self._aims[key], index, class_name)


def conditioned(
    generator: ImageGenerator, given: GivenImages, order: tuple[str, ...] | None = None
) -> Conditioned:
    """Give images to a generator.

    Args:
        generator: the generator.
        given: the images.
        order: classes in label order, all of the given ones among them; None for by name.

    Raises:
        GenerationError: the images have another shape than the networks take.
    """
    shape = next(iter(given.images.values())).shape[1:]
    if shape != generator.architecture.input_shape:
        raise GenerationError(
            f"given images '{given.name}': expected the networks' shape "
            f"{generator.architecture.input_shape}, got {shape}; read them with that size"
        )
    names = given.class_names
    classes = names if order is None else tuple(name for name in order if name in names)
    return Conditioned(generator=generator, shown=given, classes=classes)


def generate_from_images(
    generator: ImageGenerator,
    given: GivenImages,
    folder: str | Path,
    *,
    networks_per_class: int,
    images: ImageSet | None = None,
    seed: int = 0,
    meter: Meter | None = None,
    workers: int = 0,
) -> Zoo:
    """Make a zoo of networks of classes that none was trained on, from images of them.

    Otherwise as `generate_zoo`: what the folder holds is kept, more networks grow the zoo.

    Args:
        generator: what makes the networks.
        given: images of every class, as `load_given` reads them.
        folder: the zoo's folder; made if it is not there.
        networks_per_class: how many networks of every class.
        images: the networks are evaluated on their validation split, if they have all of the
            classes, which are found by name; else, or without any, networks have no metrics.
        seed: of the sample.
        meter: is told of progress: networks on disk, and networks of the complete zoo.
        workers: threads that make networks; 0 for one a core.

    Returns:
        The complete zoo, opened.

    Raises:
        GenerationError: images have another shape than the networks take, or a number is out of
            bounds.
        ZooMismatchError: the folder holds something else.
        ZooLockedError: another run writes to the folder.
        ZooWriteError: the disk refused; finished parts are kept.
    """
    on = asked_of(generator, given, images)
    return write_generated(
        conditioned(generator, given, on.classes),
        folder,
        networks_per_class=networks_per_class,
        on=on,
        seed=seed,
        meter=meter,
        workers=workers,
    )


def asked_of(generator: ImageGenerator, given: GivenImages, images: ImageSet | None) -> Asked:
    """The images to evaluate networks on, where they have the given classes.

    Raises:
        GenerationError: they have another shape than the networks take.
    """
    if images is not None and not set(given.class_names) - set(images.class_names):
        if images.image_shape != generator.architecture.input_shape:
            raise GenerationError(
                f"images '{images.name}': expected the networks' shape "
                f"{generator.architecture.input_shape}, got {images.image_shape}"
            )
        return asked(images)
    seen = generator.image_classes
    new = [name for name in given.class_names if name not in seen]
    name = f"{generator.fitted_on.images_name} and given images"
    return Asked(images=None, name=name, classes=(*seen, *new))


def met_again(given: GivenImages, images: ImageSet) -> int:
    """How many validation images are among the given ones, pixel for pixel."""
    known = {image.tobytes() for own in given.images.values() for image in own}
    return sum(image.tobytes() in known for image in images.validation_images)
