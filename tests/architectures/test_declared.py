import re
import tomllib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperzoo.architectures import (
    architecture_names,
    declared_architecture,
    get_architecture,
    layer_tables,
    parse_layers,
)
from hyperzoo.architectures.layers import BatchNorm, Conv2d, Dense, Normalize, Pool2d
from hyperzoo.errors import ArchitectureError
from tests.architectures.declarations import EVERY

SHAPE = (28, 28, 1)
LAST = {"dense": "outputs"}


def problems(*layers: object, shape: tuple[int, int, int] | None = SHAPE) -> list[str]:
    return [str(problem) for problem in parse_layers(list(layers), shape, 1)[1]]


def test_the_field_s_networks_have_their_numbers_of_parameters():
    """CNN-s and CNN-m of Schürholt et al., 2022, typed from the paper."""
    assert EVERY["cnn-s"].parameter_count == 2464
    assert EVERY["cnn-s"].shapes[5] == (3, 3, 4)
    layers: list[object] = []
    for filters in (16, 32, 15):
        layers += [{"conv": filters, "kernel": 3}, {"pool": "max", "activation": "gelu"}]
    medium = declared_architecture(
        "cnn-m", [*layers, {"dense": 20, "activation": "gelu"}, LAST], (32, 32, 3), 10
    )
    assert medium.parameter_count == 10_853


def test_the_examples_of_the_documentation_can_be_built():
    text = (Path(__file__).parents[2] / "docs" / "architectures.md").read_text()
    blocks = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    counts = []
    for block in blocks:
        document = tomllib.loads(block)
        layers = document.get("architecture", document)["layers"]
        counts.append(declared_architecture("x", layers, (28, 28, 1), 10).parameter_count)
    assert len(counts) == 5
    assert counts[2] == 2464


def test_layers_mean_what_they_say():
    layers, none = parse_layers(
        [
            {"conv": 8, "kernel": 4, "stride": 2, "padding": "same", "bias": False},
            {"norm": "batch", "momentum": 0.9, "activation": "relu"},
            {"pool": "average", "size": 3, "stride": 2, "activation": "tanh"},
            LAST,
        ],
        SHAPE,
        3,
    )
    assert not none
    assert layers == (
        Conv2d(filters=8, kernel=4, stride=2, padding="same", bias=False),
        BatchNorm(momentum=0.9, activation="relu"),
        Pool2d(kind="average", size=3, stride=2, activation="tanh"),
        Dense(units=3),
    )


@pytest.mark.parametrize(
    "architecture",
    [*EVERY.values(), *(get_architecture(name, 2) for name in architecture_names())],
    ids=lambda a: a.name,
)
def test_tables_come_back(architecture):
    tables = layer_tables(architecture)
    again = declared_architecture(
        architecture.name, tables, architecture.input_shape, architecture.outputs
    )
    assert again == architecture


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ({"cnv": 8}, "layer 1: expected one key that says what the layer is (conv, pool, dense"),
        ({"cnv": 8}, "did you mean 'conv'?"),
        ({"conv": 8, "pool": "max"}, "expected one key that says what the layer is"),
        ({"conv": 8}, "layer 1: conv needs a kernel, as in { conv = 8, kernel = 5 }"),
        ({"conv": 0, "kernel": 3}, "layer 1: conv: expected a whole number from 1 to 4096, got 0"),
        ({"conv": True, "kernel": 3}, "conv: expected a whole number from 1 to 4096, got True"),
        ({"conv": 8, "kernel": 2.0}, "kernel: expected a whole number from 1 to 64, got 2.0"),
        ({"conv": 8, "kernel": 3, "activation": "rel"}, "got 'rel'; did you mean 'relu'?"),
        ({"conv": 8, "kernel": 3, "padding": "full"}, "padding: expected one of valid, same"),
        (
            {"conv": 8, "kernel": 3, "strides": 2},
            "conv has no key 'strides'; did you mean 'stride'",
        ),
        ({"conv": 8, "kernel": 3, "bias": 1}, "bias: expected true or false, got 1"),
        ({"pool": "min"}, "pool: expected one of average, max, global, got 'min'"),
        ({"pool": "global", "size": 2}, "takes the whole image: no size, no stride"),
        ({"dense": "output"}, 'expected a whole number from 1 to 65536, or "outputs"'),
        ({"dropout": 1}, "dropout: expected a number from 0 to below 1, got 1"),
        ({"dropout": float("nan")}, "dropout: expected a number from 0 to below 1, got nan"),
        ({"norm": "batch", "epsilon": 0}, "epsilon: expected a number above 0 and at most 1"),
        ({"flatten": False}, "flatten: expected true, got False"),
        (
            {"normalize": "inputs", "mean": 0.5},
            'needs a std, as in { normalize = "inputs", mean = 0.5, std = 0.5 }',
        ),
        ({"normalize": "images"}, "normalize: expected one of inputs, got 'images'"),
        (
            {"normalize": "inputs", "mean": [], "std": 1},
            "mean: expected a number, or a list of one a channel, got []",
        ),
        (
            {"normalize": "inputs", "mean": 0, "std": [1, 0]},
            "std: expected a number from 1e-6 to 1e6, got 0",
        ),
        (
            {"normalize": "inputs", "mean": float("nan"), "std": 1},
            "mean: expected a number from -1e6 to 1e6, got nan",
        ),
        (
            {"residual": [{"normalize": "inputs", "mean": 0.5, "std": 0.5}]},
            "layer 1.1: a residual block holds conv, norm and",
        ),
        ("conv", 'expected a table such as { conv = 8, kernel = 5, activation = "tanh" }'),
        ({"residual": []}, "residual: expected a layer or more, got none"),
        ({"residual": 3}, "residual: expected a list of layers, got 3"),
        ({"residual": [{"pool": "max"}]}, "layer 1.1: a residual block holds conv, norm and"),
        ({"residual": [{"dense": "outputs"}]}, "layer 1.1: a residual block holds conv, norm and"),
        (
            {"residual": [{"norm": "batch"}], "shortcut": [{"dense": "outputs"}]},
            "layer 1.2: of the shortcut: a shortcut holds conv layers with kernel = 1",
        ),
        ({"conv": "outputs", "kernel": 3}, "conv: expected a whole number from 1 to 4096, got 'o"),
        (
            {"residual": [{"norm": "batch"}], "shortcut": [{"conv": 1, "kernel": 3}]},
            "layer 1.2: of the shortcut: a shortcut holds conv layers with kernel = 1",
        ),
        ({"residual": [{"residual": []}]}, "can't lie within another"),
        ({"residual": [{"norm": "batch"}], "shortcuts": []}, "did you mean 'shortcut'?"),
        ({"residual": [{"norm": "batch"}], "activation": 1}, "activation: expected one of linear"),
    ],
)
def test_a_mistake_is_named_with_its_place(layer: object, message: str):
    assert message in "\n".join(problems(layer, LAST))


def test_symmetric_padding_is_pytorch_s():
    entry = {"conv": 2, "kernel": 5, "stride": 3, "padding": "symmetric"}
    (layer, _), _ = parse_layers([entry, LAST], SHAPE, 1)
    assert isinstance(layer, Conv2d)
    assert layer.pads(28) == (2, 2)
    assert layer.output_shape((28, 31, 1)) == (10, 11, 2)
    # In steps of one position it is "same", and no other network.
    layers, _ = parse_layers([{"conv": 2, "kernel": 5, "padding": "symmetric"}, LAST], SHAPE, 1)
    assert layers[0] == Conv2d(filters=2, kernel=5, padding="same")
    (mistake,) = problems({"conv": 2, "kernel": 4, "padding": "symmetric", "stride": 2}, LAST)
    assert "padding 'symmetric' needs an odd kernel, got 4; use padding 'same'" in mistake


def test_equal_numbers_of_all_channels_are_one():
    told = {"normalize": "inputs", "mean": [0.5, 0.5, 0.5], "std": [1, 2, 3]}
    architecture = declared_architecture("x", [told, LAST], (4, 4, 3), 1)
    assert architecture.layers[0] == Normalize(mean=(0.5,), std=(1.0, 2.0, 3.0))
    assert layer_tables(architecture)[0] == told | {"mean": 0.5}
    assert architecture.parameter_count == 4 * 4 * 3 + 1


def test_all_mistakes_are_named_at_once():
    found = problems({"conv": 0, "kernel": 0}, {"pool": "mx"}, {"dense": 3})
    assert [text.split(":")[0] for text in found] == ["layer 1", "layer 1", "layer 2", "layer 3"]
    assert 'the last layer must be { dense = "outputs" } without an activation' in found[-1]


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        (
            [{"conv": 8, "kernel": 5}, {"pool": "max", "size": 6}, {"conv": 8, "kernel": 5}],
            "layer 3: a 5x5 'valid' convolution needs an input of at least that size, got 4x4; use "
            "a kernel of at most 4, padding 'same', or larger images (arriving: 4x4x8)",
        ),
        (
            [{"normalize": "inputs", "mean": [0.5, 0.4], "std": 0.5}],
            "layer 1: mean has 2 numbers, but images have 1 channels; give one number for all of "
            "them, or one a channel (arriving: 28x28x1)",
        ),
        (
            [{"dropout": 0.1}, {"normalize": "inputs", "mean": 0.5, "std": 0.5}],
            "layer 2: it scales the images; put it before all other layers (arriving: 28x28x1)",
        ),
        ([{"pool": "max", "size": 40}], "layer 1: 40x40 pooling needs an input of at least that"),
        (
            [{"dense": 7}, {"conv": 8, "kernel": 1}],
            "layer 2: it needs an image, but 7 values side by side arrive; put it before the first",
        ),
        ([{"pool": "global"}, {"pool": "max"}], "(arriving: 1x1x1)"),
        (
            [{"residual": [{"conv": 6, "kernel": 3, "stride": 2, "padding": "same"}]}],
            "layer 1: the block's layers give 14x14x6, its shortcut gives 28x28x1, and only equal "
            "shapes can be added; shortcut = [{ conv = 6, kernel = 1, stride = 2 }] gives 14x14x6",
        ),
        (
            [{"residual": [{"conv": 6, "kernel": 3}], "shortcut": [{"conv": 6, "kernel": 1}]}],
            "layer 1: the block's layers give 26x26x6, its shortcut gives 28x28x6, and only equal "
            "shapes can be added; no shortcut gives that: let the block's layers have padding = 's",
        ),
        (
            [{"conv": 2, "kernel": 4, "padding": "symmetric"}],
            "layer 1: padding 'symmetric' needs an odd kernel, got 4; use padding 'same'",
        ),
        (
            [{"residual": [{"norm": "batch"}, {"conv": 1, "kernel": 40}]}],
            "layer 1.2: a 40x40 'valid' convolution needs an input of at least that size",
        ),
    ],
)
def test_a_layer_that_does_not_fit_is_named_with_what_arrives(layers: list[object], message: str):
    found = problems(*layers, LAST)
    assert len(found) == 1
    assert message in found[0]


def test_what_is_suggested_fits():
    block = {"residual": [{"conv": 6, "kernel": 3, "stride": 2, "padding": "same"}]}
    mended = block | {"shortcut": [{"conv": 6, "kernel": 1, "stride": 2}]}
    assert problems(mended, LAST) == []


def test_nothing_can_be_said_of_fit_without_images():
    assert problems({"conv": 8, "kernel": 50}, LAST, shape=None) == []


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([], "expected a list of layers, got []"),
        ("conv", "expected a list of layers, got 'conv'"),
        ([{"dropout": 0.1}] * 256 + [LAST], "expected at most 256 layers, got 257"),
        ([{"dense": 65536}, {"dense": 65536}, LAST], "expected at most 134217728 parameters"),
        (
            [{"conv": 4096, "kernel": 1}] * 2 + [LAST],
            "expected at most",
        ),
    ],
)
def test_what_is_no_network_of_reasonable_size(layers: object, message: str):
    _, found = parse_layers(layers, (100, 100, 1), 1)
    assert len(found) == 1
    assert message in str(found[0])


def test_the_error_lists_all_mistakes():
    with pytest.raises(
        ArchitectureError,
        match=re.escape("the layers of 'x' can't be built:\n  - layer 1: conv needs a kernel"),
    ):
        declared_architecture("x", [{"conv": 1}, LAST], SHAPE, 1)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["conv", "kernel", "pool", "dense", "norm", "residual", "shortcut", "size", "x"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(JSON)
def test_whatever_stands_there_is_read_or_named(entries: object):
    layers, found = parse_layers(entries, SHAPE, 2)
    assert bool(layers) != bool(found)
    assert all(isinstance(str(problem), str) for problem in found)


@given(st.lists(st.sampled_from([
    {"conv": 3, "kernel": 2}, {"conv": 2, "kernel": 3, "stride": 2, "padding": "same"},
    {"pool": "max"}, {"pool": "average", "size": 3, "stride": 1}, {"pool": "global"},
    {"norm": "batch"}, {"dropout": 0.5}, {"flatten": True}, {"dense": 4},
    {"residual": [{"norm": "batch"}]},
]), max_size=6))  # fmt: skip
def test_shapes_and_parameters_of_what_is_read_agree(entries: list[object]):
    layers, found = parse_layers([*entries, LAST], (9, 8, 2), 3)
    if found:
        return
    architecture = declared_architecture("x", [*entries, LAST], (9, 8, 2), 3)
    assert architecture.layers == layers
    assert architecture.outputs == 3
    assert architecture.shapes[-1] == architecture.steps[-1].output_shape == (1, 1, 3)
    generator = np.random.default_rng(0)
    for parameter in architecture.parameters:
        weights = generator.random((2, *parameter.shape))
        keras = parameter.to_keras(weights)
        assert keras.shape[1:] == parameter.keras_shape
        assert np.array_equal(parameter.from_keras(keras), weights)
