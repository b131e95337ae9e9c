"""What predictions are measured by: words by how many are right, numbers by how near they are."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyperzoo.prediction import number_scores
from hyperzoo.prediction.scores import confusion_counts, interval, scores_of
from hyperzoo.prediction.target import Kind


@dataclass(frozen=True, kw_only=True, eq=False)
class Answers:
    """What a method said of the test networks of one split.

    Attributes:
        wanted: their values, [network].
        said: what was predicted, [network].
        classes: object [network], the classes that they detect.
    """

    wanted: NDArray[Any]
    said: NDArray[Any]
    classes: NDArray[np.object_]


Interval = Callable[[Sequence[Answers]], tuple[float, float]]


@dataclass(frozen=True, kw_only=True)
class Yardstick:
    """The scores of a kind of target.

    Attributes:
        main: the score that methods are ranked by.
        names: all scores, in the order of tables.
        scores: the answers of one split -> name -> score.
        intervals: name of a score -> 95 % interval of its mean over splits.
    """

    main: str
    names: tuple[str, ...]
    scores: Callable[[Answers], Mapping[str, float]]
    intervals: Mapping[str, Interval]


def yardstick_of(kind: Kind, categories: Sequence[str]) -> Yardstick:
    """What a kind of target is measured by.

    Args:
        kind: of the target.
        categories: the words that there are, of a category.
    """
    if kind == "number":
        return Yardstick(
            main="r2",
            names=("r2", "tau", "mae", "tau_within"),
            scores=_number_scores,
            intervals={
                name: partial(_number_interval, score)
                for name, score in (("r2", number_scores.r2), ("tau", number_scores.tau))
            },
        )
    return Yardstick(
        main="accuracy",
        names=("accuracy", "precision", "recall", "specificity", "f1"),
        scores=lambda answers: scores_of(counts_of(categories, answers)),
        intervals={"accuracy": partial(_accuracy_interval, categories)},
    )


def counts_of(categories: Sequence[str], answers: Answers) -> NDArray[np.int64]:
    """How many networks of each word were given each: [wanted, said]."""
    return confusion_counts(categories, answers.wanted, answers.said)


def _accuracy_interval(categories: Sequence[str], splits: Sequence[Answers]) -> tuple[float, float]:
    accuracies = [scores_of(counts_of(categories, own))["accuracy"] for own in splits]
    return interval(accuracies, len(splits[0].wanted))


def _number_scores(answers: Answers) -> dict[str, float]:
    wanted, said = answers.wanted, answers.said
    return {
        "r2": number_scores.r2(wanted, said),
        "tau": number_scores.tau(wanted, said),
        "mae": float(np.abs(wanted - said).mean()),
        "tau_within": number_scores.tau_within(wanted, said, answers.classes),
    }


def _number_interval(score: number_scores.Score, splits: Sequence[Answers]) -> tuple[float, float]:
    return number_scores.interval(score, [(own.wanted, own.said) for own in splits])
