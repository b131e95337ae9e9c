from pathlib import Path

import numpy as np
import pytest

from hyperzoo.errors import ImageError
from hyperzoo.images import ImageSet, folder, load_images
from hyperzoo.images.decode import decode_image
from tests.images.samples import encoded, folder_files, write_files


def load(path: Path) -> ImageSet:
    return load_images("folder", path=path, size=14)


def test_a_split_folder_keeps_its_split(tmp_path: Path):
    write_files(tmp_path / "train", folder_files(("dog", "cat"), images=3))
    write_files(tmp_path / "val", folder_files(("dog", "cat"), images=2))
    images = load(tmp_path)
    assert images.class_names == ("cat", "dog")
    assert images.train_labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert images.validation_labels.tolist() == [0, 0, 1, 1]
    assert images.name == tmp_path.name


def test_without_a_split_every_fifth_file_validates(tmp_path: Path):
    files = {
        f"{name}/{i:02}.png": encoded(i, kind="PNG", width=14)
        for name in ("cat", "dog")
        for i in range(12)
    }
    images = load(write_files(tmp_path, files))
    expected = [decode_image(files[f"cat/{i:02}.png"], "", channels=3).pixels for i in (1, 6, 11)]
    np.testing.assert_array_equal(images.validation_images[:3], expected)
    assert images.train_labels.tolist() == [0] * 9 + [1] * 9


def test_the_split_of_the_smallest_class(tmp_path: Path):
    images = load(write_files(tmp_path, folder_files(images=2)))
    assert (len(images.train_images), len(images.validation_images)) == (2, 2)


def test_stray_files_are_ignored(tmp_path: Path):
    clean = load(write_files(tmp_path, folder_files())).fingerprint
    stray = dict.fromkeys(
        ["notes.txt", "0.jpg", "cat/._0.png", "cat/Thumbs.db", "cat/deep/0.png", ".git/a.png"],
        b"stray",
    )
    (tmp_path / "cat" / "folder.png").mkdir()
    assert load(write_files(tmp_path, stray)).fingerprint == clean


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "no class folders; the layout is <class>/<image>"),
        (folder_files(["cat"]), "expected 2 classes or more, got 1"),
        (folder_files() | {"eel/a.txt": b""}, r"eel: .* got 0; eel holds 1 \.txt; convert"),
        (folder_files() | {"eel/a.png": b""}, r"eel: expected 2 images or more, .*, got 1; add"),
        (folder_files() | {"cat/x.JPG": b"no"}, r"cat/x\.JPG: not an image that can be decoded"),
        (folder_files(["cat", "my dog"]), "class name 'my dog' must consist of letters"),
    ],
)
def test_unsplit_folders_that_cannot_be_used(tmp_path: Path, files: dict, message: str):
    with pytest.raises(ImageError, match=rf"{tmp_path}.*{message}"):
        load(write_files(tmp_path, files))


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        ({"train": ["cat", "dog"]}, "expected a folder 'val' with .* beside 'train', got none"),
        (
            {"train": ["cat", "dog"], "val": ["cat"], "validation": ["dog"]},
            "one folder for each split, got val, validation; keep one",
        ),
        ({"train": ["cat", "dog"], "val": ["cat"]}, "validation split: no images of dog"),
        ({"train": ["cat"], "val": ["cat", "dog"]}, "train split: no images of dog"),
    ],
)
def test_split_folders_that_cannot_be_used(tmp_path: Path, folders: dict, message: str):
    for name, classes in folders.items():
        write_files(tmp_path / name, folder_files(classes))
    with pytest.raises(ImageError, match=rf"{tmp_path}.*{message}"):
        load(tmp_path)


def test_links_may_stay_within_the_folder_but_not_lead_out(tmp_path: Path):
    root = write_files(tmp_path / "pets", folder_files())
    outside = write_files(tmp_path / "outside", {"a.png": encoded(), "b.png": encoded()})
    (root / "dog" / "same.png").symlink_to(root / "cat" / "0.png")
    assert len(load(root).train_images) == 11
    (root / "dog" / "same.png").unlink()
    (root / "cat" / "secret.png").symlink_to(outside / "a.png")
    with pytest.raises(ImageError, match=r"secret\.png: the link leads out of .*pets"):
        load(root)
    (root / "cat" / "secret.png").unlink()
    (root / "eel").symlink_to(outside)
    with pytest.raises(ImageError, match=r"eel/a\.png: the link leads out of"):
        load(root)
    # The folder itself may be a link.
    (root / "eel").unlink()
    (tmp_path / "link").symlink_to(root)
    assert load(tmp_path / "link").fingerprint == load(root).fingerprint


def test_broken_links_and_large_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    root = write_files(tmp_path, folder_files())
    (root / "cat" / "x.png").symlink_to(root / "nowhere.png")
    with pytest.raises(ImageError, match=r"x\.png: expected a file, got a broken link"):
        load(root)
    (root / "cat" / "x.png").unlink()
    monkeypatch.setattr(folder, "MAX_FILE_BYTES", 10)
    with pytest.raises(ImageError, match=r"cat/0\.png: larger than"):
        load(root)
