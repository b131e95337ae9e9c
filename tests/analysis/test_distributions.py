from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from hyperzoo.analysis.common import common_weights
from hyperzoo.analysis.distributions import (
    ALL_CLASSES,
    ALL_LAYERS,
    histogram,
    moments,
    moments_table,
    quantiles,
    wide_edges,
    zoom_edges,
)
from hyperzoo.analysis.weights import read_weights
from hyperzoo.errors import AnalysisError
from tests.analysis.makers import random_weights, zoo_of


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory):
    return zoo_of(tmp_path_factory.mktemp("zoos") / "zoo", random_weights)


def test_moments_are_scipys(zoo):
    table = moments_table(read_weights(zoo)).to_pylist()
    layers = [layer.name for layer in read_weights(zoo).layers]
    assert [row["layer"] for row in table[::6]] == [*layers, ALL_LAYERS]
    matrix = zoo.matrix(class_name="owl").astype(np.float64).ravel()
    row = next(r for r in table if (r["layer"], r["class"]) == (ALL_LAYERS, "owl"))
    assert (row["networks"], row["weights"], row["beyond"]) == (6, matrix.size, 0)
    assert row["mean"] == pytest.approx(matrix.mean(), abs=1e-6)
    assert row["sd"] == pytest.approx(matrix.std(), rel=1e-5)
    assert row["skewness"] == pytest.approx(stats.skew(matrix), abs=1e-4)
    assert row["kurtosis"] == pytest.approx(stats.kurtosis(matrix), abs=1e-4)
    assert (row["least"], row["greatest"]) == (matrix.min(), matrix.max())
    assert row["q25"] == pytest.approx(np.quantile(matrix, 0.25), abs=1e-4)
    assert row["q99.9"] == pytest.approx(np.quantile(matrix, 0.999), abs=1e-3)
    assert table[-1]["class"] == ALL_CLASSES
    assert table[-1]["weights"] == zoo.matrix().size


def test_moments_and_quantiles_of_nothing_and_of_one_value():
    values = np.array([-1.0, 0.0, 1.0])
    nothing = moments(values, np.zeros(3, int))
    assert nothing == {"weights": 0, "mean": None, "sd": None, "skewness": None, "kurtosis": None}
    one = moments(values, np.array([0, 0, 5]))
    assert one == {"weights": 5, "mean": 1.0, "sd": 0.0, "skewness": None, "kurtosis": None}
    assert quantiles(values, np.zeros(3, int), (0.5,)) == [None]
    assert quantiles(values, np.array([1, 1, 2]), (0.0, 0.25, 0.26, 0.5, 1.0)) == [-1, -1, 0, 0, 1]


def test_a_histogram_counts_every_weight_in_its_bin(zoo):
    weights = read_weights(zoo)
    edges = zoom_edges()
    assert len(edges) == 501
    table = histogram(weights, ("conv1", "fc1"), edges)
    rounded = np.concatenate(
        [
            zoo.weights(f"{n}.{k}", class_name="rat").ravel()
            for n in ("conv1", "fc1")
            for k in ("weight", "bias")
        ]
    )
    rounded = np.rint(rounded.astype(np.float64) * 1e4)
    # The grid point -2000 is the zoom's left end; a bin holds 8 grid points.
    expected = np.histogram(rounded, np.arange(-2000, 2008, 8) - 0.5)[0]
    assert table["rat"].to_pylist() == expected.tolist()
    assert (
        np.sum([table[name].to_numpy() for name in zoo.classes], axis=0)
        == table[ALL_CLASSES].to_numpy()
    ).all()


def test_wide_edges_are_symmetric_and_hold_nearly_all(zoo):
    weights = read_weights(zoo)
    edges = wide_edges(weights, ("conv1",), 40)
    assert edges == pytest.approx(-edges[::-1])
    table = histogram(weights, ("conv1",), edges)
    size = weights.layers[0].size * len(weights.ids)
    assert sum(table[ALL_CLASSES].to_pylist()) >= size * (1 - 1e-4)


def test_the_most_common_weights(tmp_path: Path):
    def change(network, weights):
        for w in weights.values():
            w[...] = np.linspace(-0.5, 0.5, w.size, dtype=np.float32).reshape(w.shape)
        if network.class_name == "cat":
            weights["fc1.weight"].reshape(-1)[:7] = 0.12341
            weights["fc1.weight"].reshape(-1)[7:12] = -0.25
        return weights

    zoo = zoo_of(tmp_path / "zoo", change, networks_per_class=2)
    weights = read_weights(zoo, decimals=5)
    rows = common_weights(weights, decimals=4, count=3).to_pylist()
    assert [row["class"] for row in rows[::3]] == ["cat", "dog", "owl", "rat", "yak", ALL_CLASSES]
    cat = rows[0]
    assert (cat["rank"], cat["value"]) == (1, 0.1234)
    assert cat["count"] >= 14
    assert cat["share"] == pytest.approx(cat["count"] / (2 * zoo.architecture.parameter_count))
    fine = common_weights(weights, decimals=5, count=1).to_pylist()[0]
    assert fine["value"] == 0.12341
    coarse = common_weights(weights, decimals=1, count=30).to_pylist()
    own = [row for row in coarse if row["class"] == "dog"]
    assert sum(row["count"] for row in own) == 2 * zoo.architecture.parameter_count
    assert sum(row["share"] for row in own) == pytest.approx(1)
    with pytest.raises(AnalysisError, match="decimals must be 1 to 4, got 5"):
        common_weights(read_weights(zoo), decimals=5)
