"""`--images` means the same in every command, and advice can be followed."""

import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from hyperzoo.cli.command import app
from hyperzoo.errors import HyperzooError
from hyperzoo.images import ImageSet, load_images
from hyperzoo.images.npz import write_npz
from hyperzoo.zoo import open_zoo
from tests.helpers import few
from tests.images.samples import folder_files, write_archive, write_files
from tests.prediction.makers import planted_zoo

RECIPE = """
name = "tiny"
networks_per_class = 1
[images]
source = "{source}"
path = "{path}"
size = {size}
channels = {channels}
[task]
kind = "multi-class"
[architecture]
name = "smallcnn"
[training]
epochs = 1
batch_size = 8
"""


def hyperzoo(*arguments: object) -> Result:
    return CliRunner().invoke(app, list(map(str, arguments)))


FOLDER = {
    f"{split}/{name}": content
    for split in ("train", "val")
    for name, content in folder_files(("cat", "dog", "owl", "yak", "rat"), images=3).items()
}


def places(folder: Path) -> dict[str, Path]:
    """The same images in every form, and the arrays of others."""
    zipped = folder / "pets.zip"
    with zipfile.ZipFile(zipped, "w") as archive:
        for name, content in FOLDER.items():
            archive.writestr(name, content)
    pets = write_files(folder / "pets", FOLDER)
    write_npz(load_images("folder", path=pets, size=32, channels=1), folder / "pets.npz")
    return {
        "folder": pets,
        "zip": zipped,
        "tgz": write_archive(folder / "pets.tgz", FOLDER, top="pets/"),
        "npz": folder / "pets.npz",
    }


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return places(tmp_path_factory.mktemp("images"))


def write_recipe(folder: Path, **changes: object) -> Path:
    keys: dict[str, object] = {"source": "npz", "path": "x.npz", "size": 32, "channels": 1}
    (folder / "r.toml").write_text(RECIPE.format(**(keys | changes)))
    return folder / "r.toml"


@pytest.mark.parametrize("kind", ["folder", "zip", "tgz", "npz"])
@pytest.mark.parametrize("source", ["folder", "npz", "imagenette"])
def test_train(tmp_path: Path, place: dict[str, Path], kind: str, source: str):
    """Whatever the recipe's own source is."""
    recipe = write_recipe(tmp_path, source=source)
    done = hyperzoo("train", recipe, "--out", tmp_path / "zoo", "--images", place[kind])
    assert done.exit_code == 0, done.exception
    assert "15 training and 15 validation images of 5 classes" in done.stderr
    zoo = open_zoo(tmp_path / "zoo")
    expected = load_images("folder", path=place["folder"], size=32, channels=1)
    assert zoo.image_fingerprint == expected.fingerprint
    assert zoo.image_counts == (15, 15)
    shown = hyperzoo("show", tmp_path / "zoo").output
    assert "15 for training, 15 for validation, fingerprint" in shown


def test_all_other_commands(tmp_path: Path, place: dict[str, Path]):
    planted_zoo(tmp_path / "zoo")
    hyperzoo("export", tmp_path / "zoo", "--format", "pytorch", "--out", tmp_path / "files")
    for kind, path in place.items():
        classified = hyperzoo(
            "classify", tmp_path / "zoo", "--out", tmp_path / kind / "classified", "--track", "C",
            "--splits", 1, "--images", path,
        )  # fmt: skip
        assert classified.exit_code == 0, classified.exception
        imported = hyperzoo(
            "import", tmp_path / "files", "--out", tmp_path / kind / "zoo", "--images", path
        )
        assert imported.exit_code == 0, imported.exception
    prints = {open_zoo(tmp_path / kind / "zoo").image_fingerprint for kind in place}
    assert len(prints) == 1


def test_digits_by_name(tmp_path: Path):
    planted_zoo(tmp_path / "zoo")
    done = hyperzoo(
        "classify", tmp_path / "zoo", "--out", tmp_path / "out", "--track", "C", "--splits", 1,
        "--images", "digits",
    )  # fmt: skip
    assert done.exit_code == 0, done.exception
    assert "note: digits has no images of" in done.stderr


@pytest.mark.parametrize("command", ["train", "classify", "import", "export"])
def test_a_place_that_is_not_there(tmp_path: Path, command: str):
    planted_zoo(tmp_path / "zoo")
    arguments = {
        "train": [write_recipe(tmp_path)],
        "classify": [tmp_path / "zoo"],
        "import": [tmp_path],
        "export": [tmp_path / "zoo", "--format", "plots"],
    }[command]
    done = hyperzoo(command, *arguments, "--out", tmp_path / "out", "--images", "nowhere")
    assert isinstance(done.exception, HyperzooError)
    assert "no images at nowhere; expected digits or imagenette, or a path: an npz" in str(
        done.exception
    )


def digits(size: int = 32, channels: int = 1) -> ImageSet:
    return few(load_images("digits", size=size, channels=channels), 150, 60)


@pytest.mark.parametrize("size", [8, 28, 32, 40])
@pytest.mark.parametrize("channels", [1, 3])
def test_following_the_advice_ends(tmp_path: Path, size: int, channels: int):
    """Whatever size a file has and a recipe asks for: each message is followed until it works."""
    write_npz(digits(size, channels), tmp_path / "x.npz")
    keys: dict[str, object] = {"size": size, "channels": channels}
    for _ in range(3):
        recipe = write_recipe(tmp_path, **keys)
        done = hyperzoo("train", recipe, "--out", tmp_path / "zoo")
        if done.exit_code == 0:
            break
        advice = re.findall(
            r"set images\.(\w+) = (\d+)|and images\.(\w+) = (\d+)", str(done.exception)
        )
        assert advice, done.exception
        keys |= {first or third: int(second or fourth) for first, second, third, fourth in advice}
    assert done.exit_code == 0
    assert ("images resized from" in done.stderr) == (size != 32)


def test_a_source_that_does_not_fit_names_the_one_that_does(tmp_path: Path, place: dict[str, Path]):
    for given, path in (("npz", "folder"), ("npz", "zip"), ("folder", "npz")):
        keys = {"source": given, "path": place[path]}
        done = hyperzoo("train", write_recipe(tmp_path, **keys), "--out", tmp_path / "zoo")
        advice = re.search(r"set images\.source = '(\w+)'", str(done.exception))
        assert advice, done.exception
        keys["source"] = advice[1]
        done = hyperzoo("train", write_recipe(tmp_path, **keys), "--out", tmp_path / given / path)
        assert done.exit_code == 0, done.exception


def test_notes_are_said(tmp_path: Path):
    images = digits(28)
    np.savez(
        tmp_path / "x.npz",
        x_train=images.train_images[..., 0], y_train=images.train_labels,
        x_test=images.validation_images[..., 0], y_test=images.validation_labels,
    )  # fmt: skip
    done = hyperzoo("train", write_recipe(tmp_path), "--out", tmp_path / "zoo")
    assert done.exit_code == 0, done.exception
    assert done.stderr.splitlines()[:5] == [
        "note: x_train, y_train, x_test, y_test are taken for train_images, train_labels, "
        "validation_images, validation_labels",
        "note: images without a channel axis are taken for grey",
        "note: images resized from 28x28 to 32x32 pixels",
        "note: no class_names: the classes are called by their labels, 0, 1, 2, ...",
        "150 training and 60 validation images of 10 classes",
    ]
    assert open_zoo(tmp_path / "zoo").image_classes == tuple("0123456789")
    assert done.stdout == f"{tmp_path / 'zoo'} is complete: 1 network\n"


@pytest.mark.parametrize(
    ("epochs", "note", "kept"),
    [
        (1, "note: no checkpoint after epoch 2, 3, beyond the 1 of --epochs\n", (0,)),
        (2, "note: no checkpoint after epoch 3, beyond the 2 of --epochs\n", (0, 2)),
        (3, "", (0, 2, 3)),
    ],
)
def test_checkpoints_that_a_shorter_training_lacks(
    tmp_path: Path, epochs: int, note: str, kept: tuple[int, ...]
):
    write_npz(digits(), tmp_path / "x.npz")
    recipe = write_recipe(tmp_path)
    recipe.write_text(recipe.read_text() + "checkpoint_epochs = [0, 2, 3]\n")
    recipe.write_text(recipe.read_text().replace("epochs = 1\n", "epochs = 4\n"))
    done = hyperzoo("train", recipe, "--out", tmp_path / "zoo", "--epochs", epochs)
    assert done.exit_code == 0, done.exception
    assert done.stderr.startswith(f"{note}150 training")
    zoo = open_zoo(tmp_path / "zoo")
    assert zoo.recipe is not None
    assert zoo.recipe.training.checkpoint_epochs == kept


def test_classes_that_a_recipe_excludes_are_left_out_of_images_that_are_given(tmp_path: Path):
    given, recipe, zoo = tmp_path / "digits.npz", tmp_path / "recipe.toml", tmp_path / "zoo"
    write_npz(few(load_images("digits", channels=1), 150, 60), given)
    text = RECIPE.format(source="npz", path=given, size=32, channels=1)
    task = 'kind = "subset-vs-rest"\npositives = [2]\nsubsets = 2\nexclude = ["four"]'
    recipe.write_text(text.replace('kind = "multi-class"', task))
    trained = hyperzoo("train", recipe, "--out", zoo)
    assert trained.exit_code == 0, trained.output
    assert "validation images of four" in trained.output
    first = open_zoo(zoo).ids[0]
    again = hyperzoo("verify", zoo, "--retrain", first, "--images", given)
    assert again.exit_code == 0, again.output
    assert "weights equal bit for bit" in again.output
    shown = hyperzoo("show", zoo)
    assert "9 classes" in shown.output
    assert "subset-vs-rest" in shown.output
    assert first.rpartition("_")[0] in shown.output
    drawn = hyperzoo("export", zoo, "--format", "plots", "--out", tmp_path / "x", "--images", given)
    assert drawn.exit_code == 0, drawn.output
    assert (tmp_path / "x" / f"roc_curve_class_{first.replace('_', '_count_')}.png").exists()


def test_submit_says_what_is_trained_on(tmp_path: Path, place: dict[str, Path]):
    """As `train` does: notes, and the number of images."""
    pets = write_files(tmp_path / "pets", FOLDER | {"train/cat/a.avif": b"", "train/cat/b.db": b""})
    recipe = write_recipe(tmp_path, path=place["npz"])
    for images, notes in ((pets, ["passed over: 1 .avif, 1 .db"]), (place["tgz"], [])):
        options = ["--images", images, "--tasks", 2, "--dry-run"]
        done = hyperzoo("submit", recipe, "--out", tmp_path / images.stem / "zoo", *options)
        assert done.exit_code == 0, done.exception
        said = done.stderr.splitlines()
        assert {f"note: {note}" for note in notes} <= set(said)
        assert said[-1] == "15 training and 15 validation images of 5 classes"
