from pathlib import Path

import numpy as np
import pytest
import torch

import hyperzoo as hz
from hyperzoo.architectures import Architecture, lenet5, resnet8, smallcnn
from hyperzoo.architectures.forward import forward
from hyperzoo.architectures.symmetry import hidden_units, move_units
from hyperzoo.errors import ArchitectureError, NetworkNotFoundError
from tests.architectures.declarations import EVERY
from tests.architectures.test_symmetry import (
    FLAT_NORM,
    LOOP,
    MAX_POOLED,
    random_moves,
    random_weights,
)
from tests.zoo.makers import make_zoo, recipe

ARCHITECTURES = pytest.mark.parametrize(
    "architecture",
    [lenet5(1), smallcnn(10), MAX_POOLED, resnet8(2), FLAT_NORM, EVERY["normalised"]],
    ids=lambda a: a.name,
)


@ARCHITECTURES
def test_known_moves_are_undone_exactly(architecture: Architecture):
    single = random_weights(architecture, 1)
    repeated = {name: np.repeat(t, 4, axis=0).astype(np.float32) for name, t in single.items()}
    orders, signs = random_moves(architecture, 4)
    moved = move_units(architecture, repeated, orders, signs)
    reference = {name: tensor[0] for name, tensor in repeated.items()}
    found = hz.align(moved, reference, architecture=architecture)
    for name, tensor in found.weights.items():
        np.testing.assert_array_equal(tensor, repeated[name])
    for group in hidden_units(architecture):
        # The order that undoes another is its inverse.
        np.testing.assert_array_equal(
            found.permutations[group.layer], np.argsort(orders[group.layer], axis=1)
        )
    assert (found.distance_after == 0).all()
    assert (found.distance_before > 1).all()


@ARCHITECTURES
def test_aligned_networks_compute_the_same_and_lie_closer(architecture: Architecture):
    weights = {n: t.astype(np.float32) for n, t in random_weights(architecture, 3).items()}
    found = hz.align(weights, architecture=architecture, rounds=1)
    height, width, channels = architecture.input_shape
    images = torch.rand(4, channels, height, width)
    for row in range(3):
        before, after = (
            forward(architecture, {n: torch.from_numpy(t[row]) for n, t in w.items()}, images)
            for w in (weights, found.weights)
        )
        torch.testing.assert_close(after, before, rtol=1e-4, atol=1e-5)
    assert (found.distance_after <= found.distance_before).all()
    moved = move_units(architecture, weights, found.permutations, found.signs)
    for name, tensor in moved.items():
        np.testing.assert_array_equal(tensor, found.weights[name])


def test_a_layer_that_takes_in_its_own_units_never_moves_away():
    """Its rows and columns move together, which no assignment sees; each move is tried first."""
    weights = {n: t.astype(np.float32) for n, t in random_weights(LOOP, 20).items()}
    found = hz.align(weights, architecture=LOOP)
    assert (found.distance_after <= found.distance_before).all()
    assert (found.permutations["conv1"][1:] != np.arange(5)).any()
    moved = move_units(LOOP, weights, found.permutations, found.signs)
    np.testing.assert_array_equal(moved["conv2.weight"], found.weights["conv2.weight"])


def test_the_networks_beside_do_not_matter():
    architecture = smallcnn(10)
    weights = random_weights(architecture, 70)
    reference = {name: tensor[0] for name, tensor in weights.items()}
    together = hz.align(weights, reference, architecture=architecture)
    last = {name: tensor[-1:] for name, tensor in weights.items()}
    alone = hz.align(last, reference, architecture=architecture)
    for name, tensor in alone.weights.items():
        np.testing.assert_array_equal(together.weights[name][-1:], tensor)


def test_a_zoo_is_aligned_to_one_of_its_networks(tmp_path: Path):
    zoo = hz.open_zoo(make_zoo(tmp_path / "zoo", recipe(networks_per_class=2)))
    found = hz.align(zoo, "dog_1")
    row = zoo.ids.index("dog_1")
    assert found.distance_after[row] == 0
    np.testing.assert_array_equal(
        found.weights["conv2.weight"][row], zoo.weights("conv2.weight")[row]
    )
    assert len(found.weights["fc1.bias"]) == len(zoo)
    with pytest.raises(NetworkNotFoundError, match=r"no network 'dog_9'"):
        hz.align(zoo, "dog_9")


def test_wrong_input_is_refused():
    architecture = smallcnn(2)
    weights = random_weights(architecture, 2)
    with pytest.raises(TypeError, match=r"need `architecture`"):
        hz.align(weights)
    with pytest.raises(TypeError, match=r"by its id only in a zoo"):
        hz.align(weights, "dog_1", architecture=architecture)
    with pytest.raises(ArchitectureError, match=r"conv1.bias: expected .*\(networks, 16\).*got"):
        hz.align(weights | {"conv1.bias": np.zeros((2, 3))}, architecture=architecture)
    with pytest.raises(ArchitectureError, match=r"reference: fc1.bias: expected"):
        hz.align(
            weights,
            {n: t[0] for n, t in weights.items() if n != "fc1.bias"},
            architecture=architecture,
        )
    with pytest.raises(ArchitectureError, match=r"different numbers of networks"):
        hz.align(weights | {"conv1.bias": np.zeros((3, 16))}, architecture=architecture)
    weights["conv2.weight"][1, 0, 0, 0, 0] = np.nan
    with pytest.raises(ArchitectureError, match=r"conv2.weight holds numbers that are not finite"):
        hz.align(weights, architecture=architecture)
