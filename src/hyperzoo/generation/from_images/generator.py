"""From images of a class to networks that detect it."""

from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hyperzoo.architectures import Architecture
from hyperzoo.cores import one_thread
from hyperzoo.errors import GenerationError
from hyperzoo.generation.behaviour import pixels
from hyperzoo.generation.draw import Draw
from hyperzoo.generation.from_images.heads import (
    Array,
    Seen,
    Writer,
    by_boundary,
    by_density,
    by_retrieval,
    chosen_shrinkage,
)
from hyperzoo.generation.from_images.trunk import distil_trunk, features
from hyperzoo.generation.methods.distilled import summing_steps
from hyperzoo.generation.methods.looks import Look, drawn, learned_looks, looks_of
from hyperzoo.generation.methods.solving import solve
from hyperzoo.generation.methods.unseen import moved
from hyperzoo.generation.training_set import check_images
from hyperzoo.images import ImageSet
from hyperzoo.zoo import Trained, Zoo

Head = Literal["boundary", "density", "writer", "retrieval"]
HEADS: tuple[Head, ...] = get_args(Head)
"""Ways to have the last layer of a class: see `heads.py`."""

COPIES, REFERENCES = 4, 256
"""Moved copies of every given image; images on which fresh weights are given their function."""

MOST_SEEN = 4000
"""Seen images whose features are kept."""

SPREAD, HIGH = 4.0, 0.95
"""Standard deviation of logits for seen images, and the quantile of these that counts as high."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ImageGenerator:
    """Makes networks of a class from images of it.

    Attributes:
        architecture: of the networks; they have one output.
        head: how the last layer is had.
        trunk: PyTorch name -> tensor, of a network with an output for every seen task.
        wide: that network's architecture.
        seen: features of images of seen classes.
        references: some of these images, [image, channel, height, width].
        lengths: PyTorch name -> mean squared length in the zoo's networks.
        looks: PyTorch name -> what their weights look like.
        shrinkage: of the density.
        writer: of last layers.
    """

    architecture: Architecture
    head: Head
    trunk: dict[str, Tensor]
    wide: Architecture
    seen: Seen
    references: Tensor
    lengths: dict[str, float]
    looks: dict[str, Look]
    shrinkage: float
    writer: Writer

    def by(self, head: Head) -> "ImageGenerator":
        """The same with the last layer had in another way."""
        return replace(self, head=head)

    def features(self, images: NDArray[np.uint8]) -> Array:
        """The trunk's features of images: float64 [image, feature]."""
        return features(self.wide, self.trunk, pixels(images))

    def sample(
        self, images: NDArray[np.uint8], count: int, *, seed: int = 0
    ) -> dict[str, NDArray[np.float32]]:
        """Make networks that say yes to a class.

        Every network is a fresh initialisation, given the function of the trunk with the class's
        last layer (`methods/solving.py`); network k follows from generator, images, seed and k.

        Args:
            images: uint8 [image, height, width, channel], of the class, one or more; their order
                changes nothing but what follows from moving each by a pixel.
            count: how many networks, 1 or more.
            seed: of the sample.

        Returns:
            PyTorch name -> float32 [network, *shape].

        Raises:
            GenerationError: the images are of another shape or there are none, or count is not 1
                or more.
        """
        shape = self.architecture.input_shape
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
        if count < 1:
            raise GenerationError(f"count: expected 1 or more, got {count}")
        with one_thread(), torch.no_grad():
            aim = self._aim(images, seed)
            made = [self._made(aim, images, Draw(seed, "given images", k)) for k in range(count)]
        return {
            p.name: np.stack([own[p.name].numpy() for own in made])
            for p in self.architecture.parameters
        }

    def last_layer(self, images: NDArray[np.uint8], seed: int = 0) -> tuple[Array, float]:
        """Weights [feature] and bias of the class's last layer."""
        generator = np.random.default_rng([seed, 1])
        copies = [images, *(moved(images, generator, 1) for _ in range(COPIES))]
        positives = self.features(np.concatenate(copies))
        match self.head:
            case "boundary":
                weights = by_boundary(positives, self.seen)
            case "density":
                weights = by_density(positives, self.seen, self.shrinkage)
            case "writer":
                weights = self.writer.head(positives)
            case "retrieval":
                last = summing_steps(self.wide)[-1].name
                heads, biases = (self.trunk[f"{last}.{kind}"] for kind in ("weight", "bias"))
                weights = by_retrieval(positives, heads.double().numpy(), biases.double().numpy())
        weights = weights * SPREAD / ((self.seen.values @ weights).std() + 1e-12)
        # Zero lies half way between what few seen images reach and what the given ones have.
        high = np.quantile(self.seen.values @ weights, HIGH)
        return weights, -float((high + (positives @ weights).mean()) / 2)

    def _aim(self, images: NDArray[np.uint8], seed: int) -> dict[str, Tensor]:
        last = summing_steps(self.architecture)[-1].name
        weights, bias = self.last_layer(images, seed)
        own = {
            f"{last}.weight": torch.from_numpy(weights).float().view(1, -1),
            f"{last}.bias": torch.tensor([bias], dtype=torch.float32),
        }
        return {p.name: own.get(p.name, self.trunk[p.name]) for p in self.architecture.parameters}

    def _made(
        self, aim: dict[str, Tensor], images: NDArray[np.uint8], draw: Draw
    ) -> dict[str, Tensor]:
        start = {
            name: torch.from_numpy(own)
            for name, own in draw.initial_parameters(self.architecture).items()
        }
        for p in self.architecture.parameters:
            if p.is_bias and p.is_trained:  # training leaves them all different
                numbers = drawn(self.looks[p.name], draw.uniforms(p.name, p.size))
                start[p.name] = numbers.view(p.shape)
        shown = torch.cat([self.references, pixels(images)])
        none = torch.zeros(len(shown), 1)
        return solve(self.architecture, start, aim, shown, self.lengths, self.looks, none)


def fit(zoo: Zoo, *, images: ImageSet, head: Head = "boundary", seed: int = 0) -> ImageGenerator:
    """Fit a generator of networks from images on a zoo of subsets.

    Args:
        zoo: a zoo of kind "subset-vs-rest" or "one-vs-all" that a recipe trained.
        images: the zoo's images, without classes that it excludes.
        head: how last layers are had.
        seed: of what the fit draws.

    Raises:
        GenerationError: the zoo has networks with several outputs, without a bias in the last
            layer, without a recipe or with an activation drawn, or none; or the images are others.
    """
    check_images(zoo, images)
    origin, architecture = zoo.origin, zoo.architecture
    if zoo.kind == "multi-class" or not isinstance(origin, Trained) or not len(zoo):
        raise GenerationError(
            f"{zoo.path}: networks from images are fitted on networks with one output that a "
            "recipe trained; give a zoo of kind subset-vs-rest"
        )
    last = summing_steps(architecture)[-1].name
    if origin.recipe.vary.activation is not None or f"{last}.bias" not in {
        p.name for p in architecture.parameters
    }:
        raise GenerationError(
            f"{zoo.path}: networks from images need one activation for all networks and a bias in "
            "the last layer; give another zoo"
        )
    wide = origin.recipe.network(len(zoo.classes))
    generator = np.random.default_rng(seed)
    with one_thread():
        trunk = distil_trunk(zoo, wide, images, generator)
        weights = {p.name: zoo.weights(p.name) for p in architecture.parameters}
        looks = {key: torch.from_numpy(own) for key, own in learned_looks(weights).items()}
        some = np.sort(generator.permutation(len(images.train_images))[:MOST_SEEN])
        shown = moved(images.train_images[some], generator, 1)
        seen = Seen(values=features(wide, trunk, pixels(shown)), labels=images.train_labels[some])
        return ImageGenerator(
            architecture=architecture,
            head=head,
            trunk=trunk,
            wide=wide,
            seen=seen,
            references=pixels(shown[generator.permutation(len(shown))[:REFERENCES]]),
            lengths={
                p.name: float(np.square(weights[p.name], dtype=np.float64).sum() / len(zoo))
                for p in architecture.parameters
            },
            looks=looks_of(architecture, looks),
            shrinkage=chosen_shrinkage(seen, generator),
            writer=Writer(seen, generator),
        )
