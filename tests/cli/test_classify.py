"""`classify` and `identify`; their work is tested in tests/prediction."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from hyperzoo.cli.command import app
from hyperzoo.errors import ForeignFileError, NetworkNotFoundError, PredictionError
from hyperzoo.images import load_images
from hyperzoo.images.npz import write_npz
from hyperzoo.zoo.tensors import encode_tensors
from tests.helpers import few
from tests.prediction.makers import planted_weights, planted_zoo
from tests.zoo.makers import finished, recipe, writer


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a zoo and the results of `classify`."""
    folder = tmp_path_factory.mktemp("classify")
    planted_zoo(folder / "zoo")
    done = hyperzoo(
        "classify", folder / "zoo", "--out", folder / "out",
        "--methods", "linear-response,logistic", "--splits", 1,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "linear-response     1.000" in done.output
    return folder


def hyperzoo(*arguments: object) -> Result:
    return CliRunner().invoke(app, list(map(str, arguments)))


def refused(error: type[Exception], message: str, *arguments: object) -> None:
    done = hyperzoo(*arguments)
    assert isinstance(done.exception, error), done.output
    with pytest.raises(error, match=message):
        raise done.exception


def test_results_and_portable_methods_are_written(place: Path):
    written = {file.name for file in (place / "out").iterdir()}
    assert {"summary.csv", "curve.csv", "results.json", "linear-response.safetensors"} <= written
    assert "logistic.safetensors" not in written


def test_a_track_with_images(place: Path, tmp_path: Path):
    write_npz(few(load_images("digits", channels=1), 150, 60), tmp_path / "images.npz")
    done = hyperzoo(
        "classify", place / "zoo", "--out", tmp_path / "out", "--track", "C", "--splits", 1,
        "--images", tmp_path / "images.npz",
    )  # fmt: skip
    assert (done.exit_code, "held-out-images" in done.output) == (0, True), done.output


def test_a_folder_that_can_not_be_written_to_is_refused_before_the_work(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("hyperzoo.cli.benchmark.run", lambda *_, **__: pytest.fail("worked"))
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "deep" / "out"):
        refused(
            PredictionError, r"can't write to .*: Not a directory; give another folder",
            "classify", place / "zoo", "--out", folder,
        )  # fmt: skip


def test_an_interrupted_benchmark_says_what_is_kept(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("hyperzoo.cli.benchmark.run", interrupt)
    done = hyperzoo("classify", place / "zoo", "--out", tmp_path / "out")
    assert (done.exit_code, "interrupted: nothing was written" in done.stderr) == (130, True)
    assert not (tmp_path / "out").exists()


def test_a_seed_that_a_method_can_not_take_is_refused(place: Path, tmp_path: Path):
    done = hyperzoo("classify", place / "zoo", "--out", tmp_path, "--seed", 2**32)
    assert (done.exit_code, "4294967295" in done.stderr) == (2, True), done.output


def test_networks_are_identified(place: Path, tmp_path: Path):
    method = place / "out" / "linear-response.safetensors"
    done = hyperzoo("identify", place / "zoo", "--with", method)
    lines = [line.split("\t") for line in done.output.splitlines()]
    assert len(lines) == 40
    assert all(name.startswith(found) for name, found, _ in lines)
    done = hyperzoo("identify", place / "zoo", "--with", method, "--network", "owl_3")
    assert done.output.startswith("owl_3\towl\t0.")
    for classes in (["dog"], ["yak", "rat"]):
        weights = [planted_weights(name, 77, 5) for name in classes]
        tensors = {name: np.stack([w[name] for w in weights]) for name in weights[0]}
        alone = len(classes) == 1
        file = tmp_path / "networks.safetensors"
        file.write_bytes(
            encode_tensors({n: t[0] if alone else t for n, t in tensors.items()}, metadata={})
        )
        done = hyperzoo("identify", file, "--with", method)
        names = ["networks"] if alone else ["networks:0", "networks:1"]
        found = [tuple(line.split("\t")[:2]) for line in done.output.splitlines()]
        assert found == list(zip(names, classes, strict=True))


@pytest.mark.parametrize("format", ["keras-h5", "modelwise-pickle", "pytorch"])
def test_files_of_others_are_identified(place: Path, tmp_path: Path, format: str):
    method = place / "out" / "linear-response.safetensors"
    done = hyperzoo("export", place / "zoo", "--out", tmp_path, "--format", format)
    assert done.exit_code == 0, done.output
    done = hyperzoo("identify", tmp_path, "--with", method)
    lines = [line.split("\t") for line in done.output.splitlines()]
    assert (len(lines), done.exit_code) == (40, 0), done.output
    assert all(name.startswith(found) for name, found, _ in lines)
    done = hyperzoo("identify", tmp_path, "--with", method, "--network", "owl_3")
    assert done.output.startswith("owl_3\towl\t0.")


def test_a_file_need_not_tell_the_class_that_is_asked_for(place: Path, tmp_path: Path):
    exported = tmp_path / "exported"
    for format, found, name in (
        ("keras-h5", "binary_oneVall_owl_3_model.h5", "my model.h5"),
        ("pytorch", "yak_1.safetensors", "final\t.safetensors"),
    ):
        hyperzoo("export", place / "zoo", "--out", exported / format, "--format", format)
        (tmp_path / "some").mkdir(exist_ok=True)
        (exported / format / found).rename(tmp_path / "some" / name)
    method = place / "out" / "linear-response.safetensors"
    done = hyperzoo("identify", tmp_path / "some", "--with", method)
    assert [line.split("\t")[:2] for line in done.output.splitlines()] == [
        ["final?.safetensors", "yak"],
        ["my model.h5", "owl"],
    ]
    done = hyperzoo("identify", tmp_path / "some", "--with", method, "--network", "my model.h5")
    assert done.output.startswith("my model.h5\towl\t")
    # An import must know it.
    refused(
        ForeignFileError, r"(?s)class and index of 2 files:.*final.+safetensors",
        "import", tmp_path / "some", "--out", tmp_path / "imported",
    )  # fmt: skip


def test_networks_whose_training_failed_are_left_out(place: Path, tmp_path: Path):
    chosen = recipe(networks_per_class=1, training={"epochs": 1})
    with writer(tmp_path / "zoo", chosen) as open_writer:
        for part, planned in list(open_writer.missing_parts.items()):
            networks = finished(planned, chosen)
            bad = networks[0].parameters | {"conv1.bias": np.full(16, np.nan, np.float32)}
            networks[0] = replace(networks[0], parameters=bad, status="failed")
            open_writer.write_part(part, networks)
    method = place / "out" / "linear-response.safetensors"
    done = hyperzoo("identify", tmp_path / "zoo", "--with", method)
    assert (done.exit_code, len(done.stdout.splitlines())) == (0, 4), done.output
    assert "left out: 1 network whose training failed" in done.stderr


def test_a_network_that_is_not_finite_is_named(place: Path, tmp_path: Path):
    weights = planted_weights("dog", 77, 5)
    weights["conv1.bias"] = np.full_like(weights["conv1.bias"], np.nan)
    (tmp_path / "dog_5.safetensors").write_bytes(encode_tensors(weights, metadata={}))
    refused(
        PredictionError, r"dog_5: networks with weights that are not finite",
        "identify", tmp_path, "--with", place / "out" / "linear-response.safetensors",
    )  # fmt: skip


def test_what_can_not_be_identified_is_refused(place: Path, tmp_path: Path):
    method = place / "out" / "linear-response.safetensors"
    refused(ForeignFileError, r"does not exist", "identify", tmp_path / "x", "--with", method)
    refused(
        PredictionError, r"no such file; `hyperzoo classify",
        "identify", place / "zoo", "--with", tmp_path / "x",
    )  # fmt: skip
    refused(
        PredictionError, r"expected the parameters conv1.weight",
        "identify", method, "--with", method,
    )  # fmt: skip
    refused(
        PredictionError, r"holds no network 'owl_1'",
        "identify", method, "--with", method, "--network", "owl_1",
    )  # fmt: skip
    refused(
        NetworkNotFoundError, r"owl_99",
        "identify", place / "zoo", "--with", method, "--network", "owl_99",
    )  # fmt: skip
    (tmp_path / "text").write_text("not a network at all")
    refused(
        ForeignFileError, r"no file of a known format",
        "identify", tmp_path / "text", "--with", method,
    )  # fmt: skip
    refused(
        PredictionError, r"no method 'magic'",
        "classify", place / "zoo", "--out", tmp_path / "out", "--methods", "magic",
    )  # fmt: skip
    assert not (tmp_path / "out").exists()
