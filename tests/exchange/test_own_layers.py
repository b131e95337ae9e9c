"""Networks of their own layers through Keras's files and safetensors, and back."""

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from hyperzoo.architectures import Architecture, get_architecture, initial_parameters, layer_tables
from hyperzoo.errors import ExportError, ForeignFileError
from hyperzoo.exchange.exporting import export_zoo
from hyperzoo.exchange.importing import import_zoo
from hyperzoo.exchange.keras.architecture import architecture_of
from hyperzoo.exchange.keras.config import model_config
from hyperzoo.exchange.keras.layers import keras_model
from hyperzoo.exchange.keras.read import read_keras
from hyperzoo.exchange.keras.write import weights_template, whole_model_template
from hyperzoo.zoo import Zoo, open_zoo
from hyperzoo.zoo.tensors import encode_tensors
from tests.architectures.declarations import EVERY
from tests.architectures.test_forward import some_parameters
from tests.exchange.own_zoo import own_zoo
from tests.zoo.makers import make_zoo, recipe

Weights = dict[str, np.ndarray]
NETWORKS = [*EVERY.values(), *(get_architecture(name, 2) for name in ("resnet8", "resnet20"))]


@pytest.mark.parametrize("architecture", NETWORKS, ids=lambda a: a.name)
def test_a_config_tells_the_network(architecture: Architecture):
    """But for a flatten that the next layer makes anyway, and the name of a built-in network."""
    found, layers, notes = architecture_of(json.loads(model_config(architecture)), source="x.h5")
    assert found.steps == architecture.steps
    assert not notes
    names = [p.keras_layer for p in architecture.parameters]
    assert layers == tuple(dict.fromkeys(names))


def test_a_built_in_network_is_known_by_its_layers():
    known = get_architecture("resnet8", 2)
    assert architecture_of(json.loads(model_config(known)), source="x.h5")[0] == known


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("lenet5", "keras"),  # which would promise other layers
        ("sequential_17", "sequential"),  # Keras numbers what it names itself
        ("functional_2", "functional"),
        ("net_2", "net_2"),
        (None, "keras"),
        ("\x1b[31m", "keras"),
    ],
)
def test_a_network_is_called_as_its_model(name: Any, expected: str):
    model = config(EVERY["cnn-s"])
    model["config"]["name"] = name
    assert architecture_of(model, source="x.h5")[0].name == expected


@pytest.mark.parametrize("architecture", NETWORKS, ids=lambda a: a.name)
@pytest.mark.parametrize("written", ["keras-h5", "pytorch"])
def test_what_is_exported_comes_back_bit_for_bit(
    architecture: Architecture, written: str, tmp_path: Path
):
    zoo = own_zoo(tmp_path / "zoo", architecture)
    export_zoo(zoo, written, tmp_path / "files")
    again = import_zoo(tmp_path / "files", tmp_path / "again").zoo
    assert again.architecture.steps == zoo.architecture.steps
    assert again.architecture.name == zoo.architecture.name
    for network in zoo.models["id"].to_pylist():
        for tensor, value in zoo.arrays(network).items():
            np.testing.assert_array_equal(again.arrays(network)[tensor], value)
    # The zoo describes its layers itself, and opens by them.
    told = json.loads((tmp_path / "again" / "zoo.json").read_text())["architecture"]
    assert told["layers"] == layer_tables(again.architecture)
    assert open_zoo(tmp_path / "again").architecture == again.architecture


def model_file(path: Path, architecture: Architecture) -> Weights:
    """A whole model; returns its weights."""
    own = dict(some_parameters(architecture, 1))
    path.write_bytes(whole_model_template(architecture).fill(own, None))
    return own


def in_order_of_steps(architecture: Architecture) -> str:
    """A config whose layers come as the blocks have them, body before shortcut."""
    model = config(architecture)
    layers = {layer["name"]: layer for layer in model["config"]["layers"]}
    names = [name for name in layers if layers[name]["class_name"] == "InputLayer"]
    names += [layer.name for layer in keras_model(architecture)]
    model["config"]["layers"] = [layers[name] for name in names]
    return json.dumps(model)


@pytest.mark.parametrize("lists_as_keras", [True, False])
@pytest.mark.parametrize("name", ["normalised shortcuts", "resnet8"])
def test_weights_are_listed_in_keras_s_order_or_the_config_s(
    name: str, lists_as_keras: bool, tmp_path: Path
):
    """Each name is there once, so that both tell the same."""
    architecture = next(own for own in NETWORKS if own.name == name)
    own = model_file(tmp_path / "cat_0.h5", architecture)
    with h5py.File(tmp_path / "cat_0.h5", "r+") as file:
        before, after = file.attrs["model_config"], in_order_of_steps(architecture)
        assert json.loads(str(before)) != json.loads(after)
        file.attrs["model_config"] = after
        if not lists_as_keras:
            names = [layer.name.encode() for layer in keras_model(architecture)]
            file["model_weights"].attrs["layer_names"] = names
    network = read_keras(tmp_path / "cat_0.h5")
    assert network.architecture.steps == architecture.steps
    for tensor, value in own.items():
        np.testing.assert_array_equal(network.weights[tensor], value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda names: [*names[:-2], names[-1], names[-2]],  # no layer without weights counts
            None,
        ),
        (
            lambda names: [*names[:3], names[4], names[3], *names[5:]],
            "expected 'batch_normalization' as number 4, .*, got 'batch_normalization_1'; save",
        ),
        (lambda names: names[:-1], "expected 'dense' as number 17, .*, got none; save"),
        (lambda names: [*names, names[-1]], "expected none as number 18, .*, got 'dense'; save"),
    ],
)
def test_weights_listed_in_another_order_are_refused(
    change: Callable[[list[bytes]], list[bytes]], message: str | None, tmp_path: Path
):
    """The message tells the first that differs."""
    model_file(tmp_path / "cat_0.h5", EVERY["normalised shortcuts"])
    with h5py.File(tmp_path / "cat_0.h5", "r+") as file:
        listed = file["model_weights"].attrs
        listed["layer_names"] = change(list(listed["layer_names"]))
    if message is None:
        read_keras(tmp_path / "cat_0.h5")
        return
    with pytest.raises(ForeignFileError, match=f"layer_names, of layers with weights: {message}"):
        read_keras(tmp_path / "cat_0.h5")


def archive(path: Path, architecture: Architecture, seed: int = 0) -> Weights:
    """A `.keras` file as Keras 3 lays it out; returns its weights."""
    own = dict(some_parameters(architecture, seed))
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("metadata.json", "{}")
        file.writestr("config.json", model_config(architecture))
        file.writestr("model.weights.h5", weights_template(architecture).fill(own, None))
    return own


@pytest.mark.parametrize("architecture", NETWORKS, ids=lambda a: a.name)
def test_an_archive_of_its_own_layers(architecture: Architecture, tmp_path: Path):
    """Also of built-in networks with layers that are no pair of kernel and bias."""
    own = archive(tmp_path / "cat_0.keras", architecture)
    network = read_keras(tmp_path / "cat_0.keras")
    assert network.architecture.steps == architecture.steps
    assert not network.by_shapes
    assert network.weights.keys() == own.keys()
    for name, value in own.items():
        np.testing.assert_array_equal(network.weights[name], value)


@pytest.mark.parametrize("name", ["Dense", "Conv2D"])
@pytest.mark.parametrize(
    "own", [{"registered_name": "mine>Layer"}, {"registered_name": "Dense", "module": None}]
)
def test_layers_of_classes_of_ones_own(name: str, own: dict[str, Any], tmp_path: Path):
    """They are called as Keras's are, and may compute anything."""
    path, known = tmp_path / "cat_0.keras", get_architecture("smallcnn", 1)
    model = json.loads(model_config(known))
    for layer in model["config"]["layers"]:
        if layer["class_name"] == name:
            layer |= own
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("config.json", json.dumps(model))
        weights = dict(some_parameters(known, 1))
        file.writestr("model.weights.h5", weights_template(known).fill(weights, None))
    with pytest.raises(ForeignFileError, match="is a layer of one's own, which may compute any"):
        read_keras(path)


def test_layers_that_act_in_training_alone():
    """They are passed over, here as in built-in networks."""
    network = EVERY["normalised"]
    model = config(network)
    layers = model["config"]["layers"]
    for place, class_name in ((1, "RandomFlip"), (2, "Identity"), (4, "GaussianNoise")):
        layers.insert(place, {"class_name": class_name, "config": {"name": class_name.lower()}})
    found, _, notes = architecture_of(model, source="x.h5")
    assert found.steps == network.steps
    assert notes == (
        "layers that act in training alone were passed over: RandomFlip, GaussianNoise",
    )


def test_a_model_within_a_model_of_its_own_layers():
    model = config(EVERY["normalised"])
    inner = {"class_name": "Sequential", "config": {"name": "inner", "layers": []}}
    model["config"]["layers"].insert(2, inner)
    with pytest.raises(ForeignFileError, match=r"'inner' is a model within the model, .* make one"):
        architecture_of(model, source="x.h5")


def test_an_archive_of_another_activation_is_what_it_says(tmp_path: Path):
    """One tanh network saved twice: the archive says so, the weights alone can't."""
    path = tmp_path / "cat_0.keras"
    known = get_architecture("smallcnn", 1)
    own = dict(some_parameters(known, 1))
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("config.json", model_config(known).replace('"relu"', '"tanh"'))
        file.writestr("model.weights.h5", weights_template(known).fill(own, None))
    network = read_keras(path)
    assert network.architecture.name == "sequential"
    assert [getattr(layer, "activation", None) for layer in network.architecture.layers] == [
        *["tanh"] * 3, "linear", "linear",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda file: file.move("layers/batch_normalization", "layers/other"), "expected 'batch_"),
        (
            lambda file: file.__delitem__("layers/batch_normalization/vars/3"),
            r"expected gamma, beta, moving_mean, moving_variance, numbered from 0, got \['0', '1'",
        ),
        (lambda file: file.move("layers", "other"), r"expected the group layers, got \[\]"),
        (
            lambda file: replace_tensor(file, "layers/batch_normalization/vars/0", (17,)),
            r"gamma: expected shape \(\d+,\), got \(17,\)",
        ),
    ],
)
def test_archives_whose_weights_are_others(damage: Any, message: str, tmp_path: Path):
    path = tmp_path / "cat_0.keras"
    archive(path, EVERY["normalised"])
    with zipfile.ZipFile(path) as file:
        content = io.BytesIO(file.read("model.weights.h5"))
    with h5py.File(content, "r+") as weights:
        damage(weights)
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("config.json", model_config(EVERY["normalised"]))
        file.writestr("model.weights.h5", content.getvalue())
    with pytest.raises(ForeignFileError, match=message):
        read_keras(path)


def replace_tensor(file: Any, name: str, shape: tuple[int, ...]) -> None:
    del file[name]
    file[name] = np.zeros(shape, "<f4")


def test_a_model_of_mixed_precision_says_so(tmp_path: Path):
    h5py = pytest.importorskip("h5py")
    zoo = own_zoo(tmp_path / "zoo", EVERY["normalised"])
    export_zoo(zoo, "keras-h5", tmp_path / "files")
    for path in (tmp_path / "files").iterdir():
        with h5py.File(path, "r+") as file:
            text = str(file.attrs["model_config"])
            file.attrs["model_config"] = text.replace('"float32"', '"mixed_float16"', 3)
    notes = import_zoo(tmp_path / "files", tmp_path / "again").notes
    assert any("mixed_float16" in note for note in notes)


@pytest.mark.parametrize(
    ("old", "new", "shape", "activation"),
    [
        ('"tanh"', '"relu"', (32, 32, 3), "relu"),
        ("[null, 32, 32, 3]", "[null, 33, 33, 3]", (33, 33, 3), "tanh"),
    ],
)
def test_tensors_of_a_known_network_that_computes_something_else(
    old: str, new: str, shape: tuple[int, int, int], activation: str, tmp_path: Path
):
    h5py = pytest.importorskip("h5py")
    zoo = open_zoo(make_zoo(tmp_path / "zoo", recipe(
        networks_per_class=1, architecture={"name": "lenet5"},
        images={"source": "npz", "path": "nowhere.npz"},
    )))  # fmt: skip
    export_zoo(zoo, "keras-h5", tmp_path / "files")
    for path in (tmp_path / "files").iterdir():
        with h5py.File(path, "r+") as file:
            file.attrs["model_config"] = str(file.attrs["model_config"]).replace(old, new)
    found = import_zoo(tmp_path / "files", tmp_path / "again").zoo.architecture
    assert found.input_shape == shape
    assert found.name == "sequential"
    assert {getattr(layer, "activation", None) for layer in found.layers} == {
        activation, "linear",
    }  # fmt: skip


def test_keras_3_weights_are_written_in_its_order(tmp_path: Path):
    h5py = pytest.importorskip("h5py")
    zoo = own_zoo(tmp_path / "zoo", EVERY["normalised"])
    export_zoo(zoo, "weights-h5", tmp_path / "files")
    first = zoo.models["id"][0].as_py()
    (path,) = (tmp_path / "files").glob(f"*{first}_model.weights.h5")
    with h5py.File(path) as file:
        variables = file["layers/batch_normalization_1/vars"]
        for number, kind in enumerate(("weight", "bias", "running_mean", "running_var")):
            np.testing.assert_array_equal(
                variables[str(number)][:], zoo.arrays(first)[f"bn2.{kind}"]
            )


def test_keras_3_counts_weights_in_its_order(tmp_path: Path):
    """A shortcut that is longer than its block's body comes before it, as Keras 3.15 has it."""
    network = EVERY["normalised shortcuts"]
    own = dict(some_parameters(network, 1))
    content = weights_template(network).fill(own, None)
    with h5py.File(io.BytesIO(content)) as file:
        body, around = file["layers/conv2d_8/vars"], file["layers/conv2d_7/vars"]
        assert (body.attrs["name"], around.attrs["name"]) == ("conv2d_7", "conv2d_8")
        for variables in (body, around):
            (parameter,) = (
                p for p in network.parameters if p.keras_layer == variables.attrs["name"]
            )
            expected = parameter.to_keras(own[parameter.name][np.newaxis])[0]
            np.testing.assert_array_equal(variables["0"][:], expected)


def test_a_format_of_pairs_refuses_what_has_none(tmp_path: Path):
    zoo = own_zoo(tmp_path / "zoo", EVERY["normalised"])
    with pytest.raises(ExportError, match="has layers without a bias, or batch normalisation"):
        export_zoo(zoo, "layerwise-pickle", tmp_path / "files")
    assert not (tmp_path / "files").exists()


def config(architecture: Architecture) -> dict[str, Any]:
    return json.loads(model_config(architecture))


def change(model: dict[str, Any], class_name: str, **settings: Any) -> dict[str, Any]:
    layer = next(own for own in model["config"]["layers"] if own["class_name"] == class_name)
    layer["config"] |= settings
    return model


@pytest.mark.parametrize(
    ("name", "class_name", "settings", "message"),
    [
        ("cnn-s", "Conv2D", {"dilation_rate": [2, 2]}, "has settings that hyperzoo has not"),
        ("cnn-s", "Conv2D", {"kernel_size": [5, 3]}, "layer 1: kernel: expected a whole number"),
        ("cnn-s", "Conv2D", {"activation": "elu"}, "activation: expected one of linear, tanh"),
        ("cnn-s", "MaxPooling2D", {"padding": "same"}, "has settings that hyperzoo has not"),
        ("cnn-s", "MaxPooling2D", {"data_format": "channels_first"}, "its channels first"),
        ("scaled", "Rescaling", {"scale": [1, 2]}, "expected numbers, or one a channel"),
        ("scaled", "Rescaling", {"scale": [1, 2], "offset": 0}, "std has 2 numbers, but images"),
        ("scaled", "Rescaling", {"scale": 0.0}, "scales by 0.0 and .*expected numbers, or one a"),
        ("scaled", "Rescaling", {"scale": {"a": 1}}, "expected numbers, or one a channel"),
        ("cnn-s", "MaxPooling2D", {"name": "conv2d"}, "'conv2d' has a name that comes twice"),
        ("normalised", "BatchNormalization", {"scale": False}, "has settings that hyperzoo has"),
        ("normalised", "BatchNormalization", {"axis": [1]}, "has settings that hyperzoo has"),
        ("pooled activations", "LeakyReLU", {"alpha": 0.3}, "expected a slope of 0.01"),
        ("cnn-s", "InputLayer", {"batch_input_shape": [None, None, None, 1]}, "does not tell the"),
        ("cnn-s", "Activation", {"activation": {"a": 1}}, "activation: expected one of linear"),
    ],
)
def test_what_hyperzoo_has_not_is_refused_with_its_place(
    name: str, class_name: str, settings: dict[str, Any], message: str
):
    model = change(config(EVERY[name]), class_name, **settings)
    with pytest.raises(ForeignFileError, match=message):
        architecture_of(model, source="x.h5")


def test_a_sum_may_be_written_either_way_round():
    model = config(EVERY["residual"])
    for layer in model["config"]["layers"]:
        if layer["class_name"] == "Add":
            layer["inbound_nodes"][0].reverse()
    assert architecture_of(model, source="x.h5")[0].steps == EVERY["residual"].steps


@pytest.mark.parametrize(
    ("class_name", "settings", "message"),
    [
        (
            "ZeroPadding2D",
            {"padding": 2},
            r"'conv2d' follows a ZeroPadding2D of 2, which with its kernel of",
        ),
        ("ZeroPadding2D", {"padding": [[0, 2], [0, 1]]}, r"'conv2d' follows a ZeroPadding2D of"),
        ("ZeroPadding2D", {"data_format": "channels_first"}, "'zero_padding2d' has its channels f"),
        (
            "Conv2D",
            {"padding": "same"},
            r"'conv2d' follows a ZeroPadding2D of .* padding 'same' is",
        ),
        ("Conv2D", {"kernel_size": [5, 5]}, r"'conv2d' follows a ZeroPadding2D of .* kernel of 5"),
    ],
)
def test_zeros_that_are_not_pytorch_s_are_refused(
    class_name: str, settings: dict[str, Any], message: str
):
    model = change(config(EVERY["symmetric"]), class_name, **settings)
    with pytest.raises(ForeignFileError, match=message):
        architecture_of(model, source="x.h5")


def test_zeros_before_no_convolution_are_refused():
    model = config(EVERY["symmetric"])
    layers = model["config"]["layers"]
    layers.append(layers.pop(1))  # behind the last
    with pytest.raises(ForeignFileError, match="expected a dense layer of probabilities"):
        architecture_of(model, source="x.h5")
    layers.insert(-2, layers.pop())
    with pytest.raises(
        ForeignFileError, match="'flatten' follows a ZeroPadding2D; expected a conv"
    ):
        architecture_of(model, source="x.h5")


def test_an_output_before_the_end_is_refused():
    model = config(EVERY["residual"])
    model["config"]["output_layers"] = [["conv2d", 0, 0]]
    with pytest.raises(ForeignFileError, match="expected the last layer, 'dense', as the one outp"):
        architecture_of(model, source="x.h5")
    with pytest.raises(ForeignFileError, match="expected a Sequential or a Functional model, got"):
        architecture_of(model | {"class_name": "Mine"}, source="x.h5")


def test_keras_3_writes_joins_otherwise():
    model = config(EVERY["residual"])
    for layer in model["config"]["layers"]:
        names = [node[0] for node in layer["inbound_nodes"][0]] if layer["inbound_nodes"] else []
        tensors = [
            {"class_name": "__keras_tensor__", "config": {"keras_history": [name, 0, 0]}}
            for name in names
        ]
        args = [tensors] if len(tensors) > 1 else tensors
        layer["inbound_nodes"] = [{"args": args, "kwargs": {}}] if names else []
    model["config"]["output_layers"] = model["config"]["output_layers"][0]
    assert architecture_of(model, source="x.h5")[0].steps == EVERY["residual"].steps


def test_other_branches_are_refused():
    model = config(EVERY["residual"])
    layers = {layer["name"]: layer for layer in model["config"]["layers"]}
    layers["add"]["inbound_nodes"][0][0][0] = "conv2d"
    with pytest.raises(
        ForeignFileError, match=r"is followed by \d layers; expected layers in a li"
    ):
        architecture_of(model, source="x.h5")
    layers["add"]["inbound_nodes"][0][0][0] = "nowhere"
    with pytest.raises(ForeignFileError, match="takes what no layer before it gives"):
        architecture_of(model, source="x.h5")


@pytest.mark.parametrize(
    "damage", [{}, {"class_name": "Sequential"}, {"config": 3}, {"config": {}}]
)
def test_damaged_configs(damage: dict[str, Any]):
    model = damage and (config(EVERY["cnn-s"]) | damage if "config" in damage else damage)
    with pytest.raises(ForeignFileError, match="the model's config is damaged"):
        architecture_of(model, source="x.h5")


def test_names_of_layers_are_keras_s():
    names = [layer.name for layer in keras_model(EVERY["residual"])]
    assert names[:6] == [
        "conv2d", "conv2d_1", "batch_normalization", "add", "activation", "conv2d_2",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layers": [{"conv": 1}]}, "layer 1: conv needs a kernel"),
        ({"outputs": 3}, r"fc2.*: expected shape \(3,.*got \(10,"),
        ({"input_shape": [28, 28]}, "input_shape: expected height, width and channels"),
        ({"architecture": 7}, "name: expected 1 to 200 printable characters"),
        ({"architecture": "lenet5"}, "its layers are not those of the built-in network 'lenet5'"),
    ],
)
def test_safetensors_that_contradict_themselves(
    change: dict[str, Any], message: str, tmp_path: Path
):
    architecture = EVERY["cnn-s"]
    metadata = {
        "architecture": "cnn-s",
        "outputs": 10,
        "input_shape": [28, 28, 1],
        "layers": layer_tables(architecture),
    }
    content = encode_tensors(initial_parameters(architecture, 0, "a", 0), metadata | change)
    (tmp_path / "all_0.safetensors").write_bytes(content)
    with pytest.raises(ForeignFileError, match=message):
        import_zoo(tmp_path, tmp_path / "zoo")


def test_a_zoo_of_own_layers_has_a_network_in_evaluation_mode(tmp_path: Path):
    import torch

    zoo: Zoo = own_zoo(tmp_path / "zoo", EVERY["dropped out"])
    network = zoo.network(zoo.models["id"][0].as_py())
    images = torch.rand(3, 1, 10, 11)
    assert torch.equal(network(images), network(images))
    assert some_parameters(zoo.architecture).keys() <= network.state_dict().keys()
