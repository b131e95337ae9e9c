from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.distance import jensenshannon
from scipy.stats import wasserstein_distance

from hyperzoo.analysis.divergence import divergence, jensen_shannon, wasserstein
from hyperzoo.analysis.resampling import bootstrap, halves
from hyperzoo.analysis.weights import read_weights
from hyperzoo.errors import AnalysisError
from tests.analysis.makers import random_weights, zoo_of

COUNTS = arrays(np.float64, (12,), elements=st.integers(0, 50).map(float)).filter(np.any)


@settings(max_examples=60, deadline=None)
@given(COUNTS, COUNTS)
def test_the_measures_are_scipys(first: np.ndarray, second: np.ndarray):
    # SciPy returns the square root of the divergence.
    assert jensen_shannon(first, second) == pytest.approx(
        jensenshannon(first, second, base=2) ** 2, abs=1e-9
    )
    places = np.arange(12)
    assert wasserstein(first, second) == pytest.approx(
        wasserstein_distance(places, places, first, second)
    )


def test_equal_and_disjoint():
    a, b = np.array([1.0, 3, 0, 0]), np.array([0, 0, 2.0, 2])
    assert jensen_shannon(a, 5 * a) == 0
    assert jensen_shannon(a, b) == 1
    assert np.isnan(jensen_shannon(a, np.zeros(4)))


def shifted(network, weights):
    """Two classes with a wider first layer than the other three."""
    weights = random_weights(network, weights)
    if network.class_name in ("owl", "yak"):
        weights["conv1.weight"] *= np.float32(1.5)
    return weights


def test_signal_is_told_from_noise(tmp_path: Path):
    weights = read_weights(zoo_of(tmp_path / "zoo", shifted, networks_per_class=16))
    found = divergence(weights, draws=100, splits=20)
    rows = [r for r in found.pairs.to_pylist() if r["measure"] == "jensen_shannon"]
    differ = {(r["layer"], r["class_a"], r["class_b"]) for r in rows if r["distinct"]}
    apart = {
        ("cat", "owl"),
        ("cat", "yak"),
        ("dog", "owl"),
        ("dog", "yak"),
        ("owl", "rat"),
        ("rat", "yak"),
    }
    assert {("conv1", *pair) for pair in apart} <= differ
    # At a level of 95 % some of the other 34 pairs and layers may pass by chance, but few.
    assert len(differ) <= 6 + 5
    for row in rows:
        assert 0 <= row["low"] <= row["corrected"] <= row["high"]
        if (row["class_a"], row["class_b"]) in apart and row["layer"] == "conv1":
            assert row["low"] > 0
            assert row["halves"] > row["noise_high"] > row["noise"] > 0
    layers = [r for r in found.layers.to_pylist() if r["measure"] == "jensen_shannon"]
    assert sum(r["least"] for r in layers) == pytest.approx(1)
    first = layers[0]
    assert (first["layer"], first["pairs"], first["distinct"] >= 6) == ("conv1", 10, True)
    assert first["value"] == pytest.approx(
        np.mean([r["value"] for r in rows if r["layer"] == "conv1"])
    )


def test_classes_that_do_not_differ(tmp_path: Path):
    """What is left of the bias must lie within the intervals, those of means over pairs too."""
    weights = read_weights(zoo_of(tmp_path / "zoo", random_weights, networks_per_class=8))
    found = divergence(weights, draws=100, splits=40)
    assert all(row["value"] > 0 for row in found.layers.to_pylist())
    for table, share in ((found.layers, 0.1), (found.pairs, 0.1)):
        above = [row["low"] > 0 for row in table.to_pylist()]
        assert np.mean(above) <= share


def test_the_bias_is_that_of_halves(tmp_path: Path):
    weights = read_weights(zoo_of(tmp_path / "zoo", shifted, networks_per_class=8))
    found = divergence(weights, draws=50, splits=20)
    for row in [*found.pairs.to_pylist(), *found.layers.to_pylist()]:
        if row["measure"] == "jensen_shannon":
            expected = row["value"] - (row["halves"] - row["value"])
            assert row["corrected"] == pytest.approx(max(0, expected), abs=1e-12)
    wide = {(r["measure"], r["layer"]): r for r in found.layers.to_pylist()}
    for measure in ("jensen_shannon", "wasserstein"):
        assert wide[measure, "conv1"]["low"] > 0


def test_an_odd_number_of_networks(tmp_path: Path):
    """One of them is in neither half: these are less than half as large."""
    zoo = zoo_of(tmp_path / "zoo", random_weights, networks_per_class=9)
    weights = read_weights(zoo)
    found = divergence(weights, draws=20, splits=20)
    row = found.pairs.to_pylist()[0]
    expected = row["value"] - (row["halves"] - row["value"]) / (9 / 4 - 1)
    assert row["corrected"] == pytest.approx(max(0, expected), abs=1e-12)


def test_the_seed_and_nothing_else_decides(tmp_path: Path):
    weights = read_weights(zoo_of(tmp_path / "zoo", random_weights))
    first = divergence(weights, draws=20, splits=5)
    assert first.pairs.equals(divergence(weights, draws=20, splits=5).pairs)
    assert not first.pairs.equals(divergence(weights, seed=1, draws=20, splits=5).pairs)


@pytest.mark.parametrize(
    ("networks", "interval", "noise"), [(1, False, False), (2, True, False), (4, True, True)]
)
def test_few_networks_have_no_intervals(tmp_path, networks: int, interval: bool, noise: bool):
    weights = read_weights(zoo_of(tmp_path / "z", random_weights, networks_per_class=networks))
    found = divergence(weights, draws=10, splits=4)
    for row in [*found.pairs.to_pylist(), *found.layers.to_pylist()]:
        assert row["value"] > 0
        assert (row["low"] is not None) == interval
        assert (row["noise"] is not None) == noise
        assert (row["distinct"] is not None) == noise


def test_one_class_can_not_be_compared(tmp_path: Path):
    zoo = zoo_of(tmp_path / "zoo", task={"kind": "multi-class"})
    with pytest.raises(AnalysisError, match="1 class; expected at least 2"):
        divergence(read_weights(zoo))


def test_draws():
    drawn = bootstrap("cat", 7, 30, 0)
    assert drawn.sum(axis=1).tolist() == [7] * 30
    assert not np.array_equal(drawn, bootstrap("dog", 7, 30, 0))
    split = halves("cat", 7, 30, 0)
    assert ((split == 1).sum(axis=1) == 3).all()
    assert ((split == -1).sum(axis=1) == 3).all()
    assert np.isnan(bootstrap("cat", 1, 3, 0)).all()
    assert np.isnan(halves("cat", 3, 3, 0)).all()
