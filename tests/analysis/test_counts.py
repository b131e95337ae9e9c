import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hyperzoo.analysis import compiled
from hyperzoo.analysis.counts import FARTHEST, Bins, choose_bins, count_layer

COMPILED = [
    False,
    pytest.param(
        True,
        marks=pytest.mark.skipif(not compiled.is_available(), reason="the kernel was not built"),
    ),
]


def counted(matrix: np.ndarray, labels: list[int], bins: Bins | None = None, compiled=None):
    bins = bins or choose_bins(matrix, 10, 4)
    found = count_layer([matrix], np.array(labels), max(labels) + 1, bins, compiled=compiled)
    assert found is not None
    return found


@pytest.mark.parametrize("compiled", COMPILED)
@settings(max_examples=60, deadline=None)
@given(
    matrix=arrays(np.float32, (3, 37), elements=st.floats(-20, 20, width=32)),
    labels=st.lists(st.integers(0, 2), min_size=3, max_size=3),
    scale=st.sampled_from([1, 0.01]),
)
def test_counts_are_those_of_a_plain_loop(compiled, matrix, labels: list[int], scale: float):
    matrix = (matrix * scale).astype(np.float32)
    found = counted(matrix, labels, compiled=compiled)
    exact = np.rint(matrix * np.float32(1e4))
    points = np.clip(exact, -FARTHEST, FARTHEST).astype(int)
    for label in range(max(labels) + 1):
        own = np.array(labels) == label
        values, counts = np.unique(points[own], return_counts=True)
        places = np.flatnonzero(found.classes[label])
        assert found.points[places].tolist() == values.tolist()
        assert found.classes[label][places].tolist() == counts.tolist()
        assert found.beyond[label] == (np.abs(exact[own]) > FARTHEST).sum()
        if own.any():
            assert found.least[label] == matrix[own].min()
            assert found.greatest[label] == matrix[own].max()
    place = np.searchsorted(found.bins.edges, points, side="right") - 1
    place = np.clip(place, 0, len(found.bins) - 1)
    for row, own_bins in zip(found.networks, place, strict=True):
        assert row.tolist() == np.bincount(own_bins, minlength=len(found.bins)).tolist()


@pytest.mark.parametrize("compiled", COMPILED)
def test_many_and_few_weights_at_once_count_alike(compiled):
    # A row with more weights than a block holds is counted by itself, small rows together.
    values = np.random.default_rng(0).standard_normal((2, 80_000)).astype(np.float32)
    bins = choose_bins(values, 100, 4)
    large = count_layer([values], np.array([0, 1]), 2, bins, compiled=compiled)
    labels = np.repeat([0, 1], 800)
    small = count_layer([values.reshape(-1, 100)], labels, 2, bins, compiled=compiled)
    assert large is not None
    assert small is not None
    assert large.points.tolist() == small.points.tolist()
    assert large.classes.tolist() == small.classes.tolist()
    assert large.networks.tolist() == small.networks.reshape(2, 800, -1).sum(axis=1).tolist()
    assert large.networks.sum(axis=1).tolist() == [80_000, 80_000]


@pytest.mark.parametrize("compiled", COMPILED)
def test_both_ways_count_alike(compiled):
    random = np.random.default_rng(3)
    pieces = [random.standard_normal((9, n)).astype(np.float32) for n in (3000, 17, 1)]
    bins = choose_bins(pieces[0], 100, 4)
    labels = np.arange(9) % 3
    one = count_layer(pieces, labels, 3, bins, compiled=compiled)
    other = count_layer(pieces, labels, 3, bins, compiled=False)
    assert one is not None
    assert other is not None
    other.add(one)
    one.add(one)
    wide = np.zeros_like(other.classes)
    wide[:, one.low - other.low :][:, : one.classes.shape[1]] = one.classes
    assert np.array_equal(wide, other.classes)
    assert np.array_equal(one.networks, other.networks)
    assert np.array_equal(one.least, other.least)


@pytest.mark.parametrize("compiled", COMPILED)
@pytest.mark.parametrize("flaw", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 40, 99])
def test_what_is_not_finite_is_not_counted(compiled, flaw: float, place: int):
    matrix = np.zeros((2, 100), np.float32)
    bins = choose_bins(matrix, 10, 4)
    matrix[1, place] = flaw
    assert count_layer([matrix], np.array([0, 0]), 1, bins, compiled=compiled) is None


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
