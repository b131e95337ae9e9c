"""The contract of all methods, and what each is meant to see."""

import numpy as np
import pytest
import torch
from sklearn.base import clone, is_classifier

from hyperzoo.architectures import lenet5, smallcnn
from hyperzoo.architectures.forward import forward
from hyperzoo.architectures.symmetry import move_units
from hyperzoo.classification.features import (
    LeadingComponents,
    layer_columns,
    matrix_of,
    tensors_of,
)
from hyperzoo.classification.methods.invariants import Invariants
from hyperzoo.classification.methods.linear_response import LinearResponse, linear_map
from hyperzoo.classification.methods.message_passing import MessagePassing
from hyperzoo.classification.methods.perceptron import Perceptron
from hyperzoo.classification.methods.probing import logits_of, smooth_images
from hyperzoo.classification.methods.statistics import LayerStatistics
from hyperzoo.classification.networks import networks_of
from hyperzoo.classification.registry import METHODS, TRACKS, choose_methods
from hyperzoo.classification.trial import Trial
from hyperzoo.errors import ClassificationError
from hyperzoo.zoo import Zoo
from tests.architectures.test_symmetry import random_moves, random_weights

IMAGES = [
    np.random.default_rng(label).integers(0, 256, (3, 32, 32, 1), dtype=np.uint8)
    for label in range(5)
]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", METHODS)
def test_every_method_is_an_estimator(name: str, planted: Zoo):
    networks, labels = planted.matrix(), np.array(planted.models["class"].to_pylist())
    networks, labels = networks[:25], labels[:25]
    method = METHODS[name]
    estimator = method.build(planted.architecture, 3, IMAGES if method.track == "C" else None)
    assert is_classifier(estimator)
    for key in estimator.get_params():
        if key.endswith(("__epochs", "__n_estimators", "__max_iter")):
            estimator.set_params(**{key: 3})  # the contract holds after little work too
    before = networks.copy()
    state = torch.random.get_rng_state()
    named = clone(estimator).fit(networks, labels).predict(networks)
    again = clone(estimator).fit(networks, labels).predict(networks)
    assert set(named) <= set(labels)
    np.testing.assert_array_equal(named, again)
    np.testing.assert_array_equal(networks, before)
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize("name", ["linear-response", "message-passing"])
def test_the_better_methods_see_through_the_order_of_units(name: str, planted: Zoo):
    networks, labels = planted.matrix(), np.array(planted.models["class"].to_pylist())
    estimator = METHODS[name].build(planted.architecture, 0)
    estimator.fit(networks[:30], labels[:30])
    assert (estimator.predict(networks[30:]) == labels[30:]).all()


@pytest.mark.parametrize("architecture", [lenet5(1), smallcnn(1)], ids=lambda a: a.name)
@pytest.mark.parametrize("features", [LinearResponse, Invariants], ids=lambda f: f.__name__)
def test_features_do_not_change_with_order_and_sign(features, architecture):
    weights = random_weights(architecture, 2)
    moved = move_units(architecture, weights, *random_moves(architecture, 2))
    step = features(architecture)
    given, same = (step.transform(matrix_of(architecture, w)) for w in (weights, moved))
    np.testing.assert_allclose(same, given, rtol=1e-3, atol=1e-5 * np.abs(given).max())


def test_messages_do_not_change_with_order_and_sign():
    architecture = lenet5(1)
    weights = random_weights(architecture, 2)
    moved = move_units(architecture, weights, *random_moves(architecture, 2))
    passing = MessagePassing(architecture)
    passing.classes_ = np.array(["a", "b"])
    generator = torch.Generator().manual_seed(0)
    passing.learned_ = {
        name: (value + torch.randn(value.shape, generator=generator)).numpy()
        for name, value in passing._start().items()
    }
    given, same = (passing.predict_proba(matrix_of(architecture, w)) for w in (weights, moved))
    np.testing.assert_allclose(same, given, rtol=1e-3)


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


def test_weights_that_are_too_large_are_refused_by_name(planted: Zoo):
    networks = networks_of(planted)
    networks.matrix[7] *= 1e12
    trial = Trial(networks, [], 0, 1)
    with pytest.raises(ClassificationError, match=rf"'linear-response': {networks.ids[7]}; leave"):
        trial._prepare(METHODS["linear-response"], None)


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


def test_the_perceptron_keeps_the_epoch_of_the_least_validation_loss():
    generator = np.random.default_rng(0)
    labels = np.repeat(["a", "b"], 20)
    features = generator.normal(size=(40, 5)) + (labels == "b")[:, None] * 4
    fitted = Perceptron(epochs=6, hidden=(8,), dropout=0.2).fit(features, labels)
    assert len(fitted.history_) == 6
    held_out = np.r_[16:20, 36:40]
    likely = fitted.predict_proba(features[held_out])
    own = likely[np.arange(8), (labels[held_out] == "b").astype(int)]
    least = min(entry["validation_loss"] for entry in fitted.history_)
    assert -np.log(own).mean() == pytest.approx(least, rel=1e-4)


def test_methods_are_chosen_by_track_and_name():
    assert [m.name for m in choose_methods(None, None)] == list(METHODS)
    assert {m.track for m in choose_methods(None, "B")} == {"B"}
    assert {m.track for m in METHODS.values()} == set(TRACKS)
    assert [m.name for m in choose_methods(["svm", "svm"], "A")] == ["svm"]


def test_wrong_choices_are_refused():
    with pytest.raises(ClassificationError, match=r"no method 'svn'; did you mean 'svm'\?"):
        choose_methods(["svn"], None)
    with pytest.raises(ClassificationError, match=r"'svm' is of track A \(weights alone\), not B"):
        choose_methods(["svm"], "B")
    with pytest.raises(ClassificationError, match=r"no track 'D'; there are: A, B, C"):
        choose_methods(None, "D")
    with pytest.raises(ClassificationError, match=r"no methods were named; there are: linear-res"):
        choose_methods([], None)
    with pytest.raises(TypeError, match=r"a sequence of names, got the text 'svm'"):
        choose_methods("svm", None)
