"""A folder of the ModelZoos' trials becomes a zoo."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from hyperzoo.errors import ForeignFileError, GenerationError
from hyperzoo.exchange.exporting import export_zoo
from hyperzoo.exchange.importing import import_zoo
from hyperzoo.generation import Split, fit
from hyperzoo.recipe import load_recipe
from hyperzoo.zoo import verify_zoo
from hyperzoo.zoo.layout import models_schema
from tests.exchange.modelzoos.makers import NONLINEAR, SIZES, Net, config, make_trial
from tests.exchange.runs.makers import images_of
from tests.exchange.test_content import LFS


def pixels(size: int, channels: int) -> np.ndarray:
    generator = np.random.default_rng(size)
    return generator.integers(0, 256, (8, size, size, channels), dtype=np.uint8)


def said_by(network: torch.nn.Module, images: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return network(torch.from_numpy(images).float().permute(0, 3, 1, 2) / 255).numpy()


def answers(network: Net, images: np.ndarray, mean: float, std: float) -> np.ndarray:
    with torch.no_grad():
        values = torch.from_numpy(images).float().permute(0, 3, 1, 2) / 255
        return network((values - mean) / std).numpy()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "tune_zoo_mnist"


@pytest.mark.parametrize("dropout", [0.0, 0.5])
@pytest.mark.parametrize("digits", [0, 6])
def test_networks_answer_as_they_did(root: Path, tmp_path: Path, dropout: float, digits: int):
    """Every activation; with dropout the modules have other numbers; both names of checkpoints."""
    made = {
        number: make_trial(
            root, number, config(**{"model::nlin": nlin, "model::dropout": dropout}), digits=digits
        )
        for number, nlin in enumerate(NONLINEAR)
    }
    zoo = import_zoo(root, tmp_path / "zoo").zoo
    images = pixels(28, 1)
    for number, networks in made.items():
        for epoch, network in networks.items():
            found = said_by(zoo.network(f"all_{number}", None if epoch == 3 else epoch), images)
            expected = answers(network, images, 0.1307, 0.3081)
            np.testing.assert_allclose(found, expected, atol=1e-5)
    assert zoo.architecture.parameter_count == 2464
    assert verify_zoo(tmp_path / "zoo").problems == ()


@pytest.mark.parametrize(("kind", "channels"), [("CNN", 3), ("CNN2", 1), ("CNN3", 3)])
@pytest.mark.parametrize("dropout", [0, 0.5])
def test_all_of_its_networks(tmp_path: Path, kind: str, channels: int, dropout: float):
    root = tmp_path / "tune_zoo_cifar10_large"
    settings = config(
        **{"model::type": kind, "model::channels_in": channels, "model::nlin": "gelu"},
        **{"model::dropout": dropout, "dataset::dump": None},
    )
    network = make_trial(root, 0, settings)[3]
    imported = import_zoo(root, tmp_path / "zoo")
    images = pixels(SIZES[kind], channels)
    found = said_by(imported.zoo.network("all_0"), images)
    np.testing.assert_allclose(found, answers(network, images, 0.5, 0.5), atol=1e-5)
    assert imported.notes[0] == (
        "the images are taken to be CIFAR-10, scaled by the mean 0.5 and the standard deviation "
        "0.5, by the names of folders; check with --images"
    )


def grid(root: Path, count: int = 8) -> None:
    """Trials that differ in all that the published grid varies."""
    for number in range(count):
        changes = {
            "model::nlin": ("tanh", "relu", "sigmoid", "gelu")[number % 4],
            "model::dropout": (0.0, 0.5)[number % 2],
            "model::init_type": ("normal", "kaiming_normal", "uniform")[number % 3],
            "optim::optimizer": ("adam", "sgd")[number // 2 % 2],
            "optim::lr": (1e-3, 1e-4)[number // 4 % 2],
            "optim::wd": (1e-3, 1e-4)[number % 2],
            "seed": number + 1,
        }
        make_trial(root, number, config(**changes), epochs=(0, 1, 2))


def test_columns_are_those_of_the_recipe(root: Path, tmp_path: Path):
    grid(root)
    zoo = import_zoo(root, tmp_path / "zoo").zoo
    recipe = load_recipe("modelzoos-cnn-s")
    assert zoo.models.column_names == [*models_schema(recipe.vary.drawn).names, "key", "seed"]
    row = zoo.models.to_pylist()[5]
    assert row | {"accuracy": 0, "loss": 0} == {
        "id": "all_5", "class": "all", "index": 5, "part": 0, "row": 5, "status": "ok",
        "epoch": 2, "learning_rate": 1e-4, "batch_size": 10, "optimizer": "adam", "l2": 5e-5,
        "initialisation": "uniform_0_1", "activation": "relu", "dropout": 0.5, "loss": 0,
        "accuracy": 0, "precision": None, "recall": None, "specificity": None, "f1": None,
        "auc": None, "seed": 6,
        "key": "NN_tune_trainable_ab12c_00005_5_seed=5_2021-10-04_12-00-0",
    }  # fmt: skip
    assert row["accuracy"] == pytest.approx(0.26)
    assert zoo.origin.training.shared == {"momentum": 0.9}
    history = zoo.history("all_5").to_pydict()
    assert history["epoch"] == [0, 1, 2]
    # Before training there are no figures of training; the file has -999 there.
    np.testing.assert_allclose(history["training_loss"], [np.nan, 1.9, 1.8])
    np.testing.assert_allclose(history["validation_loss"], [2.1, 2.0, 1.9])


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("told", [True, False])
def test_lines_shifted_by_one(root: Path, tmp_path: Path, first: int, told: bool):
    """Whether or not there is a line of epoch 0, and whether or not lines tell their epochs."""
    make_trial(root, 3, config(), epochs=tuple(range(first, 4)), first=first)
    if not told:
        path = next(root.iterdir()) / "result.json"
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        for line in lines:
            del line["training_iteration"]
        path.write_text("\n".join(map(json.dumps, lines)))
    zoo = import_zoo(root, tmp_path / "zoo").zoo
    assert zoo.history_epochs == tuple(range(first, 4))
    accuracy = zoo.history("all_3")["validation_accuracy"].to_pylist()
    np.testing.assert_allclose(accuracy, [0.08 * epoch + 0.1 for epoch in range(first, 4)])
    assert zoo.models["accuracy"].to_pylist() == [pytest.approx(0.34)]


def test_trials_that_lack_something(root: Path, tmp_path: Path):
    """None with a checkpoint, one that ended early, one with a hole, NaN, a line cut short."""
    for number in range(6):
        make_trial(root, number, config(seed=number))
    folders = sorted(root.iterdir())
    for checkpoint in folders[0].glob("checkpoint_*"):
        (checkpoint / "checkpoints").unlink()
    (folders[1] / "checkpoint_000003" / "checkpoints").unlink()
    (folders[2] / "checkpoint_000001" / "checkpoints").unlink()
    nan = torch.load(folders[3] / "checkpoint_000003" / "checkpoints")
    nan["module_list.0.bias"][2] = np.nan
    torch.save(nan, folders[3] / "checkpoint_000003" / "checkpoints")
    lines = [json.loads(line) for line in (folders[3] / "result.json").read_text().splitlines()]
    lines[2]["train_loss"] = np.nan
    (folders[3] / "result.json").write_text("\n".join(map(json.dumps, lines)))
    (folders[4] / "result.json").write_text((folders[4] / "result.json").read_text()[:-40])
    imported = import_zoo(root, tmp_path / "zoo")
    assert imported.notes == (
        f"1 trial without a checkpoint passed over: {folders[0].name}",
        f"1 trial whose result.json ends within a line, of which those before count: "
        f"{folders[4].name}",
        "the images are taken to be MNIST, scaled by the mean 0.1307 and the standard deviation "
        "0.3081, by the names of folders; check with --images",
        "weight decay of PyTorch's optimizers is told as l2, of which it is twice the factor; "
        "theirs decays biases too",
        "1 network whose last checkpoint is not of epoch 3, which count as failed: all_1",
        "1 network without checkpoints of all epochs (1), which count as failed: all_2; --epochs "
        "last takes their last weights alone",
        "1 network whose loss is NaN or infinite, which count as failed: all_3",
        "1 network with weights that are NaN or infinite, which count as failed: all_3",
    )
    zoo = imported.zoo
    assert zoo.ids == [f"all_{number}" for number in range(1, 6)]
    assert zoo.models["status"].to_pylist() == ["failed"] * 3 + ["ok"] * 2
    assert zoo.models["epoch"].to_pylist() == [2, 3, 3, 3, 3]
    assert zoo.models["accuracy"].null_count == 1  # of the line that is cut short
    assert verify_zoo(tmp_path / "zoo").problems == ()


def test_trials_that_tell_nothing(root: Path, tmp_path: Path):
    """One without settings, one without results; none is passed over in silence."""
    for number in range(3):
        make_trial(root, number, config(seed=number))
    folders = sorted(root.iterdir())
    (folders[1] / "params.json").unlink()
    (folders[2] / "result.json").unlink()
    imported = import_zoo(root, tmp_path / "zoo")
    assert imported.notes[:2] == (
        "1 folder with checkpoints passed over, where neither params.json nor result.json tells "
        f"model::type: {folders[1].name}",
        f"1 trial without result.json, whose accuracy is not known: {folders[2].name}",
    )
    assert imported.zoo.ids == ["all_0", "all_2"]
    assert imported.zoo.models["accuracy"].to_pylist() == [pytest.approx(0.34), None]


class Hostile:
    def __reduce__(self) -> tuple[object, ...]:
        return (exec, ("raise SystemExit('run')",))


def changed(name: str, change: Callable[[Path], object]) -> Callable[[Path], None]:
    def damage(root: Path) -> None:
        change(sorted(root.iterdir())[1] / name)

    return damage


LAST = "checkpoint_000003/checkpoints"
DAMAGES = {
    "a hostile checkpoint": (
        changed(LAST, lambda path: torch.save({"a": Hostile()}, path)),
        r"000003/checkpoints: torch can't load it with weights_only=True.* for '(builtins.)?exec'",
    ),
    "a plain pickle": (
        changed(LAST, lambda path: path.write_bytes(pickle.dumps(Hostile()))),
        "000003/checkpoints: not a file of torch.save but a pickle that asks for 'builtins.exec'",
    ),
    "a checkpoint cut short": (
        changed(LAST, lambda path: path.write_bytes(path.read_bytes()[:3000])),
        "000003/checkpoints: not .* but a file of torch.save that was cut short or damaged",
    ),
    "a pointer": (
        changed(LAST, lambda path: path.write_bytes(LFS)),
        "000003/checkpoints: not a file of torch.save but a Git LFS pointer, .*git lfs pull",
    ),
    "a page": (
        changed(LAST, lambda path: path.write_text("<html>404")),
        "000003/checkpoints: not a file of torch.save but a web page; download",
    ),
    "a pointer for settings": (
        changed("params.json", lambda path: path.write_bytes(LFS)),
        "params.json: not JSON but a Git LFS pointer",
    ),
    "a pointer for results": (
        changed("result.json", lambda path: path.write_bytes(LFS)),
        "result.json: not lines of JSON but a Git LFS pointer",
    ),
    "no state_dict": (
        changed(LAST, lambda path: torch.save([1, 2], path)),
        "000003/checkpoints: expected a state_dict, got list",
    ),
    "other names": (
        changed(LAST, lambda path: torch.save({"fc.weight": torch.zeros(2, 2)}, path)),
        "expected names such as module_list.0.weight, got 'fc.weight'",
    ),
    "another network": (
        changed(LAST, lambda path: torch.save(Net("CNN2", 1, "tanh", 0).state_dict(), path)),
        "its tensors are not those of 'cnn-s'\n  expected 8x1x5x5, 8, 6x8x5x5",
    ),
    "settings cut short": (
        changed("params.json", lambda path: path.write_text('{"model::type": ')),
        "params.json: not JSON, or cut short",
    ),
    "settings that are none": (
        changed("params.json", lambda path: path.write_text("[1]")),
        "params.json: expected a JSON object, got list",
    ),
    "a result that is none": (
        changed("result.json", lambda path: path.write_text("{\n" + path.read_text())),
        "result.json, line 1: not JSON",
    ),
    "a type that is not known": (
        changed("params.json", lambda p: p.write_text(json.dumps(config(seed=9)).replace('"CNN"', '"Resnet18"'))),  # noqa: E501
        "its trials have different networks: CNN .*; a zoo has one architecture",
    ),
    "channels that are none": (
        changed("params.json", lambda p: p.write_text(json.dumps(config(**{"model::channels_in": "x"})))),  # noqa: E501
        "expected model::type and model::channels_in of 1 or 3",
    ),
    "two checkpoints of an epoch": (
        changed(LAST, lambda path: path.parent.rename(path.parents[1] / "checkpoint_2")),
        "are both of epoch 2; keep one",
    ),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged(root: Path, tmp_path: Path, damage: str):
    for number in range(3):
        make_trial(root, number, config(seed=number))
    do, message = DAMAGES[damage]
    do(root)
    with pytest.raises(ForeignFileError, match=message):
        import_zoo(root, tmp_path / "zoo")
    assert sorted(tmp_path.iterdir()) == [root]  # nothing half-written


def test_a_residual_network_is_refused_by_name(root: Path, tmp_path: Path):
    make_trial(root, 0, config())
    path = next(root.iterdir()) / "params.json"
    path.write_text(json.dumps(config(**{"model::type": "Resnet18"})))
    with pytest.raises(ForeignFileError, match=r"its network is a 'Resnet18'; .* CNN, CNN2, CNN3"):
        import_zoo(root, tmp_path / "zoo")


def test_folders_of_other_names(tmp_path: Path):
    """Trials without numbers, a level deeper, of images that no name tells."""
    root = tmp_path / "files"
    for number in (2, 1):
        make_trial(root / "zoos", number, config(seed=number, **{"dataset::dump": None}))
    for folder in sorted((root / "zoos").iterdir()):
        folder.rename(folder.parent / f"run{folder.name[-40:].count('seed=1')}")
    imported = import_zoo(root, tmp_path / "zoo", epochs="last")
    assert imported.zoo.models["key"].to_pylist() == ["zoos/run0", "zoos/run1"]
    assert imported.zoo.ids == ["all_0", "all_1"]
    assert imported.notes[:2] == (
        "trials are numbered by the order of their folders' names",
        "no name of a folder tells the images, so that pixels are taken to be given as they are, "
        "from 0 to 1; check with --images",
    )


def test_a_wrong_scaling_shows(tmp_path: Path):
    """Networks that were trained on scaled images, in a folder that does not say so."""
    root, images = tmp_path / "files", pixels(28, 1).repeat(6, axis=0)
    images = images // np.arange(1, 49, dtype=np.uint8)[:, None, None, None]
    labels = np.arange(48) % 10
    for number in range(4):
        network = make_trial(root, number, config(seed=number, **{"dataset::dump": None}))[3]
        folder = sorted(root.iterdir())[number]
        accuracy = float((answers(network, images, 0.1307, 0.05).argmax(axis=1) == labels).mean())
        lines = [json.loads(line) for line in (folder / "result.json").read_text().splitlines()]
        lines[-1]["test_acc"] = 0.5 + accuracy / 2
        (folder / "result.json").write_text("\n".join(map(json.dumps, lines)))
    known = images_of(labels, images)
    notes = import_zoo(root, tmp_path / "zoo", images=known).notes
    assert "4 of 4 networks evaluated on made-up do not what the zoo tells" in notes[2]
    assert "The scaling of the pixels" in notes[2]


def test_keras_files_tell_how_they_were_trained(root: Path, tmp_path: Path):
    """Adam's learning rate, where it was plain Adam; of others nothing."""
    for optimizer, decay in (("adam", 0.0), ("sgd", 0.0), ("adam", 1e-3), ("adagrad", 0.0)):
        source = root / f"{optimizer}{decay}"
        told = {"optim::optimizer": optimizer, "optim::wd": decay, "optim::lr": 3e-4}
        make_trial(source, 0, config(**told), epochs=(1,))
        import_zoo(source, tmp_path / source.name)
        export_zoo(tmp_path / source.name, "keras-h5", tmp_path / "files" / source.name)
        (path,) = (tmp_path / "files" / source.name).iterdir()
        with h5py.File(path) as file:
            text = file.attrs.get("training_config", "")
        assert ('"learning_rate": 0.0003 ' in text) == (source.name == "adam0.0")
        assert bool(text) == (source.name == "adam0.0")


def test_files_of_weights_alone_say_what_they_lose(root: Path, tmp_path: Path, caplog):
    grid(root)
    zoo = import_zoo(root, tmp_path / "zoo").zoo
    for number, written in enumerate(("weights-h5", "modelwise-pickle", "layerwise-pickle")):
        export_zoo(zoo, written, tmp_path / written)
        assert [record.message for record in caplog.records] == [
            "these files hold weights alone, which hyperzoo reads of built-in networks (lenet5, "
            f"smallcnn, resnet8, resnet20), so it can't read '{zoo.architecture.name}' back from "
            "them; keras-h5 and pytorch can be read back, the networks of each activation apart",
            "these files hold weights alone, and can't say that images are scaled by the mean "
            "0.1307 and the standard deviation 0.3081 and that networks have activations of their "
            "own (the column of models); keras-h5 and pytorch do",
        ] * (number + 1)
    for written in ("keras-h5", "pytorch"):
        export_zoo(zoo, written, tmp_path / written)
    assert len(caplog.records) == 6


def test_settings_that_nobody_has(root: Path, tmp_path: Path):
    """Half characters and numbers beyond all measure are no reason to fall."""
    odd = {"optim::lr": 10**400, "seed": 2**70, "training::batchsize": -1, "x\ud800": 1}
    make_trial(root, 0, config(**{"optim::optimizer": "\ud800dam", "other": "\ud800"} | odd))
    make_trial(root, 1, config(**{"other": [1, {"a": 2}], "model::init_type": None}))
    models = import_zoo(root, tmp_path / "zoo").zoo.models
    assert models["learning_rate"].to_pylist() == [None, 1e-3]
    assert models["seed"].to_pylist() == [None, 1]
    assert models["optimizer"].to_pylist() == ["\\ud800dam", "adam"]
    assert models["config.other"].to_pylist() == ["\\ud800", "[1, {'a': 2}]"]
    make_trial(root, 2, config(**{"model::dropout": 0.5}))
    path = sorted(root.iterdir())[2] / "params.json"
    path.write_text(path.read_text().replace("0.5", "1.5"))
    with pytest.raises(ForeignFileError, match="expected a rate of dropout from 0 to below 1"):
        import_zoo(root, tmp_path / "none")


def test_other_params_are_no_trials(tmp_path: Path):
    """`params.json` is a name that many use."""
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "params.json").write_text("[1, 2]")
    with pytest.raises(ForeignFileError, match="holds no file of a known format"):
        import_zoo(tmp_path / "files", tmp_path / "zoo")


def test_programs_beside_are_never_opened(root: Path, tmp_path: Path):
    """`dataset.pt` and `params.pkl` are pickles of anybody's objects."""
    make_trial(root, 0, config())
    torch.save({"trainset": Hostile()}, root / "dataset.pt")
    assert len(import_zoo(root, tmp_path / "zoo").zoo) == 1


@pytest.mark.parametrize("kind", [torch.float16, torch.float64])
def test_what_is_done_to_weights_is_said(root: Path, tmp_path: Path, kind: torch.dtype):
    """Of one checkpoint in many, too, and once."""
    for number in range(2):
        make_trial(root, number, config())
    file = next(root.glob("*_00001_*")) / "checkpoint_000003" / "checkpoints"
    torch.save({name: own.to(kind) for name, own in torch.load(file).items()}, file)
    notes = import_zoo(root, tmp_path / "zoo").notes
    said = {
        torch.float16: "float16 was widened to float32, without loss",
        torch.float64: "float64 was rounded to float32, which changed no number",
    }
    assert [note for note in notes if "float" in note] == [said[kind]]


def test_trials_of_different_images_are_no_zoo(root: Path, tmp_path: Path):
    """The folder above two zoos of the same network: their images are scaled in two ways."""
    for number, name in enumerate(("MNIST", "F_MNIST")):
        make_trial(root, number, config(**{"dataset::dump": f"/zoos/{name}/dataset.pt"}))
    with pytest.raises(ForeignFileError, match=r"trained on different images: MNIST \(.*00000_.*"):
        import_zoo(root, tmp_path / "zoo")
    assert not (tmp_path / "zoo").exists()


def test_a_network_without_sound_weights_is_not_compared(root: Path, tmp_path: Path):
    """Its figures may be those of before it broke."""
    images, labels = np.concatenate([pixels(28, 1), pixels(28, 1)]), np.arange(16) % 10
    for number in range(3):
        network = make_trial(root, number, config(seed=number))[3]
        folder = sorted(root.iterdir())[number]
        accuracy = float((answers(network, images, 0.1307, 0.3081).argmax(1) == labels).mean())
        lines = [json.loads(line) for line in (folder / "result.json").read_text().splitlines()]
        lines[-1]["test_acc"] = accuracy if number else 0.9
        (folder / "result.json").write_text("\n".join(map(json.dumps, lines)))
    file = sorted(root.iterdir())[0] / "checkpoint_000003" / "checkpoints"
    torch.save({name: own * np.nan for name, own in torch.load(file).items()}, file)
    known = images_of(labels, images)
    done = import_zoo(root, tmp_path / "zoo", images=known)
    assert (
        "2 networks evaluated on made-up: accuracy on these images differs by 0.0000 in"
        in (done.notes[2])
    )
    assert done.zoo.images_name == "made-up"
    assert "1 network with weights that are NaN or infinite" in done.notes[-1]


def test_no_generator_is_fitted_on_networks_of_several_activations(root: Path, tmp_path: Path):
    for number, nlin in enumerate(("tanh", "relu")):
        make_trial(root, number, config(**{"model::nlin": nlin}), epochs=(1,))
    zoo = import_zoo(root, tmp_path / "zoo").zoo
    split = Split(training=8, held_out=2, fresh=0)
    with pytest.raises(GenerationError, match="its networks have different activations"):
        fit(zoo, "copy", split=split)
