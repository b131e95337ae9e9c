"""Image data sets of the Hub, from a cache of the library `datasets` that holds them already."""

import io
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hyperzoo.errors import ImageError, MissingExtraError
from hyperzoo.images import load_images, load_images_at
from hyperzoo.images.remember import remember_place, remembered_place
from hyperzoo.recipe import parse_recipe
from tests.images.published.samples import pixels

datasets = pytest.importorskip("datasets")

Save = Callable[..., str]
PICTURES = pixels(20, 8, 8)
LABELS = [label % 3 for label in range(20)]
NAMES = ["T - shirt / top", "coat", "bag"]


def png(picture: np.ndarray) -> dict[str, Any]:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return {"bytes": buffer.getvalue(), "path": None}


@pytest.fixture
def save(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Save:
    """Puts a data set into an offline cache, where the library leaves what it has downloaded."""
    cache = tmp_path / "cache"
    monkeypatch.chdir(tmp_path)
    for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"):
        monkeypatch.setattr(datasets.config, name, True, raising=False)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", cache)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)

    def save(splits: dict[str, dict[str, list[Any]]], features: dict[str, Any]) -> str:
        source = tmp_path / "source" / "wear"
        source.mkdir(parents=True)
        for split, columns in splits.items():
            table = datasets.Dataset.from_dict(columns, features=datasets.Features(features))
            table.to_parquet(source / f"{split}-00000-of-00001.parquet")
        built = datasets.load_dataset(str(source), cache_dir=str(cache))
        del built
        shutil.move(cache / "wear", cache / "owner___wear")
        shutil.rmtree(tmp_path / "source")
        return "owner/wear"

    return save


def columns(count: int = 20, labels: list[Any] | None = None, **more: Any) -> dict[str, Any]:
    return {
        "image": [png(picture) for picture in PICTURES[:count]],
        "label": LABELS[:count] if labels is None else labels,
    } | more


FEATURES = {"image": datasets.Image(), "label": datasets.ClassLabel(names=NAMES)}


def test_pixels_labels_names_and_notes(save: Save):
    name = save({"train": columns(), "test": columns(6)}, FEATURES)
    images = load_images("hub", path=name, size=8, channels=1)
    assert (images.name, images.class_names) == ("wear", ("T_-_shirt_top", "coat", "bag"))
    np.testing.assert_array_equal(images.train_images[..., 0], PICTURES)
    np.testing.assert_array_equal(images.validation_labels, LABELS[:6])
    assert images.notes == (
        "split 'train' is for training, 'test' for validation",
        "images are column 'image', labels are 'label'",
        "class names changed: 'T - shirt / top' to 'T_-_shirt_top'",
    )
    again = load_images_at(f"hub:{name}", size=8, channels=1)
    assert again.fingerprint == images.fingerprint


def test_splits_and_columns_are_chosen_by_names_and_features(save: Save):
    fine = datasets.ClassLabel(names=["a", "b", "c"])
    features = {
        "img": datasets.Image(),
        "fine": fine,
        "coarse": fine,
        "id": datasets.Value("int64"),
    }
    part = columns()
    table = {"img": part["image"], "fine": part["label"], "coarse": LABELS[::-1], "id": LABELS}
    name = save({"train": table, "validation": table, "test": table}, features)
    images = load_images("hub", path=name, size=8)
    np.testing.assert_array_equal(images.train_labels, LABELS)
    assert images.notes == (
        "split 'train' is for training, 'validation' for validation",
        "splits left alone: test",
        "images are column 'img', labels are 'fine'",
        "columns left alone, which could be meant too: coarse",
        "grey made RGB in 40 of 40 images",
    )


def test_texts_as_labels_and_one_split(save: Save):
    texts = [("pear", "apple")[index % 2] for index in range(20)]
    features = {"image": datasets.Image(), "label": datasets.Value("string")}
    images = load_images("hub", path=save({"train": columns(labels=texts)}, features), size=8)
    assert images.class_names == ("apple", "pear")
    # Of each class the second and every fifth after it: 1 and 6 of the ten.
    assert len(images.validation_labels) == 4
    np.testing.assert_array_equal(images.validation_images[..., 0], PICTURES[[2, 3, 12, 13]])
    assert images.notes[0] == "split 'train' alone: every fifth image of a class is for validation"


def test_numbers_as_labels(save: Save):
    features = {"image": datasets.Image(), "label": datasets.Value("int64")}
    labels = [5 + 2 * label for label in LABELS]
    name = save({"train": columns(labels=labels), "test": columns(labels=labels)}, features)
    assert load_images("hub", path=name, size=8).class_names == ("5", "7", "9")


@pytest.mark.parametrize(
    ("splits", "features", "message"),
    [
        ({"test": columns()}, FEATURES, "expected a split 'train', got test"),
        (
            {"train": {"label": LABELS}},
            {"label": FEATURES["label"]},
            "a column of images, got l",
        ),
        ({"train": {"image": columns()["image"]}}, {"image": FEATURES["image"]}, "of class label"),
        ({"train": columns(labels=[-1] * 20)}, FEATURES, "images without a label"),
        (
            {"train": columns(image=[None, *columns()["image"][1:]])},
            FEATURES,
            "train image 0: no image",
        ),
        (
            {"train": columns(image=[{"bytes": b"x", "path": None}] * 20)},
            FEATURES,
            "train image 0: not an image that can be decoded",
        ),
        (
            {"train": columns(image=[{"bytes": None, "path": "/etc/hostname"}] * 20)},
            FEATURES,
            "train image 0: no image",
        ),
    ],
)
def test_what_is_no_set_of_labelled_images(
    save: Save, splits: dict[str, Any], features: dict[str, Any], message: str
):
    with pytest.raises(ImageError, match=f"hub:owner/wear: .*{message}"):
        load_images("hub", path=save(splits, features), size=8)


def test_names_and_what_is_not_there(save: Save, tmp_path: Path):
    for name in ("../up", "/etc", "a/b/c/d", "a b"):
        with pytest.raises(ImageError, match="expected OWNER/NAME of a data set"):
            load_images("hub", path=name)
    with pytest.raises(ImageError, match="hub:owner/nothing: the library datasets can't load it"):
        load_images("hub", path="owner/nothing")
    (tmp_path / "owner" / "wear").mkdir(parents=True)
    with pytest.raises(ImageError, match="there is a file or folder owner/wear here"):
        load_images("hub", path="owner/wear")


def test_without_the_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(__version__="3.6.0"))
    with pytest.raises(MissingExtraError, match=r"need datasets 4 or newer, got 3\.6\.0"):
        load_images("hub", path="owner/wear")
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtraError, match=r"install it with: pip install .hyperzoo\[hub\]"):
        load_images("hub", path="owner/wear")


def test_a_zoo_keeps_the_name_on_the_hub_and_its_digest_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def recipe(source: str, path: str) -> Any:
        return parse_recipe(
            {
                "name": "a",
                "networks_per_class": 1,
                "images": {"source": source, "path": path},
                "architecture": {"name": "lenet5"},
            }
        )

    hub, other = recipe("hub", "owner/wear"), recipe("hub", "owner/other")
    assert hub.canonical()["images"]["path"] == "owner/wear"
    assert hub.images_path == Path("owner/wear")
    assert hub.digest == other.digest
    assert "path" not in recipe("idx", "mnist").canonical()["images"]
    monkeypatch.setenv("HYPERZOO_CACHE", str(tmp_path))
    remember_place("f" * 64, "hub", Path("owner/wear"))
    assert remembered_place("f" * 64) == ("hub", Path("owner/wear"))
