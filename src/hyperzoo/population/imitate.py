"""Trains one network to answer as it is told: with given logits in place of classes."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, islice
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from hyperzoo.architectures import Architecture
from hyperzoo.architectures.layers import BatchNorm, Dropout
from hyperzoo.errors import ImageError
from hyperzoo.population.engine import Parameters
from hyperzoo.population.flat import by_name, flat_of

SHORTENED_EVERY = 10
"""Steps after which tensors that have become too long are shortened."""


@dataclass(frozen=True, eq=False)
class _Lesson:
    """What is to be learned, as `imitate` takes it."""

    architecture: Architecture
    start: Parameters
    images: NDArray[np.uint8]
    logits: NDArray[np.float32]


class _Learner(Protocol):
    """A network that is learning."""

    def step(self, rows: NDArray[np.int64], rate: float) -> None:
        """One step of Adam on some images."""

    def get(self) -> dict[str, NDArray[np.float32]]:
        """Its weights: PyTorch name -> copy."""

    def set(self, parameters: Parameters) -> None:
        """Give it others, from which it learns on."""


def imitate(
    architecture: Architecture,
    start: Parameters,
    images: NDArray[np.uint8],
    logits: NDArray[np.float32],
    batches: Iterator[NDArray[np.int64]],
    *,
    steps: int,
    rate: float,
    longest: Mapping[str, float],
    tell: Callable[[], None] = lambda: None,
) -> dict[str, NDArray[np.float32]]:
    """Train one network by the mean square of what its logits miss, on one core.

    By Adam, with a learning rate that falls to zero by a half cosine. Running statistics stay as
    they are, and nothing is dropped. The native kernels compute it where they were built and run
    the architecture, PyTorch otherwise; that is the same but for rounding.

    After Ba and Caruana, "Do deep nets really need to be deep?", 2014.

    Args:
        architecture: the network's.
        start: the weights that it starts from.
        images: uint8 [image, height, width, channel].
        logits: float32 [image, output], what is wanted.
        batches: gives the rows of one step's images after another, all of one length.
        steps: how many.
        rate: the learning rate at the start.
        longest: PyTorch name -> the largest sum of squares that a tensor may have.
        tell: is called after every step.

    Returns:
        PyTorch name -> float32 [*shape].

    Raises:
        ImageError: the images have another shape than the network takes, or other logits.
    """
    expected = (len(images), *architecture.input_shape), (len(images), architecture.outputs)
    if (images.shape, logits.shape) != expected:
        raise ImageError(
            f"expected images and logits of shapes {expected[0]} and {expected[1]}, got "
            f"{images.shape} and {logits.shape}"
        )
    lesson = _Lesson(architecture, start, images, np.ascontiguousarray(logits, np.float32))
    if not steps:
        return {name: tensor.copy() for name, tensor in start.items()}
    first = next(batches)
    learner = _learner(lesson, len(first))
    for number, rows in enumerate(islice(chain([first], batches), steps)):
        learner.step(rows, rate * (1 + np.cos(np.pi * number / steps)) / 2)
        if number % SHORTENED_EVERY == SHORTENED_EVERY - 1 or number == steps - 1:
            _shorten(learner, longest)
        tell()
    return learner.get()


def _shorten(learner: _Learner, longest: Mapping[str, float]) -> None:
    now, changed = learner.get(), False
    for name, most in longest.items():
        squares = float(np.square(now[name], dtype=np.float64).sum())
        if squares > most:
            now[name], changed = now[name] * np.float32((most / squares) ** 0.5), True
    if changed:
        learner.set(now)


def _learner(lesson: _Lesson, batch: int) -> _Learner:
    from hyperzoo.population.native import NativeEngine

    # In training the kernels normalise by the batch, and drop.
    steps = lesson.architecture.steps
    plain = not any(isinstance(step.layer, BatchNorm | Dropout) for step in steps)
    if plain and NativeEngine.unsupported(lesson.architecture) is None:
        return _Native(lesson, batch)
    return _Torch(lesson)


class _Native:
    """By the native kernels."""

    def __init__(self, lesson: _Lesson, batch: int) -> None:
        from hyperzoo.population.native.description import describe
        from hyperzoo.population.native.library import Network

        self._architecture, self._logits = lesson.architecture, lesson.logits
        self._images, self._sums = np.ascontiguousarray(lesson.images), np.zeros(2)
        self._network = Network(describe(lesson.architecture), batch)
        self._network.load(flat_of(lesson.architecture, lesson.start))

    def step(self, rows: NDArray[np.int64], rate: float) -> None:
        self._network.train(self._images, self._logits, rows, 0, len(rows), rate, 1e9, self._sums)

    def get(self) -> dict[str, NDArray[np.float32]]:
        return by_name(self._architecture, self._network.save())

    def set(self, parameters: Parameters) -> None:
        self._network.replace(flat_of(self._architecture, parameters))


class _Torch:
    """By PyTorch."""

    def __init__(self, lesson: _Lesson) -> None:
        import torch

        self._architecture = lesson.architecture
        self._images, self._logits = torch.tensor(lesson.images), torch.tensor(lesson.logits)
        self._weights = {name: torch.tensor(tensor) for name, tensor in lesson.start.items()}
        trained = [self._weights[p.name] for p in lesson.architecture.parameters if p.is_trained]
        for tensor in trained:
            tensor.requires_grad_()
        # Epsilon as the kernels add it, but for the correction of the first steps.
        self._optimizer = torch.optim.Adam(trained, eps=1e-7)

    def step(self, rows: NDArray[np.int64], rate: float) -> None:
        from hyperzoo.architectures.forward import forward

        # Channels stay innermost in memory, which suits convolutions on a CPU.
        pixels = self._images[rows].float().div_(255.0).movedim(-1, -3)
        said = forward(self._architecture, self._weights, pixels)
        loss = (said - self._logits[rows]).square().mean()
        self._optimizer.param_groups[0]["lr"] = rate
        self._optimizer.zero_grad()
        loss.backward()
        self._optimizer.step()

    def get(self) -> dict[str, NDArray[np.float32]]:
        return {name: tensor.detach().numpy().copy() for name, tensor in self._weights.items()}

    def set(self, parameters: Parameters) -> None:
        import torch

        with torch.no_grad():
            for name, tensor in self._weights.items():
                tensor.copy_(torch.tensor(parameters[name]))
