"""Images of a class, or of several, in a folder."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hyperzoo.errors import ImageError
from hyperzoo.images.given import GivenImages, load_given


def pictures(folder: Path, count: int, size: int = 8, first: int = 0) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(first, first + count):
        shade = np.full((size, size, 3), 10 * number, np.uint8)
        Image.fromarray(shade).save(folder / f"{number}.png")
    return folder


def test_a_folder_of_images_is_a_class(tmp_path: Path):
    found = load_given(pictures(tmp_path / "owl", 3), size=8, channels=3)
    assert (found.class_names, len(found), found.notes) == (("owl",), 3, ())
    assert found.images["owl"].shape == (3, 8, 8, 3)
    assert [int(own[0, 0, 0]) for own in found.images["owl"]] == [0, 10, 20]


def test_a_folder_a_class(tmp_path: Path):
    pictures(tmp_path / "set" / "yak", 2)
    pictures(tmp_path / "set" / "cat", 1, size=16, first=5)
    (tmp_path / "set" / "notes.txt").write_text("no image")
    found = load_given(tmp_path / "set", size=8, channels=1)
    assert found.class_names == ("cat", "yak")
    assert found.images["cat"].shape == (1, 8, 8, 1)
    assert int(found.images["cat"][0, 0, 0, 0]) == 50
    assert found.notes == (
        "passed over: 1 file or folder beside the images",
        "RGB made grey in 3 of 3 images",
        "resized to 8x8 pixels in 1 of 3 images",
    )


def test_the_fingerprint_is_of_names_and_pixels(tmp_path: Path):
    found = load_given(pictures(tmp_path / "owl", 3), size=8, channels=3)
    same = load_given(pictures(tmp_path / "else" / "owl", 3), size=8, channels=3)
    assert same.fingerprint == found.fingerprint
    other = load_given(pictures(tmp_path / "cat", 3), size=8, channels=3)
    fewer = load_given(pictures(tmp_path / "some" / "owl", 2), size=8, channels=3)
    assert len({found.fingerprint, other.fingerprint, fewer.fingerprint}) == 3


def test_what_is_refused(tmp_path: Path):
    def refused(folder: Path, message: str) -> None:
        with pytest.raises(ImageError, match=message):
            load_given(folder, size=8, channels=3)

    refused(tmp_path / "none", "there is no such folder; expected a folder with images of one")
    own = pictures(tmp_path / "owl", 2)
    refused(own / "1.png", "it is a file; expected a folder with images .*; give one")
    pictures(own / "more", 1)
    refused(own, r"images beside 1 folder \(more\)")
    (tmp_path / "empty" / "cat").mkdir(parents=True)
    refused(tmp_path / "empty" / "cat", "no images; expected")
    (tmp_path / "empty" / "cat" / "a.txt").write_text("no image")
    refused(tmp_path / "empty" / "cat", "no images, but 1 other file; expected")
    refused(tmp_path / "empty", "cat: no images, but 0 folders, 1 other file; expected")
    pictures(tmp_path / "bad", 1)
    (tmp_path / "bad" / "x.png").write_bytes(b"nothing")
    refused(tmp_path / "bad", "x.png: not an image that can be decoded")
    (pictures(tmp_path / "linked", 1) / "x.png").symlink_to(own / "1.png")
    refused(tmp_path / "linked", "the link leads out of")
    refused(pictures(tmp_path / "my owl", 1), "class name 'my owl' must consist of letters")


def test_arrays_that_are_no_images_are_refused():
    for images in ({}, {"cat": np.zeros((0, 8, 8, 1), np.uint8)}, {"cat": np.zeros(3, np.uint8)}):
        with pytest.raises(ImageError, match="expected one or more images of every class"):
            GivenImages(name="few", images=images)
    with pytest.raises(ImageError, match="expected uint8, got float64"):
        GivenImages(name="few", images={"cat": np.zeros((1, 8, 8, 1))})  # type: ignore[dict-item]
