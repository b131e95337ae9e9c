"""The fits of a benchmark: which there are, each by itself, and many at once."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hyperzoo.cores import one_thread
from hyperzoo.prediction.networks import Networks, check_features
from hyperzoo.prediction.registry import Method
from hyperzoo.prediction.splits import Split, first_of_each_class
from hyperzoo.prediction.yardstick import Answers

if TYPE_CHECKING:
    from hyperzoo.features.per_network import PerNetwork

SHUFFLES = 4
"""Label shuffles a split for methods whose features are made once. Others, which are slow, have
one, and so have numbers. A single one in all would say little: networks of a class are named
alike, rightly or not."""

CURVE_SIZES = (1, 2, 3, 5, 10, 20, 40, 80, 160, 320, 640)
"""Training networks a class of the learning curve, as far as there are so many."""

LEAST_NUMBERS = 10
"""Training networks in all of the learning curve of a number."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Prepared:
    """A method's estimator without the step that fits nothing, and that step's features.

    Attributes:
        method: the method.
        step: the step that fits nothing; None where there is none.
        features: [network, feature], or the weights where there is no such step; on track 0 what
            is known of networks without them.
        seconds: that it took to make a network's features.
        estimator: the rest, not fitted.
    """

    method: Method
    step: "PerNetwork | None"
    features: NDArray[Any]
    seconds: float
    estimator: Any


@dataclass(frozen=True, kw_only=True, eq=False)
class Fit:
    """One fit, and the answers for its split's test networks.

    Attributes:
        kind: "score", "control", "curve" or "alone".
        split: which.
        train: rows of the training networks.
        wanted: their words or numbers, as the method is told them.
        columns: of the features; None for all.
        facts: what else the record says.
    """

    kind: str
    split: int
    train: NDArray[np.int64]
    wanted: NDArray[Any]
    columns: slice | None = None
    facts: dict[str, Any] = field(default_factory=dict)


class Trial:
    """Runs the fits of methods and collects their records."""

    def __init__(self, networks: Networks, cuts: Sequence[Split], seed: int, workers: int) -> None:
        self.networks = networks
        self.cuts = cuts
        self.seed = seed
        self.workers = workers
        self.records: list[dict[str, Any]] = []

    def judge(self, method: Method, shown: Sequence[NDArray[np.uint8]] | None) -> None:
        """All fits of one method.

        Args:
            method: which.
            shown: track C: images of each class.
        """
        from joblib import Parallel, delayed

        prepared = self._prepare(method, shown)
        at_hand = prepared.features is not self.networks.matrix
        studied = self.networks.target.kind in method.studied
        fits = [*self._scores_and_controls(at_hand)]
        fits += self._curve() if studied else ()
        fits += self._layers() if method.flat else ()
        # Where features are at hand, a fit is faster than a process starts.
        outcomes = Parallel(n_jobs=1 if at_hand else self.workers)(
            delayed(_outcome)(prepared.estimator, prepared.features, fit, self._tested(fit))
            for fit in fits
        )
        for fit, outcome in zip(fits, outcomes, strict=True):
            self._record(prepared, fit, **outcome)
        if studied and prepared.step is not None:
            self._swap_layers(prepared, prepared.step)

    def _prepare(self, method: Method, shown: Sequence[NDArray[np.uint8]] | None) -> Prepared:
        from sklearn.pipeline import Pipeline

        from hyperzoo.features.per_network import PerNetwork

        matrix = self.networks.matrix
        kind = self.networks.target.kind
        estimator = method.build(self.networks.architecture, self.seed, shown, kind)
        if method.track == "0":
            known = self.networks.curves if method.early else self.networks.classes[:, None]
            assert known is not None  # methods that need early weights were refused without
            return Prepared(
                method=method, step=None, features=known, seconds=0.0, estimator=estimator
            )
        steps = [step for _, step in estimator.steps] if isinstance(estimator, Pipeline) else []
        if not steps or not isinstance(steps[0], PerNetwork):
            return Prepared(
                method=method, step=None, features=matrix, seconds=0.0, estimator=estimator
            )
        began = time.perf_counter()
        features = steps[0].transform(matrix)
        seconds = (time.perf_counter() - began) / len(features)
        check_features(features, self.networks.ids, method.name)
        rest = Pipeline(estimator.steps[1:])
        return Prepared(
            method=method, step=steps[0], features=features, seconds=seconds, estimator=rest
        )

    def _scores_and_controls(self, fast: bool) -> Iterator[Fit]:
        values, category = self.networks.values, self.networks.target.kind == "category"
        for split, cut in enumerate(self.cuts):
            yield Fit(kind="score", split=split, train=cut.train, wanted=values[cut.train])
        for split, cut in enumerate(self.cuts):
            for number in range(SHUFFLES if fast and category else 1):
                shuffle = np.random.default_rng([self.seed, split, number])
                wanted = shuffle.permutation(values[cut.train])
                yield Fit(kind="control", split=split, train=cut.train, wanted=wanted)

    def _curve(self) -> Iterator[Fit]:
        """Fits on the first few training networks of each class, or word."""
        category = self.networks.target.kind == "category"
        strata = self.networks.values if category else self.networks.classes
        told = strata[self.cuts[0].train]
        names = sorted(set(told))
        least = int(min((told == name).sum() for name in names))
        enough = 1 if category else -(-LEAST_NUMBERS // len(names))
        for size in [*(size for size in CURVE_SIZES if enough <= size < least), least]:
            for split, cut in enumerate(self.cuts):
                rows = cut.train[first_of_each_class(strata[cut.train], size)]
                wanted, facts = self.networks.values[rows], {"networks_per_class": size}
                yield Fit(kind="curve", split=split, train=rows, wanted=wanted, facts=facts)

    def _layers(self) -> Iterator[Fit]:
        """Fits on the weights of a single layer."""
        from hyperzoo.features.matrix import layer_columns

        values = self.networks.values
        for layer, columns in layer_columns(self.networks.architecture).items():
            for split, cut in enumerate(self.cuts):
                yield Fit(
                    kind="alone",
                    split=split,
                    train=cut.train,
                    wanted=values[cut.train],
                    columns=columns,
                    facts={"layer": layer},
                )

    def _swap_layers(self, prepared: Prepared, step: "PerNetwork") -> None:
        """The answers when a layer of every test network comes from another test network."""
        from sklearn.base import clone

        from hyperzoo.features.matrix import layer_columns

        train, test = self.cuts[0].train, self.cuts[0].test
        wanted = self.networks.values[train]
        estimator = clone(prepared.estimator).fit(prepared.features[train], wanted)
        for layer, columns in layer_columns(self.networks.architecture).items():
            mixed = self.networks.matrix[test]
            # Test networks are in the order of their hashes, so the next one is a random one.
            mixed[:, columns] = np.roll(mixed[:, columns], 1, axis=0)
            fit = Fit(kind="swapped", split=0, train=train, wanted=wanted, facts={"layer": layer})
            self._record(prepared, fit, said=estimator.predict(step.transform(mixed)))

    def _tested(self, fit: Fit) -> NDArray[np.int64]:
        """Rows of the networks that a fit is tried on: of its split, then those held out."""
        cut = self.cuts[fit.split]
        return np.concatenate([cut.test, cut.held_out]) if fit.kind == "score" else cut.test

    def _answers(self, rows: NDArray[np.int64], said: NDArray[Any]) -> Answers:
        networks = self.networks
        return Answers(wanted=networks.values[rows], said=said, classes=networks.classes[rows])

    def _record(
        self,
        prepared: Prepared,
        fit: Fit,
        *,
        said: NDArray[Any],
        fit_seconds: float = 0.0,
        predict_seconds: float = 0.0,
        history: Sequence[dict[str, float]] = (),
    ) -> None:
        cut = self.cuts[fit.split]
        record = {
            "kind": fit.kind,
            "method": prepared.method.name,
            "track": prepared.method.track,
            "split": fit.split,
            "trained": len(fit.train),
            "answers": self._answers(cut.test, said[: len(cut.test)]),
            "fit_seconds": fit_seconds + prepared.seconds * len(fit.train),
            "predict_seconds": predict_seconds + prepared.seconds * len(said),
            "history": history,
            **fit.facts,
        }
        self.records.append(record)
        if len(said) > len(cut.test):
            transferred = self._answers(cut.held_out, said[len(cut.test) :])
            self.records.append(record | {"kind": "transfer", "answers": transferred})


def _outcome(
    estimator: Any, features: NDArray[Any], fit: Fit, test: NDArray[np.int64]
) -> dict[str, Any]:
    """Fit and predict; may run in a process of its own."""
    from sklearn.base import clone

    with one_thread():
        estimator = clone(estimator)
        columns = fit.columns or slice(None)
        began = time.perf_counter()
        estimator.fit(features[fit.train, columns], fit.wanted)
        fitted = time.perf_counter()
        said = estimator.predict(features[test, columns])
        predicted = time.perf_counter()
    last = estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator
    return {
        "said": said,
        "fit_seconds": fitted - began,
        "predict_seconds": predicted - fitted,
        "history": getattr(last, "history_", ()),
    }
