"""Which networks train a method and which test it: fixed by ids and a seed, by nothing else.

A network's place follows from its own id, whatever the order of files and whatever networks
stand beside it: in every class the networks are ordered by a hash of (seed, repeat, id).
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyperzoo.errors import PredictionError

TEST_SHARE = 0.3
VALIDATION_SHARE = 0.2
"""Of the training networks: for a method that chooses among settings or when to stop."""

LEAST_PER_CLASS = 4
MOST_SEED = 2**32 - 1
"""The largest seed that scikit-learn takes."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Split:
    """Rows of training and of test networks, each in the order of their hashes.

    Attributes:
        train: int64 [network].
        test: int64 [network].
    """

    train: NDArray[np.int64]
    test: NDArray[np.int64]


def split_networks(ids: Sequence[str], labels: Sequence[str], seed: int, repeat: int) -> Split:
    """Split networks, 30 % of every class (rounded, at least one) for the test.

    Args:
        ids: of the networks, all different.
        labels: their classes.
        seed: of the benchmark.
        repeat: which of its splits, from 0.

    Raises:
        PredictionError: fewer than two classes, or a class of too few networks.
    """
    check_classes(labels)
    order = sorted(range(len(ids)), key=lambda row: _hash(ids[row], seed, repeat))
    train, test = [], []
    for name in sorted(set(labels)):
        rows = [row for row in order if labels[row] == name]
        held_out = max(1, round(TEST_SHARE * len(rows)))
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


def check_classes(labels: Sequence[str], least: int = LEAST_PER_CLASS) -> None:
    """Check that there are classes to tell apart, each with networks enough.

    Args:
        labels: the class of each network.
        least: how many networks of a class are enough.

    Raises:
        PredictionError: there are not.
    """
    counts = {name: list(labels).count(name) for name in sorted(set(labels))}
    if len(counts) < 2:
        found = f"all networks are of class '{next(iter(counts))}'" if counts else "there are none"
        raise PredictionError(
            f"classification needs networks of at least two classes, but {found}; only zoos of the "
            "task one-vs-all have networks of several classes"
        )
    few = [f"{name} ({count})" for name, count in counts.items() if count < least]
    if few:
        raise PredictionError(
            f"a split needs at least {least} networks of every class; too few: "
            f"{', '.join(few)}. Train more networks a class"
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
