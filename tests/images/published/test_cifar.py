"""CIFAR's pickles and binary files: https://www.cs.toronto.edu/~kriz/cifar.html."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from hyperzoo.errors import ImageError
from hyperzoo.images import load_images, load_images_at
from hyperzoo.images.published.cifar import parse_binary, parse_python
from tests.images.published.samples import (
    CIFAR10_NAMES,
    COARSE_NAMES,
    FINE_NAMES,
    cifar10_batches,
    cifar10_binary,
    cifar10_python,
    cifar100_binary,
    cifar100_python,
    pixels,
    python2,
    write,
)
from tests.images.samples import write_archive


def test_the_samples_are_what_pythons_own_unpickler_reads():
    batch = pickle.loads(cifar10_python()["data_batch_2"], encoding="bytes")
    data, labels = cifar10_batches()["data_batch_2"]
    np.testing.assert_array_equal(batch[b"data"], data)
    assert (batch[b"labels"], batch[b"filenames"][1]) == (labels, b"picture_s_000001.png")


@pytest.mark.parametrize("files", [cifar10_python(), cifar10_binary()], ids=["python", "binary"])
def test_pixels_labels_and_names(tmp_path: Path, files: dict[str, bytes]):
    images = load_images_at(write(tmp_path, files))
    assert (images.name, images.class_names) == ("cifar10", CIFAR10_NAMES)
    assert images.notes == ("the test split is taken for validation",)
    batches = cifar10_batches()
    np.testing.assert_array_equal(images.train_labels, np.arange(4, 24) % 10)
    np.testing.assert_array_equal(images.validation_labels, batches["test_batch"][1])
    # Red, green, blue planes, each row by row.
    row = batches["data_batch_3"][0][1]
    picture = images.train_images[9]
    assert picture[5, 7].tolist() == [row[5 * 32 + 7], row[1024 + 167], row[2048 + 167]]
    np.testing.assert_array_equal(picture[..., 2].reshape(-1), row[2048:])
    # Grey as files of images become it.
    grey = load_images_at(tmp_path, channels=1)
    expected = np.asarray(Image.fromarray(picture).convert("L"))
    np.testing.assert_array_equal(grey.train_images[9, ..., 0], expected)
    assert "RGB images made grey" in grey.notes


def test_all_forms_are_the_same_images(tmp_path: Path):
    python, binary = cifar10_python(), cifar10_binary()
    places = [
        write(tmp_path / "a" / "cifar-10-batches-py", python).parent,
        write(tmp_path / "cifar-10-batches-bin", binary),
        tmp_path / "cifar-10-batches-bin" / "test_batch.bin",
        write_archive(tmp_path / "cifar-10-python.tar.gz", python, top="cifar-10-batches-py/"),
        write_archive(tmp_path / "cifar-10-binary.tar.gz", binary, top="cifar-10-batches-bin/"),
    ]
    found = [load_images_at(place, size=8) for place in places]
    assert len({images.fingerprint for images in found}) == 1
    assert len({load_images("cifar10", path=place, size=8).fingerprint for place in places}) == 1


@pytest.mark.parametrize("files", [cifar100_python(), cifar100_binary()], ids=["python", "binary"])
def test_fine_and_coarse_labels(tmp_path: Path, files: dict[str, bytes]):
    fine = load_images_at(write(tmp_path, files))
    assert (fine.name, fine.class_names) == ("cifar100", FINE_NAMES)
    np.testing.assert_array_equal(fine.train_labels, np.arange(100))
    np.testing.assert_array_equal(
        fine.validation_images[5],
        pixels(100, 3072, seed=1)[5].reshape(3, 32, 32).transpose(1, 2, 0),
    )
    asked = [
        load_images("cifar100-coarse", path=tmp_path),
        load_images_at(tmp_path, as_source="cifar100-coarse"),
        load_images_at(f"cifar100-coarse:{tmp_path}"),
    ]
    for coarse in asked:
        assert (coarse.name, coarse.class_names) == ("cifar100-coarse", COARSE_NAMES)
        np.testing.assert_array_equal(coarse.train_labels, np.arange(100) % 20)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_batches_that_python_3_wrote(protocol: int):
    data = pixels(10, 3072)
    batch = pickle.dumps({"labels": list(range(10)), "data": data}, protocol)
    raw = parse_python({"data_batch_1": batch, "test_batch": batch}, "labels")
    np.testing.assert_array_equal(raw.train_images[2, ..., 1].reshape(-1), data[2, 1024:2048])
    assert raw.class_names is None
    again = pickle.dumps({b"labels": list(range(10)), b"data": data}, protocol)  # as Python 2's
    same = parse_python({"data_batch_1": again, "test_batch": again}, "labels")
    np.testing.assert_array_equal(same.train_images, raw.train_images)


class Evil:
    def __reduce__(self) -> Any:
        return exec, ("raise SystemExit('it ran')",)


DATA = pixels(2, 3072)


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        (pickle.dumps({"data": DATA, "labels": Evil()}, 2), "asks for '__builtin__.exec'.*was run"),
        (pickle.dumps({"data": DATA.astype("f4"), "labels": []}, 2), "numpy.dtype got other argum"),
        (pickle.dumps({"data": np.array([Evil()]), "labels": []}, 2), "not a pickle that can be t"),
        (python2({"data": DATA, "labels": [0, 1]})[:-40], "the file is cut off or damaged"),
        (python2({"data": DATA, "labels": [0, 1]}) + b"x", "more bytes follow its end"),
        (python2({"data": DATA, "labels": [0, 10]}), "expected labels 0 to 9, got 10; the file is"),
        (python2({"data": DATA, "labels": [0, 2**31 - 1]}), "0 to 9, got 2147483647"),
        (python2({"data": DATA, "labels": [0]}), "2 images, but 1 labels"),
        (python2({"data": DATA, "labels": "ab"}), "labels, a list of integers, got str"),
        (python2({"data": DATA, "fine_labels": [0]}), "labels, a list of integers, got nothing"),
        (python2({"data": DATA[:, 1:], "labels": [0]}), r"image, 3072\], got uint8 \(2, 3071\)"),
        (python2({"labels": [0]}), r"image, 3072\], got nothing"),
        (python2([1]), "expected a dict, got list"),
        (b"\x80\x02U\xff", "wants 255 bytes where 0 are left"),
        (b"\x80\x02T\xff\xff\xff\xff", "wants 4294967295 bytes where 0 are left"),
        (b"(dp1\nS'data'\n.", "expected a pickle of protocol 2, got a file that begins with"),
        (b"<!DOCTYPE html>", "expected a pickle of protocol 2, got a web page"),
        (b"", "got an empty file"),
    ],
)
def test_hostile_and_damaged_batches(batch: bytes, message: str):
    files = cifar10_python() | {"data_batch_1": batch}
    del files["readme.html"]
    with pytest.raises(ImageError, match=f"data_batch_1: .*{message}"):
        parse_python(files, "labels")


@pytest.mark.parametrize(
    ("meta", "message"),
    [
        ({"label_names": ["a", "b"]}, "expected the names of 10 classes, got 2"),
        ({"label_names": [1] * 10}, "meta: expected label_names, a list of texts, got list"),
        ({}, "meta: expected label_names, a list of texts, got nothing"),
    ],
)
def test_names_that_are_none(meta: dict[str, Any], message: str):
    files = cifar10_python() | {"batches.meta": python2(meta)}
    del files["readme.html"]
    with pytest.raises(ImageError, match=message):
        parse_python(files, "labels")


def test_names_are_made_fit():
    names = ["air plane", *CIFAR10_NAMES[1:]]
    files = cifar10_python() | {"batches.meta": python2({"label_names": names})}
    del files["readme.html"]
    raw = parse_python(files, "labels")
    assert raw.class_names is not None
    assert raw.class_names[0] == "air_plane"
    assert raw.notes == ("class names changed: 'air plane' to 'air_plane'",)


SMALL = python2({"data": DATA[:1], "labels": [0]})


@given(st.integers(0, len(SMALL) - 1), st.binary(min_size=1, max_size=4))
def test_changed_pickles_are_read_or_refused(place: int, change: bytes):
    content = SMALL[:place] + change + SMALL[place + len(change) :]
    try:
        raw = parse_python({"data_batch_1": content, "test_batch": SMALL}, "labels")
    except ImageError:
        return
    assert raw.train_images.shape[1:] == (32, 32, 3)


@given(st.integers(1, 3), st.sampled_from(["labels", "fine_labels", "coarse_labels"]), st.data())
def test_binary_records(count: int, kind: Any, data: st.DataObject):
    before = 1 if kind == "labels" else 2
    labels = data.draw(st.lists(st.binary(min_size=before, max_size=before), min_size=count,
                                max_size=count))  # fmt: skip
    rows = pixels(count, 3072)
    content = b"".join(label + row.tobytes() for label, row in zip(labels, rows, strict=True))
    own = [label[1] if kind == "fine_labels" else label[0] for label in labels]
    files = {"data_batch_1.bin": content, "test_batch.bin": content}
    most = {"labels": 9, "fine_labels": 99, "coarse_labels": 19}[kind]
    if max(own) > most:
        with pytest.raises(ImageError, match=f"expected labels 0 to {most}, got"):
            parse_binary(files, kind)
        return
    raw = parse_binary(files, kind)
    assert raw.train_labels.tolist() == own
    np.testing.assert_array_equal(raw.train_images[0, ..., 0].reshape(-1), rows[0, :1024])
    cut = content[: data.draw(st.integers(0, len(content) - 1).filter(lambda n: n % 3074 > 1))]
    with pytest.raises(ImageError, match="expected records of 307"):
        parse_binary(files | {"data_batch_1.bin": cut[:-1] + b"x" * (len(cut) % 2)}, "labels")


def test_what_is_missing(tmp_path: Path):
    files = cifar10_python()
    del files["data_batch_4"], files["test_batch"], files["batches.meta"]
    with pytest.raises(
        ImageError, match=r"of cifar10, data_batch_4, test_batch are missing; there"
    ):
        load_images_at(write(tmp_path, files))
    images = load_images_at(
        write(tmp_path, {n: cifar10_python()[n] for n in ("data_batch_4", "test_batch")}), size=8
    )
    assert images.class_names == tuple("0123456789")
    assert any("no class_names" in note for note in images.notes)


def test_another_source(tmp_path: Path):
    archive = write_archive(tmp_path / "cifar-10-python.tar.gz", cifar10_python(), top="a/")
    with pytest.raises(
        ImageError, match=r"expected the files of cifar100, got cifar10; set images"
    ):
        load_images("cifar100-coarse", path=archive)
    with pytest.raises(
        ImageError, match=r"is a folder with the files of cifar10; set images.sourc"
    ):
        load_images("folder", path=write(tmp_path / "b", cifar10_python()))
    with pytest.raises(ImageError, match="expected the files of svhn, got no files of a known"):
        load_images("svhn", path=write_archive(tmp_path / "c.tgz", {"a.txt": b""}))


def test_an_archive_in_the_folder_that_is_given(tmp_path: Path):
    (tmp_path / "a").mkdir()
    archive = write_archive(tmp_path / "a" / "cifar-10-python.tar.gz", cifar10_python(), top="a/")
    for source, place in (("cifar10", tmp_path), ("folder", tmp_path), ("folder", archive.parent)):
        with pytest.raises(ImageError, match=f"give {archive} itself$"):
            load_images(source, path=place)
    with pytest.raises(ImageError, match=f"no class folders, but 1 .tar.gz; give {archive} itself"):
        load_images_at(archive.parent)
    with pytest.raises(ImageError, match=f"got 0; give {archive} itself"):
        load_images("imagenette", path=archive.parent)
    assert len(load_images_at(archive).train_images) > 0
    (tmp_path / "none").mkdir()
    with pytest.raises(ImageError, match="known data set; give their archive, the folder that it"):
        load_images("cifar10", path=tmp_path / "none")
