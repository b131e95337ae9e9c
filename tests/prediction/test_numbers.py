"""The benchmark of a number: what it finds, what it holds out, what is kept of its methods."""

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

import hyperzoo as hz
from hyperzoo.cli.command import app
from hyperzoo.errors import PredictionError
from hyperzoo.images import load_images
from hyperzoo.prediction import Benchmark, fit, load_method, read_benchmark
from hyperzoo.recipe import parse_recipe
from hyperzoo.zoo import Zoo
from tests.helpers import few
from tests.prediction.makers import graded_zoo


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> Zoo:
    return graded_zoo(tmp_path_factory.mktemp("graded") / "zoo", 12)


@pytest.fixture(scope="module")
def found(graded: Zoo) -> Benchmark:
    methods = ["class-mean", "statistics", "ridge"]
    return hz.prediction.run(graded, methods, target="accuracy", splits=2, workers=1)


def hyperzoo(*arguments: object) -> Result:
    return CliRunner().invoke(app, list(map(str, arguments)))


def test_who_sees_the_size_of_weights_knows_the_accuracy(found: Benchmark):
    summary = {row["method"]: row for row in found.summary.to_pylist()}
    assert summary["statistics"]["r2"] > 0.9
    assert summary["statistics"]["tau_within"] > 0.7
    assert summary["class-mean"]["r2"] < 0.3
    assert summary["ridge"]["r2"] < summary["statistics"]["r2"]
    for row in summary.values():
        assert row["low"] <= row["r2"] <= row["high"] <= 1
        assert row["tau_low"] <= row["tau"] <= row["tau_high"]
    assert summary["statistics"]["control_r2"] < 0.4


def test_every_table_has_its_rows(found: Benchmark, tmp_path: Path):
    assert (found.about["kind"], found.about["classes"]) == ("number", [])
    curve = [(row["method"], row["networks_per_class"]) for row in found.curve.to_pylist()]
    assert curve == [("statistics", size) for size in (2, 3, 5, 8)]
    layers = {(row["weights"], row["method"]) for row in found.layers.to_pylist()}
    assert layers == {("alone", "ridge"), ("swapped", "statistics")}
    swapped = {r["layer"]: r["r2"] for r in found.layers.to_pylist() if r["weights"] == "swapped"}
    assert swapped["conv2"] < 0.5 < swapped["conv1"]
    assert len(found.confusion) == 0
    said = [row for row in found.answers.to_pylist() if row["method"] == "statistics"]
    assert len(said) == found.about["test_networks"] == 20
    wanted, answers = (np.array([row[key] for row in said]) for key in ("wanted", "said"))
    first = found.scores.to_pylist()[2]
    assert (first["method"], first["split"]) == ("statistics", 0)
    assert first["mae"] == pytest.approx(np.abs(wanted - answers).mean())
    found.write(tmp_path)
    assert read_benchmark(tmp_path).answers.to_pylist() == found.answers.to_pylist()


def test_networks_too_large_are_named_and_no_method_meets_them(tmp_path: Path):
    zoo = graded_zoo(tmp_path / "zoo", 12, large=("cat_1",))
    done = hyperzoo(
        *("predict", zoo.path, "--target", "accuracy", "--splits", 1, "--workers", 1),
        *("--methods", "statistics,linear-response,ensemble-probes"),
    )
    assert done.exit_code == 0, done.output
    assert "left out 1 network whose weights are too large to compute with: cat_1" in done.output
    fit(zoo, "linear-response", target="accuracy").save(tmp_path / "method.safetensors")
    named = hyperzoo("identify", zoo.path, "--with", tmp_path / "method.safetensors")
    assert named.exit_code == 0, named.output
    assert [line.split("\t")[0] for line in named.stdout.splitlines()] == [
        own for own in zoo.ids if own != "cat_1"
    ]
    assert "left out: 1 network whose weights are too large for method" in named.stderr
    few_left = graded_zoo(tmp_path / "few", 12, large=zoo.ids[:55])  # of 60
    message = r"at least 20 .*, got 5 \(55 more have weights too large to compute"
    with pytest.raises(PredictionError, match=message):
        hz.prediction.run(few_left, ["statistics"], target="accuracy")


def test_held_out_networks_train_and_test_nothing(graded: Zoo):
    held_out = hz.prediction.run(
        graded, ["statistics"], target="accuracy", hold_out="class=cat", splits=2, workers=1
    )
    assert held_out.about["held_out_networks"] == 12
    assert held_out.about["training_networks"] + held_out.about["test_networks"] == 48
    assert not any(row["network"].startswith("cat") for row in held_out.answers.to_pylist())
    (row,) = held_out.transfer.to_pylist()
    assert row["r2"] > 0.8
    with pytest.raises(PredictionError, match=r"at least 20 networks .* not held out .*, got 0"):
        hz.prediction.run(graded, ["statistics"], target="accuracy", hold_out="accuracy<2")
    with pytest.raises(PredictionError, match=r"no network is of accuracy>2, so none is held out"):
        hz.prediction.run(graded, ["statistics"], target="accuracy", hold_out="accuracy>2")


def test_early_weights_predict_the_end(graded: Zoo):
    early = hz.prediction.run(
        graded,
        ["learning-curve", "statistics"],
        target="accuracy",
        from_epoch=1,
        splits=1,
        workers=1,
    )
    r2 = {row["method"]: row["r2"] for row in early.summary.to_pylist()}
    assert r2["statistics"] > 0.9
    assert r2["learning-curve"] < 0.5  # the made-up curves say nothing


@pytest.mark.parametrize("method", ["statistics", "linear-response", "smooth-probes"])
def test_a_fitted_number_is_kept_in_a_file(method: str, graded: Zoo, tmp_path: Path):
    fitted = fit(graded, method, target="learning_rate")
    fitted.save(tmp_path / "method.safetensors")
    loaded = load_method(tmp_path / "method.safetensors")
    assert loaded.target == fitted.target
    np.testing.assert_array_equal(loaded.numbers(graded), fitted.numbers(graded))
    pipeline = hz.prediction.METHODS[method].build(graded.architecture, 0, kind="number")
    rates = np.log10(graded.models["learning_rate"].to_numpy())
    order = np.argsort(graded.ids)
    pipeline.fit(graded.matrix()[order], rates[order])
    expected = 10 ** pipeline.predict(graded.matrix())
    np.testing.assert_allclose(loaded.numbers(graded), expected, rtol=1e-3)
    with pytest.raises(PredictionError, match=r"'learning_rate' is a number: it has no prob"):
        loaded.probabilities(graded)


def test_on_the_command_line(graded: Zoo, tmp_path: Path):
    done = hyperzoo(
        "predict", graded.path, "--out", tmp_path / "out", "--target", "learning_rate",
        "--methods", "statistics", "--splits", 1, "--workers", 1, "--hold-out", "accuracy>0.5",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "note: learning_rate spans powers of ten: scores are of its log10" in done.stderr
    assert "networks of accuracy>0.5" in done.stdout
    assert {"summary.csv", "transfer.csv"} <= {file.name for file in (tmp_path / "out").iterdir()}
    method = tmp_path / "out" / "statistics.safetensors"
    done = hyperzoo("identify", graded.path, "--with", method, "--network", "owl_3")
    name, number = done.output.split()
    assert name == "owl_3"
    expected = load_method(method).numbers(graded)[graded.ids.index(name)]
    assert float(number) == pytest.approx(expected, rel=1e-5)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Zoo:
    """Thirty trained networks, of which some are ReLU and some tanh."""
    chosen = parse_recipe(
        {
            "name": "drawn",
            "networks_per_class": 30,
            "images": {"source": "digits", "size": 32, "channels": 1},
            "task": {"kind": "multi-class"},
            "architecture": {"name": "smallcnn"},
            "training": {"epochs": 1, "label_noise": 0.1},
            "vary": {
                "activation": {"choice": ["relu", "tanh"]},
                "learning_rate": {"log_uniform": [1e-4, 1e-1]},
            },
        }
    )
    images = few(load_images("digits", size=32, channels=1), 100, 100)
    return hz.train_zoo(chosen, tmp_path_factory.mktemp("drawn") / "zoo", images=images)


def test_an_activation_that_is_drawn(drawn: Zoo, tmp_path: Path):
    """Methods that ask all networks by one architecture are left out, or refused before any fit."""
    images = load_images("digits", size=32, channels=1)
    for name in ("smooth-probes", "learned-probes", "held-out-images"):
        with pytest.raises(PredictionError, match=f"'{name}' shows images .* leave it out"):
            hz.prediction.run(drawn, ["statistics", name], target="accuracy", images=images)
    with pytest.raises(PredictionError, match="'smooth-probes' shows images"):
        fit(drawn, "smooth-probes", target="accuracy")
    shown = hyperzoo("show", drawn.path).output
    assert "label noise 0.1; learning_rate and activation drawn for each network" in " ".join(
        shown.split()
    )
    with pytest.raises(PredictionError, match=r"activation=tanh: .* hold out by another column"):
        hz.prediction.run(drawn, ["statistics"], target="activation", hold_out="activation=tanh")
    asked = ("predict", drawn.path, "--track", "C", "--images", "digits", "--splits", 1)
    result = hyperzoo(*asked, "--out", tmp_path / "c")
    assert result.exit_code == 0, result.output
    assert "were left out: the activation differs" in result.output
    assert "takes minutes" not in result.output  # there is none on this track
    asked = ("predict", drawn.path, "--track", "B", "--splits", 1, "--workers", 1)
    result = hyperzoo(*asked, "--out", tmp_path / "b")
    assert "left out, for a fit takes minutes: graded-probes (--methods)" in result.output
    assert list(read_benchmark(tmp_path / "b").about["methods"]) == ["ensemble-probes"]
    found = read_benchmark(tmp_path / "c")
    assert list(found.about["methods"]) == ["asked-images"]
    assert -5 < found.summary["r2"][0].as_py() <= 1


def test_without_a_folder_nothing_is_written(graded: Zoo, tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = hyperzoo("predict", graded.path, "--methods", "class-mean", "--splits", 1)
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("track  method")
    assert list(tmp_path.iterdir()) == []
    done = hyperzoo("predict", graded.path, "--target", "epoch", "--methods", "class-mean")
    assert "note: of every network the weights of one epoch, of 1, 2, by its id" in done.stderr
