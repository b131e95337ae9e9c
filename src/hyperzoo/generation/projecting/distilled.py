"""One network that answers as the training networks of a class do: on average, and as they differ.

The networks of a class answer to images by their mean logits, and differ from these in some ways:
the principal components of their deviations. A network is distilled that has all of that in it.
Without a code it answers by the mean; a code, a standard normal number a way, moves it along the
ways. The code scales and shifts what the hidden units sum up, and moves the weights of the last
layer, so that the network of a code is an ordinary network of the same architecture.

After Hinton, Vinyals and Dean, "Distilling the knowledge in a neural network", 2015, with
regression of logits as in Ba and Caruana, "Do deep nets really need to be deep?", 2014; codes
enter as in Perez et al., "FiLM: visual reasoning with a general conditioning layer", 2018.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hyperzoo.architectures import Architecture
from hyperzoo.architectures.forward import Pass
from hyperzoo.architectures.layers import Conv2d, Dense
from hyperzoo.architectures.steps import Step
from hyperzoo.generation.behaviour import pixels

RATE = 2e-3
"""Adam's learning rate at the start; it falls to zero by a half cosine."""


@dataclass(frozen=True, kw_only=True)
class Targets:
    """What is to be distilled.

    Attributes:
        mean: float32 [image, output], the mean logits of the training networks.
        ways: float32 [way, image, output], the principal components of what they differ by, each
            as long as a standard deviation along it.
        lengths: name of a weight or bias -> the mean squared length that training networks' have.
    """

    mean: Tensor
    ways: Tensor
    lengths: Mapping[str, float]


def summing_steps(architecture: Architecture) -> tuple[Step, ...]:
    """The convolutions and dense layers in their order; the last gives the logits."""
    return tuple(step for step in architecture.steps if isinstance(step.layer, Conv2d | Dense))


def learned_shapes(architecture: Architecture, codes: int) -> dict[str, tuple[int, ...]]:
    """What is learned of a class: name -> shape.

    The network's tensors under "network.", and what codes do to it: "gain." and "shift." of the
    hidden layers, "head" and "head_shift" of the last.
    """
    shapes = {f"network.{p.name}": p.shape for p in architecture.parameters}
    *hidden, last = summing_steps(architecture)
    sizes = {p.name: p.shape for p in architecture.parameters}
    for step in hidden:
        units = sizes[f"{step.name}.weight"][0]
        shapes[f"gain.{step.name}"] = (codes, units)
        if f"{step.name}.bias" in sizes:
            shapes[f"shift.{step.name}"] = (codes, units)
    shapes["head"] = (codes, *sizes[f"{last.name}.weight"])
    if f"{last.name}.bias" in sizes:
        shapes["head_shift"] = (codes, architecture.outputs)
    return shapes


def is_of_codes(name: str) -> bool:
    """Whether a learned tensor says what codes do, a row a code."""
    return name.startswith(("gain.", "shift.", "head"))


def network_of(
    architecture: Architecture, learned: Mapping[str, Tensor], code: Tensor
) -> dict[str, Tensor]:
    """The network of a code [way] as an ordinary one: PyTorch name -> tensor."""
    network = {p.name: learned[f"network.{p.name}"] for p in architecture.parameters}
    *hidden, last = summing_steps(architecture)
    for step in hidden:
        gain = 1 + code @ learned[f"gain.{step.name}"]
        weight = network[f"{step.name}.weight"]
        network[f"{step.name}.weight"] = weight * gain.view(-1, *(1,) * (weight.ndim - 1))
        if f"shift.{step.name}" in learned:
            shift = code @ learned[f"shift.{step.name}"]
            network[f"{step.name}.bias"] = network[f"{step.name}.bias"] * gain + shift
    head = torch.tensordot(code, learned["head"], dims=1)
    network[f"{last.name}.weight"] = network[f"{last.name}.weight"] + head
    if "head_shift" in learned:
        network[f"{last.name}.bias"] = network[f"{last.name}.bias"] + code @ learned["head_shift"]
    return network


def with_codes(
    architecture: Architecture,
    network: Mapping[str, NDArray[np.float32]],
    targets: Targets,
    images: NDArray[np.uint8],
    batches: Iterator[NDArray[np.int64]],
    steps: int,
    generator: np.random.Generator,
    tell: Callable[[], None],
) -> dict[str, Tensor]:
    """Fit codes that move a network, which answers by the mean, along the ways.

    The network stays as it is: fitted together, codes cost it half of its precision. Codes are
    drawn anew for every image of every step.

    Args:
        architecture: of the network.
        network: PyTorch name -> tensor.
        targets: what it should answer.
        images: uint8 [image, height, width, channel], those of the targets.
        batches: gives the rows of one step's images after another.
        steps: how many.
        generator: draws the codes.
        tell: is called after every step.

    Returns:
        Name -> tensor, as `learned_shapes` says.
    """
    codes = len(targets.ways)
    learned = {
        name: torch.zeros(shape) for name, shape in learned_shapes(architecture, codes).items()
    }
    for name, weights in network.items():
        learned[f"network.{name}"] = torch.from_numpy(weights.copy())

    def loss_of_ways() -> Tensor:
        rows = next(batches)
        drawn = torch.from_numpy(generator.standard_normal((len(rows), codes), np.float32))
        wanted = targets.mean[rows] + torch.einsum("nd,dno->no", drawn, targets.ways[:, rows])
        said = _Coded(architecture, learned, drawn).run(pixels(images[rows]))
        missed = (said - wanted).square().mean()
        return missed + _excess(architecture, learned, targets.lengths)

    of_codes = [tensor for name, tensor in learned.items() if is_of_codes(name)]
    _fit(of_codes, loss_of_ways, steps, tell)
    return learned


def _fit(
    tensors: list[Tensor], draw_loss: Callable[[], Tensor], steps: int, tell: Callable[[], None]
) -> None:
    """Adam on some tensors, in place; the loss is that of a batch drawn anew."""
    for tensor in tensors:
        tensor.requires_grad_()
    optimizer = torch.optim.Adam(tensors, lr=RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        loss = draw_loss()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        tell()
    for tensor in tensors:
        tensor.requires_grad_(False)


class _Coded(Pass):
    """A pass in which every image has a code of its own."""

    def __init__(
        self, architecture: Architecture, learned: Mapping[str, Tensor], codes: Tensor
    ) -> None:
        network = {p.name: learned[f"network.{p.name}"] for p in architecture.parameters}
        super().__init__(architecture, network)
        self._learned, self._codes = learned, codes
        self._last = summing_steps(architecture)[-1].name

    def sums(self, step: Step, values: Tensor) -> Tensor:
        sums = super().sums(step, values)
        if step.name == self._last:
            head = torch.tensordot(self._codes, self._learned["head"], dims=1)
            sums = sums + torch.einsum("nof,nf->no", head, values.flatten(1))
            shift = self._learned.get("head_shift")
            return sums if shift is None else sums + self._codes @ shift
        axes = (len(sums), -1, *(1,) * (sums.ndim - 2))
        sums = sums * (1 + self._codes @ self._learned[f"gain.{step.name}"]).view(axes)
        shift = self._learned.get(f"shift.{step.name}")
        return sums if shift is None else sums + (self._codes @ shift).view(axes)


def _excess(
    architecture: Architecture, learned: Mapping[str, Tensor], lengths: Mapping[str, float]
) -> Tensor:
    """By what part weights and biases are, over all codes, longer than training networks'."""
    excess = torch.zeros(())
    last = summing_steps(architecture)[-1].name
    for name, length in lengths.items():
        if not length:
            continue
        own, (step, kind) = learned[f"network.{name}"], name.rsplit(".", 1)
        moved = own.square().sum()
        if step == last:
            moves = learned.get("head" if kind == "weight" else "head_shift")
            moved = moved if moves is None else moved + moves.square().sum()
        elif f"gain.{step}" in learned:
            gains = learned[f"gain.{step}"]
            moves = (
                gains.flatten(1) * own.flatten(1).square().sum(dim=1).sqrt()
                if own.ndim > 1
                else (gains * own + learned[f"shift.{step}"])
            )
            moved = moved + moves.square().sum()
        excess = excess + (moved / length - 1).relu()
    return excess
