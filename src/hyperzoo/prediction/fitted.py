"""A fitted method that predicts a property of networks of any origin, and its file.

The file is safetensors: numbers, and a JSON text that names the method, the target, the
architecture and the words. Reading one runs no code of its maker's.
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
from hyperzoo.prediction.maps import Map, map_of, read_map, tensors_of_map
from hyperzoo.prediction.networks import (
    check_features,
    check_finite,
    matrix_from,
    networks_of,
)
from hyperzoo.prediction.registry import METHODS, choose_methods, get_method
from hyperzoo.prediction.splits import check_classes, check_seed
from hyperzoo.prediction.target import CLASS, NAMING, Target
from hyperzoo.zoo import Zoo
from hyperzoo.zoo.files import write_file
from hyperzoo.zoo.tensors import TensorFile, encode_tensors, open_tensors

_FORMAT, _VERSION = "hyperzoo prediction method", 1
_OF_CLASSES = "hyperzoo classification method"
"""The same before there were other targets: a linear map to classes."""

_MAX_OUTPUTS = 100_000


@dataclass(frozen=True, kw_only=True, eq=False)
class FittedMethod:
    """Features that follow from each network alone, and what was learned of those.

    Attributes:
        method: the method's name.
        target: what it predicts.
        architecture: of the networks that it takes.
        classes: the words that it can give; none where it predicts numbers.
        map: from features to logits, or to the number.
    """

    method: str
    target: Target = NAMING
    architecture: Architecture
    classes: tuple[str, ...]
    map: Map

    def probabilities(self, weights: Zoo | Mapping[str, Any]) -> NDArray[np.float64]:
        """How likely each word is of each network.

        Args:
            weights: a zoo, or PyTorch name -> [*shape] or [network, *shape].

        Returns:
            [network, class], in the order of `classes`; of a zoo in the order of `zoo.ids`.

        Raises:
            PredictionError: the networks are of another architecture, or not finite, or so
                large that what the method computes of them is not; or it predicts numbers.
        """
        if self.target.kind == "number":
            raise PredictionError(f"'{self.target.name}' is a number: it has no probabilities")
        logits = self._outputs(weights)
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        likely: NDArray[np.float64] = odds / odds.sum(axis=1, keepdims=True)
        return likely

    def numbers(self, weights: Zoo | Mapping[str, Any]) -> NDArray[np.float64]:
        """The number of each network, [network]; arguments and errors as of `probabilities`."""
        if self.target.kind == "category":
            raise PredictionError(f"'{self.target.name}' is a word: ask for its probabilities")
        found = self._outputs(weights)[:, 0]
        return np.power(10.0, found) if self.target.logarithmic else found

    def predict(self, weights: Zoo | Mapping[str, Any]) -> list[str] | list[float]:
        """The likeliest word or the number of each network; errors as of `probabilities`."""
        if self.target.kind == "number":
            return [float(number) for number in self.numbers(weights)]
        return [self.classes[best] for best in self.probabilities(weights).argmax(axis=1)]

    def _outputs(self, weights: Zoo | Mapping[str, Any]) -> NDArray[np.float64]:
        """Logits, or the number: [network, output]."""
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
        step = _steps(self.method, self.architecture, self.target)[0]
        features = step.transform(matrix)
        if features.shape[1] != self.map.features:
            raise PredictionError(
                f"method '{self.method}' makes {features.shape[1]} features, but was fitted on "
                f"{self.map.features}; fit it again with this version of hyperzoo"
            )
        check_features(features, ids, self.method)
        return self.map.outputs(features)

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
            "target": self.target.name,
            "kind": self.target.kind,
            "logarithmic": self.target.logarithmic,
            "architecture": facts.pop("name"),
            **facts,
            "classes": list(self.classes),
        }
        write_file(Path(path), encode_tensors(tensors_of_map(self.map), metadata))


def fit(
    zoo: Zoo, method: str, *, target: str = CLASS, from_epoch: int | None = None, seed: int = 0
) -> FittedMethod:
    """Fit a method on all networks of a zoo, to use it on networks elsewhere.

    Args:
        zoo: networks that differ in the target; those that failed are left out.
        method: a portable one of `METHODS`.
        target: as of `benchmark.run`.
        from_epoch: as of `benchmark.run`.
        seed: for what the method draws.

    Raises:
        PredictionError: an unknown method or target, a method that can't be kept, a wrong seed,
            nothing to predict, or weights that are not finite.
    """
    chosen = get_method(method)
    if not chosen.portable:
        raise PredictionError(
            f"method '{method}' can't be kept; those that can: "
            f"{', '.join(name for name, other in METHODS.items() if other.portable)}"
        )
    choose_methods([method], None, chosen.kinds[0], drawn=zoo.architecture.is_drawn)
    networks = networks_of(zoo, target, from_epoch=from_epoch)
    if networks.target.kind == "category":
        check_classes(list(networks.values), target, least=1)
    check_seed(seed)
    step, *rest = _steps(method, networks.architecture, networks.target, seed)
    features = step.transform(networks.matrix)
    check_features(features, networks.ids, method)
    for scaler in rest[:-1]:
        features = scaler.fit_transform(features)
    rest[-1].fit(features, networks.values)
    return FittedMethod(
        method=method,
        target=networks.target,
        architecture=networks.architecture,
        classes=tuple(networks.categories),
        map=map_of(rest),
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
            f"{path}: no such file; `hyperzoo classify ZOO --out DIR` and `hyperzoo predict` write "
            "fitted methods to DIR"
        )
    file = open_tensors(path)
    name, target, architecture, classes = _parse_metadata(file)
    method = get_method(name)
    if not method.portable or target.kind not in method.kinds:
        raise PredictionError(f"{path}: method '{name}' can't be kept in a file")
    tensors = {key: np.array(file.tensor(key), np.float32) for key in file.places}
    try:
        learned = read_map(tensors, len(classes) or 1)
    except PredictionError as error:
        raise PredictionError(f"{path}: {error}") from error
    return FittedMethod(
        method=name, target=target, architecture=architecture, classes=classes, map=learned
    )


def _parse_metadata(file: TensorFile) -> tuple[str, Target, Architecture, tuple[str, ...]]:
    """The method, the target, the architecture and the words of a file; all of it distrusted."""
    metadata = file.metadata
    if metadata.get("format") not in (_FORMAT, _OF_CLASSES) or metadata.get("version") != _VERSION:
        raise PredictionError(
            f"{file.path}: not a prediction method of format {_VERSION}; those are written by "
            "`hyperzoo classify`, `hyperzoo predict` and FittedMethod.save"
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
    ):
        raise PredictionError(
            f"{file.path}: the metadata must name a method, an architecture with its outputs, and "
            "classes in printable characters"
        )
    target = _parse_target(file)
    if len(set(classes)) < len(classes) or not (
        len(classes) >= 2 if target.kind == "category" else not classes
    ):
        raise PredictionError(
            f"{file.path}: expected at least two different classes, or none of a number"
        )
    get_method(name)
    if "layers" in metadata:
        own = architecture_from({**metadata, "name": architecture})
    else:
        own = get_architecture(architecture, outputs)
    return name, target, own, tuple(classes)


def _parse_target(file: TensorFile) -> Target:
    metadata = file.metadata
    if metadata.get("format") == _OF_CLASSES:
        return NAMING
    name, kind = metadata.get("target"), metadata.get("kind")
    logarithmic = metadata.get("logarithmic")
    if (
        not isinstance(name, str)
        or not name.isidentifier()
        or not isinstance(logarithmic, bool)
        or kind not in ("category", "number")
    ):
        raise PredictionError(f"{file.path}: the metadata must name a target and its kind")
    return Target(name=name, kind=kind, logarithmic=logarithmic)


def _steps(method: str, architecture: Architecture, target: Target, seed: int = 0) -> list[Any]:
    """The steps of a portable method, the one that makes features first."""
    pipeline = get_method(method).build(architecture, seed, kind=target.kind)
    return [step for _, step in pipeline.steps]
