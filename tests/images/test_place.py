"""What `--images PATH` takes: whatever a path is decides."""

import gzip
import io
import re
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest

from hyperzoo.errors import ImageError
from hyperzoo.images import load_images, load_images_at
from hyperzoo.images.npz import write_npz
from tests.images.samples import (
    encoded,
    folder_files,
    imagenette_files,
    random_set,
    write_archive,
    write_files,
)


def write_zip(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


FOLDER = {
    f"{split}/{name}": content
    for split in ("train", "val")
    for name, content in folder_files(images=3).items()
}


def test_a_folder_and_its_archives_are_the_same_images(tmp_path: Path):
    folder = write_files(tmp_path / "pets", FOLDER)
    expected = load_images("folder", path=folder, size=8)
    mac = {"__MACOSX/pets/train/cat/._0.png": b"", "pets/.DS_Store": b""}
    places = [
        folder,
        write_archive(tmp_path / "a.tgz", FOLDER, top=""),
        write_archive(tmp_path / "b.tar.gz", FOLDER, top="./pets/"),
        write_zip(tmp_path / "c.zip", {f"pets/{n}": c for n, c in FOLDER.items()} | mac),
        write_zip(tmp_path / "no-suffix", FOLDER),
    ]
    found = [load_images_at(place, size=8) for place in places]
    assert {images.fingerprint for images in found} == {expected.fingerprint}
    sized, inner = ("resized to 8x8 pixels in 12 of 12 images",), ("the images lie in 'pets'",)
    assert [images.notes for images in found] == [
        sized, sized, inner + sized, inner + sized, sized,
    ]  # fmt: skip
    assert [images.name for images in found] == ["pets", "a", "b", "c", "no-suffix"]


def test_arrays_are_told_by_content(tmp_path: Path):
    write_npz(random_set(), tmp_path / "a.npz")
    for name in ("b.NPZ", "c"):
        (tmp_path / name).write_bytes((tmp_path / "a.npz").read_bytes())
        found = load_images_at(tmp_path / name, size=6)
        assert found.fingerprint == random_set().fingerprint


def test_names_need_no_path():
    assert load_images_at("digits", size=8).fingerprint == load_images("digits", size=8).fingerprint


def test_imagenette_is_told_by_its_classes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HYPERZOO_CACHE", str(tmp_path / "cache"))
    files = imagenette_files()
    folder = write_files(tmp_path / "imagenette2", files)
    places = [folder, write_archive(tmp_path / "imagenette2-320.tgz", files)]
    for place in places:
        assert load_images_at(place, size=8).class_names[4] == "church"
        # A recipe that says "folder" keeps the names that it has had.
        as_folder = load_images_at(place, size=8, as_source="folder")
        assert as_folder.class_names[4] == "n03028079"
    more = write_files(tmp_path / "more", files | {"train/n1/a.png": b"", "val/n1/a.png": b""})
    with pytest.raises(ImageError, match=r"not an image that can be decoded"):
        load_images_at(more, size=8)  # a folder like any other


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "got an empty file"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:1",
            "a Git LFS pointer; run `git",
        ),
        (b"<!DOCTYPE html><html>", "got a web page; download the file itself"),
        (b"BZh91AY", "got a .bz2 file; unpack it, and give the folder"),
        (b"\xfd7zXZ\0", "got an .xz file; unpack it"),
        (b"\x93NUMPY\x01", "got a single array; save all with numpy.savez"),
        (b"\x89HDF\r\n", "an HDF5 file; save its arrays with numpy.savez"),
        (b"\x1f\x8b nothing", "expected a .tgz or .zip archive, but it is damaged"),
        (b"PK\x03\x04 nothing", "expected a .tgz or .zip archive, but it is damaged"),
        (b"hello", "got a file that begins with b'hello'"),
    ],
)
def test_other_files_are_refused_in_words(tmp_path: Path, content: bytes, message: str):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(ImageError, match=message):
        load_images_at(tmp_path / "file")


def test_nothing_there(tmp_path: Path):
    with pytest.raises(ImageError, match=r"no images at .*nowhere; expected digits or im"):
        load_images_at(tmp_path / "nowhere")
    (tmp_path / "a.npz").write_bytes(b"nothing")
    with pytest.raises(
        ImageError, match=r"expected an \.npz file, got a file that begins with b'nothing'; make"
    ):
        load_images_at(tmp_path / "a.npz")


def member(name: str, mode: int = 0, size: int = 3) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    info.file_size = size
    return info


@pytest.mark.parametrize(
    ("info", "message"),
    [
        (member("../up/cat/a.png"), "leads out of it"),
        (member("/etc/cat/a.png"), "leads out of it"),
        (member("train/cat/a.png", stat.S_IFLNK | 0o777), "is a link or a device"),
        (member("train/cat/a.png", stat.S_IFIFO | 0o777), "is a link or a device"),
    ],
)
def test_hostile_members_of_a_zip_are_refused(tmp_path: Path, info: zipfile.ZipInfo, message: str):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(info, b"abc")
    with pytest.raises(ImageError, match=rf"a\.zip: refused, because .*{message}"):
        load_images_at(tmp_path / "a.zip")


def test_a_member_that_is_too_large_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("hyperzoo.images.archive.MAX_FILE_BYTES", 1000)
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("train/cat/a.png", bytes(1001))
    with pytest.raises(ImageError, match=r"has 1001 bytes, more than"):
        load_images_at(tmp_path / "a.zip")


@pytest.mark.parametrize("keep", [0.3, 0.9])
@pytest.mark.parametrize("kind", ["zip", "tgz"])
def test_truncated_archives(tmp_path: Path, kind: str, keep: float):
    path = tmp_path / f"a.{kind}"
    (write_zip if kind == "zip" else write_archive)(path, FOLDER)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * keep)])
    with pytest.raises(ImageError, match=r"expected a .tgz or .zip archive, but it is damaged"):
        load_images_at(path)


def test_a_damaged_image_in_an_archive_is_named(tmp_path: Path):
    files = FOLDER | {"train/cat/1.png": b"no image"}
    with pytest.raises(ImageError, match=r"a\.zip: train/cat/1\.png: not an image that can"):
        load_images_at(write_zip(tmp_path / "a.zip", files))
    part = {name: content for name, content in FOLDER.items() if "val/dog" not in name}
    path = write_archive(tmp_path / "a.tgz", part, top="")
    with pytest.raises(ImageError, match=r"a\.tgz, validation split: no images of dog; every"):
        load_images_at(path)


def test_a_link_in_a_tar_is_refused(tmp_path: Path):
    link = tarfile.TarInfo("train/cat/x.png")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    path = write_archive(tmp_path / "a.tgz", FOLDER, top="", more=[link])
    with pytest.raises(ImageError, match=r"'train/cat/x.png' is a link or a device"):
        load_images_at(path)


def test_the_recipes_source_reads_archives_too(tmp_path: Path):
    path = write_zip(tmp_path / "pets.zip", FOLDER)
    images = load_images("folder", path=path, size=8)
    assert images.fingerprint == load_images_at(path, size=8).fingerprint
    buffer = io.BytesIO(encoded(kind="PNG"))
    (tmp_path / "a.png").write_bytes(buffer.getvalue())
    with pytest.raises(
        ImageError, match=r"expected a .tgz or .zip archive, got a picture; give the fol"
    ):
        load_images("folder", path=tmp_path / "a.png")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer; run `git lfs pull`"),
        (b"<html>404", "a web page; download the file itself"),
        (b"", "an empty file; make or download it again"),
    ],
)
def test_what_is_there_in_place_of_arrays(tmp_path: Path, content: bytes, said: str):
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(ImageError, match=rf"expected an .npz file, got {said}$"):
        load_images_at(tmp_path / "a.npz")


def test_a_zip_of_images_whatever_its_name(tmp_path: Path):
    path = write_zip(tmp_path / "b.npz", folder_files())
    assert load_images_at(path).class_names == ("cat", "dog")


def test_a_tar_is_named(tmp_path: Path):
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        archive.addfile(tarfile.TarInfo("x"))
    with pytest.raises(ImageError, match="got a tar archive; unpack it, and give the folder"):
        load_images_at(tmp_path / "a.tar")


def test_the_first_bytes_decide_whatever_the_name(tmp_path: Path):
    """And whatever advice is given can be followed, here of every source for every content."""
    write_npz(random_set(), tmp_path / "arrays")
    write_archive(tmp_path / "archive", FOLDER, top="")
    contents = {
        "archive": (tmp_path / "archive").read_bytes(),
        "zip": write_zip(tmp_path / "zip", FOLDER).read_bytes(),
        "arrays": (tmp_path / "arrays").read_bytes(),
    }
    for kind, content in contents.items():
        for name in ("a07.npz", "a07.tgz", "a07.zip", "a07.tar", "a07", "train"):
            path = tmp_path / name
            path.write_bytes(content)
            expected = load_images_at(path, size=6).fingerprint
            for source in ("npz", "folder"):
                right = (source == "npz") == (kind == "arrays")
                if right:
                    assert load_images_at(f"{source}:{path}", size=6).fingerprint == expected
                    continue
                with pytest.raises(ImageError, match=r"or give the path alone with") as refused:
                    load_images_at(f"{source}:{path}", size=6)
                told = re.search(r"set images\.source = '(\w+)'", str(refused.value))
                assert told, refused.value
                assert load_images(told[1], path=path, size=6).fingerprint == expected


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"version https://git-lfs.github.com/spec/v1\n", "run `git lfs pull`"),
        (b"<!DOCTYPE html>", "a web page; download the file itself"),
        (b"", "an empty file"),
        (b"a" * 257 + b"ustar" + b"a" * 300, "a tar archive; unpack it, and give the folder"),
    ],
)
@pytest.mark.parametrize("name", ["a.npz", "a.tgz", "a.zip", "a"])
def test_what_holds_no_images_is_told_by_every_reader(
    tmp_path: Path, content: bytes, told: str, name: str
):
    (tmp_path / name).write_bytes(content)
    for place in ("", "npz:", "folder:"):
        with pytest.raises(ImageError, match=re.escape(told)):
            load_images_at(f"{place}{tmp_path / name}", size=6)


def test_what_is_no_images_is_told_through_its_wrapping(tmp_path: Path):
    page = b"\xef\xbb\xbf<!DOCTYPE html><title>Sign in</title>"
    arrays = tmp_path / "arrays.npz"
    write_npz(random_set(), arrays)
    write_zip(tmp_path / "net.pt", {"net/data.pkl": b"", "net/data/0": b"", "net/version": b"3"})
    write_zip(tmp_path / "net.keras", {"config.json": b"{}", "model.weights.h5": b""})
    (tmp_path / "page.zip").write_bytes(page)
    (tmp_path / "page.gz").write_bytes(gzip.compress(page))
    (tmp_path / "said.json").write_bytes(b'{"error": "not found"}')
    (tmp_path / "arrays.npz.gz").write_bytes(gzip.compress(arrays.read_bytes()))
    for name, told in (
        ("net.pt", "got a file of torch.save, no images"),
        ("net.keras", "got a Keras 3 model, no images"),
        ("page.zip", "got a web page; download the file itself"),
        ("page.gz", r"got a web page, compressed by gzip; unpack it first \(gunzip\)"),
        ("said.json", "got JSON text; if it is a server's message"),
        ("arrays.npz.gz", "got a zip file, compressed by gzip; unpack it first"),
    ):
        with pytest.raises(ImageError, match=told):
            load_images_at(tmp_path / name, size=8)
