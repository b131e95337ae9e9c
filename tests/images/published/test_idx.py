"""MNIST's format: https://yann.lecun.com/exdb/mnist/, and the names that others gave such files."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hyperzoo.errors import ImageError
from hyperzoo.images import load_images, load_images_at
from hyperzoo.images.published.idx import parse_idx
from tests.images.published.samples import gzipped, idx, idx_files, pixels, write
from tests.images.samples import write_archive, write_files

SHAPES = hnp.array_shapes(min_dims=1, max_dims=4, max_side=6)


@given(hnp.arrays(np.uint8, SHAPES))
def test_what_is_written_is_read(array):
    np.testing.assert_array_equal(parse_idx(idx(array), "a", array.ndim), array)


@given(hnp.arrays(np.uint8, SHAPES), st.data())
def test_no_byte_may_be_missing_or_too_many(array, data):
    content = idx(array)
    cut = data.draw(st.integers(0, len(content) - 1))
    with pytest.raises(ImageError, match="a: "):
        parse_idx(content[:cut], "a", array.ndim)
    with pytest.raises(ImageError, match="its header tells of"):
        parse_idx(content + b"\0", "a", array.ndim)


@given(st.binary(max_size=64) | st.binary(max_size=24).map(lambda rest: b"\0\0\x08\x03" + rest))
def test_any_bytes_are_read_or_refused(content: bytes):
    try:
        array = parse_idx(content, "a", 3)
    except ImageError:
        return
    assert idx(array) == content


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (struct.pack(">HBB3I", 0, 8, 3, 2**31, 2**31, 2**31) + b"abc", "got 3; the file is cut"),
        (struct.pack(">HBB3I", 0, 8, 3, 0, 28, 28), "there is nothing in it"),
        (struct.pack(">HBB3I", 0, 13, 3, 1, 1, 1) + b"abcd", r"of bytes \(type 0x08\), got floats"),
        (struct.pack(">HBB3I", 0, 1, 3, 1, 1, 1) + b"abcd", "got type 0x01"),
        (idx(pixels(3)), "expected an idx file of 3 axes, got 1"),
        (b"\0\0\x08\x03\0\0", "cut off within its header"),
        (b"", "expected an idx file, got an empty file"),
        (b"<!DOCTYPE HTML><title>403 Forbidden", "got a web page; download the file itself"),
        (b"PK\x03\x04", "expected an idx file, got a zip file"),
    ],
)
def test_what_is_no_idx_file_of_images(content: bytes, message: str):
    with pytest.raises(ImageError, match=f"images: .*{message}") as caught:
        parse_idx(content, "images", 3)
    assert "; " in str(caught.value)  # what to do next
    assert "download" in str(caught.value)


def test_pixels_labels_and_names(tmp_path: Path):
    images = load_images_at(write(tmp_path / "mnist", idx_files()), size=9, channels=1)
    assert images.class_names == tuple("0123456789")
    assert images.name == "mnist"
    np.testing.assert_array_equal(images.validation_labels, np.arange(10))
    np.testing.assert_array_equal(images.train_labels, np.arange(20) % 10)
    square = {
        f"{split}-images-idx3-ubyte": idx(pixels(count, 9, 9, seed=seed))
        for split, count, seed in (("train", 20, 3), ("t10k", 10, 4))
    }
    found = load_images_at(write(tmp_path / "b", idx_files() | square), size=9, channels=1)
    np.testing.assert_array_equal(found.train_images[..., 0], pixels(20, 9, 9, seed=3))
    np.testing.assert_array_equal(found.validation_images[..., 0], pixels(10, 9, 9, seed=4))
    assert images.notes == (
        "images resized from 7x9 to 9x9 pixels",
        "no class_names: the classes are called by their labels, 0, 1, 2, ...",
        "the test split is taken for validation",
    )


def test_all_packings_and_namings_are_the_same_images(tmp_path: Path):
    files = idx_files()
    dotted = {name.replace("-idx", ".idx"): content for name, content in files.items()}
    nested = {f"{name}/{name}": content for name, content in files.items()}
    places = [
        write(tmp_path / "plain", files),
        write(tmp_path / "zipped", gzipped(files)),
        write(tmp_path / "dotted", dotted),
        write_files(tmp_path / "kaggle", dotted | nested),
        write(tmp_path / "torchvision" / "MNIST" / "raw", files | gzipped(files)).parents[1],
        write(tmp_path / "test", idx_files(test="test")),
        write_archive(tmp_path / "a.tgz", gzipped(files), top="data/"),
        write_archive(tmp_path / "b.tgz", files, top=""),
        tmp_path / "plain" / "t10k-labels-idx1-ubyte",
        tmp_path / "zipped" / "train-images-idx3-ubyte.gz",
    ]
    found = [load_images_at(place, size=8) for place in places]
    assert len({images.fingerprint for images in found}) == 1
    assert [images.name for images in found] == [
        "plain", "zipped", "dotted", "kaggle", "MNIST", "test", "a", "b", "plain", "zipped",
    ]  # fmt: skip
    assert "passed over, as it is there unpacked: MNIST/raw/t10k-images-idx3" in found[4].notes[-2]
    assert found[8].notes[-2] == (
        "taken from the same folder: t10k-images-idx3-ubyte, train-images-idx3-ubyte, "
        "train-labels-idx1-ubyte"
    )


def test_they_are_those_of_keras_npz(tmp_path: Path):
    """The same images under other people's names train the same networks."""
    folder = write(tmp_path / "mnist", idx_files())
    np.savez(
        tmp_path / "mnist.npz",
        x_train=pixels(20, 7, 9, seed=0), y_train=(np.arange(20) % 10).astype(np.uint8),
        x_test=pixels(10, 7, 9, seed=1), y_test=np.arange(10, dtype=np.uint8),
    )  # fmt: skip
    one, other = (load_images_at(place, size=8) for place in (folder, tmp_path / "mnist.npz"))
    assert one.fingerprint == other.fingerprint


def test_emnist_has_a_name_and_a_mapping(tmp_path: Path):
    mapping = "\n".join(f"{label} {64 + label} {96 + label}" for label in range(1, 11))
    letters = gzipped(idx_files("emnist-letters-", "test", first=1))
    marked = f"\ufeff{mapping}\n\n".encode()  # as Windows' editors write it
    folder = write(tmp_path, letters | {"emnist-letters-mapping.txt": marked})
    images = load_images_at(folder, size=8)
    assert images.name == "emnist-letters"
    assert images.class_names == tuple("ABCDEFGHIJ")
    np.testing.assert_array_equal(images.train_labels, np.arange(20) % 10)
    assert "EMNIST's images lie on their side in its files, and stay so" in images.notes
    write(tmp_path, gzipped(idx_files("emnist-digits-", "test")))
    with pytest.raises(ImageError, match=r"expected one data set, got idx \(emnist-digits-te.*one"):
        load_images_at(folder)
    one = load_images_at(folder / "emnist-digits-train-images-idx3-ubyte.gz", size=8)
    assert (one.name, one.class_names) == ("emnist-digits", tuple("0123456789"))
    (folder / "emnist-letters-mapping.txt").write_bytes(b"1 65\n2 66")
    with pytest.raises(ImageError, match="mapping: no line for label 3"):
        load_images_at(folder / "emnist-letters-train-images-idx3-ubyte.gz")
    (folder / "emnist-letters-mapping.txt").write_bytes(b"1 A")
    with pytest.raises(ImageError, match="expected label and character code, got '1 A'"):
        load_images_at(folder / "emnist-letters-train-images-idx3-ubyte.gz")


def test_files_that_do_not_fit(tmp_path: Path):
    files = idx_files()
    folder = write(tmp_path, files | {"t10k-labels-idx1-ubyte": idx(pixels(11))})
    with pytest.raises(ImageError, match="test: 10 images, but 11 labels; the files do not belong"):
        load_images_at(folder)
    (folder / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(ImageError, match=r"of idx, test labels is missing; there are t10k-images"):
        load_images_at(folder)
    ones = idx(np.ones(10, np.uint8))
    with pytest.raises(ImageError, match="validation split: no images of 0, 2, 3, 4"):
        load_images_at(write(folder, {"t10k-labels-idx1-ubyte": ones}))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (gzip.compress(idx_files()["t10k-images-idx3-ubyte"], mtime=0)[:-9], "damaged or cut off"),
        (gzip.compress(bytes(1000), mtime=0)[:20], "damaged or cut off"),
        (gzip.compress(b"<html>", mtime=0), "got a web page"),
        (b"<html><head>", "got a web page"),
        (
            gzip.compress(bytes(2**20 + 1), mtime=0),
            "refused, because more than 1048576 bytes come of it",
        ),
    ],
)
def test_damaged_gzip_files(
    tmp_path: Path, content: bytes, message: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("hyperzoo.images.published.tell.MAX_FILE_BYTES", 2**20)
    monkeypatch.setattr("hyperzoo.images.published.tell._MOST_RATIO", 1)
    files = gzipped(idx_files()) | {"t10k-images-idx3-ubyte.gz": content}
    with pytest.raises(ImageError, match=message):
        load_images_at(write(tmp_path, files))


def test_an_idx_file_of_another_name(tmp_path: Path):
    for name, content in idx_files().items():
        (tmp_path / f"{name}.idx").write_bytes(content)
        (tmp_path / f"{name}.idx.gz").write_bytes(gzip.compress(content, mtime=0))
    for name in ("train-images-idx3-ubyte.idx", "train-images-idx3-ubyte.idx.gz"):
        with pytest.raises(ImageError, match="an idx file; name it and the others train-im"):
            load_images_at(tmp_path / name)


def test_a_link_out_of_the_folder(tmp_path: Path):
    folder = write(tmp_path / "mnist", idx_files())
    outside = (folder / "t10k-images-idx3-ubyte").rename(tmp_path / "elsewhere")
    (folder / "t10k-images-idx3-ubyte").symlink_to(outside)
    with pytest.raises(ImageError, match="the link leads out of"):
        load_images("idx", path=folder)
