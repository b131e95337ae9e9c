"""The random numbers of one generated network."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hyperzoo.architectures import Architecture, initial_parameters
from hyperzoo.randomness import permutation, uniforms


@dataclass(frozen=True)
class Draw:
    """Which generated network this is; all of its random numbers follow from that.

    Their purposes begin with "generation/", so none is ever a number of the training of a network
    with the same seed, class and index.

    Attributes:
        seed: of the sample.
        class_name: what it is to detect.
        index: 0, 1, 2, ... within the class.
    """

    seed: int
    class_name: str
    index: int

    def uniforms(self, purpose: str, count: int) -> NDArray[np.float64]:
        """Uniform numbers in [0, 1): float64 [number]."""
        return uniforms(self.seed, self.class_name, self.index, f"generation/{purpose}", count)

    def normals(self, purpose: str, count: int) -> NDArray[np.float64]:
        """Standard normal numbers, float64 [number], by the inverse of the distribution."""
        from scipy.special import ndtri

        # Midpoints of the 2^53 steps: 0 has no quantile.
        numbers: NDArray[np.float64] = ndtri(self.uniforms(purpose, count) + 2.0**-54)
        return numbers

    def choice(self, purpose: str, count: int) -> int:
        """One of 0 .. count - 1, all equally likely."""
        return int(self.uniforms(purpose, 1)[0] * count)

    def permutation(self, purpose: str, count: int) -> NDArray[np.int64]:
        """A random order of 0 .. count - 1."""
        return permutation(self.seed, self.class_name, self.index, f"generation/{purpose}", count)

    def initial_parameters(self, architecture: Architecture) -> dict[str, NDArray[np.float32]]:
        """Initial weights that no training started from: PyTorch name -> float32 [*shape]."""
        return initial_parameters(
            architecture, self.seed, self.class_name, self.index, "generation/initialisation"
        )
