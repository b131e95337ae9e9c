import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hyperzoo.errors import ForeignFileError
from hyperzoo.exchange.exporting import export_zoo
from hyperzoo.exchange.importing import import_zoo
from hyperzoo.exchange.published_pickles import LayerwisePickle, ModelwisePickle
from hyperzoo.zoo import Zoo, open_zoo
from tests.exchange.format_contract import FormatContract
from tests.zoo.makers import make_zoo, recipe

PROTOCOLS = range(6)


class TestModelwisePickle(FormatContract):
    format = ModelwisePickle()


class TestLayerwisePickle(FormatContract):
    format = LayerwisePickle()


@pytest.fixture
def zoo(tmp_path: Path) -> Zoo:
    chosen = recipe(
        networks_per_class=2,
        architecture={"name": "lenet5"},
        images={"source": "npz", "path": "nowhere.npz"},
    )
    return open_zoo(make_zoo(tmp_path / "zoo", chosen))


def published(zoo: Zoo, kind: str = "torch") -> list[dict[str, Any]]:
    """What the published script makes: tensors by HDF5 path, and all of them joined."""
    networks = []
    flat = zoo.matrix(order="published")
    for row, network_id in enumerate(zoo.ids):
        arrays = zoo.arrays(network_id)
        tensors = {
            f"{p.keras_layer}/{p.keras_layer}/{p.keras_name}:0": np.array(
                p.to_keras(arrays[p.name][None])[0], order="C"
            )
            for p in zoo.architecture.published_order
        }
        joined = flat[row].copy()
        make = torch.tensor if kind == "torch" else np.array
        networks.append(
            {
                "model": network_id,
                "parameters_by_layer": {path: make(tensor) for path, tensor in tensors.items()},
                "parameters_flat": make(joined),
            }
        )
    return networks


def same(network: Any, zoo: Zoo, network_id: str) -> bool:
    stored = zoo.arrays(network_id)
    return all(network.weights[name].tobytes() == stored[name].tobytes() for name in stored)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("kind", ["torch", "numpy"])
def test_what_plain_pickle_wrote_is_read(zoo: Zoo, tmp_path: Path, protocol: int, kind: str):
    path = tmp_path / "networks.pkl"
    path.write_bytes(pickle.dumps(published(zoo, kind), protocol))
    assert ModelwisePickle().recognises(path)
    assert not LayerwisePickle().recognises(path)
    found = list(ModelwisePickle().read(path))
    assert [network.id for network in found] == zoo.ids
    assert all(same(network, zoo, network.id) for network in found)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_layerwise_pickle_of_tensors_is_read(
    zoo: Zoo, tmp_path: Path, protocol: int, caplog: pytest.LogCaptureFixture
):
    content = []
    for name in zoo.classes:
        rows: dict[str, list[torch.Tensor]] = {}
        for network in published(zoo):
            if network["model"].startswith(name):
                by_path = network["parameters_by_layer"]
                for layer in sorted({path.split("/")[0] for path in by_path}):
                    pair = [by_path[f"{layer}/{layer}/{end}:0"] for end in ("bias", "kernel")]
                    rows.setdefault(layer, []).append(torch.cat([t.flatten() for t in pair]))
        content.append({"class": name, "parameters": rows})
    path = tmp_path / "classes.pickle"
    path.write_bytes(pickle.dumps(content, protocol))
    assert LayerwisePickle().recognises(path)
    found = {network.id: network for network in LayerwisePickle().read(path)}
    assert sorted(found) == sorted(zoo.ids)
    assert all(same(network, zoo, name) for name, network in found.items())
    assert "may be mixtures" in caplog.text


def test_plain_pickle_opens_a_modelwise_export(zoo: Zoo, tmp_path: Path):
    export_zoo(zoo, "modelwise-pickle", tmp_path / "out")
    content = (tmp_path / "out" / "modelwise.pkl").read_bytes()
    found = pickle.loads(content)
    for ours, expected in zip(found, published(zoo), strict=True):
        assert list(ours) == list(expected)
        assert ours["model"] == expected["model"]
        assert list(ours["parameters_by_layer"]) == list(expected["parameters_by_layer"])
        for path, tensor in expected["parameters_by_layer"].items():
            assert torch.equal(ours["parameters_by_layer"][path], tensor)
        assert torch.equal(ours["parameters_flat"], expected["parameters_flat"])
    assert found[0]["parameters_flat"].shape == (91_481,)


def test_plain_pickle_opens_a_layerwise_export(zoo: Zoo, tmp_path: Path):
    export_zoo(zoo, "layerwise-pickle", tmp_path / "out")
    found = pickle.loads((tmp_path / "out" / "layerwise.pkl").read_bytes())
    assert [entry["class"] for entry in found] == list(zoo.classes)
    layers = ["conv2d", "conv2d_1", "conv2d_2", "dense", "dense_1"]
    assert [list(entry["parameters"]) for entry in found] == [layers] * len(found)
    matrix = zoo.matrix(order="published", class_name="owl")
    owl = found[2]["parameters"]
    for row in range(2):
        assert np.concatenate([owl[layer][row] for layer in layers]).tobytes() == (
            matrix[row].tobytes()
        )


def test_networks_are_read_one_by_one(zoo: Zoo, tmp_path: Path):
    path = tmp_path / "networks.pkl"
    path.write_bytes(pickle.dumps(published(zoo)))
    calls: list[tuple[int, int | None]] = []
    networks = ModelwisePickle().read(path, lambda done, total: calls.append((done, total)))
    assert [next(networks).id, next(networks).id] == zoo.ids[:2]
    list(networks)
    assert calls[-1][1] == path.stat().st_size
    assert [done for done, _ in calls] == sorted(done for done, _ in calls)


def test_import(zoo: Zoo, tmp_path: Path):
    export_zoo(zoo, "modelwise-pickle", tmp_path / "out")
    imported = import_zoo(tmp_path / "out" / "modelwise.pkl", tmp_path / "imported").zoo
    assert imported.ids == zoo.ids
    assert imported.matrix().tobytes() == zoo.matrix().tobytes()


def test_other_contents(zoo: Zoo, tmp_path: Path):
    path = tmp_path / "networks.pkl"
    good = published(zoo, "numpy")[0]
    layers = good["parameters_by_layer"]
    first = "conv2d/conv2d/bias:0"
    for content, message in [
        ({"model": 1}, "expected a list, got dict"),
        ([1], "expected a dict with the keys model, parameters_by_layer, parameters_flat, got int"),
        ([{"model": "church_1"}], "got model"),
        ([good | {"model": 3}], "expected a name, got int"),
        ([good | {"model": "church"}], "can't tell class and index from 'church'"),
        ([good | {"parameters_flat": good["parameters_flat"] + 1}], "are different networks"),
        ([good | {"parameters_by_layer": {}}], "expected tensors by layer"),
        ([good | {"parameters_by_layer": {**layers, first: "x"}}], "of float32, got str"),
        ([good | {"parameters_by_layer": {**layers, first: np.zeros(6)}}], "got float64"),
        ([good | {"parameters_by_layer": {**layers, "x/y": np.zeros(6, "f4")}}], "paths such as"),
        ([good | {"parameters_by_layer": {first: layers[first]}}], "conv2d lacks its kernel"),
        (
            [good | {"parameters_by_layer": {**layers, first: np.zeros(7, "f4")}}],
            "no known architecture",
        ),
    ]:
        path.write_bytes(pickle.dumps(content))
        with pytest.raises(ForeignFileError, match=message):
            list(ModelwisePickle().read(path))


def test_other_layerwise_contents(tmp_path: Path):
    path = tmp_path / "classes.pkl"
    array = np.zeros(456, "f4")
    for content, message in [
        ([{"class": "cat", "parameters": 3}], "a list of arrays for every layer"),
        ([{"class": "cat", "parameters": {"conv2d": [array], "dense": []}}], "different numbers"),
        ([{"class": "cat", "parameters": {"conv2d": [array]}}], "layers of these sizes"),
        ([{"class": "cat", "parameters": {"conv2d": ["x"]}}], "got str"),
    ]:
        path.write_bytes(pickle.dumps(content))
        with pytest.raises(ForeignFileError, match=message):
            list(LayerwisePickle().read(path))
