"""What a fitted method has learned, as plain numbers: a linear map of features, or trees.

Made of scikit-learn's estimators, and worth the same; but these are pickles in files, which run
their maker's code when they are read.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from hyperzoo.errors import PredictionError


@dataclass(frozen=True, kw_only=True, eq=False)
class LinearMap:
    """Scaled features, weighted and summed.

    Attributes:
        mean: float32 [feature], what is taken off.
        scale: float32 [feature], what is then divided by; positive.
        weight: float32 [output, feature].
        bias: float32 [output].
    """

    mean: NDArray[np.float32]
    scale: NDArray[np.float32]
    weight: NDArray[np.float32]
    bias: NDArray[np.float32]

    @classmethod
    def of(cls, steps: list[Any]) -> Self:
        """The map of a fitted scaler and a fitted linear estimator."""
        scaler, estimator = steps
        weight = np.atleast_2d(estimator.coef_)
        bias = np.atleast_1d(estimator.intercept_)
        if hasattr(estimator, "classes_"):
            weight, bias = _both(weight), _both(bias[:, None])[:, 0]
        return cls(
            mean=scaler.mean_.astype(np.float32),
            scale=scaler.scale_.astype(np.float32),
            weight=weight.astype(np.float32),
            bias=bias.astype(np.float32),
        )

    @property
    def features(self) -> int:
        """How many features it takes."""
        return len(self.mean)

    def outputs(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Logits, or the number: [network, output] of [network, feature]."""
        sums: NDArray[Any] = ((features - self.mean) / self.scale) @ self.weight.T + self.bias
        return sums.astype(np.float64)

    def check(self, outputs: int) -> None:
        """Check numbers that were read from a file.

        Raises:
            PredictionError: they are no linear map to so many outputs.
        """
        features = self.mean.shape[:1]
        expected = {
            "mean": features,
            "scale": features,
            "weight": (outputs, *features),
            "bias": (outputs,),
        }
        found = {name: getattr(self, name).shape for name in expected}
        if found != expected or not features:
            raise PredictionError(f"expected tensors of shapes {expected}, got {found}")
        if (
            not all(np.isfinite(getattr(self, name)).all() for name in expected)
            or not (self.scale > 0).all()
        ):
            raise PredictionError("numbers are not finite, or scales not positive")


@dataclass(frozen=True, kw_only=True, eq=False)
class Trees:
    """Sums of the leaves of trees that features lead to.

    Nodes of all trees lie one behind the other; a node's children come after it. A leaf is its
    own child. All numbers are those of float32, which files keep.

    Attributes:
        feature: int64 [node], the feature that decides.
        threshold: float32 [node]: up to it the left child is next, above it the right one.
        left: int64 [node].
        right: int64 [node].
        value: float32 [node], what a leaf adds.
        roots: int64 [tree, output].
        baseline: float32 [output], what leaves add to.
        inputs: int64 [1], how many features there are.
    """

    feature: NDArray[np.int64]
    threshold: NDArray[np.float32]
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    value: NDArray[np.float32]
    roots: NDArray[np.int64]
    baseline: NDArray[np.float32]
    inputs: NDArray[np.int64]

    @classmethod
    def of(cls, steps: list[Any]) -> Self:
        """The trees of scikit-learn's fitted histogram gradient boosting."""
        (estimator,) = steps
        nodes = [tree.nodes for trees in estimator._predictors for tree in trees]
        begins = np.cumsum([0, *map(len, nodes[:-1])])
        every = np.concatenate(nodes)
        offsets = np.repeat(begins, list(map(len, nodes)))
        leaf, own = every["is_leaf"].astype(bool), np.arange(len(every))
        roots = begins.reshape(len(estimator._predictors), -1)
        baseline = np.asarray(estimator._baseline_prediction, np.float64).reshape(-1)
        if hasattr(estimator, "classes_") and len(baseline) == 1:
            # The first of two words has no trees of its own: a single leaf that adds nothing.
            none = np.zeros(1, every.dtype)
            every, leaf = np.concatenate([every, none]), np.append(leaf, True)
            offsets, own = np.append(offsets, 0), np.append(own, len(own))
            roots = np.column_stack([np.full(len(roots), len(own) - 1), roots[:, 0]])
            baseline = np.append(0.0, baseline)
        return cls(
            feature=np.where(leaf, 0, every["feature_idx"]).astype(np.int64),
            threshold=_rounded_down(np.where(leaf, 0.0, every["num_threshold"])),
            left=np.where(leaf, own, every["left"] + offsets),
            right=np.where(leaf, own, every["right"] + offsets),
            value=np.where(leaf, every["value"], 0.0).astype(np.float32),
            roots=roots.astype(np.int64),
            baseline=baseline.astype(np.float32),
            inputs=np.array([estimator.n_features_in_], np.int64),
        )

    @property
    def features(self) -> int:
        """How many features it takes."""
        return int(self.inputs[0])

    def outputs(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Logits, or the number: [network, output] of [network, feature]."""
        rows = np.arange(len(features))[:, None, None]
        places = np.broadcast_to(self.roots, (len(features), *self.roots.shape))
        while True:
            low = features[rows, self.feature[places]] <= self.threshold[places]
            following = np.where(low, self.left[places], self.right[places])
            if (following == places).all():
                sums: NDArray[np.float64] = self.value[places].sum(axis=1, dtype=np.float64)
                return sums + self.baseline
            places = following

    def check(self, outputs: int) -> None:
        """Check numbers that were read from a file.

        Raises:
            PredictionError: they are no trees to so many outputs, or never come to an end.
        """
        nodes = self.feature.shape
        places: list[NDArray[Any]] = [self.feature, self.left, self.right, self.roots, self.inputs]
        numbers: list[NDArray[Any]] = [self.threshold, self.value, self.baseline]
        if (
            len(nodes) != 1
            or not all(np.isfinite(t).all() for t in numbers)
            or any(t.shape != nodes for t in (*places[1:3], *numbers[:2]))
            or (self.roots.shape[1:], self.baseline.shape, self.inputs.shape)
            != ((outputs,), (outputs,), (1,))
        ):
            raise PredictionError(f"expected trees to {outputs} output(s), got other tensors")
        own = np.arange(nodes[0])
        leaf = (self.left == own) & (self.right == own)
        inner = (self.left > own) & (self.right > own)
        inside = [self.left < nodes[0], self.right < nodes[0], self.feature >= 0]
        if not (
            all(part.all() for part in (leaf | inner, *inside))
            and (self.feature < self.inputs[0]).all()
            and ((self.roots >= 0) & (self.roots < nodes[0])).all()
        ):
            raise PredictionError("trees with children, features or roots that are not there")


Map = LinearMap | Trees


def map_of(steps: list[Any]) -> Map:
    """The map of the fitted steps behind a method's features: scaler and linear one, or trees."""
    return LinearMap.of(steps) if len(steps) > 1 else Trees.of(steps)


def read_map(tensors: Mapping[str, NDArray[np.float32]], outputs: int) -> Map:
    """A map of the tensors of a file; nothing in them is taken on trust.

    Args:
        tensors: name -> tensor, as `tensors_of_map` gives them.
        outputs: how many the map must have.

    Raises:
        PredictionError: they are no such map.
    """
    for made in (LinearMap, Trees):
        if sorted(tensors) == sorted(part.name for part in fields(made)):
            learned = made(**{name: _whole(name, tensor) for name, tensor in tensors.items()})
            learned.check(outputs)
            return learned
    raise PredictionError(
        f"expected the tensors of a linear map or of trees, got {', '.join(sorted(tensors))}"
    )


def tensors_of_map(learned: Map) -> dict[str, NDArray[Any]]:
    """Name -> tensor."""
    return {part.name: getattr(learned, part.name) for part in fields(learned)}


def _both(second: NDArray[Any]) -> NDArray[Any]:
    """Of two words scikit-learn keeps the second's numbers; the first's are zero."""
    return np.vstack([0 * second, second]) if len(second) == 1 else second


_PLACES = ("feature", "left", "right", "roots", "inputs")
_MOST = 2**24
"""Whole numbers up to this are exact in float32."""


def _whole(name: str, tensor: NDArray[np.float32]) -> NDArray[Any]:
    """A tensor of places as whole numbers; any other as it is."""
    if name not in _PLACES:
        return tensor
    if not ((tensor >= 0) & (tensor < _MOST) & (tensor == np.floor(tensor))).all():
        raise PredictionError(f"tensor '{name}' must hold whole numbers below {_MOST}")
    return tensor.astype(np.int64)


def _rounded_down(numbers: NDArray[np.float64]) -> NDArray[np.float32]:
    """The largest float32 that is not above: for float32 features it decides alike."""
    rounded = numbers.astype(np.float32)
    lower: NDArray[np.float32] = np.where(
        rounded > numbers, np.nextafter(rounded, np.float32(-np.inf)), rounded
    )
    return lower
