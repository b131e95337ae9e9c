"""What features are made of networks' weights, by values that are known."""

import numpy as np
import pytest
import torch

from hyperzoo.architectures import declared_architecture, lenet5, smallcnn
from hyperzoo.architectures.forward import forward
from hyperzoo.architectures.symmetry import move_units
from hyperzoo.features.answers import PatternAndProbes
from hyperzoo.features.components import LeadingComponents
from hyperzoo.features.invariants import Invariants
from hyperzoo.features.large import are_too_large
from hyperzoo.features.linear_response import LinearResponse, linear_map
from hyperzoo.features.matrix import layer_columns, matrix_of, tensors_of
from hyperzoo.features.pattern import SignalsAndPattern
from hyperzoo.features.probes import logits_of, smooth_images
from hyperzoo.features.signals import Signals
from hyperzoo.features.singular import singular_values
from hyperzoo.features.statistics import LayerStatistics
from tests.architectures.declarations import EVERY
from tests.architectures.test_symmetry import random_moves, random_weights


@pytest.mark.parametrize(
    "architecture", [lenet5(1), smallcnn(1), *EVERY.values()], ids=lambda a: a.name
)
@pytest.mark.parametrize("features", [LinearResponse, Invariants], ids=lambda f: f.__name__)
def test_features_do_not_change_with_order_and_sign(features, architecture):
    weights = random_weights(architecture, 2)
    moved = move_units(architecture, weights, *random_moves(architecture, 2))
    step = features(architecture)
    given, same = (step.transform(matrix_of(architecture, w)) for w in (weights, moved))
    np.testing.assert_allclose(same, given, rtol=1e-3, atol=1e-5 * np.abs(given).max())


@pytest.mark.parametrize(
    "architecture", [lenet5(1), smallcnn(1), *EVERY.values()], ids=lambda a: a.name
)
@pytest.mark.parametrize("features", [Signals, SignalsAndPattern], ids=lambda f: f.__name__)
def test_signals_do_not_change_with_order(features, architecture):
    weights = random_weights(architecture, 2)
    moved = move_units(architecture, weights, random_moves(architecture, 2)[0], {})
    step = features(architecture)
    given, same = (step.transform(matrix_of(architecture, w)) for w in (weights, moved))
    np.testing.assert_allclose(same, given, rtol=1e-3, atol=1e-5 * np.abs(given).max())
    assert np.isfinite(given).all()


@pytest.mark.parametrize("architecture", [smallcnn(1), *EVERY.values()], ids=lambda a: a.name)
def test_weights_that_are_too_large_are_found(architecture):
    """Whatever overflows has features that are no numbers, and is no error of LAPACK's."""
    matrix = matrix_of(architecture, random_weights(architecture, 3))
    assert not are_too_large(architecture, matrix).any()
    matrix[1] *= np.float32(1e30)
    assert not np.isfinite(PatternAndProbes(architecture).transform(matrix)[1]).all()
    assert are_too_large(architecture, matrix).tolist() == [False, True, False]


def test_singular_values_of_what_is_no_number():
    matrices = torch.stack([torch.diag(torch.tensor([2.0, 3.0])), torch.full((2, 2), torch.inf)])
    found = singular_values(matrices)
    assert found[0].tolist() == [3, 2]
    assert found[1].isnan().all()


def test_signals_of_a_known_network():
    """Two dense layers of one input and one unit each: all singular values are the weights."""
    architecture = declared_architecture("x", [{"dense": 1}, {"dense": "outputs"}], (1, 1, 1), 1)
    weights = {
        "fc1.weight": np.array([[[-2.0]]]), "fc1.bias": np.zeros((1, 1)),
        "fc2.weight": np.array([[[3.0]]]), "fc2.bias": np.ones((1, 1)),
    }  # fmt: skip
    found = Signals(architecture).transform(matrix_of(architecture, weights))[0]
    # Behind the statistics: lengths in and out, singular value, size, mean over size, growth.
    two, three, six = np.log([2, 3, 6])
    expected = [two, two, two, two, -1, two, np.log(1e-9), three, three, three, three, 1, six, 0]
    np.testing.assert_allclose(found[36:], [*expected, six, 1], rtol=1e-5, atol=1e-6)


def test_the_pattern_of_a_known_network():
    """Two outputs of two grey pixels: what each looks for are its own weights."""
    architecture = declared_architecture("x", [{"dense": "outputs"}], (1, 2, 1), 2)
    weights = {"fc1.weight": np.array([[[3.0, 4.0], [0.0, 1.0]]]), "fc1.bias": np.ones((1, 2))}
    step, matrix = SignalsAndPattern(architecture), matrix_of(architecture, weights)
    found = step.transform(matrix)[0]
    assert step.pattern_columns == 5
    # Two pixels are no smaller on any of the four grids.
    length, apart = np.sqrt(26), np.sqrt(9 / 2 + 9 / 2)
    expected = np.log([1, 5, apart, length, length, length, length])
    np.testing.assert_allclose(found[-12:-5], expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found[-5:-1], np.array([3, 4, 0, 1]) / length, rtol=1e-5)
    np.testing.assert_array_equal(found[:-12], Signals(architecture).transform(matrix)[0])
    np.testing.assert_array_equal(
        found[-5:], LinearResponse(architecture, norm=True).transform(matrix)[0]
    )


def test_the_linear_map_is_the_network_where_it_is_linear():
    architecture = smallcnn(2)
    weights = random_weights(architecture, 1)
    # With positive weights, no biases and positive images ReLU changes nothing.
    tensors = {
        name: np.abs(tensor).astype(np.float32) * (not name.endswith("bias"))
        for name, tensor in weights.items()
    }
    images = torch.rand(3, 1, 32, 32)
    own = {name: torch.from_numpy(tensor[0]) for name, tensor in tensors.items()}
    expected = forward(architecture, own, images)
    maps = linear_map(architecture, tensors)
    torch.testing.assert_close(torch.einsum("ochw,ichw->io", maps[0], images), expected)


def test_the_linear_map_goes_both_ways_round_a_block():
    """With a batch normalisation: its factor is gamma over the root of the running variance."""
    layers = [
        {"residual": [{"conv": 2, "kernel": 1}, {"norm": "batch", "epsilon": 0.5}]},
        {"pool": "global", "activation": "relu"},
        {"dense": "outputs"},
    ]
    architecture = declared_architecture("x", layers, (2, 2, 2), 1)
    tensors = {n: t.astype(np.float32) for n, t in random_weights(architecture, 1).items()}
    kernel, dense = tensors["conv1.weight"][0, :, :, 0, 0], tensors["fc1.weight"][0]
    factor = tensors["bn1.weight"][0] / np.sqrt(tensors["bn1.running_var"][0] + 0.5)
    by_channel = dense @ (factor[:, None] * kernel + np.eye(2)) / 4
    expected = np.broadcast_to(by_channel[0, :, None, None], (2, 2, 2))
    np.testing.assert_allclose(linear_map(architecture, tensors)[0, 0], expected, rtol=1e-5)


def test_statistics_of_known_numbers():
    architecture = smallcnn(1)
    weights = random_weights(architecture, 1)
    weights["conv1.bias"] = np.array([[1.0] * 8 + [3.0] * 8])
    features = LayerStatistics(architecture).transform(matrix_of(architecture, weights))[0]
    # After the nine of conv1.weight: mean, variance, skewness, kurtosis, five quantiles.
    assert features[9:18] == pytest.approx([2, 1, 0, 1, 1, 1, 3, 3, 3])


def test_logits_are_those_of_each_network():
    architecture = smallcnn(2)
    tensors = {n: t.astype(np.float32) for n, t in random_weights(architecture, 3).items()}
    images = smooth_images(architecture, 4, 3)
    assert images.shape == (4, 1, 32, 32)
    assert 0 <= images.min() < images.max() <= 1
    together = logits_of(architecture, tensors, images)
    for row in range(3):
        own = {name: torch.from_numpy(tensor[row]) for name, tensor in tensors.items()}
        torch.testing.assert_close(together[row], forward(architecture, own, images))


def test_a_matrix_and_its_tensors():
    architecture = smallcnn(2)
    matrix = np.arange(2.0 * architecture.parameter_count, dtype=np.float32).reshape(2, -1)
    tensors = tensors_of(architecture, matrix)
    assert {n: t.shape[1:] for n, t in tensors.items()} == {
        p.name: p.shape for p in architecture.parameters
    }
    np.testing.assert_array_equal(matrix_of(architecture, tensors), matrix)
    columns = layer_columns(architecture)
    assert list(columns) == ["conv1", "conv2", "conv3", "fc1"]
    assert (columns["conv1"], columns["fc1"]) == (slice(0, 160), slice(4800, 4834))


def test_components_are_those_of_scikit_learn():
    from sklearn.decomposition import PCA
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    generator = np.random.default_rng(0)
    given = generator.normal(size=(20, 50)).astype(np.float32) * np.arange(50, dtype=np.float32)
    other = generator.normal(size=(4, 50)).astype(np.float32)
    peer = make_pipeline(StandardScaler(), PCA(5, svd_solver="full")).fit(given)
    ours = LeadingComponents(5).fit(given)
    np.testing.assert_allclose(
        np.abs(ours.transform(other)), np.abs(peer.transform(other)), rtol=1e-3, atol=1e-3
    )
    assert LeadingComponents(100).fit(given).axes_.shape == (50, 19)
    assert LeadingComponents(100).fit(np.ones((5, 3), np.float32)).transform(other[:, :3]).shape[
        0
    ] == len(other)
