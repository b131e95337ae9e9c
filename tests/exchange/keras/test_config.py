"""Models with the tensors of a known network that compute something else are refused."""

import json
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest

from hyperzoo.architectures import get_architecture
from hyperzoo.errors import ForeignFileError
from hyperzoo.exchange.keras.config import (
    check_config,
    keras_layers,
    layers_in_keras_order,
    model_config,
)

SMALL = get_architecture("smallcnn", 1)


def sequential() -> dict[str, Any]:
    return json.loads(model_config(SMALL))


def functional(keras: int) -> dict[str, Any]:
    """The same model, joined layer by layer, as Keras 2 or Keras 3 writes it."""
    model = sequential()
    previous = None
    for layer in model["config"]["layers"]:
        layer["name"] = layer["config"]["name"]
        layer["inbound_nodes"] = [] if previous is None else [node(keras, previous)]
        previous = layer["name"]
    outputs = [previous, 0, 0]
    model["config"]["output_layers"] = [outputs] if keras == 2 else outputs
    return model | {"class_name": "Functional"}


def node(keras: int, name: str, call: int = 0) -> Any:
    if keras == 2:
        return [[name, call, 0, {}]]
    tensor = {"shape": [None, 15, 15, 16], "dtype": "float32", "keras_history": [name, call, 0]}
    return {"args": [{"class_name": "__keras_tensor__", "config": tensor}], "kwargs": {}}


def check(model: dict[str, Any]) -> tuple[str, ...]:
    return check_config(json.dumps(model), SMALL, "church_0.h5")


@pytest.mark.parametrize("keras", [2, 3])
def test_functional_models_in_a_line(keras: int):
    check(functional(keras))


@pytest.mark.parametrize("keras", [2, 3])
def test_layers_side_by_side(keras: int):
    """Two convolutions of the same shapes after the first: the order of the layers tells nothing.

    Keras itself lists them so.
    """
    model = functional(keras)
    layers = model["config"]["layers"]
    layers[3]["inbound_nodes"] = [node(keras, layers[1]["name"])]
    with pytest.raises(
        ForeignFileError, match=r"'conv2d_2' follows conv2d, not conv2d_1; models with branches"
    ):
        check(model)


@pytest.mark.parametrize("keras", [2, 3])
def test_a_layer_that_is_used_twice(keras: int):
    model = functional(keras)
    layers = model["config"]["layers"]
    layers[3]["inbound_nodes"].append(node(keras, layers[3]["name"]))
    with pytest.raises(ForeignFileError, match=r"follows conv2d_1, conv2d_2, not conv2d_1"):
        check(model)


@pytest.mark.parametrize("keras", [2, 3])
def test_a_layer_that_is_called_as_in_training(keras: int):
    model = functional(keras)
    call = model["config"]["layers"][3]["inbound_nodes"][0]
    settings = call[0][3] if keras == 2 else call["kwargs"]
    settings["training"] = False
    if keras == 3:
        check(model)
    settings["training"] = True
    with pytest.raises(ForeignFileError, match="'conv2d_2' is called with settings of its own"):
        check(model)


@pytest.mark.parametrize("nodes", [None, [], [[]], [None], [{"args": []}], "conv2d_1"])
def test_layers_that_are_joined_in_no_known_way(nodes: object):
    model = functional(2)
    model["config"]["layers"][3]["inbound_nodes"] = nodes
    with pytest.raises(ForeignFileError, match=r"'conv2d_2' follows .*, not conv2d_1"):
        check(model)


def nested(keras: int, spec: Any, names: Iterator[int]) -> dict[str, Any]:
    """Functional models within one another, as Keras writes them: a list in a list is a model.

    Keras 2 tells a model's output as that of its second call wherever it stands, Keras 3 where it
    is the last layer.
    """
    layers: list[dict[str, Any]] = [
        {"class_name": "InputLayer", "config": {"name": f"input_{next(names)}"}}
    ]
    for part in spec:
        if isinstance(part, list):
            layers.append(nested(keras, part, names))
        else:
            layers.append(sequential()["config"]["layers"][part + 1])
    previous, call = None, 0
    for layer in layers:
        layer["name"] = layer["config"]["name"]
        nodes = [] if previous is None else [node(keras, previous, call if keras == 2 else 0)]
        layer["inbound_nodes"] = nodes
        previous, call = layer["name"], int(layer["class_name"] == "Functional")
    outputs = [previous, call, 0]
    config = {"name": f"functional_{next(names)}", "layers": layers}
    config["output_layers"] = [outputs] if keras == 2 else outputs
    return {"class_name": "Functional", "config": config}


@pytest.mark.parametrize("keras", [2, 3])
@pytest.mark.parametrize(
    "spec",
    [
        [[0, 1, 2], 3, 4],
        [0, [1, 2], 3, 4],
        [0, 1, 2, [3, 4]],
        [[0, 1, 2, 3, 4]],
        [[0, 1, 2], [3, 4]],
        [[0, [1, [2, 3]]], 4],
        [[[0, 1, 2, 3, 4]]],
    ],
    ids=str,
)
def test_functional_models_within_one_another(spec: Any, keras: int):
    assert check(nested(keras, spec, count())) == ()


@pytest.mark.parametrize(("spec", "call"), [([0, 1, 2, 3, 4], 1), ([0, 1, 2, [3, 4]], 2)])
def test_an_output_of_another_call(spec: Any, call: int):
    """A layer is called once, and a model once beside its own making."""
    model = nested(3, spec, count())
    model["config"]["output_layers"][1] = call
    with pytest.raises(ForeignFileError, match=rf"as its one output, got \['\w+', {call}, 0\]"):
        check(model)


def test_a_subclassed_model():
    """Keras 3 writes the class, and nothing of its layers."""
    model = {"module": None, "class_name": "Mine", "config": {"trainable": True}}
    for own in (model, sequential() | {"module": None, "registered_name": "Sequential"}):
        with pytest.raises(
            ForeignFileError, match=r"a subclassed model: its code is not .* model\.save_weights\("
        ):
            check(own)


def test_several_outputs():
    model = functional(3)
    model["config"]["output_layers"] = [["dense", 0, 0], ["conv2d_1", 0, 0]]
    with pytest.raises(ForeignFileError, match=r"expected the last layer, dense, as its one outp"):
        check(model)


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        (None, "float32"),
        ("mixed_float16", "mixed_float16"),
        ({"class_name": "DTypePolicy", "config": {"name": "mixed_bfloat16"}}, "mixed_bfloat16"),
        ({"class_name": "Policy", "config": {"name": "mixed_float16"}}, "mixed_float16"),  # Keras 2
    ],
)
def test_mixed_precision_is_told(dtype: object, expected: str):
    """The published networks were trained so; their weights are float32."""
    model = sequential()
    model["config"]["layers"][1]["config"]["dtype"] = dtype
    notes = check(model)
    assert (
        notes == ()
        if expected == "float32"
        else notes[0].startswith(f"computed in {expected} where they were made")
    )


@pytest.mark.parametrize(
    "dtype",
    ["float16", "float64", 7, ["float32"], {"class_name": "DTypePolicyMap", "config": {}}],
)
def test_weights_of_another_width(dtype: object):
    model = sequential()
    model["config"]["layers"][1]["config"]["dtype"] = dtype
    with pytest.raises(ForeignFileError, match=r"layer 1 \(Conv2D\): expected .* of float32"):
        check(model)


def test_a_byte_order_mark():
    text = "\ufeff" + json.dumps(sequential())
    assert check_config(text, SMALL, "church_0.h5") == ()
    assert check_config(text.encode(), SMALL, "church_0.h5") == ()


def test_the_policy_of_keras_3():
    model = sequential()
    for layer in model["config"]["layers"]:
        layer["config"]["dtype"] = {"class_name": "DTypePolicy", "config": {"name": "float32"}}
    check(model)


def test_the_number_of_images_does_not_matter():
    """A Sequential model without an Input takes the shape of the first batch for its own."""
    model = sequential()
    model["config"]["layers"][0]["config"]["batch_input_shape"] = [128, 32, 32, 1]
    model["config"]["build_input_shape"] = [128, 32, 32, 1]
    check(model)
    model["config"]["build_input_shape"] = [128, 33, 33, 1]
    with pytest.raises(ForeignFileError, match=r"shape \(32, 32, 1\), got \[128, 33, 33, 1\]"):
        check(model)


def test_settings_that_are_not_there():
    model = sequential()
    own = model["config"]["layers"][1]["config"]
    del own["groups"]  # Keras before 2.3 had none
    check(model)
    del own["activation"]
    with pytest.raises(ForeignFileError, match=r"activation does not: expected 'relu', got None"):
        check(model)


def test_layers_that_are_joined_come_in_the_order_of_keras():
    """By which Keras reads weights from HDF5; of a loaded resnet8, Keras 3.15's `model.layers`."""
    resnet = get_architecture("resnet8", 10)
    weighted = {
        name for _, name, own in keras_layers(resnet) if name[:4] in ("conv", "batc", "dens")
    }
    ordered = [layer.name for layer in layers_in_keras_order(resnet)]
    names = [name for name in ordered if name in weighted]
    assert names == [
        "conv2d",
        "batch_normalization",
        "conv2d_1",
        "batch_normalization_1",
        "conv2d_2",
        "batch_normalization_2",
        "conv2d_3",
        "batch_normalization_3",
        "conv2d_4",
        "conv2d_5",
        "batch_normalization_4",
        "batch_normalization_5",
        "conv2d_6",
        "batch_normalization_6",
        "conv2d_7",
        "conv2d_8",
        "batch_normalization_7",
        "batch_normalization_8",
        "dense",
    ]
    straight = get_architecture("lenet5", 1)
    names = [layer.name for layer in layers_in_keras_order(straight)]
    assert names == [name for _, name, _ in keras_layers(straight)]
