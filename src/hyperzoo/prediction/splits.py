"""Which networks train a method and which test it: fixed by ids and a seed, by nothing else.

A network's place follows from its own id, whatever the order of files and whatever networks
stand beside it: in every class the networks are ordered by a hash of (seed, repeat, id).
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyperzoo.errors import PredictionError
from hyperzoo.prediction.networks import Networks
from hyperzoo.prediction.target import CLASS

TEST_SHARE = 0.3
VALIDATION_SHARE = 0.2
"""Of the training networks: for a method that chooses among settings or when to stop."""

LEAST_PER_CLASS = 4
LEAST_FOR_NUMBERS = 20
"""Networks, of which 6 then test."""

MOST_SEED = 2**32 - 1
"""The largest seed that scikit-learn takes."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Split:
    """Rows of training and of test networks, each in the order of their hashes.

    Attributes:
        train: int64 [network].
        test: int64 [network].
        held_out: int64 [network], which test by themselves: whether the method transfers.
    """

    train: NDArray[np.int64]
    test: NDArray[np.int64]
    held_out: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))


def splits_of(networks: Networks, seed: int, repeats: int) -> list[Split]:
    """The splits of a benchmark: by the words that are to be told apart; of numbers by classes.

    Args:
        networks: the networks; of those held out none is in training or test.
        seed: of the benchmark.
        repeats: how many splits.

    Raises:
        PredictionError: too few networks, all are held out, or none.
    """
    rows, held_out = (np.flatnonzero(mask) for mask in (~networks.held_out, networks.held_out))
    category = networks.target.kind == "category"
    strata = (networks.values if category else networks.classes)[rows].tolist()
    if category:
        check_classes(strata, networks.target.name)
    elif len(rows) < LEAST_FOR_NUMBERS:
        raise PredictionError(
            f"predicting numbers needs at least {LEAST_FOR_NUMBERS} networks that are not held "
            f"out and whose {networks.target.name} is known, got {len(rows)}"
            + f" ({len(networks.too_large)} more have weights too large to compute with)"
            * bool(networks.too_large)
            + "; train more networks"
            + ", or hold out fewer" * bool(len(held_out))
        )
    ids = [networks.ids[row] for row in rows]
    cuts = [split_networks(ids, strata, seed, repeat) for repeat in range(repeats)]
    return [Split(train=rows[cut.train], test=rows[cut.test], held_out=held_out) for cut in cuts]


def split_networks(ids: Sequence[str], strata: Sequence[str], seed: int, repeat: int) -> Split:
    """Split networks, 30 % of every stratum (rounded, at least one) for the test.

    Args:
        ids: of the networks, all different.
        strata: what each is of: its class, say. A stratum of one network is for training.
        seed: of the benchmark.
        repeat: which of its splits, from 0.
    """
    order = sorted(range(len(ids)), key=lambda row: _hash(ids[row], seed, repeat))
    train, test = [], []
    for name in sorted(set(strata)):
        rows = [row for row in order if strata[row] == name]
        held_out = min(len(rows) - 1, max(1, round(TEST_SHARE * len(rows))))
        test += rows[:held_out]
        train += rows[held_out:]
    place = {row: position for position, row in enumerate(order)}
    return Split(
        train=np.array(sorted(train, key=place.__getitem__), np.int64),
        test=np.array(sorted(test, key=place.__getitem__), np.int64),
    )


def check_seed(seed: int) -> None:
    """Check that every method can take a seed.

    Raises:
        PredictionError: it can't.
    """
    if not isinstance(seed, int) or not 0 <= seed <= MOST_SEED:
        raise PredictionError(f"seed: expected a whole number from 0 to {MOST_SEED}, got {seed!r}")


def check_classes(labels: Sequence[str], target: str = CLASS, least: int = LEAST_PER_CLASS) -> None:
    """Check that there are words to tell apart, each with networks enough.

    Args:
        labels: the class of each network, or another word that is asked for.
        target: what they are.
        least: how many networks of a word are enough.

    Raises:
        PredictionError: there are not.
    """
    counts = {name: list(labels).count(name) for name in sorted(set(labels))}
    if len(counts) < 2:
        found = (
            f"all networks are of {target} '{next(iter(counts))}'" if counts else "there are none"
        )
        classes = (
            "; networks of a multi-class zoo all have the same. Predict what they differ in: "
            "hyperzoo predict ZOO --target COLUMN"
        )
        raise PredictionError(
            f"naming the {target} needs networks of at least two, but {found}"
            + classes * (target == CLASS)
        )
    few = [f"{name} ({count})" for name, count in counts.items() if count < least]
    if few:
        raise PredictionError(
            f"a split needs at least {least} networks of every {target}; too few: "
            f"{', '.join(few)}. Train more networks"
        )


def first_of_each_class(labels: NDArray[Any], count: int) -> NDArray[np.int64]:
    """Rows of the first `count` networks of every class, in order."""
    rows = [np.flatnonzero(labels == name)[:count] for name in np.unique(labels)]
    return np.sort(np.concatenate(rows))


def last_of_each_class(labels: NDArray[Any], share: float) -> NDArray[np.int64]:
    """Rows of the last networks of every class, in order: a share of them, at least one.

    A class of one network gives none, so that it is not missing from the rest.
    """
    rows = []
    for name in np.unique(labels):
        own = np.flatnonzero(labels == name)
        count = min(len(own) - 1, max(1, round(share * len(own))))
        rows.append(own[len(own) - count :])
    return np.sort(np.concatenate(rows))


class LastOfEachClass:
    """scikit-learn's cross-validation interface: one fold, the last networks of every class.

    Training rows are in the order of their hashes, so "the last" is a random choice that hangs on
    the networks' ids alone.
    """

    def split(
        self, networks: NDArray[Any], labels: NDArray[Any], groups: None = None
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Rows to fit on and rows to judge by."""
        held_out = last_of_each_class(np.asarray(labels), VALIDATION_SHARE)
        if not len(held_out):
            raise PredictionError(
                "a method that chooses its settings needs at least 2 training networks of a class"
            )
        yield np.setdiff1d(np.arange(len(labels)), held_out), held_out

    def get_n_splits(
        self, networks: object = None, labels: object = None, groups: None = None
    ) -> int:
        """How many folds: one."""
        return 1


def _hash(network_id: str, seed: int, repeat: int) -> bytes:
    identity = f"hyperzoo split 1|{seed}|{repeat}|{network_id}".encode()
    return hashlib.sha256(identity).digest()
