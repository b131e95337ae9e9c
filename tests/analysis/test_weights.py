from pathlib import Path

import numpy as np
import pytest

from hyperzoo.analysis.layers import layers_of
from hyperzoo.analysis.weights import read_weights
from hyperzoo.errors import AnalysisError, ZooFormatError
from tests.analysis.makers import random_weights, zoo_of
from tests.zoo.makers import make_zoo, recipe, writer


def test_every_weight_of_every_layer_is_counted(tmp_path: Path):
    zoo = zoo_of(tmp_path / "zoo", random_weights, networks_per_class=12)  # two parts
    weights = read_weights(zoo)
    assert weights.ids == tuple(zoo.ids)
    assert weights.left_out == ()
    assert [layer.name for layer in weights.layers] == ["conv1", "conv2", "conv3", "fc1", "fc2"][
        : len(weights.layers)
    ]
    for layer in weights.layers:
        counts = weights.counts[layer.name]
        assert counts.classes.sum(axis=1).tolist() == [12 * layer.size] * 5
        assert counts.networks.sum(axis=1).tolist() == [layer.size] * 60
        pieces = layer.pieces({name: zoo.weights(name) for name in layer.parameters})
        values = np.concatenate(pieces, axis=1)
        mean = (counts.classes @ counts.values).sum() / values.size
        assert mean == pytest.approx(values.mean(dtype=np.float64), abs=1e-6)
        assert float(counts.greatest.max()) == values.max()


def test_the_number_of_threads_changes_nothing(tmp_path: Path):
    zoo = zoo_of(tmp_path / "zoo", random_weights, networks_per_class=60)
    one, three = read_weights(zoo, workers=1), read_weights(zoo, workers=3)
    for name, counts in one.counts.items():
        assert np.array_equal(counts.classes, three.counts[name].classes)
        assert np.array_equal(counts.networks, three.counts[name].networks)
        scores = (s.structure[name].components.scores for s in (one, three))
        assert np.array_equal(*scores)


def test_a_zoo_that_is_not_mapped_gives_the_same(tmp_path: Path):
    from hyperzoo.zoo import open_zoo

    zoo = zoo_of(tmp_path / "zoo", random_weights)
    read = read_weights(open_zoo(tmp_path / "zoo", mmap=False))
    for name, counts in read_weights(zoo).counts.items():
        assert np.array_equal(counts.classes, read.counts[name].classes)


def test_layers_hold_weight_and_bias(tmp_path: Path):
    zoo = zoo_of(tmp_path / "zoo")
    layers = layers_of(zoo.architecture)
    assert layers[0].parameters == ("conv1.weight", "conv1.bias")
    assert sum(layer.size for layer in layers) == zoo.architecture.parameter_count


def test_failed_networks_and_those_with_infinite_weights_are_left_out(tmp_path: Path):
    def change(network, weights):
        weights = random_weights(network, weights)
        if network.id == "owl_2":
            weights["fc1.bias"][0] = np.inf
        return weights

    zoo = zoo_of(tmp_path / "zoo", change, failed=("cat_0", "dog_1"))
    weights = read_weights(zoo)
    assert weights.left_out == ("cat_0", "dog_1", "owl_2")
    assert len(weights.ids) == len(weights.labels) == 27
    assert all(np.isfinite(s.components.scores).all() for s in weights.structure.values())


def test_where_the_first_parts_failed_others_are_found(tmp_path: Path):
    failed = tuple(f"{name}_{i}" for name in ("cat", "dog", "owl", "rat", "yak") for i in range(10))
    zoo = zoo_of(tmp_path / "zoo", random_weights, failed=failed, networks_per_class=11)
    assert len(read_weights(zoo).ids) == 5


def test_progress_ends_at_the_total(tmp_path: Path):
    told = []
    read_weights(zoo_of(tmp_path / "zoo"), meter=lambda done, total: told.append((done, total)))
    assert told == [(0, 2), (1, 2), (2, 2)]


def test_nothing_to_study(tmp_path: Path):
    from hyperzoo.zoo import open_zoo

    with writer(tmp_path / "empty", recipe()):
        pass
    with pytest.raises(AnalysisError, match="has no networks yet: none of its 2 parts is complete"):
        read_weights(open_zoo(tmp_path / "empty"))
    everyone = tuple(f"{name}_0" for name in ("cat", "dog", "owl", "rat", "yak"))
    zoo = zoo_of(tmp_path / "failed", failed=everyone, networks_per_class=1)
    with pytest.raises(AnalysisError, match=r"all 5 networks .* failed"):
        read_weights(zoo)
    with pytest.raises(AnalysisError, match="decimals must be 1 to 5, got 6"):
        read_weights(zoo, decimals=6)


def test_a_missing_file_is_named(tmp_path: Path):
    from hyperzoo.zoo import open_zoo

    zoo = open_zoo(make_zoo(tmp_path / "zoo"))
    (tmp_path / "zoo" / "weights" / "part-00001.safetensors").unlink()
    with pytest.raises(ZooFormatError, match=r"part-00001\.safetensors"):
        read_weights(zoo)
