import hashlib
import tarfile
from pathlib import Path

import numpy as np
import pooch
import pytest
import requests

from hyperzoo.errors import ImageError
from hyperzoo.images import imagenette, load_images, prepare_imagenette
from hyperzoo.images.imagenette import CLASSES
from hyperzoo.images.npz import load_npz, write_npz
from tests.images.samples import encoded, imagenette_files, write_archive, write_files

FILES = imagenette_files()


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return write_archive(tmp_path / "imagenette2-320.tgz", FILES)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's cache folder for images."""
    monkeypatch.setenv("HYPERZOO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "images"


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir()) if folder.is_dir() else []


def fail_to_prepare(archive: Path, cache: Path, message: str) -> None:
    """Prepare an archive that can't be used; nothing may be left behind."""
    with pytest.raises(ImageError, match=message):
        prepare_imagenette(archive)
    assert names(cache) == []


def test_prepared_images_are_found(archive: Path, cache: Path):
    heard = []
    path = prepare_imagenette(archive, size=8, meter=lambda *done: heard.append(done))
    assert (path.parent, names(cache)) == (cache, ["imagenette-8x8x3.npz"])
    assert heard == [(done, None) for done in range(1, 31)]
    images = load_images("imagenette", size=8)
    assert images.name == "imagenette"
    assert images.class_names == tuple(CLASSES.values())
    assert images.class_names[4] == "church"
    assert images.train_labels.tolist() == np.arange(10).repeat(2).tolist()
    assert images.validation_labels.tolist() == list(range(10))


def test_images_do_not_depend_on_how_they_are_stored(archive: Path, tmp_path: Path, cache: Path):
    shuffled = write_archive(tmp_path / "b.tgz", dict(reversed(FILES.items())), top="")
    prepared = prepare_imagenette(archive, size=8)
    paths = [archive, shuffled, write_files(tmp_path / "a" / "imagenette2", FILES), prepared]
    paths.append(paths[2].parent)
    prints = {load_images("imagenette", size=8, path=path).fingerprint for path in paths}
    assert len(prints) == 1
    heard = []
    prepare_imagenette(paths[2], size=8, meter=lambda *done: heard.append(done))
    assert heard[-1] == (30, 30)


def test_archives_never_mix_in_the_cache(archive: Path, cache: Path):
    first = load_images("imagenette", size=8, path=archive)
    assert load_images("imagenette", size=8, path=archive).fingerprint == first.fingerprint
    assert len(names(cache)) == 1
    other = dict(FILES)
    other["train/n03888257/n03888257_0.JPEG"] = encoded(99)
    write_archive(archive, other)
    assert load_images("imagenette", size=8, path=archive).fingerprint != first.fingerprint
    assert len(names(cache)) == 2
    with pytest.raises(ImageError, match="has not been prepared"):
        load_images("imagenette", size=8)


def test_without_prepared_images_the_error_says_what_to_run(cache: Path):
    with pytest.raises(
        ImageError,
        match=r"imagenette-32x32x1\.npz does not exist.*`hyperzoo images prepare imagenette "
        r"--size 32 --channels 1`.*--from imagenette2-320\.tgz",
    ):
        load_images("imagenette", channels=1)


def test_the_cache_folder_can_be_given(archive: Path, tmp_path: Path, cache: Path):
    prepare_imagenette(archive, size=8, cache_folder=tmp_path / "mine")
    assert load_images("imagenette", size=8, cache_folder=tmp_path / "mine").name == "imagenette"
    assert names(cache) == []


def test_a_cache_that_cannot_be_written(archive: Path, tmp_path: Path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(ImageError, match=r"file.*HYPERZOO_CACHE sets another cache folder"):
        prepare_imagenette(archive, size=8, cache_folder=tmp_path / "file")


def test_preparing_checks_what_was_asked_for(archive: Path, cache: Path):
    with pytest.raises(ImageError, match="expected 1 to 4096 pixels, got 0"):
        prepare_imagenette(archive, size=0)
    with pytest.raises(ImageError, match=r"missing\.tgz: No such file"):
        prepare_imagenette("missing.tgz")


@pytest.mark.parametrize(
    ("name", "split"), [("train/n03028079", "train"), ("val/n03028079", "validation")]
)
@pytest.mark.parametrize("unpacked", [False, True])
def test_a_missing_class(tmp_path: Path, cache: Path, name: str, split: str, unpacked: bool):
    files = {path: content for path, content in FILES.items() if not path.startswith(name)}
    if unpacked:
        source = write_files(tmp_path / "imagenette2", files)
    else:
        source = write_archive(tmp_path / "imagenette2.tgz", files)
    fail_to_prepare(source, cache, rf"imagenette2.*, {split} split: no images of church")


def test_folders_that_are_not_imagenette(tmp_path: Path, cache: Path):
    fail_to_prepare(tmp_path, cache, "expected one folder with train/<WordNet id> .*, got 0")
    for name in ("imagenette2", "imagenette2-160"):
        write_files(tmp_path / name, FILES)
    fail_to_prepare(tmp_path, cache, ", got 2; give the folder that holds 'train'")


def test_a_damaged_image(tmp_path: Path, cache: Path):
    name = "train/n01440764/n01440764_1.jpg"
    files = FILES | {name: FILES[name][:-10]}
    archive = write_archive(tmp_path / "a.tgz", files)
    fail_to_prepare(archive, cache, rf"a\.tgz: imagenette2-320/{name}: not an image that can")


def link(name: str, kind: bytes) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, "/etc/passwd"
    return member


@pytest.mark.parametrize(
    ("member", "message"),
    [
        (tarfile.TarInfo("/train/n01440764/a.JPEG"), "the path '/train/n01440764/a.JPEG' leads"),
        (tarfile.TarInfo("a/../../b.JPEG"), r"the path 'a/\.\./\.\./b\.JPEG' leads out"),
        (tarfile.TarInfo("a\\..\\b"), "leads out"),
        (link("train/n01440764/a.JPEG", tarfile.SYMTYPE), "a.JPEG' is a link or a device"),
        (link("notes.txt", tarfile.LNKTYPE), "'notes.txt' is a link or a device"),
        (link("null", tarfile.CHRTYPE), "'null' is a link or a device"),
        (link("pipe", tarfile.FIFOTYPE), "'pipe' is a link or a device"),
    ],
)
def test_archives_that_are_refused(
    tmp_path: Path, cache: Path, member: tarfile.TarInfo, message: str
):
    archive = write_archive(tmp_path / "a.tgz", FILES, more=[member])
    fail_to_prepare(archive, cache, rf"a\.tgz: refused, because .*{message}")


def test_members_that_are_too_large(tmp_path: Path, cache: Path):
    member = tarfile.TarInfo("zeros")
    member.size = 65 * 2**20
    archive = write_archive(tmp_path / "a.tgz", FILES, more=[member])
    fail_to_prepare(archive, cache, "refused, because 'zeros' has 68157440 bytes, more than 64 MiB")


def test_headers_that_are_too_large(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("hyperzoo.images.archive.MAX_FILE_BYTES", 50_000)
    member = tarfile.TarInfo("a")
    member.pax_headers = {"comment": "x" * 300_000}
    archive = write_archive(tmp_path / "a.tgz", FILES, more=[member])
    fail_to_prepare(archive, cache, r"a\.tgz: refused, because a member's headers are too large")


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.9, 0.999])
def test_a_truncated_archive(archive: Path, cache: Path, keep: float):
    archive.write_bytes(archive.read_bytes()[: int(archive.stat().st_size * keep)])
    fail_to_prepare(
        archive, cache, r"\.tgz: expected a \.tgz or \.zip archive, but it is damaged, trunc"
    )


def test_a_file_that_is_no_archive(archive: Path, cache: Path):
    archive.write_bytes(b"<html>404</html>")
    fail_to_prepare(archive, cache, "a .tgz or .zip archive, got a web page; download the file")


def test_a_failure_keeps_what_was_prepared_before(archive: Path, cache: Path):
    prepared = prepare_imagenette(archive, size=8)
    before = prepared.read_bytes()
    archive.write_bytes(archive.read_bytes()[:-100])
    with pytest.raises(ImageError, match="damaged"):
        prepare_imagenette(archive, size=8)
    assert prepared.read_bytes() == before
    assert names(cache) == [prepared.name]


@pytest.fixture
def internet(archive: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """An internet that holds the test's archive; lists what was fetched."""
    fetched = []

    def fetch(self: object, url: str, output_file: str, *_: object, **__: object) -> None:
        fetched.append(url)
        Path(output_file).write_bytes(archive.read_bytes())

    monkeypatch.setattr(pooch.HTTPDownloader, "__call__", fetch)
    return fetched


def test_a_download(
    internet: list[str],
    archive: Path,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
):
    md5 = hashlib.md5(archive.read_bytes()).hexdigest()
    monkeypatch.setattr(imagenette, "ARCHIVE_MD5", md5)
    prepare_imagenette(size=8)
    prepare_imagenette(size=9)
    assert internet == [imagenette.ARCHIVE_URL]  # once, and kept
    assert names(cache) == ["imagenette-8x8x3.npz", "imagenette-9x9x3.npz", "imagenette2-320.tgz"]
    assert load_images("imagenette", size=9).image_shape == (9, 9, 3)
    assert capfd.readouterr() == ("", "")


def test_a_download_with_another_checksum(internet: list[str], cache: Path):
    with pytest.raises(ImageError, match=r"can't download https://.*3df6f0d01a2c9592104656642f5e"):
        prepare_imagenette()
    assert names(cache) == []


def test_a_download_without_a_network(cache: Path, monkeypatch: pytest.MonkeyPatch):
    def fail(*_: object, **__: object) -> None:
        raise requests.exceptions.ConnectionError("Name or service not known")

    monkeypatch.setattr(pooch.HTTPDownloader, "__call__", fail)
    with pytest.raises(
        ImageError,
        match=r"can't download .*not known; try again, or download it by other means "
        r".*--from imagenette2-320\.tgz",
    ):
        prepare_imagenette()
    assert names(cache) == []


def test_real_images_are_those_that_others_made(shared_data: Path, tmp_path: Path):
    """The shared arrays were made by other code, from the same photos."""
    sample = load_images(
        "imagenette", path=shared_data / "imagenette2-sample.tgz", cache_folder=tmp_path
    )
    full = load_npz(shared_data / "imagenette-32.npz", size=32, channels=3)
    assert sample.class_names == full.class_names
    assert (len(sample.train_images), len(sample.validation_images)) == (120, 60)
    for label in range(10):
        known = full.validation_images[full.validation_labels == label].astype(np.int16)
        for image in sample.validation_images[sample.validation_labels == label]:
            # Decoders of JPEG may differ by a grey level.
            assert np.abs(known - image).mean(axis=(1, 2, 3)).min() < 1


def test_an_npz_file_serves_as_imagenette(tmp_path: Path, cache: Path, archive: Path):
    images = load_images("imagenette", size=8, path=archive)
    write_npz(images, tmp_path / "x.npz")
    again = load_images("imagenette", size=8, path=tmp_path / "x.npz")
    assert (again.name, again.fingerprint) == ("imagenette", images.fingerprint)
