"""What a model computes beside its layers of weights: its scaling, its answer, how it is called."""

import json
import re
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import conv2d, pad

from hyperzoo.architectures import Architecture, declared_architecture, layer_tables
from hyperzoo.architectures.layers import Conv2d
from hyperzoo.errors import ForeignFileError
from hyperzoo.exchange.keras.architecture import architecture_of
from hyperzoo.exchange.keras.config import model_config
from hyperzoo.exchange.keras.effective import sides

Layers = list[dict[str, Any]]


def network(outputs: int) -> Architecture:
    entries = [{"conv": 4, "kernel": 3, "activation": "relu"}, {"dense": "outputs"}]
    return declared_architecture("own", entries, (8, 8, 3), outputs)


def model(outputs: int = 1) -> dict[str, Any]:
    return json.loads(model_config(network(outputs)))


def layer(class_name: str, **settings: Any) -> dict[str, Any]:
    return {"class_name": class_name, "config": {"name": class_name.lower()} | settings}


def scaled(*scalings: tuple[Any, Any]) -> dict[str, Any]:
    """A model that begins with scalings."""
    made = model()
    made["config"]["layers"][1:1] = [
        layer("Rescaling", scale=scale, offset=offset, name=f"rescaling_{number}")
        for number, (scale, offset) in enumerate(scalings)
    ]
    return made


BYTES = "made to take pixels from 0 to 255"
HALF_AND_HALF = {"mean": 0.5, "std": 0.5}


@pytest.mark.parametrize(
    ("scalings", "expected", "told"),
    [
        ([(1.0, 0.0)], None, ""),
        ([(2.0, -1)], HALF_AND_HALF, ""),
        ([(1 / 127.5, -1)], HALF_AND_HALF, f"{BYTES}, as of these its scaling makes -1 to 1;"),
        ([(1 / 255, 0)], None, f"{BYTES} and scale them by 1/255 themselves"),
        ([(1 / 255, 0.0), (2.0, -1)], HALF_AND_HALF, f"{BYTES}, as of these its scaling makes -1"),
        ([(2 / 255, 0.0), (0.5, 0.0)], None, f"{BYTES} and scale them by 1/255 themselves"),
        # The second half acts on what the first made: no byte is meant by it.
        ([(1 / 255, 0.0), (0.5, 0.0)], {"mean": 0, "std": 2}, f"{BYTES}, as of .* makes 0 to 0.5;"),
        ([(0.5, 0.0)], {"mean": 0, "std": 2}, "made to take pixels from 0 to 1, as of .* 0 to 0.5"),
        ([(0.5, 0.25), (4.0, -2.0)], HALF_AND_HALF, ""),
        ([(1 / 255, [-0.1, -0.2, -0.3])], {"mean": [0.1, 0.2, 0.3], "std": 1}, f"{BYTES}, as"),
        ([(255.0, -127.5)], {"mean": 0.5, "std": 1 / 255}, ""),
    ],
)
def test_scalings_are_put_together(
    scalings: list[tuple[Any, Any]], expected: dict[str, Any] | None, told: str
):
    found, _, notes = architecture_of(scaled(*scalings), source="x.h5")
    first = layer_tables(found)[0]
    assert ("normalize" in first) == (expected is not None)
    if expected is not None:
        assert first["mean"] == pytest.approx(expected["mean"])
        assert first["std"] == pytest.approx(expected["std"])
    assert len(notes) == (1 if told else 0)
    for note in notes:
        assert re.match(told, note), note


@pytest.mark.parametrize(
    ("scalings", "told"),
    [
        ([(1 / 16, 0.0)], "0 to 0.0625 of pixels from 0 to 1 and 0 to 15.94 of pixels"),
        ([(1 / 65535, 0.0)], "expected one that tells which of the two the model was given"),
        ([(1 / 255, 0.0), (1 / 255, 0.0)], "layer 'rescaling_1' ends a scaling that makes 0 to"),
        ([([1 / 255, 0.5, 1 / 255], 0.0)], "expected one that tells"),
        ([([1 / 255] * 3, 0.0), ([0.5, 0.5], 0.0)], "expected numbers, or one a channel"),
        ([(float("nan"), 0.0)], "expected numbers, or one a channel, scales above 0"),
        ([(-1.0, 1.0)], "expected numbers, or one a channel, scales above 0"),
    ],
)  # fmt: skip
def test_scalings_that_tell_no_range_are_refused(scalings: list[tuple[Any, Any]], told: str):
    with pytest.raises(ForeignFileError, match=told):
        architecture_of(scaled(*scalings), source="x.h5")


def test_a_scaling_of_what_other_layers_made():
    made = model()
    made["config"]["layers"].insert(2, layer("Rescaling", scale=0.5, offset=0.0))
    with pytest.raises(ForeignFileError, match="'rescaling' scales what other layers made"):
        architecture_of(made, source="x.h5")
    made["config"]["layers"][2]["config"]["scale"] = 1.0
    assert architecture_of(made, source="x.h5")[0].steps == network(1).steps


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize(
    ("outputs", "answer", "told"),
    [
        (1, "softmax", "another function than sigmoid, .* of 1 output .*: softmax of one output"),
        (2, "sigmoid", "another function than softmax, .* 2 outputs .*: each output is a prob"),
        (10, "sigmoid", "ends in sigmoid of 10 outputs"),
    ],
)
def test_answers_that_are_other_functions(outputs: int, answer: str, told: str, apart: bool):
    made = model(outputs)
    last = made["config"]["layers"][-1]["config"]
    last["activation"] = "linear" if apart else answer
    if apart:
        made["config"]["layers"].append(layer("Activation", activation=answer))
    with pytest.raises(ForeignFileError, match=told):
        architecture_of(made, source="x.h5")


@pytest.mark.parametrize("outputs", [1, 2, 10])
def test_logits_and_softmax_in_a_layer_of_its_own(outputs: int):
    made = model(outputs)
    made["config"]["layers"][-1]["config"]["activation"] = "linear"
    assert architecture_of(made, source="x.h5")[0].steps == network(outputs).steps
    if outputs > 1:
        made["config"]["layers"].append(layer("Softmax", axis=-1))
        assert architecture_of(made, source="x.h5")[0].steps == network(outputs).steps


@pytest.mark.parametrize("keras", [2, 3])
@pytest.mark.parametrize("plain", [None, False, True])
def test_layers_that_are_called_as_in_training(keras: int, plain: bool | None):
    """Such a dropout is drawn anew for every image; of a call as usual nothing is to be said."""
    made = model()
    layers: Layers = made["config"]["layers"]
    layers.insert(2, layer("Dropout", rate=0.5))
    previous = ""
    for own in layers:
        settings = {"training": plain if own["class_name"] == "Dropout" else None}
        name = own["name"] = own["config"]["name"]
        tensor = {"config": {"keras_history": [previous, 0, 0]}}
        node: Any = [[previous, 0, 0, settings]]
        if keras == 3:
            node = {"args": [tensor], "kwargs": settings}
        own["inbound_nodes"] = [node] if previous else []
        previous = name
    made["config"]["output_layers"] = [[previous, 0, 0]]
    made["class_name"] = "Functional"
    if plain:
        with pytest.raises(ForeignFileError, match="'dropout' is called with settings"):
            architecture_of(made, source="x.h5")
    else:
        architecture_of(made, source="x.h5")


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"dilation_rate": [2, 2]}, r"kernel_size \[3, 3\], dilation_rate \[2, 2\], groups 1$"),
        ({"groups": 3}, "groups 3$"),
    ],
)
def test_what_a_convolution_is_refused_for_is_shown(settings: dict[str, Any], told: str):
    made = model()
    made["config"]["layers"][1]["config"] |= settings | {"kernel_initializer": {"a" * 90: None}}
    with pytest.raises(ForeignFileError, match=told):
        architecture_of(made, source="x.h5")


@pytest.mark.parametrize(
    ("activation", "told"),
    [
        (
            layer("ReLU", max_value=6.0, negative_slope=0.0),
            "a ReLU with max_value 6.0; expected",
        ),
        (layer("ReLU", threshold=0.5), "is a ReLU with threshold 0.5; expected none"),
        (layer("LeakyReLU", negative_slope=0.3), "expected a slope of 0.01 .*, got 0.3"),
    ],
)
def test_bent_activations_say_where(activation: dict[str, Any], told: str):
    made = model()
    made["config"]["layers"][1]["config"]["activation"] = "linear"
    made["config"]["layers"].insert(2, activation)
    with pytest.raises(ForeignFileError, match=told):
        architecture_of(made, source="x.h5")


def test_a_layer_that_is_shared():
    made = model()
    for own, before in zip(made["config"]["layers"], ["", "conv2d_input", "conv2d"], strict=False):
        own["inbound_nodes"] = [[[before, 0, 0, {}]]] if before else []
    shared = made["config"]["layers"][1]
    shared["inbound_nodes"] *= 2
    made["class_name"] = "Functional"
    with pytest.raises(ForeignFileError, match="'conv2d' is used 2 times, on several inputs"):
        architecture_of(made, source="x.h5")


@pytest.mark.parametrize(
    ("side", "kernel", "stride", "zeros", "expected"),
    [
        (8, 3, 1, 1, "same"),  # the two are one here
        (8, 3, 2, [[1, 1], [1, 1]], "symmetric"),
        (8, 3, 2, [[0, 1], [0, 1]], "same"),  # as Keras's own networks have it
        (7, 3, 2, [1, 1], "symmetric"),
        (7, 3, 2, [[0, 1], [0, 1]], "valid"),  # no window reaches the zeros
        (8, 4, 1, [[1, 2], [1, 2]], "same"),
        (8, 5, 2, [[1, 2], [1, 2]], "same"),
        (8, 3, 2, [[1, 0], [1, 0]], "symmetric"),
        (8, 3, 1, [[0, 2], [0, 2]], None),
        (8, 3, 1, [[1, 1], [0, 0]], None),
        (8, 4, 1, 1, None),
        (8, 3, 1, [[-1, 1], [1, 1]], None),
        (8, 3, 1, "1", None),
    ],
)
@pytest.mark.parametrize("ahead", [False, True])
def test_zeros_before_a_convolution(
    side: int, kernel: int, stride: int, zeros: Any, expected: str | None, ahead: bool
):
    """Folded where a padding puts the same zeros there, by the size of what comes in."""
    convolution = {"kernel": kernel, "stride": stride, "padding": "valid"}
    entries: list[dict[str, Any]] = [{"conv": 4, **convolution}, {"dense": "outputs"}]
    if ahead:  # 2 * side + 1 pixels, of which a convolution and a pooling leave so many
        entries = [{"conv": 2, "kernel": 2}, {"pool": "max", "size": 2}, *entries]
    size = 2 * side + 1 if ahead else side
    config = model_config(declared_architecture("own", entries, (size, size, 3), 1))
    made = json.loads(config)
    layers = made["config"]["layers"]
    place = next(n for n, own in enumerate(layers) if own["config"].get("filters") == 4)
    layers.insert(place, layer("ZeroPadding2D", padding=zeros))
    if expected is None:
        with pytest.raises(ForeignFileError, match=r"follows a ZeroPadding2D of .*, which with"):
            architecture_of(made, source="x.h5")
        return
    found, _, _ = architecture_of(made, source="x.h5")
    entry = next(own for own in layer_tables(found) if own.get("conv") == 4)
    assert entry.get("padding", "valid") == expected
    random = np.random.default_rng(0)
    weight = torch.tensor(random.normal(size=(4, 3, kernel, kernel)))
    pixels = torch.tensor(random.normal(size=(1, 3, side, side)))
    (top, bottom), (left, right) = sides(zeros) or ((0, 0), (0, 0))
    wanted = conv2d(pad(pixels, (left, right, top, bottom)), weight, stride=stride)
    own = Conv2d(filters=4, kernel=kernel, stride=stride, padding=entry.get("padding", "valid"))
    zeros_here = (*own.pads(side), *own.pads(side))
    assert torch.equal(conv2d(pad(pixels, zeros_here), weight, stride=stride), wanted)
