import io
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hyperzoo.errors import ImageError
from hyperzoo.images import ImageSet, load_images, npz
from hyperzoo.images.decode import decode_image
from hyperzoo.images.npz import load_npz, write_npz
from hyperzoo.images.resize import resize_bilinear
from hyperzoo.words import ACCENTS
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
        (
            {"train_images": IMAGES[:0, ..., 0], "train_labels": LABELS[:0]},
            r"train_images: there are no images in it, got uint8 \(0, 6, 6\); make or download it",
        ),
        ({"validation_images": np.array([])}, r"there are no images in it, got float64 \(0,\);"),
        ({"validation_labels": LABELS[:0]}, r"validation_labels: there are no labels in it, got"),
        ({"class_names": np.array([], str)}, "class_names: there are no names in it, got <U1"),
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


def saved(path: Path, **content: object) -> Path:
    np.savez(path, **content)
    return path


@pytest.mark.parametrize(
    ("names", "taken"),
    [
        (("x_train", "y_train", "x_test", "y_test"), True),
        (("X_train", "y_train", "X_test", "y_test"), True),
        (("train_x", "train_y", "test_x", "test_y"), True),
        (("train_images", "train_labels", "test_images", "test_labels"), True),
        (("train_images", "train_labels", "val_images", "val_labels"), True),
        (("train_data", "train_targets", "valid_data", "valid_targets"), True),
        (("train_images", "train_labels", "validation_images", "validation_labels"), False),
    ],
)
def test_names_of_others(tmp_path: Path, names: tuple[str, ...], taken: bool):
    images = random_set()
    own = ("train_images", "train_labels", "validation_images", "validation_labels")
    content = {name: getattr(images, role) for name, role in zip(names, own, strict=True)}
    found = load(saved(tmp_path / "a.npz", class_names=np.array(images.class_names), **content))
    assert found.fingerprint == images.fingerprint
    assert len(found.notes) == taken
    assert not taken or found.notes[0].startswith(f"{', '.join(n for n in names if n not in own)}")


def test_validation_goes_before_test(tmp_path: Path):
    """MedMNIST's files have three splits, and labels [image, 1]."""
    images = random_set()
    content = {
        "train_images": images.train_images, "train_labels": images.train_labels[:, None],
        "val_images": images.validation_images, "val_labels": images.validation_labels[:, None],
        "test_images": images.train_images[:2], "test_labels": images.train_labels[:2, None],
    }  # fmt: skip
    found = load(saved(tmp_path / "a.npz", **content))
    np.testing.assert_array_equal(found.validation_images, images.validation_images)
    np.testing.assert_array_equal(found.train_labels, images.train_labels)
    assert found.class_names == ("0", "1")
    assert found.notes == (
        "val_images, val_labels are taken for validation_images, validation_labels",
        "arrays passed over: test_images, test_labels",
        "labels [image, 1] are taken for [image] (train)",
        "labels [image, 1] are taken for [image] (validation)",
        "no class_names: the classes are called by their labels, 0, 1",
    )


def test_labels_that_do_not_start_at_0_name_classes(tmp_path: Path):
    images = random_set()
    found = load(saved(
        tmp_path / "a.npz",
        **arrays(class_names=None, train_labels=images.train_labels * 4 + 3,
                 validation_labels=images.validation_labels * 4 + 3),
    ))  # fmt: skip
    assert found.class_names == ("3", "7")
    np.testing.assert_array_equal(found.train_labels, images.train_labels)
    np.testing.assert_array_equal(found.validation_labels, images.validation_labels)


def test_two_arrays_that_could_be_meant(tmp_path: Path):
    images = random_set()
    both = {"x_test": images.validation_images, "test_images": images.validation_images}
    content = arrays(validation_images=None, validation_labels=None)
    content |= {**both, "y_test": images.validation_labels}
    with pytest.raises(ImageError, match="expected one array, got x_test, test_images; leave one"):
        load(saved(tmp_path / "a.npz", **content))


def test_images_of_another_size_are_resized_as_in_folders(tmp_path: Path):
    write_npz(random_set(size=9), tmp_path / "a.npz")
    found = load(tmp_path / "a.npz")
    expected = [resize_bilinear(image, 6) for image in random_set(size=9).train_images]
    np.testing.assert_array_equal(found.train_images, expected)
    assert found.notes == ("images resized from 9x9 to 6x6 pixels",)
    np.savez(tmp_path / "b.npz", **arrays(train_images=IMAGES[:, :5]))
    assert load(tmp_path / "b.npz").image_shape == (6, 6, 3)


def test_grey_and_rgb_are_converted_as_in_folders(tmp_path: Path):
    grey = random_set(channels=1)
    write_npz(grey, tmp_path / "grey.npz")
    found = load(tmp_path / "grey.npz")
    np.testing.assert_array_equal(found.train_images, grey.train_images.repeat(3, axis=3))
    assert found.notes == ("grey images made RGB",)
    write_npz(random_set(), tmp_path / "rgb.npz")
    found = load_images("npz", path=tmp_path / "rgb.npz", size=6, channels=1)
    buffer = io.BytesIO()
    Image.fromarray(IMAGES[3]).save(buffer, "PNG")
    expected = decode_image(buffer.getvalue(), "a", channels=1).pixels
    np.testing.assert_array_equal(found.train_images[3], expected)
    assert found.notes == ("RGB images made grey",)


def test_images_without_a_channel_axis_are_grey(tmp_path: Path):
    np.savez(tmp_path / "a.npz", **arrays(
        train_images=IMAGES[..., 0], validation_images=random_set().validation_images[..., 0],
    ))  # fmt: skip
    found = load_images("npz", path=tmp_path / "a.npz", size=6, channels=1)
    np.testing.assert_array_equal(found.train_images, IMAGES[..., :1])
    assert found.notes == ("images without a channel axis are taken for grey",)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda a: a.transpose(0, 3, 1, 2), r"channels .*come second; save (.*)$"),
        (lambda a: a / np.float32(255), r"from 0 to 1; save (.*)$"),
        (lambda a: a.astype(np.float64), r"from 0 to 255; save (.*)$"),
        (lambda a: a.astype(np.int64), r"from 0 to 255; save (.*)$"),
        (lambda a: np.concatenate([a, a[..., :1]], axis=3), r"save (.*) to drop the transparency"),
    ],
)
def test_the_advice_on_a_wrong_layout_works(tmp_path: Path, spoil: Callable, message: str):
    images, original = random_set(), random_set().train_images.copy()
    original[0, 0, 0], original[0, 0, 1] = 0, 255
    content = arrays(train_images=spoil(original))
    with pytest.raises(ImageError, match=message) as caught:
        load(saved(tmp_path / "a.npz", **content))
    advice = re.search(message, str(caught.value))[1]
    mended = eval(advice, {"train_images": content["train_images"]})
    found = load(saved(tmp_path / "a.npz", **(content | {"train_images": mended})))
    np.testing.assert_array_equal(found.train_images, original)
    assert found.class_names == images.class_names


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda labels: np.eye(2)[labels], r"one-hot, save (.*)$"),
        (lambda labels: labels.astype(np.float32), r"float32 \(9,\); save (.*)$"),
    ],
)
def test_the_advice_on_wrong_labels_works(tmp_path: Path, spoil: Callable, message: str):
    content = arrays(train_labels=spoil(LABELS))
    with pytest.raises(ImageError, match=message) as caught:
        load(saved(tmp_path / "a.npz", **content))
    advice = re.search(message, str(caught.value))[1]
    mended = eval(advice, {"train_labels": content["train_labels"]})
    found = load(saved(tmp_path / "a.npz", **(content | {"train_labels": mended})))
    assert found.fingerprint == random_set().fingerprint


@pytest.mark.parametrize(
    ("keep", "said"),
    [(0, "an empty file"), (0.5, "one that is damaged"), (0.99, "one that is dam")],
)
def test_a_truncated_file(tmp_path: Path, keep: float, said: str):
    path = tmp_path / "a.npz"
    write_npz(random_set(), path)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * keep)])
    with pytest.raises(ImageError, match=rf"a\.npz: expected an \.npz file, got {said}"):
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
    with pytest.raises(
        ImageError, match=r"can't write .*a\.npz: No space left on device; make room"
    ):
        write_npz(random_set(size=8), path)
    assert [file.name for file in tmp_path.iterdir()] == ["a.npz"]
    assert path.read_bytes() == before


def test_real_imagenette(shared_data: Path):
    images = load_npz(shared_data / "imagenette-32.npz", size=32, channels=3)
    assert (len(images.train_images), len(images.validation_images)) == (9469, 3925)
    assert len(images.class_names) == 10


def test_pixels_of_0_and_1_alone_are_told(tmp_path: Path):
    given = arrays()
    dark = {name: np.minimum(given[name], 1) for name in ("train_images", "validation_images")}
    found = load(saved(tmp_path / "dark.npz", **(given | dark)))
    assert found.notes == ("no pixel of the training images is above 1, of 255: nearly black",)
    assert load(saved(tmp_path / "plain.npz", **given)).notes == ()


def test_accents_apart_from_their_letters(tmp_path: Path):
    plain = random_set()
    names = ["cafe\N{COMBINING ACUTE ACCENT}", *plain.class_names[1:]]
    np.savez(
        tmp_path / "a.npz",
        train_images=plain.train_images, train_labels=plain.train_labels,
        validation_images=plain.validation_images, validation_labels=plain.validation_labels,
        class_names=np.array(names),
    )  # fmt: skip
    images = load_images("npz", path=tmp_path / "a.npz", size=6)
    assert images.class_names[0] == "caf\N{LATIN SMALL LETTER E WITH ACUTE}"
    assert images.notes == (ACCENTS,)
