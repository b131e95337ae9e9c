"""STL-10's binary files: https://cs.stanford.edu/~acoates/stl10/."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperzoo.errors import ImageError
from hyperzoo.images import load_images_at
from hyperzoo.images.published.labels import lines
from hyperzoo.images.published.stl10 import parse_stl10
from tests.images.published.samples import STL10_NAMES, pixels, stl10_files, write
from tests.images.samples import write_archive

FILES = stl10_files()


def test_pixels_labels_and_names(tmp_path: Path):
    folder = write(tmp_path / "stl10_binary", FILES | {"unlabeled_X.bin": b"never read"})
    images = load_images_at(folder, size=96)
    assert (images.name, images.class_names) == ("stl10", STL10_NAMES)
    np.testing.assert_array_equal(images.train_labels, np.arange(12) % 10)
    np.testing.assert_array_equal(
        images.train_images[0], np.arange(96 * 96 * 3).reshape(96, 96, 3) % 251
    )
    np.testing.assert_array_equal(images.validation_images[3], pixels(10, 96, 96, 3, seed=10)[3])
    assert images.notes == (
        "passed over: unlabeled_X.bin", "the test split is taken for validation",
    )  # fmt: skip
    archive = write_archive(tmp_path / "stl10_binary.tar.gz", FILES, top="stl10_binary/")
    small = [load_images_at(place) for place in (folder, archive)]
    assert small[0].fingerprint == small[1].fingerprint
    assert "images resized from 96x96 to 32x32 pixels" in small[0].notes


def test_without_names(tmp_path: Path):
    files = {name: content for name, content in FILES.items() if name.endswith(".bin")}
    images = load_images_at(write(tmp_path, files), size=8)
    assert images.class_names == tuple(str(label) for label in range(1, 11))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "test_X.bin",
            FILES["test_X.bin"][:-1],
            "expected images of 27648 bytes, got 276479 bytes",
        ),
        ("test_X.bin", b"", "an empty file; the file is cut off"),
        ("test_X.bin", b"<html>", "a web page; download the file itself"),
        ("test_y.bin", bytes(10), "test_y.bin: expected labels 1 to 10, got 0; the file is damag"),
        ("test_y.bin", b"\x0b" * 10, "test_y.bin: expected labels 1 to 10, got 11"),
        ("test_y.bin", b"\x01" * 9, "test: 10 images, but 9 labels"),
        ("class_names.txt", b"a\nb\n", "expected 10 names, got 2"),
        ("class_names.txt", b"a b\na-b\na_b" + b"\nc" * 7, "two classes would be called 'a_b'"),
    ],
)
def test_damaged_files(name: str, content: bytes, message: str):
    with pytest.raises(ImageError, match=message):
        parse_stl10(FILES | {name: content})


@given(st.binary(max_size=12), st.integers(0, 3 * 27648))
def test_any_sizes_are_read_or_refused(labels: bytes, size: int):
    try:
        raw = parse_stl10(FILES | {"test_y.bin": labels, "test_X.bin": bytes(size)})
    except ImageError:
        return
    assert raw.validation_images.shape == (len(labels), 96, 96, 3)
    assert size == len(labels) * 27648


def test_a_byte_order_mark_is_no_part_of_a_name():
    assert lines("\ufeffcat\r\ndog\n".encode()) == ("cat", "dog")
