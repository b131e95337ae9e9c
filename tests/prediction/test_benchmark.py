import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest
from sklearn.pipeline import Pipeline, make_pipeline

import hyperzoo as hz
from hyperzoo.errors import PredictionError
from hyperzoo.features.components import LeadingComponents
from hyperzoo.images import ImageSet, load_images
from hyperzoo.prediction import Benchmark
from hyperzoo.prediction import trial as module
from hyperzoo.prediction.methods import perceptron
from hyperzoo.prediction.methods.perceptron import Perceptron
from hyperzoo.zoo import Zoo
from tests.helpers import few
from tests.prediction.makers import planted_zoo
from tests.zoo.makers import make_zoo, recipe

METHODS = ["linear-response", "logistic", "perceptron"]
TIMED = {"fit_seconds", "predict_seconds"}


@pytest.fixture(scope="module")
def found(planted: Zoo) -> Benchmark:
    def small(architecture: object, seed: int, kind: str) -> Pipeline:
        return make_pipeline(LeadingComponents(5), Perceptron(epochs=3, hidden=(8,)))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(perceptron, "build", small)
        return hz.prediction.run(planted, METHODS, splits=2, workers=1)


def by_method(table) -> dict[str, list[dict]]:
    rows: dict[str, list[dict]] = {}
    for row in table.to_pylist():
        rows.setdefault(row["method"], []).append(row)
    return rows


def test_the_order_of_units_hides_the_class_from_flat_weights_only(found: Benchmark):
    summary = {row["method"]: row for row in found.summary.to_pylist()}
    assert list(summary) == METHODS
    assert summary["linear-response"]["accuracy"] == 1
    assert summary["logistic"]["accuracy"] < 0.6
    for row in summary.values():
        assert 0 <= row["low"] <= row["accuracy"] <= row["high"] <= 1


def test_shuffled_labels_come_out_near_chance(found: Benchmark):
    control = {row["method"]: row for row in found.control.to_pylist()}
    assert (control["linear-response"]["splits"], control["logistic"]["splits"]) == (8, 2)
    assert control["linear-response"]["accuracy"] < 0.6


def test_every_table_has_its_rows(found: Benchmark):
    assert [len(rows) for rows in by_method(found.scores).values()] == [2, 2, 2]
    curve = by_method(found.curve)
    assert list(curve) == ["linear-response"]
    assert [row["networks_per_class"] for row in curve["linear-response"]] == [1, 2, 3, 5, 6]
    layers = [(row["weights"], row["method"], row["layer"]) for row in found.layers.to_pylist()]
    names = ("conv1", "conv2", "conv3", "fc1")
    assert layers == [
        *[("alone", method, layer) for method in ("logistic", "perceptron") for layer in names],
        *[("swapped", "linear-response", layer) for layer in names],
    ]
    # Ten test networks a split, two splits.
    confusion = by_method(found.confusion)["linear-response"]
    assert sum(row["networks"] for row in confusion) == 20
    assert sum(row["networks"] for row in confusion if row["class"] == row["named"]) == 20
    assert {row["method"] for row in found.training.to_pylist()} == {"perceptron"}
    assert (found.about["training_networks"], found.about["test_networks"]) == (30, 10)


def test_the_same_zoo_gives_the_same_results_by_any_workers(planted: Zoo, found: Benchmark):
    again = hz.prediction.run(planted, METHODS[:2], splits=2, workers=2)
    for name, table in again.tables().items():
        kept = [column for column in table.column_names if column not in TIMED]
        rows = [r for r in found.tables()[name].to_pylist() if r["method"] in METHODS[:2]]
        assert table.select(kept).to_pylist() == [{k: r[k] for k in kept} for r in rows], name


def test_results_are_written_as_csv_and_json(found: Benchmark, tmp_path: Path):
    written = found.write(tmp_path / "results")
    names = ["summary", "scores", "control", "curve", "layers", "confusion", "training"]
    assert found.answers.num_rows == found.transfer.num_rows == 0
    assert [file.name for file in written] == [*[f"{n}.csv" for n in names], "results.json"]
    document = json.loads(written[-1].read_text())
    assert document["about"]["networks"] == 40
    with written[0].open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["method"] for row in rows] == METHODS
    assert float(rows[0]["accuracy"]) == document["summary"][0]["accuracy"] == 1
    # Of other results in that folder no table is left.
    replace(found, training=found.training.slice(0, 0)).write(tmp_path / "results")
    assert not (tmp_path / "results" / "training.csv").exists()


@pytest.fixture(scope="module")
def images() -> ImageSet:
    return few(load_images("digits", channels=1), 150, 60)


def test_real_images_are_for_track_c_only(planted: Zoo, images: ImageSet):
    found = hz.prediction.run(planted, track="C", images=images, splits=1)
    assert [row["track"] for row in found.summary.to_pylist()] == ["C"]
    with pytest.raises(PredictionError, match=r"'held-out-images' needs real images: give"):
        hz.prediction.run(planted, track="C")
    wrong = few(load_images("digits"), 150, 60)
    with pytest.raises(PredictionError, match=r"take images of shape \(32, 32, 1\), got \(3"):
        hz.prediction.run(planted, track="C", images=wrong)


def test_without_images_track_c_is_left_out(planted: Zoo, monkeypatch: pytest.MonkeyPatch):
    judged: list[str] = []
    told: list[tuple[int, int | None]] = []

    class StopError(Exception):
        pass

    def judge(trial: object, method: hz.prediction.Method, shown: object) -> None:
        judged.append(method.track)
        if len(judged) == 14:
            raise StopError

    monkeypatch.setattr(module.Trial, "judge", judge)
    with pytest.raises(StopError, match=r"^$"):
        hz.prediction.run(planted, meter=lambda done, total: told.append((done, total)))
    assert set(judged) == {"A", "B"}
    assert told == [(done, 14) for done in range(14)]


def test_what_can_not_be_classified_is_refused(tmp_path: Path):
    alike = recipe(networks_per_class=2, task={"kind": "multi-class"})
    with pytest.raises(
        PredictionError, match=r"all networks are of class 'all'; networks of a multi"
    ):
        hz.prediction.run(hz.open_zoo(make_zoo(tmp_path / "alike", alike)))
    small = planted_zoo(tmp_path / "small", networks_per_class=2)
    with pytest.raises(PredictionError, match=r"at least 4 networks of every class; too few:"):
        hz.prediction.run(small)
    with pytest.raises(PredictionError, match=r"splits: expected at least 1, got 0"):
        hz.prediction.run(small, splits=0)
    with pytest.raises(PredictionError, match=r"workers: expected at least 1, got 0"):
        hz.prediction.run(small, workers=0)
    for seed in (-1, 2**32, 1.5):
        with pytest.raises(PredictionError, match=rf"seed: expected .* 4294967295, got {seed}"):
            hz.prediction.run(small, seed=seed)
    broken = planted_zoo(tmp_path / "broken", 4, broken="owl_2")
    with pytest.raises(PredictionError, match=r"not finite numbers: owl_2; leave them out"):
        hz.prediction.run(broken, ["linear-response"])
