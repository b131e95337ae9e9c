"""Fresh initial weights, changed as little as gives them the function of another network.

Layer by layer: what a layer sums up should be what the aim's sums up, on some images, given what
arrives from the layers before, which have been solved already. Of all weights that do so to within
a ridge the nearest to the start is taken. A start differs from it only where what arrives varies;
in all other directions, which are most, weights stay the random numbers that they were. Of these
the scale is chosen by which the tensor is as long as those of trained networks.

Biases stay as they are drawn. With inputs A, the aim's sums less the biases Z, and the start W0,
that is W = (Z'A + r W0)(A'A + r)^-1: ridge regression towards W0 (Hoerl and Kennard, "Ridge
regression", 1970).
"""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from hyperzoo.architectures import Architecture
from hyperzoo.architectures.forward import Pass
from hyperzoo.architectures.layers import Conv2d
from hyperzoo.architectures.steps import Step
from hyperzoo.generation.methods.distilled import summing_steps

RIDGE, LAST_RIDGE = 1e-3, 1e-3
"""The ridge of hidden layers and of the last, in parts of the mean square of what arrives."""

POSITIONS = 2048
"""Of a convolution, how many positions in all images are looked at."""

MOST_STRETCH = 10.0
"""What is left of the start is multiplied by this at most."""


def solve(
    architecture: Architecture,
    start: Mapping[str, Tensor],
    aim: Mapping[str, Tensor],
    images: Tensor,
    lengths: Mapping[str, float],
    corrections: Tensor,
) -> dict[str, Tensor]:
    """Give a start the function of an aim.

    Args:
        architecture: of both.
        start: PyTorch name -> tensor.
        aim: PyTorch name -> tensor; its batch normalisations are taken over as they are.
        images: [image, channel, height, width] in [0, 1].
        lengths: name of a weight -> the squared length that it should have.
        corrections: [image, output], by what the logits should be beside the aim's.

    Returns:
        PyTorch name -> tensor.
    """
    aimed = _Aimed(architecture, aim)
    aimed.run(images)
    aimed.sums_of[summing_steps(architecture)[-1].name] += corrections
    solving = _Solving(architecture, start, aim, aimed.sums_of, lengths)
    solving.run(images)
    return solving.weights


class _Aimed(Pass):
    """A pass of the aim, which keeps what its layers sum up at the positions looked at."""

    def __init__(self, architecture: Architecture, aim: Mapping[str, Tensor]) -> None:
        super().__init__(architecture, aim)
        self.sums_of: dict[str, Tensor] = {}

    def sums(self, step: Step, values: Tensor) -> Tensor:
        weight = self._parameters[f"{step.name}.weight"].flatten(1)
        bias = self._parameters.get(f"{step.name}.bias")
        self.sums_of[step.name] = functional.linear(_arriving(step, values), weight, bias)
        return super().sums(step, values)


class _Solving(Pass):
    """A pass in which every layer is solved before it sums up."""

    def __init__(
        self,
        architecture: Architecture,
        start: Mapping[str, Tensor],
        aim: Mapping[str, Tensor],
        wanted: Mapping[str, Tensor],
        lengths: Mapping[str, float],
    ) -> None:
        self.weights = dict(aim)
        super().__init__(architecture, self.weights)
        self._start, self._wanted, self._lengths = start, wanted, lengths
        self._last = summing_steps(architecture)[-1].name

    def sums(self, step: Step, values: Tensor) -> Tensor:
        weight, bias = f"{step.name}.weight", f"{step.name}.bias"
        arriving, start = _arriving(step, values), self._start[weight].flatten(1)
        wanted = self._wanted[step.name]
        if bias in self._start:  # stays what was drawn: training moves biases by little
            wanted, self.weights[bias] = wanted - self._start[bias], self._start[bias]
        ridge = LAST_RIDGE if step.name == self._last else RIDGE
        told, kept = _parts(arriving, wanted, start, ridge)
        missing = self._lengths[weight] - float(told.square().sum())
        left = float(kept.square().sum())
        stretch = float(np.sqrt(max(missing, 0.0) / left)) if left else 0.0
        found = told + min(stretch, MOST_STRETCH) * kept
        self.weights[weight] = found.reshape(self._start[weight].shape)
        return super().sums(step, values)


def _parts(arriving: Tensor, wanted: Tensor, start: Tensor, ridge: float) -> tuple[Tensor, Tensor]:
    """The two parts of the solution: what follows from the aim, and what is left of the start."""
    count = len(arriving)
    gram = (arriving.T @ arriving / count).double()
    ridge = ridge * float(gram.diagonal().mean()) or 1.0  # nothing arrives: the start stays
    gram.diagonal().add_(ridge)
    sides = torch.cat([(arriving.T @ wanted / count).double(), ridge * start.T.double()], dim=1)
    # A factor that there is not, of a damaged generator, gives numbers that are refused later.
    found = torch.cholesky_solve(sides, torch.linalg.cholesky_ex(gram).L).float()
    told, kept = found.T.split([wanted.shape[1], len(start)])
    return told, kept


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
