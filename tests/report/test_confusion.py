"""The size of the validation split, from metrics."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperzoo.report.confusion import SplitSize, split_size

COLUMNS = ("class", "accuracy", "precision", "recall", "specificity")


def models(images: int, positives: dict[str, int], answers: dict[str, list[tuple[int, int]]]):
    """Networks with so many right yes and right no."""
    rows = []
    for name, counts in answers.items():
        yes = positives[name]
        no = images - yes
        for right_yes, right_no in counts:
            said = right_yes + no - right_no
            rows.append(
                {
                    "class": name,
                    "accuracy": (right_yes + right_no) / images,
                    "precision": right_yes / said if said else 0.0,
                    "recall": right_yes / yes,
                    "specificity": right_no / no,
                }
            )
    return pa.Table.from_pylist(rows)


def test_the_sizes_of_imagenette():
    answers = {"church": [(132, 3456), (97, 3490), (200, 3401)], "tench": [(201, 3500), (0, 3538)]}
    positives = {"church": 409, "tench": 387}
    found = split_size(models(3925, positives, answers))
    assert found == SplitSize(images=3925, positives=positives)


def test_a_multiple_is_found_where_accuracies_share_a_factor():
    # Both accuracies are whole fiftieths, but recalls need 3 of 7 positives and so on.
    found = split_size(models(100, {"cat": 7}, {"cat": [(3, 91), (5, 93)]}))
    assert found == SplitSize(images=100, positives={"cat": 7})


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_counts_that_fit_are_always_found(data: st.DataObject):
    images = data.draw(st.integers(20, 5000))
    yes = data.draw(st.integers(1, images - 1))
    counts = st.tuples(st.integers(0, yes), st.integers(0, images - yes))
    answers = data.draw(st.lists(counts, min_size=8, max_size=12))
    table = models(images, {"cat": yes}, {"cat": answers})
    found = split_size(table)
    if found is None:  # nothing tells the sizes: all networks guess alike, say
        return
    # What is found explains every metric, with a split that is not larger than the real one.
    positives, negatives = found.positives["cat"], found.images - found.positives["cat"]
    assert found.images <= images
    for name, size in (("recall", positives), ("specificity", negatives)):
        counts_found = table[name].to_numpy() * size
        assert np.allclose(counts_found, np.rint(counts_found), atol=1e-6)


@pytest.mark.parametrize("decimals", [3, 4, 6])
def test_rounded_metrics_tell_nothing(decimals: int):
    answers = {"church": [(132, 3456), (97, 3490), (200, 3401)]}
    table = models(3925, {"church": 409}, answers)
    for place, name in enumerate(COLUMNS[1:], 1):
        table = table.set_column(place, name, [np.round(table[name].to_numpy(), decimals)])
    assert split_size(table) is None


def test_no_metrics_no_sizes():
    nothing = {name: pa.array([None], pa.float64()) for name in COLUMNS[1:]}
    assert split_size(pa.table({"class": ["cat"], **nothing})) is None


@pytest.mark.parametrize("value", [np.inf, -3.5, 1e300, 7.0])
def test_senseless_metrics_tell_nothing(value: float):
    row = {"class": ["cat"]} | {name: [value] for name in COLUMNS[1:]}
    assert split_size(pa.table(row)) is None
