import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hyperzoo.analysis.counts import FARTHEST, Bins, choose_bins, count_layer


def counted(matrix: np.ndarray, labels: list[int], bins: Bins | None = None):
    bins = bins or choose_bins(matrix, 10, 4)
    return count_layer(matrix, np.array(labels), max(labels) + 1, bins)


@settings(max_examples=60, deadline=None)
@given(
    arrays(np.float32, (3, 7), elements=st.floats(-20, 20, width=32)),
    st.lists(st.integers(0, 2), min_size=3, max_size=3),
)
def test_counts_are_those_of_a_plain_loop(matrix: np.ndarray, labels: list[int]):
    found = counted(matrix, labels)
    points = np.clip(np.rint(matrix * np.float32(1e4)), -FARTHEST, FARTHEST).astype(int)
    for label in range(max(labels) + 1):
        own = points[np.array(labels) == label]
        values, counts = np.unique(own, return_counts=True)
        expected = dict(zip(values.tolist(), counts.tolist(), strict=True))
        places = np.flatnonzero(found.classes[label])
        got = {int(found.points[p]): int(found.classes[label][p]) for p in places}
        assert got == expected
        assert (
            found.beyond[label]
            == (
                np.abs(np.rint(matrix[np.array(labels) == label] * np.float32(1e4))) > FARTHEST
            ).sum()
        )
        if own.size:
            assert found.least[label] == matrix[np.array(labels) == label].min()
            assert found.greatest[label] == matrix[np.array(labels) == label].max()
    edges = found.bins.edges
    place = np.clip(np.searchsorted(edges, points, side="right") - 1, 0, len(found.bins) - 1)
    for row, own_bins in zip(found.networks, place, strict=True):
        assert row.tolist() == np.bincount(own_bins, minlength=len(found.bins)).tolist()


def test_many_and_few_weights_at_once_count_alike():
    # One row of more weights than a block is counted by itself, small rows together.
    values = np.random.default_rng(0).standard_normal((2, 80_000)).astype(np.float32)
    bins = choose_bins(values, 100, 4)
    large = count_layer(values, np.array([0, 1]), 2, bins)
    small = count_layer(values.reshape(-1, 100), np.repeat([0, 1], 800), 2, bins)
    assert (large.low, large.classes.tolist()) == (small.low, small.classes.tolist())
    assert large.networks.tolist() == small.networks.reshape(2, 800, -1).sum(axis=1).tolist()
    assert large.networks.sum(axis=1).tolist() == [80_000, 80_000]


def test_adding_widens_the_grid():
    bins = Bins(edges=np.array([-10, 0, 10]), decimals=4)
    first = counted(np.array([[0.0002, -0.5]], np.float32), [0], bins)
    second = counted(np.array([[0.7, 0.0002]], np.float32), [0], bins)
    first.add(second)
    assert first.low == -5000
    assert first.classes.sum() == 4
    assert first.classes[0, [0, 5002, 12000]].tolist() == [1, 2, 1]
    assert (float(first.least[0]), float(first.greatest[0])) == (-0.5, pytest.approx(0.7))


def test_bins_cover_five_deviations_or_the_range():
    narrow = choose_bins(np.linspace(-0.1, 0.1, 1000, dtype=np.float32), 100, 4)
    assert narrow.limits[0] == pytest.approx(-0.10005)
    assert narrow.limits[-1] >= 0.1
    assert len(narrow) == 100
    outlier = np.append(np.random.default_rng(0).normal(0, 0.01, 10_000), 50).astype(np.float32)
    wide = choose_bins(outlier, 100, 4)
    assert len(wide) == 100
    assert wide.limits[-1] < 5
    constant = choose_bins(np.zeros(5, np.float32), 100, 4)
    assert constant.edges[:2].tolist() == [0, 1]
