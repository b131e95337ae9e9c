"""The networks of a zoo as a method takes them: weights, classes, ids, in an order of their own."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyperzoo.architectures import Architecture
from hyperzoo.errors import PredictionError
from hyperzoo.zoo import Zoo


@dataclass(frozen=True, kw_only=True, eq=False)
class Networks:
    """Networks of known class, sorted by id.

    Attributes:
        architecture: of all.
        ids: their ids.
        labels: object [network], class names.
        matrix: float32 [network, parameter] in the order of `Zoo.matrix()`.
        failed: how many networks of the zoo were left out because their training failed.
    """

    architecture: Architecture
    ids: list[str]
    labels: NDArray[np.object_]
    matrix: NDArray[np.float32]
    failed: int


def networks_of(zoo: Zoo) -> Networks:
    """The networks of a zoo, but for those whose training failed.

    Raises:
        PredictionError: a network that did not fail has weights that are not finite.
    """
    sound = np.array(zoo.models["status"].to_pylist(), dtype=object) != "failed"
    rows = sorted(np.flatnonzero(sound), key=lambda row: zoo.ids[row])
    ids = [zoo.ids[row] for row in rows]
    matrix = zoo.matrix()[rows]
    check_finite(matrix, ids)
    return Networks(
        architecture=zoo.architecture,
        ids=ids,
        labels=np.array(zoo.models["class"].to_pylist(), dtype=object)[rows],
        matrix=matrix,
        failed=int((~sound).sum()),
    )


def check_finite(matrix: NDArray[Any], ids: list[str]) -> None:
    """Check that weights [network, parameter] are numbers.

    Raises:
        PredictionError: some are not; the message names the networks.
    """
    # A sum is finite where all its terms are, barring overflow; only then are all looked at.
    with np.errstate(invalid="ignore"):
        sums = matrix.sum(axis=1, dtype=np.float64)
    suspects = np.flatnonzero(~np.isfinite(sums))
    broken = [ids[row] for row in suspects if not np.isfinite(matrix[row]).all()]
    if broken:
        more = f" and {len(broken) - 5} more" if len(broken) > 5 else ""
        raise PredictionError(
            f"networks with weights that are not finite numbers: {', '.join(broken[:5])}{more}; "
            "leave them out, or see with `hyperzoo verify` whether the zoo is damaged"
        )


def check_features(features: NDArray[Any], ids: list[str], method: str) -> None:
    """Check that a method's features [network, feature] are numbers.

    Raises:
        PredictionError: some are not; the message names the networks.
    """
    wild = np.flatnonzero(~np.isfinite(features).all(axis=1))
    if len(wild):
        more = f" and {len(wild) - 5} more" if len(wild) > 5 else ""
        raise PredictionError(
            f"networks whose weights are too large for method '{method}': "
            f"{', '.join(ids[row] for row in wild[:5])}{more}; leave them out"
        )


def matrix_from(architecture: Architecture, weights: Mapping[str, Any]) -> NDArray[np.float32]:
    """Weights from anywhere as a matrix.

    Args:
        architecture: of the networks.
        weights: PyTorch name -> [*shape] of one network or [network, *shape] of several; arrays,
            or tensors of any device.

    Returns:
        float32 [network, parameter].

    Raises:
        PredictionError: a tensor is missing, has another shape, or is none of numbers.
    """
    expected = {parameter.name: parameter.shape for parameter in architecture.parameters}
    if not isinstance(weights, Mapping):
        raise PredictionError(
            f"expected a zoo, or names and weights such as `module.state_dict()`, got "
            f"{type(weights).__name__}; files are named by `hyperzoo identify`"
        )
    # PyTorch counts batches beside its running statistics, which no network's answer depends on.
    given = {name for name in weights if not str(name).endswith(".num_batches_tracked")}
    if given != expected.keys():
        raise PredictionError(
            f"expected the parameters {', '.join(expected)} of '{architecture.name}', got "
            f"{', '.join(map(str, weights)) or 'none'}"
        )
    blocks: list[NDArray[np.float32]] = []
    for name, shape in expected.items():
        tensor = _array(weights[name])
        tensor = tensor[None] if tensor.shape == shape else tensor
        networks = len(blocks[0]) if blocks else len(tensor) if tensor.ndim else 0
        if tensor.shape != (networks, *shape) or not networks or tensor.dtype.kind != "f":
            raise PredictionError(
                f"{name}: expected numbers of shape {shape}, or of that with the networks in "
                f"front, got shape {tensor.shape} of {tensor.dtype}"
            )
        with np.errstate(over="ignore"):  # what float32 can't hold is infinite, and refused so
            blocks.append(tensor.reshape(networks, -1).astype(np.float32))
    return np.concatenate(blocks, axis=1)


def _array(tensor: Any) -> NDArray[Any]:
    """An array of anything that holds numbers; of PyTorch also parameters and bfloat16."""
    if hasattr(tensor, "detach"):
        tensor = tensor.detach().cpu()
        tensor = tensor.float() if tensor.is_floating_point() else tensor
    return np.asarray(tensor)
