import logging
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hyperzoo.errors import ForeignFileError
from hyperzoo.exchange.format import Export
from hyperzoo.exchange.network import ForeignNetwork
from hyperzoo.exchange.pickles.layerwise import LayerwisePickle
from hyperzoo.zoo import Zoo, open_zoo
from tests.exchange.format_contract import FormatContract
from tests.zoo.makers import make_zoo, recipe


class TestLayerwisePickle(FormatContract):
    format = LayerwisePickle()


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Zoo:
    """Ten LeNet-5s of five classes."""
    chosen = recipe(
        networks_per_class=2,
        architecture={"name": "lenet5"},
        images={"source": "npz", "path": "nowhere.npz", "channels": 3},
    )
    return open_zoo(make_zoo(tmp_path_factory.mktemp("zoos") / "zoo", chosen))


def published(zoo: Zoo) -> list[dict[str, Any]]:
    """The list that the published script pickles, with bias and kernel paired by network."""
    items = []
    for class_name in zoo.classes:
        own = [name for name in zoo.ids if name.startswith(f"{class_name}_")]
        parameters: dict[str, list[torch.Tensor]] = {}
        for kernel, bias in zip(*[iter(zoo.architecture.parameters)] * 2, strict=True):
            for network_id in own:
                state = zoo.state_dict(network_id)
                pair = [p.to_keras(state[p.name].numpy()[None]).ravel() for p in (bias, kernel)]
                row = torch.tensor(np.concatenate(pair).tolist())
                parameters.setdefault(kernel.keras_layer, []).append(row)
        items.append({"class": class_name, "parameters": parameters})
    return items


def read(items: Any, folder: Path, protocol: int = 4) -> list[ForeignNetwork]:
    path = folder / "layers.pkl"
    path.write_bytes(pickle.dumps(items, protocol))
    return list(LayerwisePickle().read(path))


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_the_published_file(
    zoo: Zoo, tmp_path: Path, protocol: int, caplog: pytest.LogCaptureFixture
):
    with caplog.at_level(logging.WARNING):
        networks = read(published(zoo), tmp_path, protocol)
    assert "could mix networks in a row" in caplog.text
    assert sorted(network.id for network in networks) == sorted(zoo.ids)
    for network in networks:
        for name, tensor in zoo.state_dict(network.id).items():
            assert network.weights[name].tobytes() == tensor.numpy().tobytes()
            assert network.weights[name].flags.writeable
    assert networks[1].source.endswith("layers.pkl, item 0 (cat), row 1")


def test_what_is_written_is_what_was_published(zoo: Zoo, tmp_path: Path):
    assert LayerwisePickle().write(Export(zoo=zoo, folder=tmp_path)) == 1
    written = pickle.loads((tmp_path / "layerwise.pkl").read_bytes())
    for found, wanted in zip(written, published(zoo), strict=True):
        assert list(found) == ["class", "parameters"]
        assert found["class"] == wanted["class"]
        assert found["parameters"].keys() == wanted["parameters"].keys()
        for layer, rows in wanted["parameters"].items():
            assert len(found["parameters"][layer]) == len(rows)
            assert all(map(torch.equal, found["parameters"][layer], rows))


def test_networks_of_a_class_in_several_parts(tmp_path: Path):
    zoo = open_zoo(make_zoo(tmp_path / "zoo"))
    assert len(zoo.parts_complete) > 1
    LayerwisePickle().write(Export(zoo=zoo, folder=tmp_path))
    (found,) = [
        network
        for network in LayerwisePickle().read(tmp_path / "layerwise.pkl")
        if network.id == "owl_11"
    ]
    bias = zoo.state_dict("owl_11")["conv2.bias"].numpy()
    assert found.weights["conv2.bias"].tobytes() == bias.tobytes()


def change_rows(items: list[dict[str, Any]], layer: str, rows: Any) -> list[dict[str, Any]]:
    return [{**items[0], "parameters": {**items[0]["parameters"], layer: rows}}]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([torch.zeros(85)], "as many networks in every layer, got conv2d 2, .*, dense_1 1"),
        ([], "dense_1: expected a list with a tensor a network, got none"),
        (torch.zeros(2, 85), "expected a list with a tensor a network, got ndarray"),
        ([torch.zeros(85), torch.zeros(84)], r"row 1, dense_1: expected 85 .* got shape \(84,\)"),
        ([torch.zeros(1, 85)] * 2, r"row 0, dense_1: expected 85 numbers .* shape \(1, 85\)"),
        ([torch.zeros(86)] * 2, r"(?s)no known architecture.*found    456, 2416, .*, 86"),
        ([torch.tensor(1.0)] * 2, r"(?s)no known architecture.*, 1\nnetworks of other layers are"),
        ([torch.zeros(85).double()] * 2, "dense_1: expected a tensor of float32, got float64"),
        ([1, 2], "expected a tensor of float32, got int"),
    ],
)
def test_rows_that_are_wrong(zoo: Zoo, tmp_path: Path, rows: Any, message: str):
    with pytest.raises(ForeignFileError, match=message):
        read(change_rows(published(zoo), "dense_1", rows), tmp_path)


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ({"class": "cat", "parameters": {}}, "expected a dict of layers, got an empty one"),
        ({"class": "cat", "parameters": []}, "expected a dict of layers, got list"),
        ({"class": "cat", "parameters": {"last": []}}, "conv2d_1 and dense, got 'last'"),
        ({"class": 3, "parameters": {}}, "expected the class's name as text, got int"),
        ({"class": "../cat", "parameters": {}}, r"can't tell class and index from '\.\./cat_0'"),
        ({"class": "cat"}, "expected the keys class, parameters, got 'class'"),
        (["class"], "item 0: expected a dict, got list"),
    ],
)
def test_an_item_that_is_wrong(tmp_path: Path, item: Any, message: str):
    with pytest.raises(ForeignFileError, match=message):
        read([item], tmp_path)


def test_one_row_many_times(zoo: Zoo, tmp_path: Path):
    # Two bytes a network in the file, and 366 kB a network for whoever imports it.
    items = published(zoo)[:1]
    rows = {layer: rows[:1] * 1000 for layer, rows in items[0]["parameters"].items()}
    with pytest.raises(ForeignFileError, match="uses the same bytes over and over"):
        read([{"class": "cat", "parameters": rows}], tmp_path)


def test_what_it_recognises(tmp_path: Path):
    (tmp_path / "a.pkl").write_bytes(pickle.dumps([{"class": "cat", "parameters": {}}]))
    (tmp_path / "b.pkl").write_bytes(pickle.dumps([{"model": "cat_0"}]))
    assert LayerwisePickle().recognises(tmp_path / "a.pkl")
    assert not LayerwisePickle().recognises(tmp_path / "b.pkl")
