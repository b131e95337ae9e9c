import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from hyperzoo.architectures import (
    Architecture,
    declared_architecture,
    lenet5,
    resnet8,
    smallcnn,
)
from hyperzoo.architectures.forward import forward
from hyperzoo.architectures.layers import Conv2d, Dense, GlobalAveragePool, Pool2d
from hyperzoo.architectures.symmetry import hidden_units, move_units
from hyperzoo.errors import ArchitectureError
from tests.architectures.declarations import EVERY

MAX_POOLED = Architecture(
    name="pooled",
    input_shape=(12, 12, 2),
    layers=(
        Conv2d(filters=4, kernel=3, activation="tanh"),
        Pool2d(kind="max"),
        Conv2d(filters=5, kernel=3, stride=2, padding="same", activation="tanh"),
        Pool2d(kind="average", size=3),
        Dense(units=6, activation="relu"),
        Dense(units=3),
    ),
)
FLAT_NORM = declared_architecture(
    "signs through norms",
    [
        {"conv": 5, "kernel": 3},
        {"norm": "batch", "activation": "tanh"},
        {"conv": 6, "kernel": 3, "activation": "tanh"},
        {"flatten": True},
        {"norm": "batch"},
        {"dense": "outputs"},
    ],
    (8, 8, 1),
    2,
)
LOOP = declared_architecture(
    "a block of one convolution",
    [
        {"conv": 5, "kernel": 3, "padding": "same", "activation": "tanh"},
        {"residual": [{"conv": 5, "kernel": 3, "padding": "same"}], "activation": "tanh"},
        {"conv": 4, "kernel": 3},
        {"dense": "outputs"},
    ],
    (8, 8, 1),
    2,
)
ARCHITECTURES = [
    lenet5(1), lenet5(4), smallcnn(10), MAX_POOLED, FLAT_NORM, LOOP, resnet8(2), *EVERY.values(),
]  # fmt: skip


def random_weights(
    architecture: Architecture, networks: int, seed: int = 0
) -> dict[str, NDArray[np.float64]]:
    generator = np.random.default_rng(seed)
    return {
        p.name: generator.normal(0, p.fan_in**-0.5, (networks, *p.shape))
        if p.fan_in
        else generator.uniform(0.5, 1.5, (networks, *p.shape))
        for p in architecture.parameters
    }


def random_moves(
    architecture: Architecture, networks: int, seed: int = 1
) -> tuple[dict[str, NDArray[np.int64]], dict[str, NDArray[np.float64]]]:
    generator = np.random.default_rng(seed)
    orders, signs = {}, {}
    for group in hidden_units(architecture):
        # One cycle through all units, so that none stays where it is.
        orders[group.layer] = np.empty((networks, group.units), int)
        for row in orders[group.layer]:
            cycle = generator.permutation(group.units)
            row[cycle] = np.roll(cycle, 1)
        if group.signs:
            signs[group.layer] = generator.choice([-1.0, 1.0], (networks, group.units))
    return orders, signs


def test_the_groups_of_lenet5():
    groups = hidden_units(lenet5(1))
    assert [(g.layer, g.columns, g.units, g.signs) for g in groups] == [
        ("conv1", ("conv2.weight",), 6, True),
        ("conv2", ("conv3.weight",), 16, True),
        ("conv3", ("fc1.weight",), 120, True),
        ("fc1", ("fc2.weight",), 84, True),
    ]
    assert (groups[0].rows, groups[0].vectors, groups[0].scales) == (
        ("conv1.weight",),
        ("conv1.bias",),
        (),
    )


def test_channels_that_are_added_move_together():
    """Of resnet8 those of each width are one group, and each block has one of its own within."""
    groups = {group.layer: group for group in hidden_units(resnet8(10))}
    assert {name: group.units for name, group in groups.items()} == {
        "conv1": 16, "conv2": 16, "conv4": 32, "conv6": 32, "conv7": 64, "conv9": 64,
    }  # fmt: skip
    assert groups["conv1"].rows == ("conv1.weight", "conv3.weight")
    assert groups["conv1"].columns == ("conv2.weight", "conv4.weight", "conv6.weight")
    assert groups["conv1"].scales == (
        "bn1.weight", "bn1.running_var", "bn3.weight", "bn3.running_var",
    )  # fmt: skip
    assert groups["conv6"].rows == ("conv6.weight", "conv5.weight")
    assert not any(group.signs for group in groups.values())


def test_what_is_added_to_the_image_stays_where_it_is():
    block = {"residual": [{"conv": 3, "kernel": 1}]}
    network = declared_architecture("x", [block, {"dense": "outputs"}], (4, 4, 3), 2)
    assert hidden_units(network) == ()


def test_odd_activations_keep_signs_through_normalisation():
    layers = [
        {"conv": 5, "kernel": 3},
        {"norm": "batch", "activation": "tanh"},
        {"dropout": 0.5},
        {"flatten": True},
        {"norm": "batch"},
        {"dense": 4, "activation": "gelu"},
        {"dense": "outputs"},
    ]
    groups = hidden_units(declared_architecture("x", layers, (8, 8, 1), 2))
    assert [(g.layer, g.units, g.signs) for g in groups] == [("conv1", 5, True), ("fc1", 4, False)]


def test_relu_and_maximum_pooling_allow_no_signs():
    assert [(g.layer, g.signs) for g in hidden_units(smallcnn(10))] == [
        ("conv1", False),
        ("conv2", False),
        ("conv3", False),
    ]
    assert [(g.layer, g.signs) for g in hidden_units(MAX_POOLED)] == [
        ("conv1", False),
        ("conv2", True),
        ("fc1", False),
    ]


def test_a_global_average_keeps_signs():
    layers = (Conv2d(filters=3, kernel=3, activation="tanh"), GlobalAveragePool(), Dense(units=2))
    (group,) = hidden_units(Architecture(name="g", input_shape=(8, 8, 1), layers=layers))
    assert (group.signs, group.columns) == (True, ("fc1.weight",))


@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=lambda a: f"{a.name}-{a.outputs}")
def test_moved_networks_compute_the_same(architecture: Architecture):
    weights = random_weights(architecture, 3)
    moved = move_units(architecture, weights, *random_moves(architecture, 3))
    height, width, channels = architecture.input_shape
    images = torch.rand(5, channels, height, width, dtype=torch.float64)
    for row in range(3):
        before, after = (
            forward(architecture, {n: torch.from_numpy(t[row]) for n, t in w.items()}, images)
            for w in (weights, moved)
        )
        changed = [n for n in weights if not np.array_equal(weights[n][row], moved[n][row])]
        assert {n for g in hidden_units(architecture) for n in g.tensors} <= set(changed)
        np.testing.assert_allclose(after, before, rtol=1e-12, atol=1e-13)


def test_the_order_says_where_a_unit_was():
    architecture = lenet5(1)
    weights = random_weights(architecture, 1)
    order = np.array([[2, 0, 1, 3, 4, 5]])
    sign = np.array([[-1, 1, 1, 1, 1, 1]])
    moved = move_units(architecture, weights, {"conv1": order}, {"conv1": sign})
    np.testing.assert_array_equal(moved["conv1.weight"][0, 0], -weights["conv1.weight"][0, 2])
    np.testing.assert_array_equal(moved["conv1.bias"][0, 1], weights["conv1.bias"][0, 0])
    np.testing.assert_array_equal(moved["conv2.weight"][0, :, 0], -weights["conv2.weight"][0, :, 2])
    np.testing.assert_array_equal(moved["fc2.weight"], weights["fc2.weight"])


def test_wrong_moves_are_refused():
    weights = random_weights(smallcnn(2), 2)
    with pytest.raises(
        ArchitectureError, match=r"layer 'fc1'.* those that have: conv1, conv2, con"
    ):
        move_units(smallcnn(2), weights, {"fc1": np.zeros((2, 2), int)}, {})
    with pytest.raises(ArchitectureError, match=r"rows are no permutations"):
        move_units(smallcnn(2), weights, {"conv1": np.zeros((2, 16), int)}, {})
    with pytest.raises(ArchitectureError, match=r"each of 2 networks, got an array of shape \(16,"):
        move_units(smallcnn(2), weights, {"conv1": np.arange(16)}, {})
    with pytest.raises(ArchitectureError, match=r"not signs, because its activation is not odd"):
        move_units(smallcnn(2), weights, {}, {"conv1": -np.ones((2, 16))})
    with pytest.raises(ArchitectureError, match=r"signs 1 or -1 .*with other numbers"):
        move_units(smallcnn(2), weights, {}, {"conv1": np.full((2, 16), 0.5)})
