import numpy as np
import pytest
from sklearn import metrics as reference

from hyperzoo.population.metrics import METRICS, metrics


def test_one_vs_all_against_scikit_learn():
    rng = np.random.default_rng(0)
    targets = (rng.random(500) < 0.1).astype(np.int64)
    logits = (rng.normal(size=500) - 1 + 2 * targets).astype(np.float32)
    probabilities = 1 / (1 + np.exp(-logits.astype(np.float64)))
    said = probabilities > 0.5
    expected = {
        "loss": reference.log_loss(targets, probabilities),
        "accuracy": reference.accuracy_score(targets, said),
        "precision": reference.precision_score(targets, said),
        "recall": reference.recall_score(targets, said),
        "specificity": reference.recall_score(targets, said, pos_label=0),
        "f1": reference.f1_score(targets, said),
        "auc": reference.roc_auc_score(targets, probabilities),
    }
    found = metrics(logits[:, None], targets)
    assert list(found) == list(METRICS)
    assert found == pytest.approx(expected)


def test_a_network_that_always_says_no():
    found = metrics(np.full((10, 1), -3.0, dtype=np.float32), np.array([1] + [0] * 9))
    assert (found["accuracy"], found["specificity"]) == (0.9, 1.0)
    assert (found["precision"], found["recall"], found["f1"], found["auc"]) == (0, 0, 0, 0.5)


def test_losses_of_huge_logits_do_not_overflow():
    logits = np.array([[500.0], [-500.0]], dtype=np.float32)
    assert metrics(logits, np.array([0, 1]))["loss"] == pytest.approx(500.0)


def test_multi_class_against_scikit_learn():
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 4, 300)
    logits = rng.normal(size=(300, 4)).astype(np.float32)
    logits[np.arange(300), targets] += 1
    said = logits.argmax(axis=1)
    odds = np.exp(logits.astype(np.float64))
    macro = {"average": "macro"}
    expected = {
        "loss": reference.log_loss(targets, odds / odds.sum(axis=1, keepdims=True)),
        "accuracy": reference.accuracy_score(targets, said),
        "precision": reference.precision_score(targets, said, **macro),
        "recall": reference.recall_score(targets, said, **macro),
        "f1": reference.f1_score(targets, said, **macro),
    }
    found = metrics(logits, targets)
    assert {name: found[name] for name in expected} == pytest.approx(expected)
    assert found["specificity"] is None
    assert found["auc"] is None


def test_logits_that_are_not_finite_have_no_metrics():
    logits = np.array([[0.0], [np.nan]], dtype=np.float32)
    assert metrics(logits, np.array([0, 1])) == dict.fromkeys(METRICS)
