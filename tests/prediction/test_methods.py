"""The contract of all methods, and what each is meant to see."""

import numpy as np
import pytest
import torch
from sklearn.base import clone, is_classifier

from hyperzoo.architectures import Architecture, lenet5
from hyperzoo.architectures.symmetry import move_units
from hyperzoo.errors import PredictionError
from hyperzoo.features.matrix import matrix_of
from hyperzoo.prediction.methods.message_passing import MessagePassing
from hyperzoo.prediction.methods.perceptron import Perceptron
from hyperzoo.prediction.networks import networks_of
from hyperzoo.prediction.registry import METHODS, TRACKS, choose_methods
from hyperzoo.prediction.trial import Trial
from hyperzoo.zoo import Zoo
from tests.architectures.declarations import EVERY
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


@pytest.mark.parametrize("architecture", [lenet5(1), *EVERY.values()], ids=lambda a: a.name)
def test_messages_do_not_change_with_order_and_sign(architecture: Architecture):
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
    assert [m.name for m in choose_methods(None, None)] == list(METHODS)
    assert {m.track for m in choose_methods(None, "B")} == {"B"}
    assert {m.track for m in METHODS.values()} == set(TRACKS)
    assert [m.name for m in choose_methods(["svm", "svm"], "A")] == ["svm"]


def test_wrong_choices_are_refused():
    with pytest.raises(PredictionError, match=r"no method 'svn'; did you mean 'svm'\?"):
        choose_methods(["svn"], None)
    with pytest.raises(PredictionError, match=r"'svm' is of track A \(weights alone\), not B"):
        choose_methods(["svm"], "B")
    with pytest.raises(PredictionError, match=r"no track 'D'; there are: A, B, C"):
        choose_methods(None, "D")
    with pytest.raises(PredictionError, match=r"no methods were named; there are: linear-res"):
        choose_methods([], None)
    with pytest.raises(TypeError, match=r"a sequence of names, got the text 'svm'"):
        choose_methods("svm", None)
