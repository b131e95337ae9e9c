"""Which networks of a zoo a generator sees, and which it is judged by.

Of every class, networks are taken in the order of their indices: first those for training, then
those that are held out, then fresh ones. The generator sees the training networks alone. The
held-out networks are the reference of every figure. The fresh ones are the null: what a second
honest sample of trained networks would look like beside the held-out ones.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hyperzoo.errors import GenerationError
from hyperzoo.zoo import Zoo

Role = Literal["training", "held_out", "fresh"]

LEAST_TRAINING, LEAST_HELD_OUT = 2, 2
"""Networks of a class without which nothing can be fitted, or said."""


@dataclass(frozen=True, kw_only=True)
class Split:
    """How many networks of every class have which role.

    Attributes:
        training: the first ones; what a generator is fitted on.
        held_out: the next ones; what generated networks are compared with.
        fresh: those after; 0 for none, and then there is no null.
    """

    training: int
    held_out: int
    fresh: int

    def rows(self, zoo: Zoo, role: Role) -> NDArray[np.int64]:
        """The rows of a zoo's networks that have a role.

        Networks whose training failed have none, and the next index takes the place.

        Returns:
            int64 [network], by index, then class, as in `zoo.ids`.

        Raises:
            GenerationError: a class has fewer networks than the split asks for, or classes are
                subsets.
        """
        _check_kind(zoo)
        begin = {"training": 0, "held_out": self.training, "fresh": self.training + self.held_out}
        end = begin[role] + getattr(self, role)
        rows = []
        for class_name, own in sound_rows(zoo).items():
            if len(own) < end:
                raise GenerationError(
                    f"{zoo.path}: the split needs {end} networks of every class, but "
                    f"'{class_name}' has {len(own)}; train more, or give a smaller split"
                )
            rows.append(own[begin[role] : end])
        return np.sort(np.concatenate(rows))


def check_split(zoo: Zoo, split: Split) -> None:
    """Check that a zoo can be cut so, and that what is fitted can then be judged.

    Raises:
        GenerationError: too few networks to fit on or to judge by, more than the zoo has, or
            classes are subsets.
    """
    if split.training < LEAST_TRAINING or split.held_out < LEAST_HELD_OUT or split.fresh < 0:
        raise GenerationError(
            f"split: expected {LEAST_TRAINING} or more training networks of every class, "
            f"{LEAST_HELD_OUT} or more held out to judge by and 0 or more fresh ones, got "
            f"{split.training}/{split.held_out}/{split.fresh}"
        )
    split.rows(zoo, "fresh")  # the last ones: are there so many?


def default_split(zoo: Zoo) -> Split:
    """Half of the networks for training, a quarter held out, a quarter fresh.

    Raises:
        GenerationError: the zoo has too few networks, or classes are subsets.
    """
    _check_kind(zoo)
    counts = {class_name: len(rows) for class_name, rows in sound_rows(zoo).items()}
    least = min(counts.values(), default=0)
    split = Split(training=least // 2, held_out=least // 4, fresh=least // 4)
    if split.training < LEAST_TRAINING or split.held_out < LEAST_HELD_OUT:
        few = min(counts, key=lambda name: counts[name]) if counts else "none"
        raise GenerationError(
            f"{zoo.path}: generation needs at least {4 * LEAST_HELD_OUT} networks of every class "
            f"(half of them to fit on, a quarter to judge by), but '{few}' has {least}; train more"
        )
    return split


def _check_kind(zoo: Zoo) -> None:
    if zoo.kind == "subset-vs-rest":
        raise GenerationError(
            f"{zoo.path}: its networks tell subsets of classes from the rest; generators are "
            "fitted and judged on zoos of kind one-vs-all or multi-class (but from images of a "
            "class, `hyperzoo generate ZOO --images-of FOLDER` makes networks by such a zoo)"
        )


def sound_rows(zoo: Zoo) -> dict[str, NDArray[np.int64]]:
    """Class -> the rows of its networks whose training did not fail, in the order of indices."""
    classes = np.array(zoo.models["class"].to_pylist(), dtype=object)
    sound = np.array(zoo.models["status"].to_pylist(), dtype=object) != "failed"
    indices = np.array(zoo.models["index"].to_pylist(), np.int64)
    found = {}
    for name in zoo.classes:
        rows = np.flatnonzero(sound & (classes == name))
        found[name] = rows[np.argsort(indices[rows], kind="stable")]
    return found
