"""The contract of all methods, and what each is meant to see."""

import numpy as np
import pytest
import torch
from sklearn.base import clone, is_classifier, is_regressor

from hyperzoo.architectures import Architecture, lenet5, smallcnn
from hyperzoo.architectures.symmetry import move_units
from hyperzoo.errors import PredictionError
from hyperzoo.features.matrix import matrix_of
from hyperzoo.prediction.methods.graph_network import GraphNetwork, unit_graph
from hyperzoo.prediction.methods.message_passing import MessagePassing
from hyperzoo.prediction.methods.perceptron import Perceptron
from hyperzoo.prediction.networks import networks_of
from hyperzoo.prediction.registry import METHODS, TRACKS, choose_methods
from hyperzoo.prediction.target import Kind
from hyperzoo.prediction.trial import Trial
from hyperzoo.zoo import Zoo
from tests.architectures.declarations import EVERY
from tests.architectures.test_symmetry import random_moves, random_weights

IMAGES = [
    np.random.default_rng(label).integers(0, 256, (3, 32, 32, 1), dtype=np.uint8)
    for label in range(5)
]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    ("name", "kind"), [(m.name, kind) for m in METHODS.values() for kind in m.kinds]
)
def test_every_method_is_an_estimator(name: str, kind: Kind, planted: Zoo):
    networks, classes = planted.matrix()[:25], np.array(planted.models["class"].to_pylist())[:25]
    labels = classes if kind == "category" else np.linspace(0.1, 0.9, 25)
    method = METHODS[name]
    if method.track == "0":
        networks = classes[:, None] if name == "class-mean" else labels[:, None] ** [[1, 2]]
    shown = IMAGES if method.track == "C" else None
    estimator = method.build(planted.architecture, 3, shown, kind)
    assert (is_classifier if kind == "category" else is_regressor)(estimator)
    for key in estimator.get_params():
        if key.endswith(("epochs", "__n_estimators", "__max_iter", "__graded__steps")):
            estimator.set_params(**{key: 3})  # the contract holds after little work too
    before = networks.copy()
    state = torch.random.get_rng_state()
    named = clone(estimator).fit(networks, labels).predict(networks)
    again = clone(estimator).fit(networks, labels).predict(networks)
    if kind == "category":
        assert set(named) <= set(labels)
    else:
        assert named.shape == (25,)
        assert np.isfinite(named).all()
    np.testing.assert_array_equal(named, again)
    np.testing.assert_array_equal(networks, before)
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize("name", ["linear-response", "message-passing"])
def test_the_better_methods_see_through_the_order_of_units(name: str, planted: Zoo):
    networks, labels = planted.matrix(), np.array(planted.models["class"].to_pylist())
    estimator = METHODS[name].build(planted.architecture, 0)
    estimator.fit(networks[:30], labels[:30])
    assert (estimator.predict(networks[30:]) == labels[30:]).all()


@pytest.mark.parametrize("architecture", [lenet5(1), *EVERY.values()], ids=lambda a: a.name)
def test_messages_do_not_change_with_order_and_sign(architecture: Architecture):
    weights = random_weights(architecture, 2)
    moved = move_units(architecture, weights, *random_moves(architecture, 2))
    passing = MessagePassing(architecture)
    passing.classes_ = np.array(["a", "b"])
    generator = torch.Generator().manual_seed(0)
    passing.learned_ = {
        name: (value + torch.randn(value.shape, generator=generator)).numpy()
        for name, value in passing._start(matrix_of(architecture, weights), 2).items()
    }
    given, same = (passing.predict_proba(matrix_of(architecture, w)) for w in (weights, moved))
    np.testing.assert_allclose(same, given, rtol=1e-3)


def test_weights_that_are_too_large_are_refused_by_name(planted: Zoo):
    networks = networks_of(planted)
    networks.matrix[7] *= 1e12
    trial = Trial(networks, [], 0, 1)
    with pytest.raises(PredictionError, match=rf"'linear-response': {networks.ids[7]}; leave"):
        trial._prepare(METHODS["linear-response"], None)


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
    every = [choose_methods(None, None), choose_methods(None, None, "number", early=True)]
    slow = {m.name for m in METHODS.values() if m.slow}
    assert slow == {"graded-probes"}
    assert {m.name for found in every for m in found} == set(METHODS) - slow
    assert [m.name for m in choose_methods(["graded-probes"], "B", "number")] == ["graded-probes"]
    assert all("category" in m.kinds for m in every[0])
    assert all("number" in m.kinds for m in every[1])
    assert {m.track for m in choose_methods(None, "B")} == {"B"}
    assert {m.track for m in METHODS.values()} == set(TRACKS)
    assert [m.name for m in choose_methods(["svm", "svm"], "A")] == ["svm"]


def test_wrong_choices_are_refused():
    with pytest.raises(PredictionError, match=r"no method 'svn'; did you mean 'svm'\?"):
        choose_methods(["svn"], None)
    with pytest.raises(PredictionError, match=r"'svm' is of track A \(weights alone\), not B"):
        choose_methods(["svm"], "B")
    with pytest.raises(PredictionError, match=r"'svm' predicts words, .* of numbers; .*: class-me"):
        choose_methods(["svm"], None, "number")
    with pytest.raises(PredictionError, match=r"'learning-curve' needs weights of an early epoch"):
        choose_methods(["learning-curve"], None, "number")
    with pytest.raises(PredictionError, match=r"no track 'D'; there are: 0, A, B, C"):
        choose_methods(None, "D")
    with pytest.raises(PredictionError, match=r"no methods were named; there are: class-mean"):
        choose_methods([], None)
    with pytest.raises(TypeError, match=r"a sequence of names, got the text 'svm'"):
        choose_methods("svm", None)


@pytest.mark.parametrize(
    "architecture", [lenet5(1), smallcnn(2), *EVERY.values()], ids=lambda a: a.name
)
def test_the_graph_network_does_not_change_with_the_order_of_units(architecture: Architecture):
    weights = random_weights(architecture, 3)
    orders, _ = random_moves(architecture, 3)
    matrix, moved = (
        matrix_of(architecture, own)
        for own in (weights, move_units(architecture, weights, orders, {}))
    )
    fitted = GraphNetwork(architecture, "number", epochs=3).fit(matrix, np.array([0.1, 0.5, 0.9]))
    np.testing.assert_allclose(fitted.predict(moved), fitted.predict(matrix), rtol=1e-3)
    assert np.ptp(fitted.predict(matrix)) > 1e-3  # it does say something


def test_the_graph_of_a_network():
    graph = unit_graph(lenet5(1))
    assert graph.units == (3, 6, 16, 120, 84, 1)
    assert [(own.source, own.target, own.places) for own in graph.edges] == [
        (0, 1, 25),
        (1, 2, 25),
        (2, 3, 25),
        (3, 4, lenet5(1).parameters[6].shape[1] // 120),
        (4, 5, 1),
    ]
    layers = ("conv1", "conv2", "conv3", "fc1", "fc2")
    assert graph.vectors == ((), *((f"{layer}.bias",) for layer in layers))


def test_what_a_residual_block_adds_is_one_set_of_units():
    architecture = EVERY["residual"]
    graph = unit_graph(architecture)
    names = {own.name for own in graph.edges} | {name for own in graph.vectors for name in own}
    assert names == {parameter.name for parameter in architecture.parameters}
    assert len(graph.units) < 1 + len(graph.edges)
