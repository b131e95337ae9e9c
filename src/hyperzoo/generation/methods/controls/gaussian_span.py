"""Control: a Gaussian in the span of a class's aligned training networks.

A network is the mean plus a random combination of the training networks' deviations from it, with
the training networks' own covariance: what is left of a linear model of weights that has one
component fewer than there are networks.
"""

import numpy as np
from numpy.typing import NDArray

from hyperzoo.architectures import Architecture
from hyperzoo.generation.draw import Draw
from hyperzoo.generation.methods.controls.average import check, fit, refusal
from hyperzoo.generation.registry import State

__all__ = ["check", "fit", "make", "refusal"]


def make(
    state: State, architecture: Architecture, classes: tuple[str, ...], draw: Draw
) -> dict[str, NDArray[np.float32]]:
    """The mean plus the deviations, each times a normal number over sqrt(networks - 1)."""
    rows = np.flatnonzero(state.tensors["labels"] == classes.index(draw.class_name))
    shares = draw.normals("shares", len(rows)) / np.sqrt(max(len(rows) - 1, 1))
    # The same as to combine the networks themselves with shares that sum to 1.
    shares = (shares - shares.mean() + 1 / len(rows)).astype(np.float32)
    return {
        p.name: np.tensordot(shares, state.tensors[p.name][rows], 1)
        for p in architecture.parameters
    }
