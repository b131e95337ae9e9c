import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hyperzoo.architectures.forward import build_module
from hyperzoo.errors import (
    ArchitectureError,
    EngineError,
    ImageError,
    RecipeError,
    ZooMismatchError,
    ZooWriteError,
)
from hyperzoo.exchange.exporting import export_zoo
from hyperzoo.images import ImageSet, load_images
from hyperzoo.images.npz import write_npz
from hyperzoo.population.gpu import GpuEngine
from hyperzoo.population.torch_engine import TorchEngine
from hyperzoo.recipe import Recipe, builtin_recipes, parse_recipe
from hyperzoo.retrain import retrain_network
from hyperzoo.train import Machines, Progress, images_of_task, train_zoo
from hyperzoo.zoo import open_zoo, verify_zoo
from tests.helpers import few, part_files


def recipe(**sections: Any) -> Recipe:
    document = {
        "name": "mine",
        "networks_per_class": 6,
        "images": {"source": "digits", "channels": 1},
        "architecture": {"name": "smallcnn"},
        "training": {"epochs": 2, "checkpoint_epochs": [1]},
    }
    return parse_recipe(document | sections)


@pytest.fixture(scope="module")
def images() -> ImageSet:
    return few(load_images("digits", channels=1), 150, 60)


@pytest.fixture(scope="module")
def reference(images: ImageSet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A zoo of 60 networks in two parts, trained in one go."""
    folder = tmp_path_factory.mktemp("zoos") / "reference"
    train_zoo(recipe(), folder, images=images, engine="torch")
    return folder


def test_a_network_of_its_own_layers(images: ImageSet, tmp_path: Path):
    """From TOML's tables to a zoo that is sound, and to a network that answers as it did."""
    layers = [
        {"conv": 4, "kernel": 4, "stride": 4, "bias": False},
        {"norm": "batch", "momentum": 0.5, "activation": "gelu"},
        {"dropout": 0.2},
        {"residual": [{"conv": 4, "kernel": 3, "padding": "same"}]},
        {"dense": "outputs"},
    ]
    chosen = recipe(networks_per_class=1, architecture={"name": "mine", "layers": layers})
    zoo = train_zoo(chosen, tmp_path / "zoo", images=images)
    assert verify_zoo(tmp_path / "zoo").problems == ()
    assert zoo.architecture == chosen.network(1)
    assert zoo.weights("bn1.running_var").shape == (10, 4)
    assert (zoo.weights("bn1.running_mean") != 0).all()
    pixels = torch.tensor(images.validation_images).permute(0, 3, 1, 2) / 255
    with torch.no_grad():
        said = zoo.network("three_0")(pixels)[:, 0].numpy() > 0
    right = said == (images.validation_labels == 3)
    assert right.mean() == zoo.models["accuracy"][zoo.ids.index("three_0")].as_py()
    again = train_zoo(chosen, tmp_path / "again", images=images, workers=1)
    assert part_files(tmp_path / "again") == part_files(tmp_path / "zoo")
    assert again.path != zoo.path


def test_from_recipe_to_network(reference: Path, images: ImageSet):
    zoo = open_zoo(reference)
    assert len(zoo) == 60
    assert zoo.is_complete
    assert zoo.classes == images.class_names
    assert verify_zoo(reference).problems == ()
    # The stored accuracy is that of the stored weights.
    network = zoo.network("three_5")
    pixels = torch.tensor(images.validation_images).permute(0, 3, 1, 2) / 255
    with torch.no_grad():
        said = network(pixels)[:, 0].numpy() > 0
    row = zoo.ids.index("three_5")
    is_three = images.validation_labels == 3
    assert zoo.models["accuracy"][row].as_py() == pytest.approx(np.mean(said == is_three))
    assert zoo.history("three_5")["epoch"].to_pylist() == [1, 2]
    last = zoo.history("three_5")["validation_loss"].to_pylist()[-1]
    assert zoo.models["loss"][row].as_py() == pytest.approx(last, rel=1e-5)


def test_any_number_of_workers_gives_the_same_bytes(
    reference: Path, images: ImageSet, tmp_path: Path
):
    train_zoo(recipe(), tmp_path / "zoo", images=images, engine=TorchEngine(workers=5))
    assert part_files(tmp_path / "zoo") == part_files(reference)


def test_progress_is_told(images: ImageSet, tmp_path: Path):
    seen: list[Progress] = []
    train_zoo(recipe(), tmp_path / "zoo", images=images, engine="torch", meter=seen.append)
    assert (seen[0].networks, seen[0].networks_planned, seen[0].epochs) == (0, 60, 0)
    assert (seen[-1].networks, seen[-1].epochs, seen[-1].epochs_planned) == (60, 120, 120)
    assert [p.networks for p in seen] == sorted(p.networks for p in seen)


@pytest.mark.parametrize("stop_at", [3, 105])
def test_an_interrupted_run_resumes_to_the_same_bytes(
    reference: Path, images: ImageSet, tmp_path: Path, stop_at: int
):
    def interrupt(progress: Progress) -> None:
        if progress.epochs >= stop_at:
            raise KeyboardInterrupt

    zoo = tmp_path / "zoo"
    with pytest.raises(KeyboardInterrupt):
        train_zoo(recipe(), zoo, images=images, engine="torch", meter=interrupt)
    assert len(open_zoo(zoo)) == (50 if stop_at > 100 else 0)
    assert verify_zoo(zoo).problems == ()
    train_zoo(recipe(), zoo, images=images, engine="torch")
    assert part_files(zoo) == part_files(reference)


@pytest.mark.slow
def test_a_killed_run_resumes_to_the_same_bytes(reference: Path, images: ImageSet, tmp_path: Path):
    """kill -9 in the middle of the second part, in a process of its own."""
    write_npz(images, tmp_path / "images.npz")
    program = (
        "import sys, tests.test_train as t; from hyperzoo.train import train_zoo\n"
        "def tell(p): print(p.epochs, flush=True)\n"
        "train_zoo(t.recipe(), sys.argv[1], images=t.npz(sys.argv[2]), engine='torch', meter=tell)"
    )
    zoo = tmp_path / "zoo"
    with subprocess.Popen(
        [sys.executable, "-c", program, str(zoo), str(tmp_path / "images.npz")],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[1],
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if int(line) >= 104:
                process.send_signal(signal.SIGKILL)
                break
    assert process.returncode == -signal.SIGKILL
    assert len(open_zoo(zoo)) == 50
    train_zoo(recipe(), zoo, images=images, engine="torch")
    assert part_files(zoo) == part_files(reference)


def npz(path: str) -> ImageSet:
    return load_images("npz", path=Path(path), size=32, channels=1)


def test_a_complete_zoo_is_left_alone(reference: Path, images: ImageSet):
    before = {file: file.stat().st_mtime_ns for file in reference.rglob("*")}
    seen: list[Progress] = []
    assert len(train_zoo(recipe(), reference, images=images, meter=seen.append)) == 60
    assert seen == []
    assert {file: file.stat().st_mtime_ns for file in reference.rglob("*")} == before


def test_growing_keeps_the_old_parts(reference: Path, images: ImageSet, tmp_path: Path):
    zoo = tmp_path / "zoo"
    train_zoo(recipe(networks_per_class=1), zoo, images=images, engine="torch")
    before = part_files(zoo)
    grown = train_zoo(recipe(), zoo, images=images, engine="torch")
    assert len(grown) == 60
    assert verify_zoo(zoo).problems == ()
    assert before.items() <= part_files(zoo).items()
    # The networks are those of a zoo made in one go, though the parts are cut elsewhere.
    whole = open_zoo(reference)
    assert sorted(grown.ids) == sorted(whole.ids)
    assert np.array_equal(
        grown.matrix()[np.argsort(grown.ids)], whole.matrix()[np.argsort(whole.ids)]
    )
    with pytest.raises(ZooMismatchError, match="a zoo only grows"):
        train_zoo(recipe(networks_per_class=2), zoo, images=images, engine="torch")


def test_another_recipe_or_other_images_are_refused(
    reference: Path, images: ImageSet, grey_sevens: ImageSet
):
    other = recipe(training={"epochs": 3, "checkpoint_epochs": [1]})
    with pytest.raises(ZooMismatchError, match=r"training\.epochs.* 2.* 3"):
        train_zoo(other, reference, images=images, engine="torch")
    with pytest.raises(ZooMismatchError, match=grey_sevens.fingerprint[:8]):
        train_zoo(recipe(), reference, images=grey_sevens, engine="torch")


@pytest.fixture
def grey_sevens(images: ImageSet) -> ImageSet:
    return few(load_images("digits", channels=1), 151, 60)


def test_a_full_disk_keeps_what_is_finished(
    reference: Path, images: ImageSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The operating system refuses every byte after the first part."""
    zoo, fsync = tmp_path / "zoo", os.fsync

    def full(descriptor: int) -> None:
        if (zoo / "models" / "part-00000.parquet").exists():
            raise OSError(28, "No space left on device")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ZooWriteError, match="No space left on device"):
        train_zoo(recipe(), zoo, images=images, engine="torch")
    monkeypatch.undo()
    assert len(open_zoo(zoo)) == 50
    train_zoo(recipe(), zoo, images=images, engine="torch")
    assert part_files(zoo) == part_files(reference)


class WildEngine(TorchEngine):
    """Trains network three_0 with so high a learning rate that its weights overflow."""

    def train(
        self, architecture: Any, cohort: Any, images: Any, settings: Any, start: Any = None
    ) -> Any:
        wild = [
            replace(network, learning_rate=1e38) if network.id == "three_0" else network
            for network in cohort
        ]
        return super().train(architecture, wild, images, settings, start)


def test_a_failed_network_is_kept_and_marked(reference: Path, images: ImageSet, tmp_path: Path):
    small = recipe(networks_per_class=1)
    zoo = train_zoo(small, tmp_path / "zoo", images=images, engine=WildEngine())
    models = {row["id"]: row for row in zoo.models.to_pylist()}
    assert models["three_0"]["status"] == "failed"
    assert models["three_0"]["accuracy"] is None
    assert [row["status"] for row in models.values()].count("ok") == 9
    assert verify_zoo(zoo.path).problems == ()
    whole = open_zoo(reference)
    for name in ("two_0", "four_0"):
        row, other = zoo.ids.index(name), whole.ids.index(name)
        assert np.array_equal(zoo.matrix()[row], whole.matrix()[other])


def test_images_that_do_not_fit(images: ImageSet, tmp_path: Path):
    with pytest.raises(ImageError, match=r"images\.size = 32 and images\.channels = 3"):
        train_zoo(recipe(architecture={"name": "lenet5"}), tmp_path / "zoo", images=images)
    with pytest.raises(RecipeError, match=r"architecture\.name: .*did you mean 'smallcnn'"):
        train_zoo(recipe(architecture={"name": "smalcnn"}), tmp_path / "zoo", images=images)
    assert list(tmp_path.iterdir()) == []


def test_a_recipe_by_name_or_path(images: ImageSet, tmp_path: Path):
    text = builtin_recipes()["digits-smallcnn"].replace("networks_per_class = 100", "")
    text = text.replace("epochs = 20\ncheckpoint_epochs = [0, 5]", "epochs = 1")
    (tmp_path / "mine.toml").write_text(f"networks_per_class = 1\n{text}")
    zoo = train_zoo(tmp_path / "mine.toml", tmp_path / "zoo", images=images, engine="torch")
    assert (len(zoo), zoo.image_counts) == (1, (150, 60))
    with pytest.raises(RecipeError, match=r"no recipe 'digits-lenet': .*did you mean 'digits-len"):
        train_zoo("digits-lenet", tmp_path / "other", images=images)
    # A name is read as the command line reads it: these images are not the built-in recipe's.
    with pytest.raises(ImageError, match="architecture 'lenet5' takes images of shape"):
        train_zoo("digits-lenet5", tmp_path / "other", images=images)


def test_time_does_not_enter(images: ImageSet, tmp_path: Path):
    """Two runs at different times, in the same bytes, README and zoo.json included."""
    small = recipe(networks_per_class=1)
    for name in ("first", "second"):
        train_zoo(small, tmp_path / name, images=images, engine="torch")
        time.sleep(1.1)
    assert part_files(tmp_path / "first") == part_files(tmp_path / "second")


def test_variety_is_in_the_table_and_the_same_for_any_workers_and_cohort(tmp_path: Path):
    recipe = parse_recipe(
        {
            "name": "varied",
            "networks_per_class": 12,
            "images": {"source": "digits", "channels": 1},
            "task": {"kind": "multi-class"},
            "architecture": {"name": "smallcnn"},
            "training": {"epochs": 2, "batch_size": 32, "momentum": 0.9, "step_epochs": 1},
            "vary": {
                "grid": True,
                "optimizer": {"choice": ["adamw", "sgd", "rmsprop"]},
                "initialisation": {"choice": ["he_normal", "orthogonal"]},
                "schedule": {"choice": ["cosine", "step"]},
                "step_factor": {"log_uniform": [0.1, 0.5]},
                "weight_decay": {"log_uniform": [1e-3, 1e-2]},
                "train_fraction": {"uniform": [0.4, 1.0]},
            },
        }
    )
    images = few(load_images("digits", channels=1), 120, 40)
    zoo = train_zoo(recipe, tmp_path / "one", images=images, workers=1)
    other = train_zoo(recipe, tmp_path / "two", images=images, workers=3)
    assert part_files(tmp_path / "one") == part_files(tmp_path / "two")
    table = zoo.models.to_pydict()
    assert list(table)[7:15] == [
        *("learning_rate", "batch_size", "optimizer", "weight_decay", "schedule"),
        *("step_factor", "initialisation", "train_fraction"),
    ]
    points = zip(table["optimizer"], table["schedule"], table["initialisation"], strict=True)
    assert len(set(points)) == 12
    assert verify_zoo(tmp_path / "one").problems == ()
    assert retrain_network(other, "all_7", images=images).identical


def test_what_is_drawn_of_one_value_is_that_value(tmp_path: Path):
    """The same bits as where `[training]` has it; and the table has it as what it is."""
    images = few(load_images("digits", channels=1), 120, 40)
    settings = {"nesterov": True, "schedule": "step", "step_epochs": 2, "step_factor": 0.5}
    shared = {"epochs": 4, "batch_size": 32, "optimizer": "sgd", "momentum": 0.9}
    document = {
        "name": "one",
        "networks_per_class": 1,
        "images": {"source": "digits", "channels": 1},
        "task": {"kind": "multi-class"},
        "architecture": {"name": "smallcnn"},
    }
    drawn = document | {
        "training": shared,
        "vary": {key: {"choice": [value]} for key, value in settings.items()},
    }
    zoo = train_zoo(parse_recipe(drawn), tmp_path / "drawn", images=images)
    fixed = document | {"training": shared | settings}
    other = train_zoo(parse_recipe(fixed), tmp_path / "fixed", images=images)
    assert {key: zoo.models[key].to_pylist() for key in settings} == {
        key: [value] for key, value in settings.items()
    }
    np.testing.assert_array_equal(zoo.matrix(), other.matrix())
    without = parse_recipe(document | {"training": shared | settings | {"nesterov": False}})
    slower = train_zoo(without, tmp_path / "without", images=images)
    assert (slower.matrix() != zoo.matrix()).any()


def test_activation_and_dropout_are_drawn_and_each_network_keeps_its_own(tmp_path: Path):
    layers = [
        {"conv": 4, "kernel": 3, "stride": 2, "activation": "relu"},
        {"dropout": 0.1},
        {"pool": "global"},
        {"dense": "outputs"},
    ]
    recipe = parse_recipe(
        {
            "name": "varied",
            "networks_per_class": 6,
            "images": {"source": "digits", "channels": 1, "size": 12},
            "task": {"kind": "multi-class"},
            "architecture": {"name": "own", "layers": layers},
            "training": {"epochs": 1, "batch_size": 32},
            "vary": {
                "grid": True,
                "activation": {"choice": ["tanh", "relu", "gelu"]},
                "dropout": {"uniform": [0, 0.7]},
            },
        }
    )
    images = few(load_images("digits", channels=1, size=12), 120, 40)
    one = train_zoo(recipe, tmp_path / "one", images=images, workers=1, engine="native")
    train_zoo(recipe, tmp_path / "two", images=images, workers=3, engine="native")
    assert part_files(tmp_path / "one") == part_files(tmp_path / "two")
    other = train_zoo(recipe, tmp_path / "torch", images=images, engine="torch")
    table = one.models.to_pydict()
    assert table["activation"] == ["tanh", "relu", "gelu"] * 2
    assert len(set(table["dropout"])) == 6
    pixels = torch.tensor(images.validation_images).float().permute(0, 3, 1, 2) / 255
    wanted = torch.tensor(images.validation_labels)
    for row, network in enumerate(one.ids):
        for name, tensor in one.arrays(network).items():
            np.testing.assert_allclose(other.arrays(network)[name], tensor, atol=2e-4)
        # What comes out of the zoo computes what was trained.
        loss = torch.nn.functional.cross_entropy(one.network(network)(pixels), wanted)
        assert float(loss.detach()) == pytest.approx(table["loss"][row], abs=1e-5)
        assert one.architecture_of(network).layers[0].activation == table["activation"][row]
    assert verify_zoo(tmp_path / "one").problems == ()
    assert open_zoo(tmp_path / "one").architecture == recipe.network(10)
    assert retrain_network(one, "all_5", images=images).identical
    export_zoo(one, "keras-h5", tmp_path / "keras")
    config = (tmp_path / "keras" / "all_2_model.h5").read_bytes()
    assert b'"activation": "gelu"' in config
    with pytest.raises(ArchitectureError, match="the activation differs from network to network"):
        build_module(one.architecture)(pixels)


def test_a_zoo_of_parts_of_classes(tmp_path: Path):
    """Its networks see other labels; images are given as they are, or in their parts."""
    images = few(load_images("digits", channels=1), 300, 150)
    task = {"kind": "subset-vs-rest", "positives": [1], "exclude": ["four"]}
    chosen = recipe(
        networks_per_class=1, task=task | {"parts": {"edges": 2}}, training={"epochs": 1}
    )
    assert chosen.digest != recipe(task=task, training={"epochs": 1}).digest
    zoo = train_zoo(chosen, tmp_path / "zoo", images=images, engine="torch")
    assert verify_zoo(zoo.path).problems == ()
    seen = images_of_task(chosen, images)
    assert zoo.image_classes == seen.class_names
    assert zoo.image_classes[:3] == ("zero.1", "zero.2", "one.1")
    assert len(zoo) == len(zoo.classes) == 18
    pixels = torch.tensor(seen.validation_images).permute(0, 3, 1, 2) / 255
    with torch.no_grad():
        said = zoo.network("zero.2_0")(pixels)[:, 0].numpy() > 0
    right = said == (seen.validation_labels == 1)
    assert right.mean() == zoo.models["accuracy"][zoo.ids.index("zero.2_0")].as_py()
    for given in (images, seen):
        assert retrain_network(zoo, "one.1_0", images=given, engine="torch").identical


SUBSETS = {"kind": "subset-vs-rest", "positives": [1, 2], "subsets": 4, "exclude": ["four"]}


def test_a_zoo_of_subsets_that_never_saw_a_class(images: ImageSet, tmp_path: Path):
    """From the recipe to a zoo that is sound, resumes, and whose networks can be made again."""
    chosen = recipe(networks_per_class=2, task=SUBSETS, training={"epochs": 1})
    zoo = train_zoo(chosen, tmp_path / "zoo", images=images, engine="torch")
    assert verify_zoo(zoo.path).problems == ()
    assert (zoo.kind, len(zoo), zoo.architecture.outputs) == ("subset-vs-rest", 8, 1)
    assert "four" not in zoo.image_classes
    assert zoo.image_counts == (
        150 - (images.train_labels == 4).sum(),
        60 - (images.validation_labels == 4).sum(),
    )
    pair = next(own for own in zoo.classes if "+" in own)
    assert zoo.models["class"].to_pylist().count(pair) == 2
    assert zoo.image_fingerprint == images.without(["four"]).fingerprint
    # Metrics are of the images that are left, and of all classes of the subset.
    left = images.without(["four"])
    pixels = torch.tensor(left.validation_images).permute(0, 3, 1, 2) / 255
    with torch.no_grad():
        said = zoo.network(f"{pair}_1")(pixels)[:, 0].numpy() > 0
    names = [left.class_names[label] for label in left.validation_labels]
    right = said == np.isin(names, pair.split("+"))
    assert right.mean() == zoo.models["accuracy"][zoo.ids.index(f"{pair}_1")].as_py()
    for given in (images, left):
        assert retrain_network(zoo, f"{pair}_1", images=given, engine="torch").identical
    again = train_zoo(chosen, zoo.path, images=left, engine="torch")
    assert again.ids == zoo.ids
    grown = train_zoo(
        chosen.with_changes(networks_per_class=3), zoo.path, images=images, engine="torch"
    )
    assert grown.ids[:8] == zoo.ids
    assert len(grown) == 12


_BLOCK = {"residual": [{"norm": "batch"}]}
_BRANCHED = {"name": "own", "layers": [_BLOCK, {"pool": "global"}, {"dense": "outputs"}]}


class NoMachines(Machines):
    """Other machines, which are not to be asked."""

    def train(self, *_: Any) -> None:
        raise AssertionError("other machines are asked in vain")


@pytest.mark.parametrize(
    ("sections", "chosen", "message"),
    [
        (
            {"architecture": _BRANCHED},
            {"engine": "native"},
            "'own' has residual blocks, which the native engine has not; use engine 'torch'",
        ),
        (
            {"architecture": _BRANCHED},
            {"engine": "native", "on": NoMachines()},
            "'own' has residual blocks, which the native engine has not; use engine 'torch'",
        ),
        (
            {"architecture": _BRANCHED},
            {"engine": GpuEngine(device="cpu")},
            "the GPU engine has no Residual",
        ),
        (
            {"vary": {"optimizer": {"choice": ["adam", "sgd"]}}},
            {"engine": GpuEngine(device="cpu")},
            "the GPU engine trains with plain Adam only, and .* has 'sgd'; use engine 'torch'",
        ),
        (
            {"training": {"precision": "bfloat16"}},
            {"engine": TorchEngine()},
            "the torch engine trains in precision 'float32' only, got 'bfloat16'",
        ),
    ],
)
def test_what_an_engine_can_not_train_leaves_no_folder(
    sections: dict[str, Any],
    chosen: dict[str, Any],
    message: str,
    images: ImageSet,
    tmp_path: Path,
):
    with pytest.raises(EngineError, match=message):
        train_zoo(recipe(**sections), tmp_path / "zoo", images=images, **chosen)
    assert not (tmp_path / "zoo").exists()


def test_subsets_and_classes_that_there_are_not_leave_no_folder(images: ImageSet, tmp_path: Path):
    few_left = recipe(task=SUBSETS | {"positives": [9], "subsets": 1})
    with pytest.raises(RecipeError, match="fewer than the 9 classes of the images"):
        train_zoo(few_left, tmp_path / "zoo", images=images)
    strange = recipe(task=SUBSETS | {"exclude": ["fuor"]})
    with pytest.raises(ImageError, match="no class 'fuor' to leave out; did you mean 'four'"):
        train_zoo(strange, tmp_path / "zoo", images=images)
    assert not (tmp_path / "zoo").exists()
