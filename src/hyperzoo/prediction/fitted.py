"""A fitted method that names networks of any origin, and its file.

The file is safetensors: numbers, and a JSON text that names the method, the architecture and the
classes. Reading one runs no code of its maker's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyperzoo.architectures import (
    Architecture,
    architecture_facts,
    architecture_from,
    get_architecture,
)
from hyperzoo.errors import PredictionError
from hyperzoo.prediction.networks import (
    check_features,
    check_finite,
    matrix_from,
    networks_of,
)
from hyperzoo.prediction.registry import METHODS, get_method
from hyperzoo.prediction.splits import check_classes, check_seed
from hyperzoo.zoo import Zoo
from hyperzoo.zoo.files import write_file
from hyperzoo.zoo.tensors import TensorFile, encode_tensors, open_tensors

_FORMAT, _VERSION = "hyperzoo classification method", 1
_TENSORS = ("mean", "scale", "weight", "bias")
_MAX_OUTPUTS = 100_000


@dataclass(frozen=True, kw_only=True, eq=False)
class FittedMethod:
    """Features that follow from each network alone, scaled, and a linear classifier of those.

    Attributes:
        method: the method's name.
        architecture: of the networks that it can name.
        classes: the names that it can give.
        mean: float32 [feature], what is taken off.
        scale: float32 [feature], what is then divided by.
        weight: float32 [class, feature].
        bias: float32 [class].
    """

    method: str
    architecture: Architecture
    classes: tuple[str, ...]
    mean: NDArray[np.float32]
    scale: NDArray[np.float32]
    weight: NDArray[np.float32]
    bias: NDArray[np.float32]

    def probabilities(self, weights: Zoo | Mapping[str, Any]) -> NDArray[np.float64]:
        """How likely each network is of each class.

        Args:
            weights: a zoo, or PyTorch name -> [*shape] or [network, *shape].

        Returns:
            [network, class], in the order of `classes`; of a zoo in the order of `zoo.ids`.

        Raises:
            PredictionError: the networks are of another architecture, or not finite, or so
                large that what the method computes of them is not.
        """
        if isinstance(weights, Zoo):
            if weights.architecture.parameters != self.architecture.parameters:
                raise PredictionError(
                    f"the method was fitted on networks '{self.architecture.name}' with "
                    f"{self.architecture.outputs} output(s), but {weights.path} holds "
                    f"'{weights.architecture.name}' with {weights.architecture.outputs}"
                )
            matrix, ids = weights.matrix(), weights.ids
        else:
            matrix = matrix_from(self.architecture, weights)
            ids = [f"number {row}" for row in range(len(matrix))]
        check_finite(matrix, ids)
        features = _extractor(self.method, self.architecture).transform(matrix)
        if features.shape[1] != len(self.mean):
            raise PredictionError(
                f"method '{self.method}' makes {features.shape[1]} features, but was fitted on "
                f"{len(self.mean)}; fit it again with this version of hyperzoo"
            )
        check_features(features, ids, self.method)
        logits = ((features - self.mean) / self.scale) @ self.weight.T + self.bias
        odds = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
        likely: NDArray[np.float64] = odds / odds.sum(axis=1, keepdims=True)
        return likely

    def predict(self, weights: Zoo | Mapping[str, Any]) -> list[str]:
        """The likeliest class of each network; arguments and errors as of `probabilities`."""
        return [self.classes[best] for best in self.probabilities(weights).argmax(axis=1)]

    def save(self, path: str | Path) -> None:
        """Write the method to a file, which `load_method` reads.

        Raises:
            ZooWriteError: the disk refused.
        """
        facts = architecture_facts(self.architecture)
        metadata = {
            "format": _FORMAT,
            "version": _VERSION,
            "method": self.method,
            "architecture": facts.pop("name"),
            **facts,
            "classes": list(self.classes),
        }
        tensors = {name: getattr(self, name) for name in _TENSORS}
        write_file(Path(path), encode_tensors(tensors, metadata))


def fit(zoo: Zoo, method: str, *, seed: int = 0) -> FittedMethod:
    """Fit a method on all networks of a zoo, to name networks elsewhere.

    Args:
        zoo: networks of at least two classes; those that failed are left out.
        method: a portable one of `METHODS`.
        seed: for what the method draws.

    Raises:
        PredictionError: an unknown method or one that can't be kept, a wrong seed, one class
            only, or weights that are not finite.
    """
    chosen = get_method(method)
    if not chosen.portable:
        raise PredictionError(
            f"method '{method}' can't be kept; those that can: "
            f"{', '.join(name for name, other in METHODS.items() if other.portable)}"
        )
    networks = networks_of(zoo)
    check_classes(list(networks.labels), least=1)
    check_seed(seed)
    step, scaler, classifier = (s for _, s in chosen.build(networks.architecture, seed).steps)
    features = step.transform(networks.matrix)
    check_features(features, networks.ids, method)
    classifier.fit(scaler.fit_transform(features), networks.labels)
    weight, bias = classifier.coef_, classifier.intercept_
    if len(weight) == 1:  # of two classes scikit-learn keeps the second's; the first's are zero
        weight, bias = np.vstack([0 * weight, weight]), np.append(0, bias)
    return FittedMethod(
        method=method,
        architecture=networks.architecture,
        classes=tuple(map(str, classifier.classes_)),
        mean=scaler.mean_.astype(np.float32),
        scale=scaler.scale_.astype(np.float32),
        weight=weight.astype(np.float32),
        bias=bias.astype(np.float32),
    )


def load_method(path: str | Path) -> FittedMethod:
    """Read a method that `FittedMethod.save` wrote.

    Raises:
        PredictionError: there is no such file, or it holds no method that this version knows.
        ZooFormatError: the file is damaged.
    """
    path = Path(path)
    if not path.is_file():
        raise PredictionError(
            f"{path}: no such file; `hyperzoo classify ZOO --out DIR` writes fitted methods to DIR"
        )
    file = open_tensors(path)
    name, architecture, classes = _parse_metadata(file)
    found = {key: place.shape for key, place in file.places.items()}
    features = found.get("mean", (0,))[0]
    expected = {
        "mean": (features,),
        "scale": (features,),
        "weight": (len(classes), features),
        "bias": (len(classes),),
    }
    if found != expected:
        raise PredictionError(f"{path}: expected tensors of shapes {expected}, got {found}")
    tensors = {key: np.array(file.tensor(key), np.float32) for key in _TENSORS}
    if not all(np.isfinite(t).all() for t in tensors.values()) or not (tensors["scale"] > 0).all():
        raise PredictionError(f"{path}: numbers are not finite, or scales not positive")
    return FittedMethod(method=name, architecture=architecture, classes=classes, **tensors)


def _parse_metadata(file: TensorFile) -> tuple[str, Architecture, tuple[str, ...]]:
    """The method, the architecture and the classes of a file; nothing in it is taken on trust."""
    metadata = file.metadata
    if metadata.get("format") != _FORMAT or metadata.get("version") != _VERSION:
        raise PredictionError(
            f"{file.path}: not a classification method of format {_VERSION}; those are written by "
            "`hyperzoo classify` and FittedMethod.save"
        )
    name, architecture = metadata.get("method"), metadata.get("architecture")
    outputs, classes = metadata.get("outputs"), metadata.get("classes")
    if (
        not isinstance(name, str)
        or not isinstance(architecture, str)
        or type(outputs) is not int
        or not 1 <= outputs <= _MAX_OUTPUTS
        or not isinstance(classes, list)
        or not all(isinstance(label, str) and label.isprintable() for label in classes)
        or not 2 <= len(set(classes)) == len(classes)
    ):
        raise PredictionError(
            f"{file.path}: the metadata must name a method, an architecture with its outputs, and "
            "at least two different classes in printable characters"
        )
    if not get_method(name).portable:
        raise PredictionError(f"{file.path}: method '{name}' can't be kept in a file")
    if "layers" in metadata:
        return name, architecture_from({**metadata, "name": architecture}), tuple(classes)
    return name, get_architecture(architecture, outputs), tuple(classes)


def _extractor(method: str, architecture: Architecture) -> Any:
    """The step of a portable method that makes features."""
    return get_method(method).build(architecture, 0).steps[0][1]
