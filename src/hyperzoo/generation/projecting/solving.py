"""Fresh initial weights, changed as little as gives them the function of another network.

Layer by layer: what a layer sums up should be what the aim's sums up, on some images, given what
arrives from the layers before, which have been solved already. Of all weights that do so to within
a ridge the nearest to the start is taken. A start differs from it only where what arrives varies;
in all other directions, which are most, weights stay the random numbers that they were. Of these
the scale is chosen by which the tensor is as long as it should be.

With inputs A, the aim's sums less the biases Z, and the start W0, that is
W = (Z'A + r W0)(A'A + r)^-1: ridge regression towards W0 (Hoerl and Kennard, "Ridge regression",
1970). Biases stay as they are drawn.

Such weights do what they should, and do not look as trained ones do (`looks.py`). So they are moved
to what these look like, and the nearest weights of the right function are taken again, and so on:
projections in turn. The last layer, which has few weights, starts from the aim's.

Networks of the same aim should differ in what they do. So noise can be asked for: what a layer
should sum up is disturbed before it is solved.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from hyperzoo.architectures import Architecture
from hyperzoo.architectures.layers import Conv2d
from hyperzoo.architectures.steps import Step
from hyperzoo.generation.projecting.distilled import summing_steps
from hyperzoo.generation.projecting.looks import Look, looking_alike
from hyperzoo.generation.projecting.quick_pass import QuickPass

RIDGE = 1e-3
"""The ridge of all layers where none is asked for, in parts of the mean square of what arrives."""

WIDE = 0.01
"""From such a ridge on the systems are solved in float32: no larger than 1 by inputs over ridge is
what rounding is multiplied by, which leaves three digits of what the ridge itself takes."""

NOISE_RIDGE = 3.0
"""The ridge of noise, in the same parts. A smaller one lets noise act in more directions, and makes
weights longer than trained ones (docs/generation.md)."""

POSITIONS = 2048
"""Of a convolution, how many positions in all images are looked at."""

MOST_STRETCH = 10.0
"""What is left of the start is multiplied by this at most."""

TURNS = 2
"""How often weights are moved to what trained ones look like."""


@dataclass(frozen=True)
class Noise:
    """What a network does beside the function that it is given.

    Attributes:
        size: of what a layer sums up, in parts of its standard deviation over images.
        normals: of a purpose and a shape, normal numbers.
    """

    size: float
    normals: Callable[[str, tuple[int, ...]], Tensor]


def solve(
    architecture: Architecture,
    start: Mapping[str, Tensor],
    aim: Mapping[str, Tensor],
    images: Tensor,
    lengths: Mapping[str, float],
    looks: Mapping[str, Look],
    corrections: Tensor,
    noise: Noise | None = None,
    ridge: float = RIDGE,
) -> dict[str, Tensor]:
    """Give a start the function of an aim, more or less.

    Args:
        architecture: of both.
        start: PyTorch name -> tensor; of the last layer, the bias alone.
        aim: PyTorch name -> tensor; its batch normalisations are taken over as they are.
        images: [image, channel, height, width] in [0, 1].
        lengths: name of a weight -> the squared length that it should have.
        looks: name of a weight -> what trained ones look like; weights without one are not moved.
        corrections: [image, output], by what the logits should be beside the aim's.
        noise: what is done beside the aim's function.
        ridge: a wider one keeps more of the start, and gives the function less exactly.

    Returns:
        PyTorch name -> tensor.
    """
    aimed = _Aimed(architecture, aim)
    aimed.run(images)
    aimed.sums_of[summing_steps(architecture)[-1].name] += corrections
    solving = _Solving(architecture, start, aim, aimed.sums_of, lengths, looks, noise, ridge)
    solving.run(images)
    return solving.weights


class _Arriving:
    """What arrives at a layer, ready for regressions.

    Args:
        arriving: [sample, input].

    Attributes:
        numbers: the same.
        mean_square: the square sum of an input over all samples, the mean of inputs.
        by_samples: whether there are fewer samples than inputs.
        products: inner products of the samples or of the inputs, whichever are fewer.
            They are summed up in float32, which is off by far less than any ridge.
    """

    def __init__(self, arriving: Tensor) -> None:
        self.numbers = arriving.contiguous()
        count, inputs = arriving.shape
        self.mean_square = float(self.numbers.square().sum(dtype=torch.float64)) / inputs
        self.by_samples = count < inputs
        rows = self.numbers if self.by_samples else self.numbers.T
        self.products = rows @ rows.T


def _disturbed(wanted: Tensor, arriving: _Arriving, noise: float, normals: Tensor) -> Tensor:
    """What is wanted [sample, unit], and weights drawn at random do beside it.

    Normal weights would do little but what the one direction says in which inputs vary most. These
    are weights by which a layer comes near to noise, so that other directions count as well.
    """
    beside = arriving.numbers @ _Ridge(arriving, normals, NOISE_RIDGE).told.T
    size = noise * wanted.std(dim=0) / beside.square().mean(dim=0).sqrt().clamp_min(1e-12)
    return wanted + size * beside


class _Aimed(QuickPass):
    """A pass of the aim, which keeps what its layers sum up at the positions looked at."""

    def __init__(self, architecture: Architecture, aim: Mapping[str, Tensor]) -> None:
        super().__init__(architecture, aim)
        self.sums_of: dict[str, Tensor] = {}

    def sums(self, step: Step, values: Tensor) -> Tensor:
        weight = self._parameters[f"{step.name}.weight"].flatten(1)
        bias = self._parameters.get(f"{step.name}.bias")
        self.sums_of[step.name] = functional.linear(_arriving(step, values), weight, bias)
        return super().sums(step, values)


class _Solving(QuickPass):
    """A pass in which every layer is solved before it sums up."""

    def __init__(
        self,
        architecture: Architecture,
        start: Mapping[str, Tensor],
        aim: Mapping[str, Tensor],
        wanted: Mapping[str, Tensor],
        lengths: Mapping[str, float],
        looks: Mapping[str, Look],
        noise: Noise | None,
        ridge: float,
    ) -> None:
        self.weights = dict(aim)
        super().__init__(architecture, self.weights)
        self._start, self._wanted, self._lengths, self._looks = start, wanted, lengths, looks
        self._last, self._noise = summing_steps(architecture)[-1].name, noise
        self._ridge = ridge

    def sums(self, step: Step, values: Tensor) -> Tensor:
        weight, bias = f"{step.name}.weight", f"{step.name}.bias"
        wanted, is_last = self._wanted[step.name], step.name == self._last
        if bias in self._start:  # stays what was drawn: training moves biases by little
            wanted, self.weights[bias] = wanted - self._start[bias], self._start[bias]
        arriving = _Arriving(_arriving(step, values))
        if self._noise is not None:
            normals = self._noise.normals(f"noise/{step.name}", tuple(wanted.shape))
            wanted = _disturbed(wanted, arriving, self._noise.size, normals)
        ridge = _Ridge(arriving, wanted, self._ridge)
        own = (self.weights if is_last else self._start)[weight]
        if is_last:
            found = ridge.told + ridge.kept(own.flatten(1))
        else:
            length = self._lengths[weight]
            found = ridge.nearest(own.flatten(1), length)
            for _ in range(TURNS if weight in self._looks else 0):
                found = ridge.nearest(looking_alike(found, self._looks[weight]), length)
        self.weights[weight] = found.reshape(own.shape)
        return super().sums(step, values)


class _Ridge:
    """Ridge regression of what is wanted on what arrives, towards any start.

    Args:
        arriving: at a layer.
        wanted: [sample, unit].
        ridge: in parts of the mean square of what arrives.

    Attributes:
        told: [unit, input], the part of the solution that follows from what is wanted.
    """

    def __init__(self, arriving: _Arriving, wanted: Tensor, ridge: float) -> None:
        self._arriving, self._by_samples = arriving.numbers, arriving.by_samples
        self._ridge = ridge * arriving.mean_square or 1.0  # nothing arrives: the start stays
        products = arriving.products.to(
            torch.float32 if ridge >= WIDE else torch.float64, copy=True
        )
        products.diagonal().add_(self._ridge)
        # A factor that there is not, of a damaged generator, gives numbers that are refused later.
        self._factor = torch.linalg.cholesky_ex(products).L
        if self._by_samples:
            told = self._arriving.T @ self._solved(wanted)
        else:
            told = self._solved(self._arriving.T @ wanted)
        self.told = told.T

    def kept(self, start: Tensor) -> Tensor:
        """What is left of a start [unit, input]."""
        columns = start.T
        if self._by_samples:
            left = columns - self._arriving.T @ self._solved(self._arriving @ columns)
        else:
            left = self._ridge * self._solved(columns)
        return left.T

    def _solved(self, columns: Tensor) -> Tensor:
        """Of the system of equations, in its own precision."""
        solution: Tensor = torch.cholesky_solve(
            columns.to(self._factor.dtype), self._factor
        ).float()
        return solution

    def nearest(self, start: Tensor, square_length: float) -> Tensor:
        """The solution nearest to a start that is stretched until the whole is so long."""
        kept = self.kept(start)
        left, across = float(kept.square().sum()), float((kept * self.told).sum())
        missing = square_length - float(self.told.square().sum())
        # |told + s kept|^2 is the square length; where it can't be, it comes as near as it can.
        root = np.sqrt(max(across**2 + left * missing, 0.0))
        stretch = (root - across) / left if left else 0.0
        return self.told + min(max(stretch, 0.0), MOST_STRETCH) * kept


def _arriving(step: Step, values: Tensor) -> Tensor:
    """What a layer takes at the positions looked at: [sample, input]."""
    if not isinstance(step.layer, Conv2d):
        return values.flatten(1)
    (top, bottom), (left, right) = step.layer.pads(step.shape[0]), step.layer.pads(step.shape[1])
    padded = functional.pad(values, (left, right, top, bottom))
    kernel, stride = step.layer.kernel, step.layer.stride
    squares = padded.unfold(2, kernel, stride).unfold(3, kernel, stride)  # a view
    images, _, height, width = squares.shape[:4]
    count = images * height * width
    if count <= POSITIONS:
        chosen = np.arange(count)
    else:  # spread evenly, and not in step with rows and columns
        golden = (np.sqrt(5) - 1) / 2
        chosen = np.sort((np.arange(POSITIONS) * golden % 1.0 * count).astype(np.int64))
    image, place = np.divmod(chosen, height * width)
    row, column = np.divmod(place, width)
    return squares[image, :, row, column].flatten(1)
