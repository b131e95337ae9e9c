import json
import os
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load

from hyperzoo.errors import ZooFormatError
from hyperzoo.zoo.tensors import MAX_HEADER_BYTES, encode_tensors, open_tensors
from tests.zoo.makers import read_tensors

TENSORS = {
    "weight": np.arange(24, dtype=np.float32).reshape(2, 3, 4),
    "bias": np.array([-0.0, np.nan], dtype=np.float32),
}


def with_header(header: object, data: bytes = b"\0" * 8) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def entry(**changes: object) -> dict[str, object]:
    return {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]} | changes


@pytest.mark.parametrize("mmap", [True, False])
def test_what_is_written_is_read(tmp_path: Path, mmap: bool):
    path = tmp_path / "file"
    content = encode_tensors(TENSORS, {"part": 3})
    path.write_bytes(content)
    found = read_tensors(path, mmap=mmap)
    assert found.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert found[name].tobytes() == tensor.tobytes()
        assert found[name].shape == tensor.shape
        assert not found[name].flags.writeable
        assert load(content)[name].tobytes() == tensor.tobytes()
    assert encode_tensors(TENSORS, {"part": 3}) == content


def test_arrays_that_are_not_contiguous_are_written_right(tmp_path: Path):
    path = tmp_path / "file"
    turned = TENSORS["weight"].transpose(2, 0, 1)
    path.write_bytes(encode_tensors({"turned": turned}, {}))
    assert np.array_equal(read_tensors(path)["turned"], turned)


@pytest.mark.parametrize(
    ("content", "flaw"),
    [
        (b"", "cut short"),
        (b"\xff" * 8, "cut short"),
        (struct.pack("<Q", 2**40) + b"{}", "cut short"),
        (with_header(b"{"), "not JSON"),
        (with_header(b"\xff\xfe"), "not JSON"),
        (with_header(b"[" * 100_000), "not JSON"),
        (with_header([]), "not a JSON object"),
        (with_header({"a": 3}), "wrong entry"),
        (with_header({"a": entry(dtype="F64")}), "wrong entry"),
        (with_header({"a": entry(shape=[2.0])}), "wrong entry"),
        (with_header({"a": entry(shape=[True, 2])}), "wrong entry"),
        (with_header({"a": entry(shape=[-2])}), "wrong entry"),
        (with_header({"a": entry(shape=[2**61, 2**61])}), "wrong entry"),
        (with_header({"a": entry(shape=[1] * 17 + [2])}), "wrong entry"),
        (with_header({"a": entry(shape=[0, 2**61], data_offsets=[0, 0])}, b""), "wrong entry"),
        (with_header({"a": entry(shape=[0], data_offsets=[4, 4])}, b""), "wrong entry"),
        (with_header({"a": entry(shape=[[[2]]])}), "wrong entry"),
        (with_header({"a": entry(), "__metadata__": {"hyperzoo": 3}}), "not an object of texts"),
        (with_header({"a": entry(), "__metadata__": {"hyperzoo": "["}}), "metadata is not JSON"),
        (with_header({"a": entry(), "__metadata__": {"hyperzoo": "\ud800"}}), "is not JSON"),
        (with_header(b'{"a": 1, "a": 2}'), "a name comes twice"),
        (with_header(b'{"a": {"dtype": "F32", "dtype": "F32"}}'), "a name comes twice"),
        (with_header(b'{"a": ' + b"9" * 5000 + b"}"), "not JSON"),
        (with_header({"a": entry(data_offsets=[8, 0])}), "wrong entry"),
        (with_header({"a": entry(data_offsets=[-8, 0])}), "wrong entry"),
        (with_header({"a": entry(data_offsets=[0, 4])}), "wrong entry"),
        (with_header({"a": entry(), "b": entry()}, b"\0" * 16), "overlap or leave a hole"),
        (with_header({"a": entry(data_offsets=[8, 16])}, b"\0" * 16), "leave a hole"),
        (with_header({"a": entry()}, b"\0" * 7), "expected 8 bytes of tensors, got 7"),
        (with_header({"a": entry()}, b"\0" * 9), "expected 8 bytes of tensors, got 9"),
    ],
)
def test_damaged_and_hostile_files_are_refused(tmp_path: Path, content: bytes, flaw: str):
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(ZooFormatError, match=flaw):
        read_tensors(path)


def test_a_header_that_is_too_long(tmp_path: Path):
    path = tmp_path / "file"
    with path.open("wb") as file:
        file.write(struct.pack("<Q", MAX_HEADER_BYTES + 1))
        file.truncate(MAX_HEADER_BYTES + 100)
    with pytest.raises(ZooFormatError, match="cut short"):
        read_tensors(path)


def test_only_regular_files_are_opened(tmp_path: Path):
    """To open a pipe would wait for ever."""
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, Path("/dev/zero")):
        with pytest.raises(ZooFormatError, match="expected a regular file"):
            read_tensors(path)


@pytest.mark.parametrize("mmap", [True, False])
def test_a_row_alone(tmp_path: Path, mmap: bool):
    path = tmp_path / "file"
    path.write_bytes(encode_tensors(TENSORS, {"part": 3}))
    file = open_tensors(path, mmap=mmap)
    assert file.metadata == {"part": 3}
    assert file.row("weight", 1).tobytes() == TENSORS["weight"][1].tobytes()
    assert file.row("weight", 1).shape == (3, 4)


def test_a_file_that_shrinks_while_it_is_open(tmp_path: Path):
    path = tmp_path / "file"
    path.write_bytes(encode_tensors(TENSORS, {}))
    file = open_tensors(path, mmap=False)
    os.truncate(path, path.stat().st_size - 4)
    last = max(TENSORS, key=lambda name: file.places[name].end)
    with pytest.raises(ZooFormatError, match="cut short since it was opened"):
        file.tensor(last)


def test_a_missing_file(tmp_path: Path):
    with pytest.raises(ZooFormatError, match="No such file"):
        read_tensors(tmp_path / "none")


@given(
    st.one_of(
        st.binary(max_size=300),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=5),
            lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner),
            max_leaves=8,
        ).map(with_header),
        st.tuples(st.integers(0, 200), st.integers(0, 255)).map(lambda change: mutated(*change)),
    )
)
def test_any_bytes_are_either_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
):
    path = tmp_path_factory.mktemp("fuzz") / "file"
    path.write_bytes(content)
    try:
        tensors = read_tensors(path)
    except ZooFormatError:
        return
    assert sum(tensor.nbytes for tensor in tensors.values()) <= len(content)


def mutated(place: int, value: int) -> bytes:
    content = bytearray(encode_tensors(TENSORS, {}))
    content[place % len(content)] = value
    return bytes(content)
