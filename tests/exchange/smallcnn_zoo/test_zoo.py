"""The Small CNN Zoo as it is published becomes a zoo."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from hyperzoo.architectures import Architecture
from hyperzoo.errors import ForeignFileError
from hyperzoo.exchange.exporting import export_zoo
from hyperzoo.exchange.importing import import_zoo
from hyperzoo.exchange.smallcnn_zoo.zoo import ASSUMED, GREY, SIZE_ASSUMED
from hyperzoo.images import ImageSet
from hyperzoo.recipe import load_recipe
from hyperzoo.zoo import open_zoo, verify_zoo
from hyperzoo.zoo.layout import models_schema
from tests.exchange.runs.makers import images_of
from tests.exchange.smallcnn_zoo.makers import (
    ACTIVATIONS,
    EPOCHS,
    Row,
    answers,
    layout_text,
    make_zoo,
    rows_of,
    write_metrics,
)
from tests.exchange.test_content import LFS

IMAGES = np.random.default_rng(0).integers(0, 256, (8, 32, 32, 1), dtype=np.uint8)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    return tmp_path / "files"


def said_by(network: torch.nn.Module) -> np.ndarray:
    with torch.no_grad():
        return network(torch.from_numpy(IMAGES).float().permute(0, 3, 1, 2) / 255).numpy()


def test_networks_answer_as_they_did(files: Path, tmp_path: Path):
    """Every activation and epoch, with dropout and without; images are given from 0 to 1."""
    matrix = make_zoo(files, rows_of(6))
    zoo = import_zoo(files, tmp_path / "zoo").zoo
    assert zoo.ids == [f"all_{run}" for run in range(6)]
    assert zoo.origin.checkpoint_epochs == EPOCHS[:-1]
    for run in range(6):
        for place, epoch in enumerate(EPOCHS):
            expected = answers(matrix[9 * run + place], ACTIVATIONS[run % 3], IMAGES)
            network = zoo.network(f"all_{run}", None if epoch == 86 else epoch)
            np.testing.assert_allclose(said_by(network), expected, atol=1e-5)
    assert verify_zoo(tmp_path / "zoo").problems == ()


def test_rows_in_any_order(files: Path, tmp_path: Path):
    rows = rows_of(5)
    order = np.random.default_rng(3).permutation(len(rows))
    shuffled = [rows[place] for place in order]
    matrix = make_zoo(files, shuffled)
    zoo = import_zoo(files, tmp_path / "zoo").zoo
    keys = list(dict.fromkeys(row["modeldir"] for row in shuffled))
    assert zoo.models["key"].to_pylist() == keys
    for place, row in enumerate(shuffled):
        epoch = None if row["step"] == 86 else row["step"]
        own = zoo.arrays(f"all_{keys.index(row['modeldir'])}", epoch)
        assert own["conv1.bias"].tobytes() == matrix[place, :16].tobytes()


def test_columns_are_those_of_the_recipe(files: Path, tmp_path: Path):
    """So that a study of one runs on the other."""
    make_zoo(files, rows_of(6))
    zoo = import_zoo(files, tmp_path / "zoo").zoo
    recipe = load_recipe("smallcnn-zoo")
    assert zoo.models.column_names == [*models_schema(recipe.vary.drawn).names, "key"]
    assert zoo.origin.checkpoint_epochs == recipe.training.checkpoint_epochs
    row = zoo.models.to_pylist()[4]
    assert row | {"accuracy": 0, "loss": 0} == {
        "id": "all_4", "class": "all", "index": 4, "part": 0, "row": 4, "status": "ok",
        "epoch": 86, "learning_rate": 1e-3 * 5, "batch_size": 512, "optimizer": "adam",
        "l2": 1e-6 * 5, "initialisation": "glorot_normal", "initialisation_scale": 0.001 * 5,
        "bias_initialisation": "constant", "train_fraction": 0.1,
        "activation": "tanh", "dropout": 0.04, "loss": 0, "accuracy": 0, "precision": None,
        "recall": None, "specificity": None, "f1": None, "auc": None, "key": "/cns/zoo/00004",
    }  # fmt: skip
    assert row["accuracy"] == pytest.approx(0.206)
    assert row["loss"] == pytest.approx(1.44)
    history = zoo.history("all_4").to_pydict()
    assert history["epoch"] == list(EPOCHS)
    np.testing.assert_allclose(history["training_accuracy"], [0.12 + 0.002 * e for e in EPOCHS])
    shared = json.loads((tmp_path / "zoo" / "zoo.json").read_text())["imported"]["training"]
    assert shared["shared"] == {
        "config.dataset": "cifar10", "config.dnn_architecture": "cnn", "config.epochs": "86",
        "config.random_seed": "42",
    }  # fmt: skip


def test_other_settings_that_differ_are_kept(files: Path, tmp_path: Path):
    rows = [
        row | {"config.random_seed": row["modeldir"][-1], "config.b_init": "TruncatedNormal"}
        for row in rows_of(4)
    ]
    make_zoo(files, rows)
    models = import_zoo(files, tmp_path / "zoo").zoo.models
    assert models["config.random_seed"].to_pylist() == ["0", "1", "2", "3"]
    assert models["bias_initialisation"].to_pylist() == [
        "truncated_normal", "truncated_normal", "as_kernels", "truncated_normal",
    ]  # fmt: skip


def test_the_last_weights_alone(files: Path, tmp_path: Path):
    matrix = make_zoo(files, rows_of(3))
    zoo = import_zoo(files, tmp_path / "zoo", epochs="last").zoo
    assert zoo.origin.checkpoint_epochs == ()
    assert not (tmp_path / "zoo" / "epochs").exists()
    assert zoo.history_epochs == EPOCHS
    np.testing.assert_array_equal(zoo.matrix("published"), matrix[8::9])


def test_runs_that_lack_something(files: Path, tmp_path: Path):
    """A run that ended early, one with a hole, one that diverged, one with weights of NaN."""
    rows = [
        row
        for row in rows_of(6)
        if not (row["modeldir"].endswith("1") and row["step"] > 20)
        and not (row["modeldir"].endswith("2") and row["step"] == 40)
    ]
    rows.append(rows_of(2)[-1] | {"step": 37})  # NaN came in epoch 37
    for row in rows:
        if row["modeldir"].endswith("3") and row["step"] == 86:
            row["test_loss"] = "nan"
    weights = np.random.default_rng(1).normal(size=(len(rows), 4970)).astype(np.float32)
    broken = next(n for n, row in enumerate(rows) if row["modeldir"].endswith("4"))
    weights[broken, 7] = np.nan
    make_zoo(files, rows, weights)
    imported = import_zoo(files, tmp_path / "zoo")
    assert imported.notes == (
        ASSUMED,
        GREY,
        "1 network whose last checkpoint is not of epoch 86, which count as failed: all_1",
        "1 network without checkpoints of all epochs (40), which count as failed: all_2; "
        "--epochs last takes their last weights alone",
        "1 network whose loss is NaN or infinite, which count as failed: all_3",
        "1 network with weights that are NaN or infinite, which count as failed: all_4",
    )
    zoo = imported.zoo
    assert zoo.models["status"].to_pylist() == ["ok", *["failed"] * 4, "ok"]
    assert zoo.models["epoch"].to_pylist() == [86, 37, 86, 86, 86, 86]
    assert zoo.origin.checkpoint_epochs == EPOCHS[:-1]
    np.testing.assert_array_equal(zoo.matrix("published")[1], weights[-1])
    assert np.isnan(zoo.arrays("all_1", 40)["fc1.bias"]).all()
    assert zoo.models["loss"].to_pylist()[3] is None
    assert verify_zoo(tmp_path / "zoo").problems == ()
    last = import_zoo(files, tmp_path / "last", epochs="last")
    assert last.zoo.models["status"].to_pylist() == ["ok", "failed", "ok", "failed", "ok", "ok"]


def test_activations_that_are_not_known(files: Path, tmp_path: Path):
    rows = [
        row | {"config.activation": {1: "selu", 3: "leaky_relu"}[run]} if run in (1, 3) else row
        for row in rows_of(4)
        for run in [int(row["modeldir"][-1])]
    ]
    matrix = make_zoo(files, rows)
    imported = import_zoo(files, tmp_path / "zoo", epochs="last")
    assert imported.zoo.ids == ["all_0", "all_2"]
    assert imported.notes == (
        ASSUMED,
        "2 networks passed over, whose activation is not known here (leaky_relu, selu): "
        "all_1, all_3",
        GREY,
    )
    np.testing.assert_array_equal(imported.zoo.matrix("published"), matrix[[8, 26]])
    make_zoo(files, [row | {"config.activation": "selu"} for row in rows])
    with pytest.raises(ForeignFileError, match="no network has an activation that is known here"):
        import_zoo(files, tmp_path / "none")


def test_a_table_of_finished_networks(files: Path, tmp_path: Path):
    """Without steps, and with one activation, which is then the architecture's."""
    rows = [
        {"modeldir": f"/x/{run}", "config.activation": "tanh", "test_accuracy": 0.5}
        for run in range(3)
    ]
    matrix = make_zoo(files, rows)
    imported = import_zoo(files, tmp_path / "zoo")
    assert imported.notes == (
        ASSUMED,
        "the table has no column 'step': every row counts as a network after 86 epochs",
        SIZE_ASSUMED,
    )
    assert imported.zoo.architecture.layers[1].activation == "tanh"
    expected = answers(matrix[1], "tanh", IMAGES)
    np.testing.assert_allclose(said_by(imported.zoo.network("all_1")), expected, atol=1e-5)


def told_of_images(files: Path, dataset: str, size: int) -> ImageSet:
    """Write a zoo whose accuracies are those on some images, which are returned."""
    images = np.random.default_rng(5).integers(0, 256, (60, size, size, 1), dtype=np.uint8)
    rows = rows_of(6, (86,))
    for row in rows:
        row["config.dataset"] = dataset
    matrix = make_zoo(files, rows)
    labels = answers(matrix[0], "relu", images).argmax(axis=1)
    labels[:20] = np.arange(20) % 10
    for number, row in enumerate(rows):
        said = answers(matrix[number], row["config.activation"], images).argmax(axis=1)
        row["test_accuracy"] = float((said == labels).mean())
    write_metrics(files, rows)
    return images_of(labels, images)


@pytest.fixture
def tested(files: Path) -> ImageSet:
    return told_of_images(files, "cifar10", 32)


def test_accuracy_on_images_is_that_of_the_table(files: Path, tmp_path: Path, tested: ImageSet):
    imported = import_zoo(files, tmp_path / "zoo", images=tested)
    assert imported.notes == (
        ASSUMED,
        GREY,
        "6 networks evaluated on made-up: accuracy on these images differs by 0.0000 in the "
        "median and 0.0000 at most from what the zoo tells",
    )
    assert imported.zoo.image_fingerprint == tested.fingerprint
    assert imported.zoo.image_classes == tested.class_names


@pytest.mark.parametrize("dataset", ["mnist", "fashion_mnist"])
def test_images_have_the_size_of_their_set(files: Path, tmp_path: Path, dataset: str):
    """The script that made the zoo takes images as they are: 28x28 pixels in these."""
    images = told_of_images(files, dataset, 28)
    imported = import_zoo(files, tmp_path / "zoo", images=images)
    assert imported.zoo.architecture.input_shape == (28, 28, 1)
    assert imported.notes == (
        ASSUMED,
        "6 networks evaluated on made-up: accuracy on these images differs by 0.0000 in the "
        "median and 0.0000 at most from what the zoo tells",
    )
    loaded = import_zoo(files, tmp_path / "again", images=lambda own: sized(images, own)).zoo
    assert loaded.image_fingerprint == images.fingerprint
    assert verify_zoo(tmp_path / "zoo").problems == ()


def sized(images: ImageSet, architecture: Architecture) -> ImageSet:
    assert images.image_shape == architecture.input_shape
    return images


def lines_of(files: Path) -> list[str]:
    return gzip.decompress((files / "metrics.csv.gz").read_bytes()).decode().splitlines()[1:]


@pytest.mark.parametrize("datasets", [("letters",), ("",), ("mnist", "cifar10")])
def test_images_of_a_size_that_is_not_told(files: Path, tmp_path: Path, datasets: tuple[str, ...]):
    rows = rows_of(2, (86,))
    for number, row in enumerate(rows):
        row["config.dataset"] = datasets[number % len(datasets)]
    make_zoo(files, rows)
    imported = import_zoo(files, tmp_path / "zoo")
    assert imported.notes == (ASSUMED, SIZE_ASSUMED)
    assert imported.zoo.architecture.input_shape == (32, 32, 1)


def test_a_wrong_activation_shows(files: Path, tmp_path: Path, tested: ImageSet):
    rows = rows_of(6, (86,))
    wrong = {"relu": "sigmoid", "sigmoid": "relu", "tanh": "tanh"}
    for row, line in zip(rows, lines_of(files), strict=True):
        row["test_accuracy"] = line.split(",")[-4]
        row["config.activation"] = wrong[row["config.activation"]]
    write_metrics(files, rows)
    imported = import_zoo(files, tmp_path / "zoo", images=tested)
    _, _, note = imported.notes
    assert "evaluated on made-up do not what the zoo tells" in note
    assert "tanh 0 of 2" in note
    assert "the order of axes or channels or the activation may be wrong" in note
    assert imported.zoo.image_fingerprint == ""


def test_what_it_is_exported_to_answers_alike(files: Path, tmp_path: Path):
    """Safetensors tell layers, scaling and activation, and come back as they are."""
    matrix = make_zoo(files, rows_of(2, (86,)))
    import_zoo(files, tmp_path / "zoo")
    export_zoo(tmp_path / "zoo", "pytorch", tmp_path / "out")
    (tmp_path / "out" / "all_0.safetensors").unlink()
    again = import_zoo(tmp_path / "out", tmp_path / "again").zoo
    expected = answers(matrix[1], "tanh", IMAGES)
    np.testing.assert_allclose(said_by(again.network("all_1")), expected, atol=1e-5)


def replaced(old: str, new: str) -> Callable[[Path, list[Row]], None]:
    def damage(files: Path, rows: list[Row]) -> None:
        text = (files / "layout.csv").read_text()
        assert old in text
        (files / "layout.csv").write_text(text.replace(old, new, 1))

    return damage


def cut(name: str, share: float) -> Callable[[Path, list[Row]], None]:
    def damage(files: Path, rows: list[Row]) -> None:
        content = (files / name).read_bytes()
        (files / name).write_bytes(content[: int(share * len(content))])

    return damage


def with_rows(change: Callable[[list[Row]], list[Row]]) -> Callable[[Path, list[Row]], None]:
    return lambda files, rows: write_metrics(files, change(rows))


def pickled(files: Path, rows: list[Row]) -> None:
    np.save(files / "weights.npy", np.array([{}, {}], object), allow_pickle=True)


DAMAGES = {
    "fewer rows": (with_rows(lambda rows: rows[:-1]), "it has 17 rows, but the matrix .* has 18"),
    "more rows": (with_rows(lambda rows: [*rows, rows[0] | {"step": 5}]), "it has more rows than"),
    "a table cut short": (cut("metrics.csv.gz", 0.5), r"metrics.csv.gz: .*cut short"),
    "a number cut short": (
        lambda files, rows: (files / "metrics.csv.gz").write_bytes(
            gzip.compress(gzip.decompress((files / "metrics.csv.gz").read_bytes())[:-2])
        ),
        r"metrics.csv.gz: its last line has no end, so it may be cut short",
    ),
    "a matrix cut short": (cut("weights.npy", 0.7), r"weights.npy: not a matrix .* or cut short"),
    "no matrix": (cut("weights.npy", 0), "weights.npy: .* but an empty file; get it again"),
    "a pointer for weights": (
        lambda files, rows: (files / "weights.npy").write_bytes(LFS),
        "weights.npy: not a matrix of NumPy .npy. but a Git LFS pointer, .*; run git lfs pull",
    ),
    "a pointer for the layout": (
        lambda files, rows: (files / "layout.csv").write_bytes(LFS),
        "layout.csv: not a table .csv. but a Git LFS pointer, .*; run git lfs pull",
    ),
    "a page for the table": (
        lambda files, rows: (files / "metrics.csv.gz").write_text("<!DOCTYPE html><p>404"),
        "metrics.csv.gz: not a table .*gzip. but a web page; download the file itself again",
    ),
    "packed weights": (
        lambda files, rows: (files / "weights.npy").write_bytes(gzip.compress(b"a", mtime=0)),
        "weights.npy: .* but compressed by gzip; unpack it first",
    ),
    "a pickle": (pickled, "weights.npy: not a matrix that NumPy wrote.*Python objects"),
    "an overlap": (replaced("16,160,144", "15,159,144"), "variables overlap at column 15"),
    "a hole": (replaced("16,160,144", "17,161,144"), "variables leave a hole at column 16"),
    "a shape": (replaced('"(16, 10)"', '"(10, 16)"'), "not those of the Small CNN Zoo's network"),
    "a size": (replaced('"(16, 10)"', '"(16, 11)"'), "line 9: .* do not agree"),
    "a program": (replaced('"(16, 10)"', "__import__('os')"), "line 9: expected whole numbers"),
    "a strange layer": (replaced("dense/kernel", "lstm/kernel"), "not those of the Small CNN"),
    "a column twice": (
        with_rows(lambda rows: [dict(row, **{"test_loss ": 1}) for row in rows]),
        "there twice: test_loss",
    ),
    "no key": (
        with_rows(lambda rows: [{k: v for k, v in r.items() if k != "modeldir"} for r in rows]),
        "missing: modeldir",
    ),
    "an epoch twice": (
        with_rows(lambda rows: [rows[1], *rows[1:]]),
        "1 row of a run and an epoch that are there already, the first of '/cns/zoo/00000'",
    ),
    "no epoch": (with_rows(lambda rows: [r | {"step": "x"} for r in rows]), "line 2: expected an"),
    "too late": (with_rows(lambda rows: [rows[0] | {"step": 99}, *rows[1:]]), "has step 99"),
    "no number": (
        with_rows(lambda rows: [rows[0] | {"test_loss": "high"}, *rows[1:]]),
        "line 2, test_loss: expected a number, got 'high'",
    ),
    "contradicting": (
        with_rows(lambda rows: [*rows[:-1], rows[-1] | {"config.dropout": 0.9}]),
        "line 19: config.dropout is not that of the row 10 with the same modeldir",
    ),
    "epochs that differ": (
        with_rows(lambda rows: [*rows[:9], *(r | {"config.epochs": 7} for r in rows[9:])]),
        "expected one number of epochs for all runs",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged(files: Path, tmp_path: Path, damage: str):
    rows = rows_of(2)
    make_zoo(files, rows)
    do, message = DAMAGES[damage]
    do(files, rows)
    with pytest.raises(ForeignFileError, match=message):
        import_zoo(files, tmp_path / "zoo")
    assert sorted(tmp_path.iterdir()) == [files]  # nothing half-written


def test_a_bomb_is_not_unpacked(files: Path, tmp_path: Path):
    make_zoo(files, rows_of(1))
    (files / "metrics.csv.gz").write_bytes(gzip.compress(b"a" * 10**7, mtime=0))
    with pytest.raises(ForeignFileError, match="a line has more than 65536 characters"):
        import_zoo(files, tmp_path / "zoo")


def test_choices_of_files_are_none_here(files: Path, tmp_path: Path):
    make_zoo(files, rows_of(1))
    with pytest.raises(ForeignFileError, match="--prefer: no choice among files for a zoo"):
        import_zoo(files, tmp_path / "zoo", prefer="best")
    with pytest.raises(ForeignFileError, match="epochs: expected 'all' or 'last', got 'first'"):
        import_zoo(files, tmp_path / "zoo", epochs="first")
    (files / "layout.csv").unlink()
    with pytest.raises(ForeignFileError, match=r"--epochs is for the zoos of others \(small-cnn"):
        import_zoo(files, tmp_path / "zoo", epochs="last")


def test_layout_of_a_later_model(files: Path, tmp_path: Path):
    """Keras counts layers through a process."""
    matrix = make_zoo(files, rows_of(1, (86,)))
    text = layout_text()
    for old, new in (("conv2d_2/", "conv2d_14/"), ("conv2d_1/", "conv2d_13/"),
                     ("conv2d/", "conv2d_12/"), ("dense/", "dense_4/")):  # fmt: skip
        text = text.replace(old, new)
    (files / "layout.csv").write_text(text)
    import_zoo(files, tmp_path / "zoo")
    np.testing.assert_array_equal(open_zoo(tmp_path / "zoo").matrix("published"), matrix)
