"""The weights with which a network starts."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from hyperzoo.architectures.architecture import Architecture
from hyperzoo.randomness import normal_quantiles, normals, uniforms

Scheme = Literal[
    "glorot_uniform",
    "glorot_normal",
    "he_uniform",
    "he_normal",
    "lecun_uniform",
    "lecun_normal",
    "orthogonal",
    "uniform",
    "normal",
    "truncated_normal",
]
SCHEMES: tuple[Scheme, ...] = get_args(Scheme)
SCALED: tuple[Scheme, ...] = ("uniform", "normal", "truncated_normal")
"""The schemes whose scale is not told by the layer's shape."""

Biases = Literal["constant", "as_kernels"]
"""How biases start: as one number, or drawn as the kernels are."""

_CONSTANT = {"gamma": 1.0, "beta": 0.0, "moving_mean": 0.0, "moving_variance": 1.0}

_BELOW = 0.022750131948179195
"""The share of a normal distribution below -2."""

_KEPT = 0.87962566103423978
"""The standard deviation of a standard normal distribution that is cut off at -2 and 2."""


@dataclass(frozen=True)
class Initialisation:
    """How weights are drawn; docs/training.md defines every scheme.

    Attributes:
        scheme: for the kernels of convolutions and dense layers.
        scale: the limit of "uniform", the standard deviation of "normal" and "truncated_normal".
        bias: with which their biases start, where they are constant.
        biases: how they start. Drawn "as_kernels" they are what Keras's initialiser of the same
            name makes of a vector, which is its own fan_in and fan_out; "orthogonal" has none of
            vectors, and leaves them constant.
    """

    scheme: str = "glorot_uniform"
    scale: float = 0.05
    bias: float = 0.0
    biases: str = "constant"


GLOROT = Initialisation()


def initial_parameters(
    architecture: Architecture,
    seed: int,
    class_name: str,
    index: int,
    purpose: str = "initialisation",
    initialisation: Initialisation = GLOROT,
) -> dict[str, NDArray[np.float32]]:
    """The initial weights of one network.

    A batch normalisation starts with gamma 1, beta 0, running mean 0 and running variance 1.

    Numbers are computed in float64 by exact operations and rounded once, so the bits are the same
    everywhere.

    Args:
        architecture: the network.
        seed: the recipe's seed.
        class_name: the network's class.
        index: the network's index within its class.
        purpose: what the weights are for; others than the default are not those of a recipe.
        initialisation: how they are drawn.

    Returns:
        PyTorch name -> float32 tensor in PyTorch's axes.
    """
    parameters = {}
    for parameter in architecture.parameters:
        stream = _Stream(seed, class_name, index, f"{purpose}/{parameter.name}", parameter.size)
        if parameter.is_kernel:
            fans = (parameter.fan_in, parameter.fan_out)
            values = _drawn(initialisation, parameter.shape, fans, stream)
        elif parameter.is_bias and _are_drawn(initialisation):
            fans = (parameter.size, parameter.size)
            values = _drawn(initialisation, parameter.shape, fans, stream)
        else:
            constant = _CONSTANT.get(parameter.keras_name, initialisation.bias)
            values = np.full(parameter.size, constant)
        parameters[parameter.name] = values.astype(np.float32).reshape(parameter.shape)
    return parameters


@dataclass(frozen=True)
class _Stream:
    """The random numbers of one tensor."""

    seed: int
    class_name: str
    index: int
    purpose: str
    count: int

    def _drawn(self, draw: Callable[..., NDArray[np.float64]]) -> NDArray[np.float64]:
        return draw(self.seed, self.class_name, self.index, self.purpose, self.count)

    def centred(self) -> NDArray[np.float64]:
        """Uniform in [-1, 1)."""
        return 2.0 * self._drawn(uniforms) - 1.0

    def normal(self) -> NDArray[np.float64]:
        """Standard normal."""
        return self._drawn(normals)

    def truncated(self) -> NDArray[np.float64]:
        """Standard normal, given that it lies within -2 and 2."""
        inside = self._drawn(uniforms) + 2.0**-54
        return normal_quantiles(_BELOW + (1 - 2 * _BELOW) * inside)


def _are_drawn(chosen: Initialisation) -> bool:
    return chosen.biases == "as_kernels" and chosen.scheme != "orthogonal"


def _drawn(
    chosen: Initialisation, shape: tuple[int, ...], fans: tuple[int, int], stream: _Stream
) -> NDArray[np.float64]:
    """A tensor's numbers, flat, with its fan_in and fan_out.

    Glorot: Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural
    networks", 2010; He: He et al., "Delving deep into rectifiers", 2015; LeCun: LeCun et al.,
    "Efficient backprop", 1998; the variances are 2 / (fan_in + fan_out), 2 / fan_in, 1 / fan_in.
    """
    family, _, kind = chosen.scheme.partition("_")
    match chosen.scheme:
        case "uniform":
            return stream.centred() * chosen.scale
        case "normal":
            return stream.normal() * chosen.scale
        case "truncated_normal":
            return stream.truncated() * chosen.scale
        case "orthogonal":
            return _orthogonal(stream.normal().reshape(shape[0], -1)).ravel()
    above = 1.0 if family == "lecun" else 2.0
    fan = sum(fans) if family == "glorot" else fans[0]
    if kind == "normal":
        return stream.truncated() * (math.sqrt(above / fan) / _KEPT)
    return stream.centred() * math.sqrt(3.0 * above / fan)


def _orthogonal(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows or columns, whichever are fewer, made orthonormal in turn.

    This is Q of a QR decomposition whose R has a positive diagonal (Saxe et al., "Exact solutions
    to the nonlinear dynamics of learning in deep linear neural networks", 2014), by modified
    Gram-Schmidt, twice over. Libraries' decompositions differ in their last bits; sums over halves
    do not.
    """
    rows = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    basis = np.array(rows)
    for _ in range(2):
        for row in range(len(basis)):
            basis[row] /= np.sqrt(_sum(basis[row] * basis[row]))
            rest = basis[row + 1 :]
            rest -= _sum(rest * basis[row])[:, None] * basis[row]
    return basis if rows is matrix else basis.T


def _sum(terms: NDArray[np.float64]) -> NDArray[np.float64]:
    """The sums over the last axis, in an order of additions that no library chooses."""
    while terms.shape[-1] > 1:
        half = terms.shape[-1] // 2
        left = terms[..., 2 * half :]
        terms = np.concatenate([terms[..., :half] + terms[..., half : 2 * half], left], axis=-1)
    return terms[..., 0]
