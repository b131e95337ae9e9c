import zipfile
from pathlib import Path

import numpy as np
import pytest

from hyperzoo.errors import ImageError
from hyperzoo.images import ImageSet, load_images, npz
from hyperzoo.images.npz import load_npz, write_npz
from tests.images.samples import random_set


def arrays(**changes: object) -> dict[str, object]:
    """The arrays of a good file, some of them changed; None leaves one out."""
    images = random_set()
    good = {
        "train_images": images.train_images,
        "train_labels": images.train_labels,
        "validation_images": images.validation_images,
        "validation_labels": images.validation_labels,
        "class_names": np.array(images.class_names),
    }
    return {key: array for key, array in (good | changes).items() if array is not None}


def load(path: Path) -> ImageSet:
    return load_images("npz", path=path, size=6)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("dtype", ["uint8", ">i4", "uint64"])
def test_any_integer_labels_and_other_arrays(tmp_path: Path, save, dtype: str):
    path = tmp_path / "pets.npz"
    content = arrays(train_labels=random_set().train_labels.astype(dtype), more=np.zeros(3))
    save(path, **content)
    images = load(path)
    assert images.name == "pets"
    assert images.fingerprint == random_set().fingerprint


def test_fortran_order_is_no_matter(tmp_path: Path):
    path = tmp_path / "a.npz"
    np.savez(path, **arrays(train_images=np.asfortranarray(random_set().train_images)))
    images = load(path)
    assert images.fingerprint == random_set().fingerprint
    assert images.train_images.flags.c_contiguous


IMAGES = random_set().train_images
LABELS = random_set().train_labels


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"train_labels": None, "class_names": None},
            "no arrays train_labels; expected train_images",
        ),
        ({"train_images": IMAGES.astype(np.float32)}, r"train_images: expected uint8 .* float32"),
        ({"train_images": IMAGES[0, 0]}, r"expected uint8 \[image, .*got uint8 \(6, 3\)"),
        ({"train_images": IMAGES[:8]}, r"one int64 label an image \(8\), got int64 \(9,\)"),
        ({"train_labels": LABELS / 2}, r"train_labels: expected integers \[image\], got float64"),
        (
            {"train_labels": LABELS[:, None, None]},
            r"expected integers \[image\], got int64 \(9, 1, 1\)",
        ),
        ({"train_labels": LABELS + 1}, "labels run from 1 to 2, expected 0 to 1"),
        ({"train_labels": LABELS * 0}, "train split: no images of dog"),
        ({"class_names": np.array([b"cat", b"dog"])}, r"class_names: expected text \[class\]"),
        ({"class_names": np.array(["cat", "a/b"])}, "class name 'a/b' must consist of letters"),
        ({"class_names": np.array(["cat", "dog"], object)}, "class_names: pickled objects are re"),
    ],
)
def test_arrays_that_are_not_as_expected(tmp_path: Path, changes: dict, message: str):
    path = tmp_path / "pets.npz"
    np.savez(path, allow_pickle=True, **arrays(**changes))
    with pytest.raises(ImageError, match=rf"pets\.npz: .*{message}"):
        load(path)


@pytest.mark.parametrize("keep", [0, 0.5, 0.99])
def test_a_truncated_file(tmp_path: Path, keep: float):
    path = tmp_path / "a.npz"
    write_npz(random_set(), path)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * keep)])
    with pytest.raises(ImageError, match=r"a\.npz: expected an \.npz file, but it is damaged"):
        load(path)


def test_a_flipped_bit(tmp_path: Path):
    path = tmp_path / "a.npz"
    write_npz(random_set(), path)
    content = bytearray(path.read_bytes())
    content[500] ^= 1
    path.write_bytes(content)
    with pytest.raises(ImageError, match=r"a\.npz: .* damaged .*CRC"):
        load(path)


def rewrite(path: Path, key: str, content: bytes) -> None:
    """Replace a member of the zip file."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, old in members.items():
            archive.writestr(name, content if name == key else old)


def header(shape: tuple[int, ...]) -> bytes:
    text = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}"
    text = text.ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


@pytest.mark.parametrize("images", [10**12, -1])
def test_a_header_that_declares_more_than_there_is(tmp_path: Path, images: int):
    path = tmp_path / "a.npz"
    write_npz(random_set(), path)
    rewrite(path, "train_images.npy", header((images, 6, 6, 3)) + bytes(108))
    with pytest.raises(ImageError, match=r"train_images: shape .* bytes, got 108"):
        load(path)


def test_a_header_of_another_format(tmp_path: Path):
    path = tmp_path / "a.npz"
    write_npz(random_set(), path)
    rewrite(path, "train_labels.npy", b"\x93NUMPY\x03\x00" + bytes(100))
    with pytest.raises(ImageError, match=r"a\.npz: .*format \(3, 0\)"):
        load(path)


def test_more_than_memory_should_take(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_npz(random_set(), tmp_path / "a.npz")
    monkeypatch.setattr(npz, "MAX_BYTES", 1000)
    with pytest.raises(ImageError, match="the arrays take 1532 bytes, more than"):
        load(tmp_path / "a.npz")


def test_what_is_written_is_read_and_is_always_the_same_bytes(tmp_path: Path):
    for name in ("a", "b"):
        write_npz(random_set(), tmp_path / "new" / f"{name}.npz")
    first, second = (tmp_path / "new" / f"{name}.npz" for name in ("a", "b"))
    assert load(first).fingerprint == random_set().fingerprint
    assert first.read_bytes() == second.read_bytes()
    assert sorted(path.name for path in first.parent.iterdir()) == ["a.npz", "b.npz"]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "a.npz"
    write_npz(random_set(), path)
    before = path.read_bytes()

    def full(file, **_: object) -> None:
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(ImageError, match="No space left on device"):
        write_npz(random_set(size=8), path)
    assert [file.name for file in tmp_path.iterdir()] == ["a.npz"]
    assert path.read_bytes() == before


def test_real_imagenette(shared_data: Path):
    images = load_npz(shared_data / "imagenette-32.npz", size=32, channels=3)
    assert (len(images.train_images), len(images.validation_images)) == (9469, 3925)
    assert len(images.class_names) == 10
