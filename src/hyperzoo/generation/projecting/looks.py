"""What the weights of trained networks look like: their lengths, quantiles and singular values.

None of it says what a network does. Numbers can be given the quantiles of others by their ranks,
and a matrix the singular values of others by its own singular vectors: as textures are made of
noise in Heeger and Bergen, "Pyramid-based texture analysis/synthesis", 1995.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hyperzoo.architectures import Architecture

QUANTILES = 129
"""Of the numbers of a tensor, at most."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Look:
    """Of one tensor of a class's networks.

    Attributes:
        length: the root mean square of its numbers, the geometric mean of networks; of a bias,
            whose numbers are those of all networks together, the root mean square of these.
        spread: of the logarithm of that length, the standard deviation between networks.
        quantiles: float32 [quantile], of its numbers over that length, evenly spaced; the mean.
        spectrum: float32 [value], singular values of [unit, input], falling, of length 1
            together; the mean. Empty where the tensor is no matrix.
    """

    length: float
    spread: float
    quantiles: Tensor
    spectrum: Tensor


def shapes_of(architecture: Architecture) -> dict[str, tuple[int, ...]]:
    """What is kept of the looks of a class: name -> shape."""
    shapes: dict[str, tuple[int, ...]] = {}
    for p in architecture.parameters:
        shapes[f"look.{p.name}"] = (
            2 + (min(QUANTILES, p.size) if len(p.shape) > 1 else QUANTILES),
        )
        if len(p.shape) > 1:
            shapes[f"spectrum.{p.name}"] = (min(p.shape[0], p.size // p.shape[0]),)
    return shapes


def learned_looks(weights: Mapping[str, NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
    """The looks of networks, PyTorch name -> [network, *shape], as `shapes_of` says."""
    kept: dict[str, NDArray[np.float32]] = {}
    for name, stacked in weights.items():
        flat = np.sort(stacked.reshape(len(stacked), -1).astype(np.float64), axis=1)
        if stacked.ndim == 2:  # few numbers, which are drawn each by itself: those of all networks
            flat = np.sort(flat.reshape(1, -1), axis=1)
        lengths = np.maximum(np.sqrt(np.square(flat).mean(axis=1)), np.finfo(np.float32).tiny)
        logs, size = np.log(lengths), flat.shape[1]
        many = min(QUANTILES, size) if stacked.ndim > 2 else QUANTILES
        places = _middles(many) * size - 0.5
        quantiles = [np.interp(places, np.arange(size), row) for row in flat / lengths[:, None]]
        summary = [np.exp(logs.mean()), logs.std(ddof=min(1, len(logs) - 1))]
        kept[f"look.{name}"] = np.r_[summary, np.mean(quantiles, axis=0)].astype(np.float32)
        if stacked.ndim > 2:
            matrices = stacked.reshape(*stacked.shape[:2], -1).astype(np.float64)
            values = np.linalg.svd(matrices, compute_uv=False)
            together = np.linalg.norm(values, axis=1, keepdims=True)
            values /= np.maximum(together, np.finfo(np.float32).tiny)
            kept[f"spectrum.{name}"] = values.mean(axis=0).astype(np.float32)
    return kept


def looks_of(architecture: Architecture, kept: Mapping[str, Tensor]) -> dict[str, Look]:
    """Of what `learned_looks` made: PyTorch name -> look."""
    return {
        p.name: Look(
            length=float(kept[f"look.{p.name}"][0]),
            spread=float(kept[f"look.{p.name}"][1]),
            quantiles=kept[f"look.{p.name}"][2:],
            spectrum=kept.get(f"spectrum.{p.name}", torch.empty(0)),
        )
        for p in architecture.parameters
    }


def drawn(look: Look, uniforms: NDArray[np.float64]) -> Tensor:
    """Numbers that look so, each by itself, from numbers in [0, 1): float32 [number]."""
    quantiles = look.quantiles.numpy()
    numbers = np.interp(uniforms, _middles(len(quantiles)), quantiles)
    return torch.from_numpy((look.length * numbers).astype(np.float32))


def looking_alike(matrix: Tensor, look: Look) -> Tensor:
    """A matrix [unit, input], moved to the singular values and the quantiles of a look.

    Its length stays. The singular values are near to the look's only, for quantiles come last.
    """
    length = matrix.square().sum().sqrt()
    flat = _with_spectrum(matrix, look.spectrum).flatten()
    order = torch.from_numpy(np.argsort(flat.numpy()))  # far faster than a stable sort
    quantiles = look.quantiles.numpy()
    values = np.interp(_middles(len(flat)), _middles(len(quantiles)), quantiles)
    moved = torch.empty_like(flat)
    moved[order] = torch.from_numpy(values.astype(np.float32))
    return (moved * (length / moved.square().sum().sqrt())).view(matrix.shape)


def _with_spectrum(matrix: Tensor, spectrum: Tensor) -> Tensor:
    """A matrix of the same singular vectors, with singular values [value], falling."""
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    # By the smaller matrix of inner products: several times as fast as its singular values.
    squares, axes = torch.linalg.eigh(wide @ wide.T)
    values = squares.clamp_min(1e-12 * float(squares[-1]) or 1.0).sqrt()
    moved: Tensor = (axes * (spectrum.flip(0) / values)) @ (axes.T @ wide)
    return moved if wide is matrix else moved.T


def _middles(count: int) -> NDArray[np.float64]:
    """The middles of so many equal parts of [0, 1]."""
    return (np.arange(count) + 0.5) / count
