"""The networks of a zoo as a method takes them: weights, what is asked, ids, in their own order."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyperzoo.architectures import Architecture
from hyperzoo.errors import NetworkNotFoundError, PredictionError, TooLargeError
from hyperzoo.prediction.condition import Condition
from hyperzoo.prediction.target import (
    CLASS,
    EPOCH,
    NAMING,
    Target,
    check_varies,
    known_values,
    target_of,
)
from hyperzoo.words import some_of
from hyperzoo.zoo import Zoo

_SUSPECT = 1e3
"""Networks of which no weight is larger in size are not looked at."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Networks:
    """Networks of which the target is known, sorted by id.

    Attributes:
        architecture: of all.
        target: what is asked of them.
        ids: their ids.
        classes: object [network], the class that each detects.
        values: of the target: object [network] of words, or float64 [network] of numbers, as
            logarithms where the target is logarithmic.
        matrix: float32 [network, parameter] in the order of `Zoo.matrix()`.
        curves: float64 [network, quantity], loss and accuracy at the epochs up to the one that
            the weights are of; None where these are the networks' last ones.
        held_out: bool [network], which no method is fitted on.
        failed: how many networks of the zoo were left out because their training failed.
        unknown: how many more because their target is not known.
        too_large: ids of those left out because their weights are too large to compute with.
        epochs_drawn: where the weights of each network are those of one of several epochs, which.
    """

    architecture: Architecture
    target: Target = NAMING
    ids: list[str]
    classes: NDArray[np.object_]
    values: NDArray[Any]
    matrix: NDArray[np.float32]
    curves: NDArray[np.float64] | None = None
    held_out: NDArray[np.bool_]
    failed: int
    unknown: int = 0
    too_large: tuple[str, ...] = ()
    epochs_drawn: tuple[int, ...] = ()

    @property
    def categories(self) -> list[str]:
        """The words that there are, sorted; none of numbers."""
        return sorted(set(self.values)) if self.target.kind == "category" else []


def networks_of(
    zoo: Zoo,
    target: str = CLASS,
    *,
    from_epoch: int | None = None,
    hold_out: Condition | None = None,
) -> Networks:
    """The networks of a zoo, but for those that failed, are unknown or too large.

    That is: whose training failed, whose target is not known, or whose weights are so large that
    what methods compute of them overflows.

    Where the target is the epoch and the zoo keeps checkpoints, the weights of a network are those
    of one of its epochs, by a hash of its id.

    Args:
        zoo: the zoo.
        target: what is asked, a column of `Zoo.models`.
        from_epoch: weights of that checkpoint in place of the last ones.
        hold_out: which networks are held out.

    Raises:
        PredictionError: a network that did not fail has weights that are not finite, there is no
            such target, checkpoint or column, or nothing to predict.
    """
    values = known_values(zoo, target)
    sound = np.array(zoo.models["status"].to_pylist(), dtype=object) != "failed"
    known = np.array([value is not None and value == value for value in values], bool)
    chosen = np.flatnonzero(sound & known)
    rows = np.array(sorted(chosen, key=lambda row: zoo.ids[row]), np.int64)
    ids = [zoo.ids[row] for row in rows]
    if target == EPOCH and zoo.origin.checkpoint_epochs:
        if from_epoch is not None:
            raise PredictionError("the epoch can't be predicted from one epoch; leave one out")
        matrix, values = _at_any_epoch(zoo, rows, values[rows])
        epochs_drawn = tuple(sorted(set(values.astype(int).tolist())))
    else:
        matrix, values = _weights(zoo, from_epoch)[rows], values[rows]
        epochs_drawn = ()
    check_finite(matrix, ids)
    large = _too_large(zoo.architecture, matrix)
    too_large = tuple(own for own, is_large in zip(ids, large, strict=True) if is_large)
    if large.any():
        rows, matrix, values = rows[~large], matrix[~large], values[~large]
        ids = [zoo.ids[row] for row in rows]
    if too_large and not ids:
        raise PredictionError(
            f"the weights of all {len(too_large)} networks are too large to compute with; train "
            "them with smaller learning rates or initial weights"
        )
    check_varies(zoo, target, values)
    held_out = np.zeros(len(rows), bool) if hold_out is None else hold_out.of(zoo)[rows]
    if hold_out is not None and not held_out.any():
        raise PredictionError(f"no network is of {hold_out}, so none is held out")
    asked = target_of(target, values)
    if hold_out is not None and hold_out.column == target and asked.kind == "category":
        raise PredictionError(
            f"{hold_out}: networks of a word that none was fitted on can't be told by that word; "
            "hold out by another column"
        )
    return Networks(
        architecture=zoo.architecture,
        target=asked,
        ids=ids,
        classes=np.array(zoo.models["class"].to_pylist(), dtype=object)[rows],
        values=np.log10(values) if asked.logarithmic else values,
        matrix=matrix,
        curves=None if from_epoch is None else _curves(zoo, from_epoch)[rows],
        held_out=held_out,
        failed=int((~sound).sum()),
        unknown=int((sound & ~known).sum()),
        too_large=too_large,
        epochs_drawn=epochs_drawn,
    )


def _too_large(architecture: Architecture, matrix: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which networks are too large to compute with, [network]; most are not even looked at."""
    found = np.zeros(len(matrix), bool)
    suspects = np.flatnonzero((np.abs(matrix) > _SUSPECT).any(axis=1))
    if len(suspects):
        from hyperzoo.features.large import are_too_large  # which loads PyTorch

        found[suspects] = are_too_large(architecture, matrix[suspects])
    return found


def _weights(zoo: Zoo, epoch: int | None) -> NDArray[np.float32]:
    try:
        return zoo.matrix(epoch=epoch)
    except NetworkNotFoundError as error:
        raise PredictionError(f"{error}; give one of those as --from-epoch") from error


def _at_any_epoch(
    zoo: Zoo, rows: NDArray[np.int64], last: NDArray[np.float64]
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Weights of every network at one of its epochs, and which."""
    epochs = [*zoo.origin.checkpoint_epochs, None]
    drawn = np.array([_hash(zoo.ids[row]) % len(epochs) for row in rows])
    matrix = np.empty((len(rows), zoo.architecture.parameter_count), np.float32)
    values = last.copy()
    for place, epoch in enumerate(epochs):
        own = drawn == place
        matrix[own] = zoo.matrix(epoch=epoch)[rows[own]]
        if epoch is not None:
            values[own] = epoch
    return matrix, values


def _hash(network_id: str) -> int:
    identity = f"hyperzoo epoch 1|{network_id}".encode()
    return int.from_bytes(hashlib.sha256(identity).digest()[:8], "big")


def _curves(zoo: Zoo, epoch: int) -> NDArray[np.float64]:
    """Loss and accuracy of every network up to an epoch, [network, quantity x epoch]."""
    table, early = zoo.history(), np.array(zoo.history_epochs) <= epoch
    kept = [table[name].to_numpy().reshape(len(zoo), -1) for name in table.column_names[2:]]
    curves = np.concatenate([curve[:, early] for curve in kept], axis=1)
    # What an imported zoo's origin does not tell of any network is NaN.
    return curves[:, ~np.isnan(curves).all(axis=0)]


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
        raise PredictionError(
            f"networks with weights that are not finite numbers: {some_of(broken)}; "
            "leave them out, or see with `hyperzoo verify` whether the zoo is damaged"
        )


def check_features(features: NDArray[Any], ids: list[str], method: str) -> None:
    """Check that a method's features [network, feature] are numbers.

    Raises:
        TooLargeError: some are not; the message names the networks.
    """
    wild = np.flatnonzero(~np.isfinite(features).all(axis=1))
    if len(wild):
        raise TooLargeError(
            f"networks whose weights are too large for method '{method}': "
            f"{some_of([ids[row] for row in wild])}; leave them out"
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
