import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hyperzoo.architectures import Architecture, get_architecture
from hyperzoo.errors import ForeignFileError
from hyperzoo.exchange.exporting import export_zoo
from hyperzoo.exchange.format import Export
from hyperzoo.exchange.network import ForeignNetwork
from hyperzoo.exchange.pickles.modelwise import ModelwisePickle
from hyperzoo.zoo import Zoo, open_zoo
from tests.architectures.declarations import EVERY
from tests.exchange.format_contract import FormatContract
from tests.exchange.own_zoo import own_zoo
from tests.zoo.makers import make_zoo, recipe


class TestModelwisePickle(FormatContract):
    format = ModelwisePickle()


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Zoo:
    """Ten LeNet-5s of five classes."""
    chosen = recipe(
        networks_per_class=2,
        architecture={"name": "lenet5"},
        images={"source": "npz", "path": "nowhere.npz", "channels": 3},
    )
    return open_zoo(make_zoo(tmp_path_factory.mktemp("zoos") / "zoo", chosen))


def published(zoo: Zoo, first: int = 0) -> list[dict[str, Any]]:
    """The list that the published script pickles; layers numbered on from `first`."""
    items = []
    for network_id in zoo.ids:
        state = zoo.state_dict(network_id)
        by_layer = {}
        for parameter in zoo.architecture.parameters:
            kind, _, number = parameter.keras_layer.partition("_")
            count = int(number or 0) + first
            layer = f"{kind}_{count}" if count else kind
            array = parameter.to_keras(state[parameter.name].numpy()[None])[0]
            by_layer[f"{layer}/{layer}/{parameter.keras_name}:0"] = torch.tensor(array.tolist())
        by_layer = dict(sorted(by_layer.items()))
        flat = torch.cat([tensor.flatten() for tensor in by_layer.values()])
        item = {"model": network_id, "parameters_by_layer": by_layer, "parameters_flat": flat}
        items.append(item)
    return items


def read(items: Any, folder: Path, protocol: int = 4) -> list[ForeignNetwork]:
    path = folder / "models.pkl"
    path.write_bytes(pickle.dumps(items, protocol))
    return list(ModelwisePickle().read(path))


def same(network: ForeignNetwork, zoo: Zoo) -> bool:
    stored = zoo.state_dict(network.id)
    return stored.keys() == network.weights.keys() and all(
        network.weights[name].tobytes() == tensor.numpy().tobytes()
        for name, tensor in stored.items()
    )


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("first", [0, 8])
def test_the_published_file(zoo: Zoo, tmp_path: Path, first: int, protocol: int):
    # With 8 the layers are conv2d_8, conv2d_9, conv2d_10: not in alphabetical order.
    networks = read(published(zoo, first), tmp_path, protocol)
    assert [network.id for network in networks] == zoo.ids
    assert all(same(network, zoo) for network in networks)
    assert "models.pkl, item 3 (" in networks[3].source
    assert all(t.flags.writeable for t in networks[0].weights.values())


def test_arrays_in_place_of_tensors(zoo: Zoo, tmp_path: Path):
    items = [
        {
            "model": item["model"],
            "parameters_by_layer": {n: t.numpy() for n, t in item["parameters_by_layer"].items()},
            "parameters_flat": item["parameters_flat"].numpy(),
        }
        for item in published(zoo)
    ]
    assert all(same(network, zoo) for network in read(items, tmp_path))


def test_what_is_written_is_what_was_published(zoo: Zoo, tmp_path: Path):
    assert ModelwisePickle().write(Export(zoo=zoo, folder=tmp_path)) == 1
    written = pickle.loads((tmp_path / "modelwise.pkl").read_bytes())
    assert len(written) == len(zoo)
    for found, wanted in zip(written, published(zoo), strict=True):
        assert list(found) == ["model", "parameters_by_layer", "parameters_flat"]
        assert found["model"] == wanted["model"]
        assert list(found["parameters_by_layer"]) == list(wanted["parameters_by_layer"])
        for path, tensor in wanted["parameters_by_layer"].items():
            assert torch.equal(found["parameters_by_layer"][path], tensor)
        assert torch.equal(found["parameters_flat"], wanted["parameters_flat"])
    matrix = np.stack([item["parameters_flat"].numpy() for item in written])
    assert matrix.tobytes() == zoo.matrix("published").tobytes()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": "church"}, r"item 0: can't tell class and index from 'church'"),
        ({"model": 3}, "item 0: expected a name as text, got int"),
        ({"parameters_by_layer": []}, "parameters_by_layer to be a dict, got list"),
        ({"parameters_by_layer": {}}, "expected 0 numbers in parameters_flat"),
        ({"parameters_flat": torch.zeros(3)}, r"expected 91481 numbers .* got shape \(3,\)"),
        ({"parameters_flat": torch.zeros(91481)}, "parameters_flat differs .* at 'conv2d/conv2d/"),
        ({"parameters_flat": torch.zeros(91481).double()}, "tensor of float32, got float64"),
        ({"parameters_flat": [1.0]}, "tensor of float32, got list"),
        ({"more": 1}, "expected the keys model, .*, got 'model', 'more', 'parameters_by_layer'"),
    ],
)
def test_an_item_that_is_wrong(zoo: Zoo, tmp_path: Path, change: dict[str, Any], message: str):
    with pytest.raises(ForeignFileError, match=message):
        read([published(zoo)[0] | change], tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("conv2d/conv2d/bias:0", "conv2d/conv2d/gamma:0", r"got conv2d \(gamma, kernel\), "),
        ("conv2d/conv2d/bias:0", "conv2d/conv2d/delta:0", "got 'conv2d/conv2d/delta:0'"),
        ("conv2d/conv2d/bias:0", "bias:0", "got 'bias:0'"),
        (
            "dense_1/dense_1/kernel:0",
            "dense_2/dense_2/kernel:0",
            r"a bias and a kernel in .*dense_1 \(bias\)",
        ),
        ("dense_1/dense_1/kernel:0", "dense_1/x/bias:0", "got 'dense_1/"),
    ],
)
def test_paths_that_are_wrong(zoo: Zoo, tmp_path: Path, old: str, new: str, message: str):
    item = published(zoo)[0]
    by_layer = item["parameters_by_layer"]
    renamed = dict(sorted((new if n == old else n, t) for n, t in by_layer.items()))
    item["parameters_by_layer"] = renamed
    item["parameters_flat"] = torch.cat([tensor.flatten() for tensor in renamed.values()])
    with pytest.raises(ForeignFileError, match=message):
        read([item], tmp_path)


def own_pickle(folder: Path, architecture: Architecture) -> tuple[Zoo, Path]:
    zoo = own_zoo(folder / "zoo", architecture)
    export_zoo(zoo, "modelwise-pickle", folder / "out")
    return zoo, folder / "out" / "modelwise.pkl"


@pytest.mark.parametrize("name", ["resnet8", "resnet20"])
def test_built_in_networks_whose_layers_are_no_pairs(name: str, tmp_path: Path):
    zoo, path = own_pickle(tmp_path, get_architecture(name, 1))
    networks = list(ModelwisePickle().read(path))
    assert [network.id for network in networks] == zoo.ids
    assert all(own.architecture == zoo.architecture and own.by_shapes for own in networks)
    assert all(same(network, zoo) for network in networks)


@pytest.mark.parametrize("name", ["normalised shortcuts", "even kernels"])
def test_networks_of_other_layers_are_named_with_what_they_can_be_read_from(
    name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    _, path = own_pickle(tmp_path, EVERY[name])
    called = name.replace(" ", "-")
    assert [record.message for record in caplog.records] == [
        "these files hold weights alone, which hyperzoo reads of built-in networks (lenet5, "
        f"smallcnn, resnet8, resnet20), so it can't read '{called}' back from them; keras-h5 and "
        "pytorch can be read back"
    ]
    message = r"expected a bias and a kernel in every .*, got .* as keras-h5 or"
    with pytest.raises(ForeignFileError, match=message):
        list(ModelwisePickle().read(path))


def test_a_built_in_network_with_other_shapes(tmp_path: Path):
    _, path = own_pickle(tmp_path, get_architecture("resnet8", 1))
    items = pickle.loads(path.read_bytes())
    by_layer = items[0]["parameters_by_layer"]
    key = "batch_normalization_3/batch_normalization_3/gamma:0"
    by_layer[key] = torch.zeros(33)
    items[0]["parameters_flat"] = torch.cat([own.flatten() for own in by_layer.values()])
    with pytest.raises(ForeignFileError, match=r"\(cat_0\): expected a bias and a kernel in every"):
        read(items, tmp_path)


@pytest.mark.parametrize("layer", ["first", "conv2d_0", "dense_x", "conv2d_" + "9" * 5000])
def test_layers_whose_order_is_not_known(tmp_path: Path, layer: str):
    by_layer = {f"{layer}/bias": torch.zeros(2), f"{layer}/kernel": torch.zeros(3, 2)}
    item = {"model": "cat_0", "parameters_by_layer": by_layer, "parameters_flat": torch.zeros(8)}
    with pytest.raises(ForeignFileError, match=f"conv2d_1 and dense, got '{layer[:70]}"):
        read([item], tmp_path)


def test_shapes_that_no_architecture_has(tmp_path: Path):
    by_layer = {"dense/dense/bias:0": torch.zeros(2), "dense/dense/kernel:0": torch.zeros(3, 2)}
    item = {"model": "cat_0", "parameters_by_layer": by_layer, "parameters_flat": torch.zeros(8)}
    with pytest.raises(ForeignFileError, match=r"(?s)item 0 \(cat_0\): no known.*found    3x2, 2"):
        read([item], tmp_path)


@pytest.mark.parametrize("item", [[], 3, "model", None])
def test_items_that_are_no_dicts(tmp_path: Path, item: Any):
    with pytest.raises(ForeignFileError, match="item 0: expected a dict, got"):
        read([item], tmp_path)


def test_what_it_recognises(zoo: Zoo, tmp_path: Path):
    content = pickle.dumps(published(zoo)[:1])
    for name, expected in [("a.pkl", True), ("a.pickle", True), ("a.p", True), ("a.txt", False)]:
        (tmp_path / name).write_bytes(content)
        assert ModelwisePickle().recognises(tmp_path / name) is expected
    (tmp_path / "b.pkl").write_bytes(pickle.dumps([{"class": "cat", "parameters": {}}]))
    assert not ModelwisePickle().recognises(tmp_path / "b.pkl")
    assert not ModelwisePickle().recognises(tmp_path / "gone.pkl")
