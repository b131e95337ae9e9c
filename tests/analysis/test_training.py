from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hyperzoo.analysis.performance import metric_distributions, remarkable_networks
from hyperzoo.analysis.training import training
from hyperzoo.zoo import open_zoo
from tests.zoo.makers import finished, recipe, writer


def zoo_with(folder: Path, change, **sections):
    chosen = recipe(training={"epochs": 3}, networks_per_class=4, **sections)
    with writer(folder, chosen) as open_writer:
        networks = [change(n) for n in finished(open_writer.parts[0], chosen)]
        open_writer.write_part(0, networks)
    return open_zoo(folder)


def curved(network):
    """Validation loss is least after epoch 2, 2, 3, 3; network 3 of cat failed in epoch 2."""
    curve = np.array([3.0, 1.0, 2.0]) if network.network.index < 2 else np.array([3.0, 2.0, 1.0])
    history = dict(network.history) | {"validation_loss": curve + network.network.index}
    if network.network.id == "cat_3":
        history["validation_loss"] = np.array([3.0, np.nan, np.nan])
    return replace(network, history=history)


def test_curves_and_best_epochs(tmp_path: Path):
    found = training(zoo_with(tmp_path / "zoo", curved))
    best = [r["networks"] for r in found.best_epochs.to_pylist()]
    assert best[:6] == [0, 2, 1, 0, 2, 2]
    rows = found.curves.to_pylist()
    assert [row["epoch"] for row in rows[:3]] == [1, 2, 3]
    assert [row["networks"] for row in rows[:4]] == [4, 3, 3, 4]
    assert rows[4]["validation_loss_median"] == np.median([1, 2, 4, 5])
    assert rows[4]["validation_loss_low"] == pytest.approx(np.quantile([1, 2, 4, 5], 0.1))


def test_a_class_that_failed_has_no_curve(tmp_path: Path):
    def broken(network):
        lost = {name: np.full(3, np.nan) for name in network.history}
        return replace(network, history=lost) if network.network.class_name == "owl" else network

    found = training(zoo_with(tmp_path / "zoo", broken))
    owl = [row for row in found.curves.to_pylist() if row["class"] == "owl"]
    assert [(row["networks"], row["training_loss_median"]) for row in owl] == [(0, None)] * 3
    assert sum(r["networks"] for r in found.best_epochs.to_pylist()) == 16


def test_an_empty_zoo_has_no_history(tmp_path: Path):
    with writer(tmp_path / "zoo", recipe()):
        pass
    assert training(open_zoo(tmp_path / "zoo")) is None


def test_networks_that_always_say_the_same(tmp_path: Path):
    answers = {"cat_1": (0.0, 1.0), "dog_0": (1.0, 0.0)}

    def silent(network):
        name = network.network.id
        metrics = dict(network.metrics)
        if name in answers:
            metrics |= dict(zip(("recall", "specificity"), answers[name], strict=True))
        if name == "yak_3":
            return replace(network, status="failed", metrics=dict.fromkeys(metrics))
        return replace(network, metrics=metrics)

    zoo = zoo_with(tmp_path / "zoo", silent)
    assert remarkable_networks(zoo).to_pylist() == [
        {"id": "dog_0", "class": "dog", "finding": "always yes"},
        {"id": "cat_1", "class": "cat", "finding": "always no"},
        {"id": "yak_3", "class": "yak", "finding": "failed"},
    ]
    spread = metric_distributions(zoo).to_pylist()
    assert [row["metric"] for row in spread[::5]] == [
        "accuracy",
        "precision",
        "recall",
        "specificity",
        "f1",
        "auc",
    ]
    yak = next(row for row in spread if (row["metric"], row["class"]) == ("accuracy", "yak"))
    assert (yak["networks"], yak["min"]) == (3, pytest.approx(1.001))
    assert yak["mean"] == pytest.approx(1.002)
