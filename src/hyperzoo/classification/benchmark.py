"""The benchmark: every method on the same splits of a zoo, with its controls."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hyperzoo.classification.networks import Networks, networks_of
from hyperzoo.classification.registry import Method, choose_methods
from hyperzoo.classification.results import Benchmark, about, tables
from hyperzoo.classification.scores import confusion_counts
from hyperzoo.classification.splits import (
    Split,
    check_classes,
    first_of_each_class,
    split_networks,
)
from hyperzoo.errors import ClassificationError
from hyperzoo.images import ImageSet
from hyperzoo.zoo import Zoo

if TYPE_CHECKING:
    from hyperzoo.classification.features import PerNetwork

SHUFFLES = 4
"""Label shuffles a split for methods whose features are made once. Others, which are slow, have
one on the first split alone."""

CURVE_SIZES = (1, 2, 3, 5, 10, 20, 40, 80, 160, 320, 640)
"""Training networks a class of the learning curve, as far as there are so many."""

Meter = Callable[[int, int | None], None]
"""Is told how many methods are done, and of how many."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Prepared:
    """A method's estimator without the steps that fit nothing, and those steps' features.

    Attributes:
        method: the method.
        step: the step that fits nothing; None where there is none.
        features: [network, feature], or the weights where there is no such step.
        seconds: that it took to make a network's features.
        estimator: the rest, not fitted.
    """

    method: Method
    step: "PerNetwork | None"
    features: NDArray[Any]
    seconds: float
    estimator: Any


def run(
    zoo: Zoo,
    methods: Sequence[str] | None = None,
    *,
    track: str | None = None,
    seed: int = 0,
    splits: int = 5,
    images: ImageSet | None = None,
    meter: Meter | None = None,
) -> Benchmark:
    """Name the class of networks by every method, on networks that the method has not seen.

    Every transform is fitted on training networks only. Beside the scores: a control whose
    training labels are shuffled, which must come out at chance; each layer alone, for methods
    that take any weights; and for the studied method of each track (of the methods that were
    named, where those are among them) the learning curve, and the accuracy when one layer of
    every test network is another network's.

    Args:
        zoo: networks of at least two classes; those that failed are left out.
        methods: names in `METHODS`; None for all of the track.
        track: "A" (weights alone), "B" (and inputs of the method's own making) or "C" (and real
            images); None for any.
        seed: of the splits and of what methods draw.
        splits: how often to split.
        images: track C: images whose validation split the method may see. Without them, track C
            is left out, unless it was asked for.
        meter: told how many methods are done.

    Raises:
        ClassificationError: an unknown method or track, one class only, too few networks, weights
            that are not finite, or no images for a method that needs some.
    """
    if splits < 1:
        raise ClassificationError(f"splits: expected at least 1, got {splits}")
    chosen = choose_methods(methods, track)
    if images is None and methods is None and track is None:
        chosen = [method for method in chosen if method.track != "C"]
    networks = networks_of(zoo)
    check_classes(list(networks.labels))
    shown = _images_by_class(chosen, networks, images)
    cuts = [
        split_networks(networks.ids, list(networks.labels), seed, repeat)
        for repeat in range(splits)
    ]
    trial = _Trial(networks, cuts, seed)
    with _one_thread():
        for done, method in enumerate(chosen):
            if meter is not None:
                meter(done, len(chosen))
            trial.judge(method, shown)
    return Benchmark(
        about=about(zoo, networks, cuts, seed, chosen), **tables(trial.records, trial.classes)
    )


@contextmanager
def _one_thread() -> Iterator[None]:
    """Hold every library to one thread.

    The work is many small steps, which several threads make slower rather than faster, and much
    slower on a busy machine. The results are then also the same on any number of cores.
    """
    import torch
    from threadpoolctl import threadpool_limits

    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        with threadpool_limits(limits=1):
            yield
    finally:
        torch.set_num_threads(threads)


class _Trial:
    """Runs a method's fits and collects their records."""

    def __init__(self, networks: Networks, cuts: list[Split], seed: int) -> None:
        self.networks = networks
        self.cuts = cuts
        self.seed = seed
        self.classes = sorted(set(networks.labels))
        self.records: list[dict[str, Any]] = []
        least = min((networks.labels[cuts[0].train] == name).sum() for name in self.classes)
        self._sizes = [size for size in CURVE_SIZES if size < least] + [int(least)]

    def judge(self, method: Method, shown: list[NDArray[np.uint8]] | None) -> None:
        """All fits of one method."""
        prepared = self._prepare(method, shown)
        for repeat, cut in enumerate(self.cuts):
            fitted = self._fit(prepared, "score", repeat, cut.train)
            if repeat == 0 and method.studied and prepared.step is not None:
                self._swap_layers(prepared, fitted, cut.test)
        for repeat, shuffle in self._shuffles(prepared.step is not None):
            self._fit(prepared, "control", repeat, self.cuts[repeat].train, shuffle=shuffle)
        if method.studied:
            for size in self._sizes:
                for repeat, cut in enumerate(self.cuts):
                    rows = cut.train[first_of_each_class(self.networks.labels[cut.train], size)]
                    self._fit(prepared, "curve", repeat, rows, networks_per_class=size)
        if method.flat:
            self._try_layers(prepared)

    def _shuffles(self, fast: bool) -> list[tuple[int, int]]:
        """Split and number of each label shuffle."""
        if not fast:
            return [(0, 0)]
        return [(repeat, n) for repeat in range(len(self.cuts)) for n in range(SHUFFLES)]

    def _prepare(self, method: Method, shown: list[NDArray[np.uint8]] | None) -> Prepared:
        from sklearn.pipeline import Pipeline

        from hyperzoo.classification.features import PerNetwork

        networks = self.networks
        estimator = method.build(networks.architecture, self.seed, shown)
        steps = [step for _, step in estimator.steps] if isinstance(estimator, Pipeline) else []
        if not steps or not isinstance(steps[0], PerNetwork):
            return Prepared(
                method=method,
                step=None,
                features=networks.matrix,
                seconds=0.0,
                estimator=estimator,
            )
        began = time.perf_counter()
        features = steps[0].transform(networks.matrix)
        seconds = (time.perf_counter() - began) / len(features)
        return Prepared(
            method=method,
            step=steps[0],
            features=features,
            seconds=seconds,
            estimator=Pipeline(estimator.steps[1:]),
        )

    def _fit(
        self,
        prepared: Prepared,
        kind: str,
        repeat: int,
        rows: NDArray[np.int64],
        columns: slice = slice(None),
        **facts: Any,
    ) -> Any:
        """Fit on some training networks, name the split's test networks, keep the record."""
        from sklearn.base import clone

        labels, test = self.networks.labels, self.cuts[repeat].test
        wanted = labels[rows]
        if kind == "control":
            shuffle = np.random.default_rng([self.seed, repeat, facts["shuffle"]])
            wanted = shuffle.permutation(wanted)
        estimator = clone(prepared.estimator)
        began = time.perf_counter()
        estimator.fit(prepared.features[rows, columns], wanted)
        fitted = time.perf_counter()
        named = estimator.predict(prepared.features[test, columns])
        predicted = time.perf_counter()
        self._record(prepared.method, kind, repeat, named, len(rows), **facts)
        self.records[-1] |= {
            "fit_seconds": fitted - began + prepared.seconds * len(rows),
            "predict_seconds": predicted - fitted + prepared.seconds * len(test),
        }
        if kind == "score":
            last = estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator
            self.records[-1]["history"] = getattr(last, "history_", [])
        return estimator

    def _record(
        self,
        method: Method,
        kind: str,
        repeat: int,
        named: NDArray[Any],
        trained: int,
        **facts: Any,
    ) -> None:
        labels = self.networks.labels[self.cuts[repeat].test]
        counts = confusion_counts(self.classes, labels, named)
        self.records.append(
            {
                "kind": kind,
                "method": method.name,
                "track": method.track,
                "split": repeat,
                "trained": trained,
                "counts": counts,
                **facts,
            }
        )

    def _try_layers(self, prepared: Prepared) -> None:
        """The accuracy with the weights of a single layer."""
        from hyperzoo.classification.features import layer_columns

        for layer, columns in layer_columns(self.networks.architecture).items():
            for repeat, cut in enumerate(self.cuts):
                self._fit(prepared, "alone", repeat, cut.train, columns, layer=layer)

    def _swap_layers(self, prepared: Prepared, fitted: Any, test: NDArray[np.int64]) -> None:
        """The accuracy when a layer of every test network comes from another test network."""
        from hyperzoo.classification.features import layer_columns

        assert prepared.step is not None
        for layer, columns in layer_columns(self.networks.architecture).items():
            mixed = self.networks.matrix[test]
            # Test networks are in the order of their hashes, so the next one is a random one.
            mixed[:, columns] = np.roll(mixed[:, columns], 1, axis=0)
            named = fitted.predict(prepared.step.transform(mixed))
            trained = len(self.cuts[0].train)
            self._record(prepared.method, "swapped", 0, named, trained, layer=layer)


def _images_by_class(
    chosen: Sequence[Method], networks: Networks, images: ImageSet | None
) -> list[NDArray[np.uint8]] | None:
    """For track C the validation images of each class, of those that networks are named by."""
    needing = [method.name for method in chosen if method.track == "C"]
    if not needing:
        return None
    if images is None:
        raise ClassificationError(
            f"method '{needing[0]}' needs real images: give `images`, e.g. "
            "hz.load_images('npz', path=...) (on the command line --images FILE.npz)"
        )
    height, width, channels = networks.architecture.input_shape
    if images.image_shape != (height, width, channels):
        raise ClassificationError(
            f"the networks take images of shape {(height, width, channels)}, got "
            f"{images.image_shape}"
        )
    return [
        images.validation_images[images.validation_labels == label]
        for label in range(len(images.class_names))
    ]
