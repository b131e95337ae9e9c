"""Hostile pickles: each is refused with a reason, and nothing in any of them runs."""

import copyreg
import io
import os
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hyperzoo.errors import ForeignFileError
from hyperzoo.exchange.safe_pickle import load_bytes
from hyperzoo.exchange.safe_tensors import NAMES, as_array


def read(content: bytes) -> list[Any]:
    return list(load_bytes(content, NAMES, "file.pkl").items())


class Runs:
    """What unpickling it would do is plain to see afterwards."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


def dumped(value: Any, protocol: int = 4) -> bytes:
    return pickle.dumps([value], protocol)


@pytest.mark.parametrize("protocol", range(6))
def test_code_at_every_protocol(tmp_path: Path, protocol: int):
    mark = tmp_path / "mark"
    content = dumped({"model": Runs(os.mkdir, str(mark))}, protocol)
    with pytest.raises(ForeignFileError, match=r"asks for 'posix.mkdir', .*nothing was executed"):
        read(content)
    assert not mark.exists()
    pickle.loads(content)
    assert mark.exists(), "the file is harmless: it proves nothing"


def legacy_storage(value: Any) -> bytes:
    sink = io.BytesIO()
    torch.save(value, sink, _use_new_zipfile_serialization=False)
    return sink.getvalue()


def test_code_inside_a_tensors_bytes(tmp_path: Path):
    mark = tmp_path / "mark"
    inner = legacy_storage(Runs(os.mkdir, str(mark)))
    content = dumped(Runs(torch.storage._load_from_bytes, inner))
    with pytest.raises(ForeignFileError, match=r"asks for 'posix.mkdir'"):
        read(content)
    assert not mark.exists()


HOSTILE = {
    "eval": (b"\x80\x02](cbuiltins\neval\nX\x01\x00\x00\x001\x85Re.", "builtins.eval"),
    "a chain of getattr": (b"\x80\x02](cbuiltins\ngetattr\ncos\nsystem\n\x86Re.", "getattr"),
    "a module of torch": (b"\x80\x02](ctorch\nload\nX\x01\x00\x00\x00a\x85Re.", "torch.load"),
    "a dotted name": (
        b"\x80\x04](\x8c\x0bcollections\x8c\x16OrderedDict.__reduce__\x93)Re.",
        "OrderedDict.__reduce__",
    ),
    "a name made of pieces": (b"\x80\x04](\x8c\x02os(\x8c\x06systeml\x93)Re.", "os"),
    "a name that is a number": (b"\x80\x04](K\x01K\x02\x93)Re.", "asks for '1.2'"),
    "a call of a class": (b"\x80\x02](cnumpy\nndarray\n)Re.", "a class where a call should be"),
    "a call of a text": (b"\x80\x02](X\x01\x00\x00\x00a)Re.", "a call of something"),
    "a new object": (b"\x80\x02](ccollections\nOrderedDict\n)\x81e.", "is refused"),
    "an instance": (b"\x80\x02((icollections\nOrderedDict\n.", "is refused"),
    "an object": (b"\x80\x02((ccollections\nOrderedDict\no.", "is refused"),
    "an extension": (b"\x80\x02](\x82\x01e.", "is refused"),
    "a long extension": (b"\x80\x02](\x84\x01\x00\x00\x00e.", "is refused"),
    "a persistent id": (b"\x80\x02](X\x01\x00\x00\x00aQe.", "a persistent id"),
    "a persistent id as text": (b"](Pabc\ne.", "is refused"),
    "a buffer from outside": (b"\x80\x05](\x97e.", "is refused"),
    "a state for a dict": (
        b"\x80\x02](ccollections\nOrderedDict\n)R}b e.",
        "a state for a dict",
    ),
    "a state for a list": (b"\x80\x02](]}be.", "a state for a list"),
    "a huge count": (b"\x80\x04](\x8e" + struct.pack("<Q", 2**62) + b"e.", "more bytes, but 2"),
    "a huge text": (b"\x80\x04](\x8d" + struct.pack("<Q", 2**40) + b"e.", "more bytes, but 2"),
    "a huge number": (b"\x80\x02](\x8a\xff" + b"\x01" * 255 + b"e.", "more than 16 bytes"),
    "digits without end": (b"](I" + b"9" * 50 + b"\ne.", "more than 40 digits"),
    "a line without end": (b"](V" + b"a" * 70_000, "cut short in a line"),
    "a memory of nothing": (b"\x80\x02](h\x05e.", "KeyError"),
    "a mark too few": (b"\x80\x02]e.", "no mark"),
    "an empty stack": (b"\x80\x02aaa.", "IndexError"),
    "two values": (b"\x80\x02]].", "the end with 2 values"),
    "a list of keys": (b"\x80\x02](}]]se.", "a list as key"),
    "a protocol to come": (b"\x80\x09].", "protocol 9"),
    "no pickle": (b"hello", "damaged: KeyError"),
    "nothing": (b"", "expected 1 more bytes, but 0 are left"),
    "a dict": (b"\x80\x02}.", "expected a list, got dict"),
    "an encoding that runs": (
        b"\x80\x02](c_codecs\nencode\nX\x01\x00\x00\x00aX\x05\x00\x00\x00rot13\x86Re.",
        "an encoding 'rot13'",
    ),
    "objects in an array": (
        b"\x80\x02](cnumpy\ndtype\nX\x01\x00\x00\x00O\x85Re.",
        "numbers of type 'O'",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile(name: str):
    content, message = HOSTILE[name]
    with pytest.raises(ForeignFileError, match=message):
        read(content)


def test_endless_nesting():
    with pytest.raises(ForeignFileError, match="too many values"):
        read(b"\x80\x02](" + b"]" * (2**22 + 10))


def test_a_list_that_holds_itself():
    value: list[Any] = []
    value.append(value)
    (found,) = read(pickle.dumps(value))
    assert found == []


def test_a_laugh_of_billions_takes_no_memory():
    value: Any = ["ha"]
    for _ in range(60):
        value = [value, value]
    (found,) = read(dumped(value))
    assert found[0] is found[1]


def storage(count: int, claimed: int | None = None) -> bytes:
    """A float32 storage that may claim more numbers than it has."""
    content = legacy_storage(torch.zeros(count).untyped_storage()) if count == 0 else b""
    content = content or legacy_storage(torch.arange(count, dtype=torch.float32).storage())
    if claimed is not None:
        begin = len(content) - 4 * count - 8
        content = content[:begin] + struct.pack("<q", claimed) + content[begin + 8 :]
    return content


class Tensor(Runs):
    """A tensor that may claim anything."""

    def __init__(self, content: bytes, offset: Any, shape: Any, stride: Any) -> None:
        inner = Runs(torch.storage._load_from_bytes, content)
        super().__init__(torch._utils._rebuild_tensor_v2, inner, offset, shape, stride, False, {})


@pytest.mark.filterwarnings("ignore:TypedStorage is deprecated")
@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        (lambda: Tensor(storage(4, 2**60), 0, (4,), (1,)), "more bytes, but 16"),
        (lambda: Tensor(storage(4, -1), 0, (4,), (1,)), "more bytes"),
        (lambda: Tensor(storage(4), 0, (5,), (1,)), "does not fit its 4 numbers"),
        (lambda: Tensor(storage(4), 3, (2,), (1,)), "does not fit its 4 numbers"),
        (lambda: Tensor(storage(4), -1, (2,), (1,)), "begins before"),
        (lambda: Tensor(storage(4), 0, (2**39, 2**39), (0, 0)), "does not fit its 4"),
        (lambda: Tensor(storage(4), 0, (2, 2), (1, 3)), "does not fit its 4"),
        (lambda: Tensor(storage(4), 0, (2, -2), (1, 1)), "a shape that is none"),
        (lambda: Tensor(storage(4), 0, (2, 2), (1,)), "damaged"),
        (lambda: Tensor(storage(4)[:-3], 0, (4,), (1,)), "more bytes"),
        (lambda: Tensor(b"", 0, (4,), (1,)), "more bytes"),
        (lambda: Tensor(pickle.dumps(3), 0, (4,), (1,)), "unknown version"),
        (
            lambda: Tensor(legacy_storage(torch.zeros(4).double().storage()), 0, (4,), (1,)),
            "a tensor of DoubleStorage, expected float32",
        ),
    ],
)
def test_tensors_that_lie(tensor: Callable[[], Tensor], message: str):
    with pytest.raises(ForeignFileError, match=message):
        read(dumped(tensor()))


def test_honest_values():
    shared = np.arange(6, dtype="f4").reshape(2, 3)
    values = [
        {"text": "häh", "none": None, "yes": True, "n": [-1, 255, 70_000, 2**40], "x": 1.5},
        ("a", ("b", "c", "d"), ()),
        [shared, torch.arange(3.0), np.float32(2.5)],
    ]
    for protocol in range(6):
        found = read(pickle.dumps(values, protocol))
        assert found[0] == values[0]
        assert found[1] == values[1]
        assert as_array(found[2][0]).tobytes() == shared.tobytes()
        assert as_array(found[2][1]).tolist() == [0, 1, 2]
        assert found[2][2] == 2.5


def test_large_values_are_forgotten_with_their_item():
    large = np.zeros(1000, "f4").tobytes()
    with pytest.raises(ForeignFileError, match="an earlier network had too"):
        # Two batches: a list is written a thousand items at a time.
        read(pickle.dumps([large, *range(999), large, 0]))


HONEST = pickle.dumps([{"model": "a_1", "x": np.arange(3, dtype="f4")}, 3, "t"], 4)


@settings(max_examples=300, deadline=None)
@given(content=st.binary(max_size=200))
@example(content=HONEST)
def test_any_bytes_give_values_or_our_error(content: bytes):
    try:
        read(content)
    except ForeignFileError:
        return


@settings(max_examples=300, deadline=None)
@given(place=st.integers(0, len(HONEST) - 1), byte=st.integers(0, 255))
def test_a_changed_byte_gives_values_or_our_error(place: int, byte: int):
    content = bytearray(HONEST)
    content[place] = byte
    try:
        read(bytes(content))
    except ForeignFileError:
        return


def test_the_registry_of_extensions_is_not_asked():
    copyreg.add_extension("os", "getcwd", 0xF0)
    try:
        with pytest.raises(ForeignFileError, match="is refused"):
            read(dumped(Runs(os.getcwd), 2).replace(b"cos\ngetcwd\n", b"\x82\xf0"))
        with pytest.raises(ForeignFileError, match="is refused"):
            read(b"\x80\x02](\x82\xf0)Re.")
    finally:
        copyreg.remove_extension("os", "getcwd", 0xF0)
