"""How large units, layers and products of layers are: what decides how signals pass a network.

No order of hidden units changes any of it. Beside the statistics of Unterthiner et al., 2020:
lengths of the weights into and out of units, sorted; singular values of layers and of products of
layers that follow each other, kernels summed over their positions; how much of a kernel is smooth;
how much an all-positive signal would grow. Sizes are logarithms.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyperzoo.features.per_network import PerNetwork
from hyperzoo.features.statistics import LayerStatistics

Array = NDArray[np.float64]

_LEAST = 1e-9
"""What is smaller counts as this, for its logarithm."""

_MOST_VALUES = 32
"""Of sorted lengths and of singular values, so many evenly spaced ones at most."""


class Signals(PerNetwork):
    """Features: statistics of tensors, and sizes of units, of layers and of their products."""

    def _features(self, tensors: dict[str, NDArray[Any]]) -> NDArray[Any]:
        features: list[NDArray[Any]] = [LayerStatistics(self.architecture)._features(tensors)]
        maps: list[Array] = []
        grown: Array | None = None
        for parameter in self.architecture.parameters:
            tensor = tensors[parameter.name].astype(np.float64)
            if not parameter.is_kernel:
                features.append(_log(_some(np.sort(np.abs(tensor), axis=1))))
                continue
            features += _of_kernel(tensor)
            if self.architecture.is_straight:
                units = maps[-1].shape[1] if maps else self.architecture.input_shape[2]
                # The positions of a unit lie side by side, in a kernel and in a flattened image.
                by_unit = tensor.reshape(len(tensor), tensor.shape[1], units, -1)
                maps.append(by_unit.sum(axis=3))
                before = np.ones((len(tensor), units, 1)) if grown is None else grown
                grown = np.abs(by_unit).sum(axis=3) @ before
                features.append(_log(grown.mean(axis=(1, 2))[:, None]))
        return np.concatenate([*features, *_of_products(maps)], axis=1)


def _of_kernel(tensor: Array) -> list[Array]:
    """Of one layer's weight, [network, out, in] or with the kernel's positions behind."""
    rows = tensor.reshape(len(tensor), tensor.shape[1], -1)
    total = np.square(rows).sum(axis=(1, 2))[:, None]
    into = np.sqrt(np.square(rows).mean(axis=2))
    out = np.sqrt(np.square(tensor).reshape(*tensor.shape[:3], -1).mean(axis=(1, 3)))
    found = [_log(_some(np.sort(into, axis=1))), _log(_some(np.sort(out, axis=1)))]
    found.append(_log(_some(_values(rows))))
    found += [_log(np.sqrt(total)), rows.sum(axis=(1, 2))[:, None] / np.sqrt(total + _LEAST**2)]
    if tensor.ndim == 5 and tensor.shape[-1] > 1:
        smooth = np.square(tensor.sum(axis=(3, 4))).sum(axis=(1, 2)) / tensor.shape[-1] ** 2
        beside = (tensor[..., 1:] * tensor[..., :-1]).sum(axis=(1, 2, 3, 4))
        below = (tensor[..., 1:, :] * tensor[..., :-1, :]).sum(axis=(1, 2, 3, 4))
        found += [part[:, None] / (total + _LEAST**2) for part in (smooth, beside, below)]
    return found


def _of_products(maps: list[Array]) -> list[Array]:
    """Of all runs of layers that follow each other: singular values, and how well they agree."""
    found = []
    for first in range(len(maps)):
        product, lengths = maps[first], _length(maps[first])
        for following in maps[first + 1 :]:
            product, lengths = following @ product, lengths * _length(following)
            found.append(_log(_some(_values(product))))
            found.append(_length(product) / (lengths + _LEAST**2))
    return found


def _length(matrices: Array) -> Array:
    return np.asarray(np.sqrt(np.square(matrices).sum(axis=(1, 2)))[:, None])


def _values(matrices: Array) -> Array:
    """Singular values [matrix, value], falling; NaN for a matrix that is not finite."""
    finite = np.asarray(np.isfinite(matrices).all(axis=(1, 2)))
    values = np.linalg.svd(np.where(finite[:, None, None], matrices, 0.0), compute_uv=False)
    return np.where(finite[:, None], values, np.nan)


def _some(ordered: Array) -> Array:
    """At most so many of sorted values, the first and the last among them."""
    count = ordered.shape[1]
    if count <= _MOST_VALUES:
        return ordered
    chosen: Array = ordered[:, np.linspace(0, count - 1, _MOST_VALUES).round().astype(np.int64)]
    return chosen


def _log(sizes: Array) -> Array:
    return np.asarray(np.log(np.maximum(sizes, _LEAST)))
