"""What a file is by its first bytes, whatever it is called."""

import bz2
import collections
import gzip
import json
import lzma
import os
import pickle
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file

from hyperzoo.errors import ForeignFileError
from hyperzoo.exchange.content import Content, check_content, look, told
from hyperzoo.exchange.finding import find_foreign
from hyperzoo.exchange.importing import import_zoo
from tests.exchange.pytorch.test_saved import random_state

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 12345\n"
TENSORS = {"a": torch.zeros(3)}


def _tar(path: Path) -> None:
    with tarfile.open(path, "w") as archive:
        archive.addfile(tarfile.TarInfo("a"))


def _zip(*names: str) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with zipfile.ZipFile(path, "w") as archive:
            for name in names:
                archive.writestr(name, b"{}")

    return write


def _hdf5(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["a"] = 1


def _npz(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, a=np.zeros(2))


def _npy(path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, np.zeros(2))


WRITERS: list[tuple[Content, Callable[[Path], object]]] = [
    (Content.EMPTY, lambda path: path.write_bytes(b"")),
    (Content.ZEROS, lambda path: path.write_bytes(b"\0" * 5000)),
    (Content.HTML, lambda path: path.write_text("<!DOCTYPE html><html>", encoding="utf-16")),
    (Content.JSON, lambda path: path.write_text('{"a": 1}', encoding="utf-16")),
    (Content.TEXT, lambda path: path.write_text("a,b\n" * 400, encoding="utf-16")),
    (Content.WORKBOOK, _zip("[Content_Types].xml", "xl/workbook.xml")),
    (Content.ABSENT, lambda path: path.mkdir()),
    (Content.ABSENT, lambda path: os.mkfifo(path)),
    (Content.LFS, lambda path: path.write_bytes(LFS)),
    (Content.HTML, lambda path: path.write_bytes(b"\n\n<!DOCTYPE html><html>404")),
    (Content.HTML, lambda path: path.write_bytes(b"\xef\xbb\xbf<HTML lang='en'>")),
    (Content.GZIP, lambda path: path.write_bytes(gzip.compress(b"a", mtime=0))),
    (Content.BZIP2, lambda path: path.write_bytes(bz2.compress(b"a"))),
    (Content.XZ, lambda path: path.write_bytes(lzma.compress(b"a"))),
    (Content.TAR, _tar),
    (Content.TORCH, lambda path: torch.save(TENSORS, path)),
    (
        Content.TORCH,
        lambda path: torch.save(TENSORS, path, _use_new_zipfile_serialization=False),
    ),
    (Content.TORCHSCRIPT, _zip("a/data.pkl", "a/constants.pkl", "a/code/b.py")),
    (Content.KERAS, _zip("config.json", "model.weights.h5")),
    (Content.NPZ, _npz),
    (Content.ZIP, _zip("a.txt")),
    (Content.HDF5, _hdf5),
    (Content.NPY, _npy),
    (Content.SAFETENSORS, lambda path: save_file({"a": np.zeros(3)}, path)),
    *[
        (Content.PICKLE, lambda path, p=p: path.write_bytes(pickle.dumps([{"a": 1}, "b"], p)))
        for p in range(6)
    ],
    (Content.JSON, lambda path: path.write_text(json.dumps({"a": 1}))),
    (Content.TEXT, lambda path: path.write_text("Bär, 猫\n" * 400, encoding="utf-8")),
    (Content.IMAGE, lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n")),
    (Content.UNKNOWN, lambda path: path.write_bytes(b"\xff\0" * 90)),
    (Content.ZIP_CUT, lambda path: path.write_bytes(b"PK\x03\x04 and cut")),
]


@pytest.mark.parametrize(("expected", "write"), WRITERS)
def test_what_it_is(tmp_path: Path, expected: Content, write: Callable[[Path], object]):
    write(tmp_path / "seven_0.txt")
    assert look(tmp_path / "seven_0.txt") is expected


@given(st.binary(max_size=600))
def test_any_bytes_are_something(tmp_path_factory: pytest.TempPathFactory, content: bytes):
    path = tmp_path_factory.getbasetemp() / "any"
    path.write_bytes(content)
    assert look(path) in Content


def test_what_is_not_there():
    assert look(Path("nowhere")) is Content.ABSENT


def test_what_is_not_known_is_left_to_the_reader(tmp_path: Path):
    path = tmp_path / "a"
    path.write_bytes(b"\xff\0" * 90)
    check_content(path, "a Keras file", (Content.HDF5,))
    path.write_bytes(LFS)
    check_content(path, "a pointer", (Content.LFS,))


@pytest.mark.parametrize(
    "suffix", [".h5", ".H5", ".weights.h5", ".keras", ".pt", ".ckpt", ".pth.tar", ".safetensors"]
)
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (LFS, "a Git LFS pointer, not the file itself; run git lfs pull"),
        (b"<!doctype html><title>Sign in", "a web page; download the file itself again"),
        (gzip.compress(b"abc", mtime=0), r"compressed by gzip; unpack it first \(gunzip\)"),
        (b"", "an empty file; get it again"),
        (b"\0" * 5000, "zeros alone where it begins; get it again"),
        ("<!doctype html>".encode("utf-16"), "a web page; download the file itself again"),
    ],
)
def test_import_says_what_it_is(tmp_path: Path, suffix: str, content: bytes, said: str):
    (tmp_path / f"church_0{suffix}").write_bytes(content)
    with pytest.raises(ForeignFileError, match=rf"church_0\{suffix}: not a .* but {said}"):
        import_zoo(tmp_path, tmp_path / "zoo")


@pytest.mark.parametrize("content", [LFS, gzip.compress(b"abc", mtime=0), b"<html>"])
def test_pickles_that_are_none(tmp_path: Path, content: bytes):
    (tmp_path / "modelwise.pkl").write_bytes(content)
    with pytest.raises(ForeignFileError, match=r"modelwise.pkl: not a pickle of networks but"):
        import_zoo(tmp_path, tmp_path / "zoo")


def test_what_lies_there_instead(tmp_path: Path):
    np.save(tmp_path / "weights.npy", np.zeros((2, 4970), np.float32))
    (tmp_path / "metrics.csv.gz").write_bytes(gzip.compress(b"a", mtime=0))
    with pytest.raises(ForeignFileError, match="a Small CNN Zoo is read from the folder") as error:
        import_zoo(tmp_path, tmp_path / "zoo")
    assert "1 file (metrics.csv.gz): compressed by gzip; unpack it first" in str(error.value)
    assert "1 file (weights.npy): an array of NumPy" in str(error.value)


def _cut(write: Callable[[Path], object], path: Path, kept: int | None) -> None:
    """Write a file, and keep its beginning alone: so many bytes, or half of them."""
    write(path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2 if kept is None else kept])


CUT: list[tuple[Content, Callable[[Path], object], str]] = [
    (Content.TORCH_CUT, lambda path: torch.save(TENSORS, path), "a file of torch.save that was"),
    (Content.KERAS_CUT, _zip("metadata.json", "config.json"), "a Keras 3 model that was"),
    (Content.NPZ_CUT, _npz, r"arrays of NumPy \(npz\) that were"),
    (Content.ZIP_CUT, _zip("train/cat/0.png", "train/cat/1.png"), "a zip archive that was"),
]


@pytest.mark.parametrize("kept", [None, 80])
@pytest.mark.parametrize(("expected", "write", "said"), CUT)
@pytest.mark.parametrize("name", ["cat_0.pt", "cat_0.bin", "cat_0.keras", "cat_0.h5", "cat_0"])
def test_archives_cut_short_are_told(
    tmp_path: Path,
    expected: Content,
    write: Callable[[Path], object],
    said: str,
    name: str,
    kept: int | None,
):
    path = tmp_path / "files" / name
    path.parent.mkdir()
    _cut(write, path, kept)
    assert look(path) is expected
    # Nothing that lists it as passed over comes first where its name is that of a network.
    with pytest.raises(
        ForeignFileError, match=rf"{name}: (it has .*, but is )?{said} cut short or damaged; get it"
    ) as error:
        import_zoo(path.parent, tmp_path / "zoo")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "zoo").exists()


@pytest.mark.parametrize("name", ["cat_0.bin", "cat_0.model", "cat_0"])
def test_a_cut_file_is_never_told_as_passed_over(tmp_path: Path, name: str):
    torch.save({"fc.weight": torch.zeros(1, 2), "fc.bias": torch.zeros(1)}, tmp_path / "dog_0.pt")
    _cut(lambda path: torch.save(TENSORS, path), tmp_path / name, None)
    with pytest.raises(ForeignFileError, match=rf"{name}: it has .* torch.save that was cut short"):
        find_foreign(tmp_path)


class _Calls:
    """Unpickled, it would run a command."""

    def __reduce__(self) -> tuple[object, ...]:
        return os.system, ("exit 1",)


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
@pytest.mark.parametrize("name", ["cat_0.pt", "cat_0.pth", "cat_0.h5", "cat_0.bin"])
def test_a_pickle_with_code_names_the_call(tmp_path: Path, name: str, protocol: int):
    """Whatever it is called; and no other name is advised, under which it would be refused too."""
    path = tmp_path / name
    path.write_bytes(pickle.dumps({"conv.weight": np.zeros(2), "fc": _Calls()}, protocol))
    with pytest.raises(
        ForeignFileError, match=rf"a pickle that asks for '{os.system.__module__}.system', which"
    ) as error:
        import_zoo(tmp_path, tmp_path / "zoo")
    assert "save the state_dict where it was made" in str(error.value)
    assert "name it" not in str(error.value)
    assert ".pkl" not in str(error.value)


def test_a_pickle_of_arrays_is_told_what_is_read(tmp_path: Path):
    path = tmp_path / "cat_0.pt"
    path.write_bytes(pickle.dumps({"fc.weight": np.zeros(2, np.float32)}))
    assert told(path, look(path)).startswith("a pickle; of pickles only modelwise.pkl and layer")
    path.write_bytes(path.read_bytes()[:-20])
    assert told(path, look(path)) == "a pickle that was cut short; get it or save it again"


@pytest.mark.parametrize("kind", [dict, collections.OrderedDict])
def test_the_user_s_own_pickle_is_told_what_to_save(tmp_path: Path, kind: type):
    """The same under every name, and nothing of trust: it is a state_dict."""
    content = pickle.dumps(kind(a=torch.zeros(3)))
    for name in ("cat_0.pkl", "cat_0.pt"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ForeignFileError, match=r"but a pickle.*torch\.save\(module") as error:
            import_zoo(tmp_path / name, tmp_path / "zoo")
        assert "trusted" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("metrics.csv", LFS, "a Git LFS pointer, not the file itself; run git lfs pull"),
        ("Metrics.CSV", b"<html>", "a web page; download the file itself again"),
        ("metrics.csv", gzip.compress(b"Class,Count", mtime=0), "compressed by gzip; unpack it"),
        ("metrics.csv", b"", "an empty file; get it again"),
        ("results.csv", LFS, "a Git LFS pointer, not the file itself; run git lfs pull"),
    ],
)
def test_metrics_that_are_no_table_do_not_vanish(
    tmp_path: Path, name: str, content: bytes, said: str
):
    torch.save(random_state("smallcnn"), tmp_path / "cat_0.pt")
    (tmp_path / name).write_bytes(content)
    with pytest.raises(
        ForeignFileError, match=rf"{name}: it has the name of a table.*but is {said}"
    ):
        import_zoo(tmp_path, tmp_path / "zoo")


def test_metrics_in_a_workbook_do_not_vanish(tmp_path: Path):
    torch.save(random_state("smallcnn"), tmp_path / "cat_0.pt")
    _zip("[Content_Types].xml", "xl/workbook.xml")(tmp_path / "metrics.csv")
    with pytest.raises(
        ForeignFileError, match="is an Excel workbook; save it as CSV; if it is none"
    ):
        import_zoo(tmp_path, tmp_path / "zoo")


@pytest.mark.parametrize(
    ("name", "content"),
    [("metrics.csv", b"epoch,step,train_loss\n0,9,0.5\n"), ("notes.csv", b"")],
)
def test_tables_of_else_are_passed_over(tmp_path: Path, name: str, content: bytes):
    """Lightning's table of losses has the same name."""
    torch.save(random_state("smallcnn"), tmp_path / "cat_0.pt")
    (tmp_path / name).write_bytes(content)
    found = import_zoo(tmp_path, tmp_path / "zoo").found
    assert found is not None
    assert [file.name for file in found.others] == [name]


def test_a_part_of_a_distributed_checkpoint(tmp_path: Path):
    (tmp_path / "cat_0").mkdir()
    torch.save(TENSORS, tmp_path / "cat_0" / "__0_0.distcp")
    with pytest.raises(ForeignFileError, match=r"a part of a distributed.*dcp_to_torch_save\(fold"):
        import_zoo(tmp_path, tmp_path / "zoo")


@pytest.mark.parametrize(
    "text", ["hello world, this is text", "(see the README)\n", "Dear all,\n", "I am\na text\n"]
)
def test_words_that_begin_as_instructions_of_old_pickles(text: str, tmp_path: Path):
    (tmp_path / "modelwise.pkl").write_text(text)
    assert look(tmp_path / "modelwise.pkl") is Content.TEXT
    with pytest.raises(ForeignFileError, match=r"not a pickle of networks but a text; give the"):
        import_zoo(tmp_path / "modelwise.pkl", tmp_path / "zoo")
