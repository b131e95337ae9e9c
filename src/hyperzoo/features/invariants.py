"""Features that no order and no sign of hidden units changes.

Of every layer: sorted absolute biases (and what batch normalisations keep), singular values,
moments. Of the first layer, whose inputs have an order of their own: how strongly it answers to
each pair of input weights (the Gram matrix of its kernels, in their principal plane of positions
and colours).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyperzoo.features.per_network import PerNetwork


class Invariants(PerNetwork):
    """Features of the weights as a set of layers whose units have neither order nor sign."""

    def _features(self, tensors: dict[str, NDArray[Any]]) -> NDArray[Any]:
        features = []
        for parameter in self.architecture.parameters:
            tensor = tensors[parameter.name].astype(np.float64)
            flat = tensor.reshape(len(tensor), -1)
            if len(parameter.shape) == 1:
                features.append(np.sort(np.abs(flat), axis=1))
                continue
            rows = tensor.reshape(len(tensor), parameter.shape[0], -1)
            # Singular values, by way of the smaller Gram matrix.
            gram = _smaller_gram(rows)
            features.append(np.sqrt(np.maximum(np.linalg.eigvalsh(gram), 0)))
            features += [(flat**power).mean(axis=1, keepdims=True) for power in (2, 4)]
        first = next(p.name for p in self.architecture.parameters if len(p.shape) > 1)
        features.append(_gram(tensors[first].astype(np.float64)))
        return np.concatenate(features, axis=1)


def _smaller_gram(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Inner products of rows or of columns, whichever are fewer: [network, row, row]."""
    columns = rows.transpose(0, 2, 1)
    gram: NDArray[np.float64] = rows @ columns if rows.shape[1] <= rows.shape[2] else columns @ rows
    return gram


def _gram(kernels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Inner products over filters of every pair of inputs: [network, pair]."""
    rows = kernels.reshape(len(kernels), kernels.shape[1], -1)
    gram = rows.transpose(0, 2, 1) @ rows
    upper = np.triu_indices(gram.shape[1])
    pairs: NDArray[np.float64] = gram[:, *upper]
    return pairs
