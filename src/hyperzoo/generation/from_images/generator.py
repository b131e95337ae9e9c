"""From images of a class to networks that detect it."""

import reprlib
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hyperzoo.errors import ArchitectureError, GenerationError, did_you_mean
from hyperzoo.generation.behaviour import pixels
from hyperzoo.generation.draw import Draw
from hyperzoo.generation.from_images.heads import Array, by_boundary, by_density, by_retrieval
from hyperzoo.generation.from_images.knowledge import Knowledge, check, knowledge_of
from hyperzoo.generation.from_images.trunk import features
from hyperzoo.generation.projecting.distilled import summing_steps
from hyperzoo.generation.projecting.looks import Look, drawn
from hyperzoo.generation.projecting.solving import solve
from hyperzoo.generation.projecting.unseen import moved
from hyperzoo.generation.registry import FROM_IMAGES
from hyperzoo.generation.stored import (
    Fitted,
    Given,
    class_names,
    computing,
    open_generator,
    parsed,
    whole_number,
)

COPIES = 4
"""Moved copies of every given image."""

SPREAD, HIGH = 4.0, 0.95
"""Standard deviation of logits for seen images, and the quantile of these that counts as high."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ImageGenerator(Fitted):
    """Makes networks of a class from images of it.

    Its `method` is how the last layer is had, one of `FROM_IMAGES`; its `image_classes` are the
    classes that it has seen.

    Attributes:
        left_out: classes of which the zoo that it was fitted on has seen no image.
    """

    left_out: tuple[str, ...] = ()
    takes: ClassVar[Given | None] = "images"

    def own_facts(self) -> dict[str, Any]:
        """What the file says of this kind of generator beside what it says of all."""
        return {"left_out": list(self.left_out)}

    @cached_property
    def knowledge(self) -> Knowledge:
        """What it has learned."""
        return knowledge_of(self.state, self.architecture)

    @cached_property
    def _looks(self) -> dict[str, Look]:
        return self.knowledge.looks(self.architecture)

    def by(self, head: str) -> "ImageGenerator":
        """The same with the last layer had in another way.

        Raises:
            GenerationError: there is no such way.
        """
        return replace(self, method=known_head(head))

    def features(self, images: NDArray[np.uint8]) -> Array:
        """The trunk's features of images: float64 [image, feature]."""
        return features(self.knowledge.wide, self.knowledge.trunk, pixels(images))

    def sample(
        self, images: NDArray[np.uint8], count: int, *, seed: int = 0
    ) -> dict[str, NDArray[np.float32]]:
        """Make networks that say yes to a class.

        Every network is a fresh initialisation, given the function of the trunk with the class's
        last layer (`projecting/solving.py`); network k follows from generator, images, seed and k.

        Args:
            images: uint8 [image, height, width, channel], of the class, one or more; their order
                changes nothing.
            count: how many networks, 1 or more.
            seed: of the sample.

        Returns:
            PyTorch name -> float32 [network, *shape].

        Raises:
            GenerationError: the images are of another shape or there are none, or count or seed
                is out of bounds.
        """
        count = whole_number("count", count, 1)
        aim = self.aim(images, seed)
        made = [self.make(aim, k) for k in range(count)]
        return {
            p.name: np.stack([own[p.name] for own in made]) for p in self.architecture.parameters
        }

    def aim(self, images: NDArray[np.uint8], seed: int = 0) -> "Aim":
        """What networks of a class are made to do; see `sample`."""
        seed = whole_number("seed", seed)
        shape = self.architecture.input_shape
        if not isinstance(images, np.ndarray):
            raise GenerationError(
                f"images: expected one or more uint8 images of shape {shape}, got "
                f"{reprlib.repr(images)}"
            )
        if (
            images.dtype != np.uint8
            or images.ndim != 4
            or images.shape[1:] != shape
            or not len(images)
        ):
            raise GenerationError(
                f"images: expected one or more uint8 images of shape {shape}, got {images.dtype} "
                f"{images.shape}"
            )
        last, images = summing_steps(self.architecture)[-1].name, by_content(images)
        with computing():
            weights, bias = self.last_layer(images, seed)
        own = {
            f"{last}.weight": torch.from_numpy(weights).float().view(1, -1),
            f"{last}.bias": torch.tensor([bias], dtype=torch.float32),
        }
        trunk = self.knowledge.trunk
        names = [p.name for p in self.architecture.parameters]
        network = {name: own[name] if name in own else trunk[name] for name in names}
        shown = torch.cat([pixels(self.knowledge.references), pixels(images)])
        return Aim(network=network, shown=shown, seed=seed)

    def make(
        self, aim: "Aim", index: int, class_name: str = "given images"
    ) -> dict[str, NDArray[np.float32]]:
        """Make one network of a class: PyTorch name -> float32 [*shape]; see `sample`.

        Args:
            aim: what it is to do.
            index: which of the networks of that aim.
            class_name: what it is called; of other classes, other random numbers are drawn.
        """
        draw = Draw(aim.seed, class_name, whole_number("index", index))
        start = {
            name: torch.from_numpy(own)
            for name, own in draw.initial_parameters(self.architecture).items()
        }
        for p in self.architecture.parameters:
            if p.is_bias and p.is_trained:  # training leaves them all different
                numbers = drawn(self._looks[p.name], draw.uniforms(p.name, p.size))
                start[p.name] = numbers.view(p.shape)
        lengths, none = self.knowledge.lengths, torch.zeros(len(aim.shown), 1)
        with computing():
            made = solve(
                self.architecture, start, aim.network, aim.shown, lengths, self._looks, none
            )
        # Copies, for some of it is the trunk's own.
        copies = {name: own.numpy().copy() for name, own in made.items()}
        return self.sound(copies, f"{class_name}_{index}")

    def last_layer(self, images: NDArray[np.uint8], seed: int = 0) -> tuple[Array, float]:
        """Weights [feature] and bias of the class's last layer."""
        generator, known = np.random.default_rng([seed, 1]), self.knowledge
        images = by_content(images)
        copies = [images, *(moved(images, generator, 1) for _ in range(COPIES))]
        positives = self.features(np.concatenate(copies))
        match self.method:
            case "density":
                weights = by_density(positives, known.seen, known.shrinkage)
            case "writer":
                weights = known.writer.head(positives)
            case "steps":
                weights = known.stepper.head(positives)
            case "retrieval":
                last = summing_steps(known.wide)[-1].name
                heads, biases = (known.trunk[f"{last}.{kind}"] for kind in ("weight", "bias"))
                weights = by_retrieval(positives, heads.double().numpy(), biases.double().numpy())
            case _:
                weights = by_boundary(positives, known.seen)
        weights = weights * SPREAD / ((known.seen.values @ weights).std() + 1e-12)
        # Zero lies half way between what few seen images reach and what the given ones have.
        high = np.quantile(known.seen.values @ weights, HIGH)
        return weights, -float((high + (positives @ weights).mean()) / 2)


def by_content(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Images in an order that follows from what they show, so that a set is meant, not a list."""
    return images[sorted(range(len(images)), key=lambda place: images[place].tobytes())]


@dataclass(frozen=True, kw_only=True, eq=False)
class Aim:
    """What the networks of a class are made to do.

    Attributes:
        network: PyTorch name -> tensor: the trunk with the class's last layer.
        shown: [image, channel, height, width], images on which others are given its function.
        seed: of the sample.
    """

    network: dict[str, Tensor]
    shown: Tensor = field(repr=False)
    seed: int


def known_head(name: str) -> str:
    """The name of a way to have the last layer.

    Raises:
        GenerationError: there is none of that name.
    """
    if name not in FROM_IMAGES:
        raise GenerationError(
            f"no method '{name}' of networks from images{did_you_mean(str(name), FROM_IMAGES)} "
            f"(there are: {', '.join(FROM_IMAGES)})"
        )
    return name


def load_image_generator(path: str | Path) -> ImageGenerator:
    """Read a generator that `ImageGenerator.save` wrote; nothing in the file is taken on trust.

    Raises:
        GenerationError: there is no such file, or it holds no generator that this version knows,
            or one that takes no images.
        ZooFormatError: the file is damaged.
    """
    path = Path(path)
    file = open_generator(path, "images", "hyperzoo generate ZOO --images-of FOLDER --save FILE")
    try:
        found = parsed(file, "images")
        left_out = class_names(file.metadata, "left_out", 0)
        generator = ImageGenerator(**found, left_out=left_out)
        known_head(generator.method)
        if both := [*generator.classes, *set(left_out) & set(generator.image_classes)]:
            raise GenerationError(f"classes: '{both[0]}' is not one of which images were seen")
        check(generator.state, generator.architecture, len(generator.image_classes))
    except (ArchitectureError, GenerationError, ValueError) as error:
        raise GenerationError(f"{path}: not a generator that can be used: {error}") from None
    return generator
