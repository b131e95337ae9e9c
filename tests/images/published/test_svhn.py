"""SVHN's MATLAB files ("format 2"): http://ufldl.stanford.edu/housenumbers/."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperzoo.errors import ImageError
from hyperzoo.images import load_images_at
from hyperzoo.images.published.svhn import parse_svhn
from tests.images.published.samples import mat, pixels, svhn_arrays, svhn_files, write

FILES = svhn_files()


@pytest.mark.parametrize("compressed", [True, False])
def test_pixels_labels_and_names(tmp_path: Path, compressed: bool):
    folder = write(tmp_path, svhn_files(compressed) | {"extra_32x32.mat": b"never read"})
    images = load_images_at(folder)
    assert (images.name, images.class_names[0], images.class_names[9]) == ("svhn", "zero", "nine")
    np.testing.assert_array_equal(images.validation_labels, [1, 2, 3, 4, 5, 6, 7, 8, 9, 0])
    expected = svhn_arrays(20, 20)["X"].transpose(3, 0, 1, 2)
    np.testing.assert_array_equal(images.train_images, expected)
    assert images.notes == (
        "label 10 is taken for the digit 0",
        "passed over: extra_32x32.mat",
        "the test split is taken for validation",
    )
    one = load_images_at(folder / "test_32x32.mat")
    assert one.fingerprint == images.fingerprint
    assert "taken from the same folder: train_32x32.mat" in one.notes


def test_labels_as_doubles_are_the_same():
    arrays = svhn_arrays(10, 10)
    doubles = mat(X=arrays["X"], y=arrays["y"].astype(float))
    raw = parse_svhn({"train_32x32.mat": doubles, "test_32x32.mat": FILES["test_32x32.mat"]})
    np.testing.assert_array_equal(raw.train_labels, raw.validation_labels)


def element(kind: int, content: bytes, size: int | None = None) -> bytes:
    padding = bytes(-len(content) % 8)
    return struct.pack("<II", kind, len(content) if size is None else size) + content + padding


def matrix(name: bytes, shape: tuple[int, ...], numbers: bytes) -> bytes:
    parts = (
        element(6, struct.pack("<II", 9, 0)),
        element(5, struct.pack(f"<{len(shape)}i", *shape)),
        element(1, name),
        element(2, numbers),
    )
    return element(14, b"".join(parts))


HEADER = FILES["test_32x32.mat"][:128]
X = pixels(32, 32, 3, 2)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (FILES["test_32x32.mat"][:-5], "bytes where .* are left; the file is cut off or damaged"),
        (FILES["test_32x32.mat"][:140], "where 4 are left"),
        (HEADER + b"\x0f\0", "cut off within a tag"),
        (HEADER[:126] + b"MI", "of a little-endian machine"),
        (HEADER[:127], "expected a MATLAB file of version 5"),
        (HEADER + element(14, element(6, bytes(4))), "an array without flags"),
        (HEADER + element(14, element(6, b"\x09" + bytes(7))), "without shape, name or numbers"),
        (HEADER + element(14, element(0x90002, b"")), "a small element of 9 bytes"),
        (HEADER + matrix(b"X", (32, 32, 3, 2**30), b"abc"), "of uint8 has 3 bytes; the file is"),
        (HEADER + matrix(b"X", (-1, -1, 3, 1), b"abc"), r"shape \(-1, -1, 3, 1\) of uint8 has 3"),
        (HEADER + matrix(b"X", (0, 32, 3, 2**30), b""), "there is no|expected y"),
        (HEADER, "expected X, uint8 .*, got nothing"),
        (HEADER + element(15, b"no zlib"), "damaged or cut off"),
        (HEADER + element(14, b"", 2**32 - 1), "a part of 4294967295 bytes where 0 are left"),
        (mat(X=X.astype(float), y=[[1], [2]]), r"expected X, .*, got float64 \(32, 32, 3, 2\)"),
        (mat(X=X[:, :, :2], y=[[1], [2]]), r"got uint8 \(32, 32, 2, 2\)"),
        (mat(X=[[{"a": 1}]], y=[[1], [2]]), "expected X, uint8"),
        (mat(X=X), "expected y, numbers .*, got nothing"),
        (mat(X=X, y="ab"), "expected y, numbers .*, got nothing"),
        (mat(X=X, y=[[1.0], [2.5]]), "expected whole numbers as labels"),
        (mat(X=X, y=[[1.0], [np.nan]]), "expected whole numbers as labels"),
        (mat(X=X, y=np.array([[0], [1]], np.uint8)), "expected labels 1 to 10, got 0"),
        (mat(X=X, y=np.array([[1], [11]], np.uint8)), "expected labels 1 to 10, got 11"),
        (mat(X=X, y=np.array([[1]], np.uint8)), "2 images, but 1 labels"),
        (b"MATLAB 7.3 MAT-file", "got a MATLAB file of version 7.3; save it with -v7"),
        (b"\x89HDF\r\n", "got an HDF5 file"),
        (b"<html>", "got a web page"),
        (b"", "got an empty file"),
    ],
)
def test_hostile_and_damaged_files(content: bytes, message: str):
    with pytest.raises(ImageError, match=f"test_32x32.mat: .*{message}"):
        parse_svhn(FILES | {"test_32x32.mat": content})


def test_a_file_that_becomes_far_larger():
    bomb = HEADER + element(15, zlib.compress(bytes(2**27)))
    with pytest.raises(ImageError, match=r"refused, because more than 67108864 bytes come"):
        parse_svhn(FILES | {"test_32x32.mat": bomb})


@settings(max_examples=60)
@given(st.integers(0, 400), st.binary(min_size=1, max_size=8))
def test_changed_files_are_read_or_refused(place: int, change: bytes):
    content = mat(False, **svhn_arrays(10, 10))
    content = content[:place] + change + content[place + len(change) :]
    try:
        raw = parse_svhn(FILES | {"test_32x32.mat": content})
    except ImageError:
        return
    assert raw.validation_images.shape[3] == 3
