from pathlib import Path, PurePosixPath

import numpy as np
import pytest

from hyperzoo.errors import ImageError
from hyperzoo.images import ImageSet, load_images
from hyperzoo.images.layout import EVERY_FIFTH, find_layout
from hyperzoo.words import ACCENTS
from tests.images.samples import encoded, folder_files, write_files


def load(path: Path) -> ImageSet:
    return load_images("folder", path=path, size=14)


def notes_of(images: ImageSet) -> tuple[str, ...]:
    """What is said of names; of sizes and splits by numbers the last tests ask."""
    return tuple(n for n in images.notes if n != EVERY_FIFTH and not n.startswith("resized to"))


def split_files(train: str, validation: str, images: int = 3) -> dict[str, bytes]:
    return {
        f"{split}/{name}": content
        for split in (train, validation)
        for name, content in folder_files(images=images).items()
    }


def test_files_that_are_no_images_are_counted_and_named(tmp_path: Path):
    files = split_files("train", "val")
    stray = [
        "train/cat/a.heic",
        "train/dog/b.heic",
        "val/dog/c.txt",
        "val/dog/README",
        "x/y.py",
    ]
    images = load(write_files(tmp_path, files | dict.fromkeys(stray, b"")))
    assert notes_of(images) == (
        "left alone beside 'train' and 'val': x",
        "passed over: 2 .heic, 1 .txt, 1 without a suffix",
    )
    assert len(images.train_images) == 6


def test_nothing_is_said_where_nothing_is_left_out(tmp_path: Path):
    files = split_files("train", "val") | {"train/cat/._0.png": b"", "train/cat/.DS_Store": b""}
    assert notes_of(load(write_files(tmp_path, files))) == ()


@pytest.mark.parametrize(
    ("suffix", "kind"),
    [
        *((".jfif", "JPEG"), (".JPE", "JPEG"), (".jpeg", "JPEG"), (".webp", "WEBP")),
        *((".tif", "TIFF"), (".TIFF", "TIFF"), (".ppm", "PPM"), (".bmp", "BMP"), (".gif", "GIF")),
    ],
)
def test_suffixes_that_are_read(tmp_path: Path, suffix: str, kind: str):
    files = {
        f"{name}/{index}{suffix}": encoded(index + 10 * label, kind=kind, width=14)
        for label, name in enumerate(("cat", "dog"))
        for index in range(2)
    }
    images = load(write_files(tmp_path, files))
    assert (len(images.train_images), notes_of(images)) == (2, ())
    exact = load(
        write_files(tmp_path / "png", {f"{n}.png": encoded(s, kind="PNG", width=14)
        for n, s in (("cat/0", 0), ("cat/1", 1), ("dog/0", 10), ("dog/1", 11))})
    )  # fmt: skip
    difference = np.abs(images.train_images.astype(int) - exact.train_images)
    assert difference.mean() < (1e-9 if kind in ("TIFF", "PPM", "BMP") else 15)


def test_images_one_folder_deeper(tmp_path: Path):
    """Tiny ImageNet's layout."""
    flat = load(write_files(tmp_path / "flat", split_files("train", "val")))
    deep = {
        str(PurePosixPath(name).parent / "images" / PurePosixPath(name).name): content
        for name, content in split_files("train", "val").items()
    }
    deep["train/cat/cat_boxes.txt"] = b""
    images = load(write_files(tmp_path / "deep", deep))
    assert images.fingerprint == flat.fingerprint
    assert notes_of(images)[0] == "images lie one folder deeper than their class, in 'images'"
    beside = split_files("train", "val") | {"train/cat/more/9.png": encoded(kind="PNG")}
    images = load(write_files(tmp_path / "beside", beside))
    assert images.fingerprint == flat.fingerprint
    assert notes_of(images) == ("passed over: 1 folder in a class folder",)


@pytest.mark.parametrize(
    ("train", "validation", "notes"),
    [
        ("train", "val", ()),
        ("train", "validation", ()),
        ("train", "valid", ("'valid' is taken for validation",)),
        ("train", "test", ("'test' is taken for validation",)),
        ("Train", "Val", ("'Train' is taken for training", "'Val' is taken for validation")),
        ("TRAIN", "TEST", ("'TRAIN' is taken for training", "'TEST' is taken for validation")),
        ("training", "testing", None),
    ],
)
def test_names_of_splits(
    tmp_path: Path, train: str, validation: str, notes: tuple[str, ...] | None
):
    plain = load(write_files(tmp_path / "plain", split_files("train", "val")))
    images = load(write_files(tmp_path / "other", split_files(train, validation)))
    assert images.fingerprint == plain.fingerprint
    assert notes is None or notes_of(images) == notes


def test_a_test_split_beside_validation_is_left_alone(tmp_path: Path):
    files = split_files("train", "val")
    plain = load(write_files(tmp_path / "plain", files))
    more = {f"test/cat/{i}.png": encoded(i + 50, kind="PNG") for i in range(3)}
    images = load(write_files(tmp_path / "more", files | more))
    assert images.fingerprint == plain.fingerprint
    assert notes_of(images) == ("left alone beside 'train' and 'val': test",)


def test_a_lone_folder_around_it_all(tmp_path: Path):
    plain = load(write_files(tmp_path / "plain", folder_files()))
    images = load(write_files(tmp_path / "around" / "deep" / "pets", folder_files()).parents[1])
    assert images.fingerprint == plain.fingerprint
    assert notes_of(images) == ("the images lie in 'deep/pets'",)


def test_a_class_may_be_called_train(tmp_path: Path):
    images = load(write_files(tmp_path, folder_files(("car", "plane", "train"))))
    assert images.class_names == ("car", "plane", "train")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (["train/cat/a.svg", "train/dog/b.svg", "val/cat/c.svg"], "hold 2 .svg; convert images to"),
        (
            ["train/a/x/a.png", "train/a/y/a.png", "val/a/a.png", "val/b/a.png"],
            "hold the folders x, y: put",
        ),
        (["train/cat/a.png", "train/dog/a.png", "val/cat/a.png"], "val/dog is empty or not there"),
        (["train/cat/a.png", "train/dog/a.png"], "expected a folder 'val' .*, got none; make one"),
        (["train/cat/a.png", "test/a.png"], "got none; 'test' has no class folders; make one"),
        (["train/a.png", "val/a.png"], "no class folders, but 2 .png; the layout is"),
        (["a.png", "b.png"], "no class folders, but 2 .png; the layout is"),
        (["train/c/a.png", "train/d/a.png", "val/images/a.png"], "one folder, 'images', which is"),
        (["train/c/a.png", "val/c/a.png", "valid/c/a.png"], "for each split, got val, valid; keep"),
        (
            ["train/c/a.png", "Train/c/a.png", "val/c/a.png"],
            "for each split, got Train, train",
        ),
        (["cat/a.svg", "cat/b.svg", "dog/a.png", "dog/b.png"], "got 0; cat holds 2 .svg; convert"),
        ([], "no class folders; the layout is <class>/<image>"),
        (["a.npz"], "no class folders, but 1 .npz; give .*/a.npz itself"),
        (["a.zip", "b.TGZ", "c.txt"], "1 .zip; give one of .*/a.zip, .*/b.TGZ itself"),
        (["a.png", "b.zip"], "no class folders, but 1 .png, 1 .zip; the layout is"),
        (["train/a.zip", "val/b.zip"], "but 2 .zip; give one of .*/train/a.zip, .*/val/b.zip its"),
        (
            ["cat/a.zip", "dog/b.zip"],
            "cat holds 1 .zip; unpack it, or, where it holds all classes, give .*/cat/a.zip itself",
        ),
    ],
)
def test_the_error_says_what_lies_there(tmp_path: Path, files: list[str], message: str):
    write_files(tmp_path, dict.fromkeys(files, encoded(kind="PNG")))
    with pytest.raises(ImageError, match=message):
        load(tmp_path)


def test_the_advice_on_a_folder_without_validation_works(tmp_path: Path):
    write_files(tmp_path / "train", folder_files())
    with pytest.raises(ImageError, match="or give 'train' itself as the folder"):
        load(tmp_path)
    assert len(load(tmp_path / "train").validation_images) == 4


def test_long_lists_are_cut():
    names = [f"class{number}" for number in range(30)]

    def children(place: PurePosixPath) -> tuple[list[str], list[str]]:
        return {"": (["train", "val"], []), "train": (names, []), "val": (names, [])}.get(
            str(place) if place.name else "", ([], [])
        )

    with pytest.raises(ImageError, match=r"no images of class0, .*class15, and 22 more; every"):
        find_layout(children, "here")


@pytest.mark.parametrize(
    ("train", "validation"),
    [
        *(
            ("training_set", "test_set"),
            ("train_images", "val_images"),
            ("Train-Data", "Test-Data"),
        ),
        *(("seg_train", "seg_test"), ("seg_train/seg_train", "seg_test/seg_test")),
    ],
)
def test_longer_names_of_splits(tmp_path: Path, train: str, validation: str):
    images = load(write_files(tmp_path, split_files(train, validation)))
    assert images.class_names == ("cat", "dog")
    assert (len(images.train_images), len(images.validation_images)) == (6, 6)
    assert f"'{train.partition('/')[0]}' is taken for training" in images.notes
    assert f"'{validation.partition('/')[0]}' is taken for validation" in images.notes
    said = "the images of 'seg_train' lie in 'seg_train/seg_train'" in images.notes
    assert said is ("/" in train)


def test_classes_whose_names_are_like_splits(tmp_path: Path):
    images = load(write_files(tmp_path, folder_files(("freight_train", "steam_train", "val_x"))))
    assert images.class_names == ("freight_train", "steam_train", "val_x")


def test_images_in_splits_of_a_class_folder(tmp_path: Path):
    """As YOLO has it: images/train and labels/train."""
    files = {f"images/{name}": content for name, content in split_files("train", "val").items()}
    write_files(tmp_path, files | {"labels/train/cat/0.txt": b"0", "labels/val/cat/0.txt": b"0"})
    with pytest.raises(ImageError, match="which are splits: give 'images' itself as the folder"):
        load(tmp_path)
    assert load(tmp_path / "images").class_names == ("cat", "dog")


def test_what_is_done_with_images_of_folders_is_said(tmp_path: Path):
    files = {
        f"{name}/{index}.png": encoded(index, kind="PNG", width=width, mode=mode)
        for name in ("cat", "dog")
        for index, (width, mode) in enumerate([(14, "RGB"), (20, "RGB"), (14, "L"), (9, "L")])
    }
    place = write_files(tmp_path, files)
    assert load(place).notes == (
        EVERY_FIFTH,
        "grey made RGB in 4 of 8 images",
        "resized to 14x14 pixels in 4 of 8 images",
    )
    assert load_images("folder", path=place, size=20, channels=1).notes == (
        EVERY_FIFTH,
        "RGB made grey in 4 of 8 images",
        "resized to 20x20 pixels in 8 of 8 images",
    )


@pytest.mark.parametrize(
    "names", [("train", "test1"), ("training", "test_images2"), ("val", "test")]
)
def test_splits_without_class_folders_are_no_classes(tmp_path: Path, names: tuple[str, str]):
    """Kaggle's competitions have one folder of images for all classes."""
    place = write_files(tmp_path, folder_files(names) | {"sampleSubmission.csv": b"id"})
    told = ", ".join(sorted(names))
    with pytest.raises(ImageError, match=f"expected class folders, got {told}, which are called"):
        load(place)


def test_flat_splits_get_advice_that_can_be_followed(tmp_path: Path):
    place = write_files(tmp_path, folder_files(("train", "test")))
    with pytest.raises(ImageError, match=r"got none; sort the images into 'train/<class>'"):
        load(place)


def test_a_class_that_is_called_as_a_split_is_said(tmp_path: Path):
    """Trains, cars and boats."""
    images = load(write_files(tmp_path, folder_files(("boat", "car", "train"))))
    assert images.class_names == ("boat", "car", "train")
    assert "taken for classes, though splits are called so: train" in images.notes
    engines = load(write_files(tmp_path / "x", folder_files(("steam_train", "diesel_train"))))
    assert not any("splits are called so" in note for note in engines.notes)


@pytest.mark.parametrize("split", [False, True])
def test_accents_of_macos(tmp_path: Path, split: bool):
    """A class has one name, whatever the disk that its folder was on."""
    apart, together = "cafe\N{COMBINING ACUTE ACCENT}", "caf\N{LATIN SMALL LETTER E WITH ACUTE}"
    if split:
        files = {f"train/{name}": own for name, own in folder_files(("bar", apart)).items()}
        files |= {f"val/{name}": own for name, own in folder_files(("bar", together)).items()}
    else:
        files = folder_files(("bar", apart))
    images = load(write_files(tmp_path, files))
    assert images.class_names == ("bar", together)
    assert f"{ACCENTS}: {together}" in images.notes
    twice = write_files(tmp_path / "twice", folder_files((apart, together)))
    with pytest.raises(ImageError, match=f"two folders of the class '{together}'"):
        load(twice)
