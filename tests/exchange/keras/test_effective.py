"""Layers that change no answer are left out or folded; those that may change one are refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from hyperzoo.architectures import get_architecture
from hyperzoo.errors import ForeignFileError
from hyperzoo.exchange.keras.config import check_config, keras_layers, model_config
from hyperzoo.exchange.keras.read import read_keras

SMALL, LENET = get_architecture("smallcnn", 1), get_architecture("lenet5", 1)
Layers = list[dict[str, Any]]


def layers_of(name: str = "smallcnn", outputs: int = 1) -> Layers:
    return json.loads(model_config(get_architecture(name, outputs)))["config"]["layers"]


def layer(class_name: str, **config: Any) -> dict[str, Any]:
    return {"class_name": class_name, "config": {"name": class_name.lower(), **config}}


def model(layers: Layers, name: str = "sequential") -> dict[str, Any]:
    return {"class_name": "Sequential", "config": {"name": name, "layers": layers}}


def check(layers: Layers, name: str = "smallcnn", outputs: int = 1) -> tuple[str, ...]:
    return check_config(json.dumps(model(layers)), get_architecture(name, outputs), "church_0.h5")


@pytest.mark.parametrize(
    "name",
    [
        *("RandomFlip", "RandomRotation", "RandomZoom", "RandomTranslation", "RandomContrast"),
        *("RandomBrightness", "RandomShear", "RandomErasing", "GaussianNoise", "GaussianDropout"),
        *("AlphaDropout", "SpatialDropout2D", "ActivityRegularization", "CutMix"),
    ],
)
def test_layers_that_act_in_training_alone(name: str):
    layers = layers_of()
    layers.insert(2, layer(name, rate=0.5))
    assert check(layers) == (f"layers that act in training alone were passed over: {name}",)


@pytest.mark.parametrize(
    "extra",
    [
        layer("Identity"),
        layer("Activation", activation="linear"),
        layer("Reshape", target_shape=[15, 15, 16]),
        layer("Reshape", target_shape=[-1, 15, 16]),
        layer("Permute", dims=[1, 2, 3]),
        layer("ZeroPadding2D", padding=[[0, 0], [0, 0]], data_format="channels_last"),
        layer("Rescaling", scale=1.0, offset=0.0),
    ],
)
def test_layers_without_effect(extra: dict[str, Any]):
    layers = layers_of()
    layers.insert(2, extra)
    assert check(layers) == ()


def separate(layers: Layers, wrap: Callable[[str], dict[str, Any]]) -> Layers:
    """Activations in layers of their own."""
    apart: Layers = []
    for own in layers:
        activation = own["config"].get("activation", "linear")
        if activation == "linear":
            apart.append(own)
            continue
        apart += [own | {"config": own["config"] | {"activation": "linear"}}, wrap(activation)]
    return apart


FOLDED = ("folded into their neighbours, which changes no answer: activations",)


@pytest.mark.parametrize(("name", "outputs"), [("smallcnn", 1), ("lenet5", 1), ("lenet5", 3)])
def test_activations_in_layers_of_their_own(name: str, outputs: int):
    def wrap(activation: str) -> dict[str, Any]:
        return layer("Activation", activation=activation)

    assert check(separate(layers_of(name, outputs), wrap), name, outputs) == FOLDED


def test_relu_and_softmax_layers():
    def wrap(activation: str) -> dict[str, Any]:
        if activation == "softmax":
            return layer("Softmax", axis=-1)
        return layer("ReLU", max_value=None, negative_slope=0.0, threshold=0.0)

    assert check(separate(layers_of(outputs=3), wrap), outputs=3) == FOLDED
    between = separate(layers_of(outputs=3), wrap)
    between.insert(2, layer("Dropout", rate=0.1))
    passed = "layers that act in training alone were passed over: Dropout"
    assert set(check(between, outputs=3)) == {passed, *FOLDED}
    twice = layers_of()
    twice.insert(2, layer("ReLU"))
    assert check(twice) == FOLDED


@pytest.mark.parametrize(
    ("place", "extra", "message"),
    [
        (2, layer("Activation", activation="tanh"), "'tanh' follows the activation 'relu' of the"),
        (2, layer("ReLU", max_value=6.0), "expected a plain ReLU, got one with a maximum"),
        (2, layer("ReLU", negative_slope=0.1), "expected a plain ReLU"),
        (2, layer("LeakyReLU"), "LeakyReLU: nothing that such a network computes"),
        (1, layer("Activation", activation="relu"), "but before this one is the input"),
        (5, layer("Activation", activation="relu"), "before this one is GlobalAveragePooling2D"),
        (2, layer("Reshape", target_shape=[16, 15, 15]), "a shape that changes nothing"),
        (2, layer("Permute", dims=[2, 1, 3]), "axes in their own order, got \\[2, 1, 3\\]"),
        (5, layer("Flatten", data_format="channels_first"), "it flattens channels first"),
        (1, layer("Rescaling", scale=1 / 127.5, offset=-1.0), "scaling by 1/255 without offset"),
        (1, layer("Rescaling", scale=1 / 127.5, offset=0.0), "scaling by 1/255 without offset"),
        (2, layer("Rescaling", scale=1 / 255, offset=0.0), "before all other layers"),
        (1, layer("Rescaling", scale=[1 / 255], offset=0.0), "scaling by 1/255 without offset"),
        (1, layer("ZeroPadding2D", padding=2), r"padding 'same' adds .* \(none here\), got 2"),
        (7, layer("ZeroPadding2D", padding=1), r"padding 'same' adds"),
        (2, layer("Lambda"), "Lambda: nothing that such a network computes"),
        (2, layer("RandomCrop", height=8, width=8), "RandomCrop: nothing that such a network"),
        (
            2,
            layer("Dropout") | {"registered_name": "mine>Dropout"},
            "a layer of one's own, which may compute anything",
        ),
        (
            2,
            layer("Dropout") | {"registered_name": "Dropout", "module": None},
            "a layer of one's own, which may compute anything",
        ),
    ],
)
def test_layers_that_may_change_answers(place: int, extra: dict[str, Any], message: str):
    layers = layers_of()
    layers.insert(place, extra)
    with pytest.raises(ForeignFileError, match=message):
        check(layers)


def test_a_scaling_by_255():
    layers = layers_of()
    layers.insert(1, layer("Rescaling", scale=1 / 255, offset=0.0))
    (note,) = check(layers)
    assert note.startswith("made to take pixels from 0 to 255 and scale them by 1/255 themselves")
    layers.insert(1, layer("Rescaling", scale=1 / 255, offset=0.0))
    with pytest.raises(ForeignFileError, match="scaled by 1/255 twice"):
        check(layers)


@pytest.mark.parametrize("padding", [2, [2, 2], [[2, 2], [2, 2]]])
def test_a_padding_before_a_convolution(padding: object):
    layers = layers_of("lenet5")
    layers[1]["config"]["padding"] = "valid"
    layers.insert(1, layer("ZeroPadding2D", padding=padding, data_format="channels_last"))
    assert check(layers, "lenet5") == (
        "folded into their neighbours, which changes no answer: ZeroPadding2D",
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"padding": 1}, "expected the zeros that padding 'same' adds"),
        ({"padding": [[2, 1], [2, 2]]}, "expected the zeros that padding 'same' adds"),
        ({"padding": "2"}, "expected the zeros that padding 'same' adds"),
        ({"data_format": "channels_first"}, "expected the zeros that padding 'same' adds"),
    ],
)
def test_paddings_that_are_others(change: dict[str, Any], message: str):
    layers = layers_of("lenet5")
    layers[1]["config"]["padding"] = "valid"
    layers.insert(1, layer("ZeroPadding2D", **({"padding": 2} | change)))
    with pytest.raises(ForeignFileError, match=message):
        check(layers, "lenet5")


def test_a_padding_twice():
    """The convolution pads as well."""
    layers = layers_of("lenet5")
    layers.insert(1, layer("ZeroPadding2D", padding=2))
    with pytest.raises(ForeignFileError, match="a convolution without padding of its own behind"):
        check(layers, "lenet5")


def nest(layers: Layers, *cuts: int) -> Layers:
    """Models within the model, cut at places among the layers."""
    pieces = [layers[a:b] for a, b in zip((0, *cuts), (*cuts, len(layers)), strict=True)]
    return [model(piece, f"part_{number}") for number, piece in enumerate(pieces)]


def test_models_within_the_model():
    assert check(nest(layers_of(), 3, 5)) == ()
    assert check(nest(nest(layers_of(), 3), 1)) == ()
    deep = layers_of()
    for _ in range(20):
        deep = [model(deep)]
    with pytest.raises(ForeignFileError, match="models within models, more than 8 deep"):
        check(deep)
    swapped = nest(layers_of(), 3, 5)[::-1]
    with pytest.raises(ForeignFileError, match=r"an input of shape \(3, 3, 16\), got"):
        check(swapped)


def test_an_inner_input_of_another_size():
    inner = layer("InputLayer", batch_shape=[None, 7, 7, 16])
    layers = layers_of()
    layers.insert(2, inner)
    with pytest.raises(ForeignFileError, match=r"an input of shape \(15, 15, 16\), got \[None, 7"):
        check(layers)
    inner["config"]["batch_shape"] = [None, 15, 15, 16]
    assert check(layers) == ()


def test_a_model_within_a_model_with_its_weights(tmp_path: Path):
    """As Keras writes them: all weights of the inner model in one group, frozen ones last."""
    random = np.random.default_rng(3)
    values = {p: random.normal(size=p.keras_shape).astype("<f4") for p in SMALL.parameters}
    layers = layers_of()
    names = [name for _, name, _ in keras_layers(SMALL)]
    inner = model(layers[:4], "inner")  # the input and the three convolutions
    path = tmp_path / "church_0.h5"
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps(model([inner, *layers[4:]]))
        weights = file.create_group("model_weights")
        weights.attrs["layer_names"] = [b"inner", b"global_average_pooling2d", b"dense"]
        weights.create_group("global_average_pooling2d").attrs["weight_names"] = np.zeros(0)
        for group, own in (("inner", [names[0], names[2], names[1]]), ("dense", ["dense"])):
            parameters = [p for name in own for p in values if p.keras_layer == name]
            paths = [f"{group}/{p.keras_layer}/{p.keras_name}" for p in parameters]
            weights.create_group(group).attrs["weight_names"] = [path.encode() for path in paths]
            for parameter, place in zip(parameters, paths, strict=True):
                weights[group][place] = values[parameter]
    network = read_keras(path)
    assert network.notes == ()
    for parameter, value in values.items():
        expected = parameter.from_keras(value[np.newaxis])[0]
        assert network.weights[parameter.name].tobytes() == expected.tobytes()


def test_an_activation_that_is_a_layer():
    layers = layers_of()
    for own in layers:
        if own["config"].get("activation") == "relu":
            own["config"]["activation"] = layer("ReLU", max_value=None, negative_slope=0.0)
    assert check(layers) == ()
    layers[1]["config"]["activation"]["config"]["max_value"] = 6.0
    with pytest.raises(ForeignFileError, match="its activation does not: expected 'relu', got"):
        check(layers)


def test_an_average_over_all():
    layers = layers_of()
    (place,) = [n for n, own in enumerate(layers) if own["class_name"] == "GlobalAveragePooling2D"]
    height, width, _ = SMALL.shapes[place - 1]
    average = layer(
        "AveragePooling2D", pool_size=[height, width], padding="valid", strides=[height, width]
    )
    layers[place : place + 1] = [average, layer("Flatten", data_format="channels_last")]
    assert check(layers) == ()
    average["config"]["pool_size"] = [height - 1, width]
    with pytest.raises(ForeignFileError, match="AveragePooling2D"):
        check(layers)


def test_a_size_that_changes_nothing():
    layers = layers_of()
    height, width, _ = SMALL.input_shape
    layers.insert(1, layer("Resizing", height=height, width=width))
    assert check(layers) == ()
    layers[1]["config"]["height"] = 2 * height
    with pytest.raises(ForeignFileError, match="expected a size that changes nothing"):
        check(layers)
