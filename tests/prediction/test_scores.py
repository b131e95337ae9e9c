import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from hyperzoo.prediction.scores import confusion_counts, interval, scores_of

CLASSES = ["a", "b", "c", "d"]


def test_scores_are_those_of_scikit_learn():
    generator = np.random.default_rng(0)
    labels, named = generator.choice(CLASSES, (2, 60))
    named[named == "d"] = "a"  # a name that is never given
    counts = confusion_counts(CLASSES, labels, named)
    np.testing.assert_array_equal(counts, confusion_matrix(labels, named, labels=CLASSES))
    scores = scores_of(counts)
    expected = precision_recall_fscore_support(
        labels, named, labels=CLASSES, average="macro", zero_division=0
    )
    assert [scores[key] for key in ("precision", "recall", "f1")] == pytest.approx(expected[:3])
    assert scores["accuracy"] == pytest.approx((labels == named).mean())


def test_specificity_is_recall_of_the_others():
    # Of class a 3 of 4 are found, and 1 of the 6 others is called a.
    scores = scores_of(np.array([[3, 1], [1, 5]]))
    assert scores["specificity"] == pytest.approx((5 / 6 + 3 / 4) / 2)


def test_an_interval_of_one_split_is_wilsons():
    # Wilson's interval for 8 of 10, as published in tables.
    assert interval([0.8], 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)


def test_splits_that_disagree_widen_the_interval():
    accuracies = [0.5, 0.7, 0.9, 0.7, 0.7]
    low, high = interval(accuracies, 1000)
    reach = 2.7764 * np.sqrt((1 / 5 + 3 / 7) * 0.02)
    assert (low, high) == pytest.approx((0.7 - reach, 1), abs=1e-3)


def test_all_right_is_not_certain():
    low, high = interval([1.0] * 5, 180)
    assert 0.97 < low < 0.98
    assert high == 1.0
