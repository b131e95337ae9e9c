"""Hostile pickles: each is refused with its message, and nothing in it has run."""

import collections
import contextlib
import io
import pickle
import struct
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperzoo.errors import ForeignFileError
from hyperzoo.exchange.pickles.items import first_key, read_items
from hyperzoo.exchange.pickles.tensors import END, START, push, push_tensor
from hyperzoo.unpickling import machine as pickle_machine

TENSOR = push_tensor(np.arange(6, dtype=np.float32).reshape(2, 3))


def read(content: bytes, folder: Path) -> list[Any]:
    path = folder / "file.pkl"
    path.write_bytes(content)
    return list(read_items(path))


def list_of(*values: bytes) -> bytes:
    return START + b"]" + b"".join(value + b"a" for value in values) + END


@pytest.fixture
def mark(tmp_path: Path) -> Iterator[Path]:
    """What hostile pickles would make."""
    path = tmp_path / "mark"
    yield path
    assert not path.exists()


class Evil:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return open, (str(self.mark), "w")


class EvilState(Evil):
    def __reduce__(self) -> Any:
        return collections.OrderedDict, (), {"x": Evil(self.mark)}


def rebuilt(storage: bytes, offset: int = 0, shape: Any = (2,), steps: Any = (1,)) -> bytes:
    """A call of torch's function with other arguments."""
    arguments = storage + push(offset) + push(shape) + push(steps) + b"\x89ccollections\n"
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + arguments + b"OrderedDict\n)RtR"


def loaded(file: bytes) -> bytes:
    """A call of torch's loader of storages."""
    return b"ctorch.storage\n_load_from_bytes\nB" + struct.pack("<I", len(file)) + file + b"\x85R"


def saved(value: Any) -> bytes:
    """What torch.save writes in the older format."""
    file = io.BytesIO()
    torch.save(value, file, _use_new_zipfile_serialization=False)
    return file.getvalue()


STORAGE = saved(torch.arange(2.0)._typed_storage())


def test_the_loud_pickles_do_run_in_python(tmp_path: Path):
    mark = tmp_path / "mark"
    pickle.loads(pickle.dumps([Evil(mark)])).pop().close()
    assert mark.exists()


@pytest.mark.parametrize("protocol", range(2, 6))
def test_what_pickle_writes_of_tensors_and_arrays(tmp_path: Path, protocol: int):
    items = [
        {
            "tensor": torch.arange(6.0).reshape(2, 3) + number,
            "turned": torch.arange(6.0).reshape(2, 3).T,
            "part": torch.arange(6.0)[2:5],
            "scalar": torch.tensor(2.5),
            "double": torch.ones(2, dtype=torch.float64),
            "parameter": torch.nn.Parameter(torch.ones(2)),
            "array": np.arange(6, dtype=np.float32).reshape(2, 3),
            "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
            "plain": [None, True, 3, -300, 70_000, 2**40, -1.5, "ä", (), (1,), (1, 2, 3, 4)],
        }
        for number in range(40)
    ]
    count = 0
    for found, item in zip(read(pickle.dumps(items, protocol), tmp_path), items, strict=True):
        assert found["plain"] == item["plain"]
        for name in found.keys() - {"plain"}:
            value: Any = item[name]
            wanted = value.detach().numpy() if isinstance(value, torch.Tensor) else value
            np.testing.assert_array_equal(found[name], wanted, strict=True)
            assert not found[name].flags.writeable
            count += 1
    assert count == 40 * 8


def test_what_is_written_is_what_pickle_opens():
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    one, two = pickle.loads(list_of(push_tensor(array.T), push_tensor(array[0, 0])))
    assert one.dtype == torch.float32
    assert not one.requires_grad
    np.testing.assert_array_equal(one.numpy(), array.T)
    assert two.shape == ()


def test_an_item_is_there_before_the_rest_is_read(tmp_path: Path):
    path = tmp_path / "file.pkl"
    whole = pickle.dumps([{"a": torch.zeros(2)}, {"a": torch.ones(2)}, {}])
    path.write_bytes(whole[:-40])
    items: Any = read_items(path)
    assert next(items)["a"].tolist() == [0, 0]
    with pytest.raises(ForeignFileError, match="cut off"):
        list(items)


def test_the_meter(tmp_path: Path):
    path = tmp_path / "file.pkl"
    path.write_bytes(list_of(*[push_tensor(np.zeros(2**20, np.float32))] * 3))
    calls: list[tuple[int, int | None]] = []
    assert len(list(read_items(path, lambda *call: calls.append(call)))) == 3
    size = path.stat().st_size
    assert calls[-1] == (size, size)
    assert [total for _, total in calls] == [size] * 4
    assert calls == sorted(calls)


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    "place",
    [
        lambda evil: evil,
        lambda evil: [evil],
        lambda evil: [{"model": "church_1"}, {"model": evil}],
        lambda evil: [{"model": "church_1", "parameters_by_layer": {"a": (1, [evil])}}],
    ],
)
def test_code(tmp_path: Path, mark: Path, protocol: int, place: Callable[[Evil], Any]):
    # Protocols 0 and 1, which no file of tensors has, are refused for their instructions.
    with pytest.raises(
        ForeignFileError,
        match=r"asks for '(io|__builtin__)\.open'|instruction [A-Z]+ is not|calls .* no function",
    ):
        read(pickle.dumps(place(Evil(mark)), protocol), tmp_path)


def test_code_in_a_state(tmp_path: Path, mark: Path):
    with pytest.raises(ForeignFileError, match=r"asks for 'io\.open'"):
        read(pickle.dumps([EvilState(mark)]), tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(lambda mark: saved(Evil(mark)), id="older format"),
        pytest.param(lambda mark: STORAGE[:14] + pickle.dumps(Evil(mark), 2), id="second pickle"),
        pytest.param(lambda mark: pickle.dumps(Evil(mark), 2), id="first pickle"),
        pytest.param(lambda mark: pickle.dumps(Evil(mark), 4), id="protocol 4"),
    ],
)
def test_code_within_the_bytes_of_torch(
    tmp_path: Path, mark: Path, content: Callable[[Path], bytes]
):
    with pytest.raises(ForeignFileError, match=r"asks for '(io|__builtin__)\.open'"):
        read(list_of(loaded(content(mark))), tmp_path)


def test_a_zip_within_the_bytes_of_torch(tmp_path: Path, mark: Path):
    file = io.BytesIO()
    torch.save(Evil(mark), file)
    with pytest.raises(ForeignFileError, match="not one that plain data takes"):
        read(list_of(loaded(file.getvalue())), tmp_path)


HOSTILE = {
    "a chain of getattr": (
        list_of(b"cbuiltins\ngetattr\n(cos\nsystem\n" + push("x") + b"tR"),
        r"asks for 'builtins\.getattr'",
    ),
    "a dotted name": (
        list_of(push("torch._utils") + push("_rebuild_tensor_v2.__globals__") + b"\x93"),
        r"asks for 'torch\._utils\._rebuild_tensor_v2\.__globals__'",
    ),
    "a computed name": (
        list_of(
            b"c_codecs\nencode\n" + push("os") + push("latin1") + b"\x86R"
            + push("system") + b"\x93"
        ),
        "names a global by what is no text",
    ),
    "a name of bytes": (list_of(b"C\x02os" + push("system") + b"\x93"), "by what is no text"),
    "a name of many lines": (START + b"c" + b"o" * 10_000, "name does not end"),
    "INST": (START + b"(ios\nsystem\n.", "instruction INST is not one"),
    "OBJ": (START + b"(cos\nsystem\no.", r"asks for 'os\.system'"),
    "NEWOBJ": (list_of(b"ccollections\nOrderedDict\n)\x81"), "instruction NEWOBJ is not one"),
    "NEWOBJ_EX": (list_of(b"ccollections\nOrderedDict\n)}\x92"), "instruction NEWOBJ_EX is"),
    "EXT1": (list_of(b"\x82\x01"), "instruction EXT1 is not one"),
    "EXT2": (list_of(b"\x83\x01\x00"), "instruction EXT2 is not one"),
    "EXT4": (list_of(b"\x84\x01\x00\x00\x00"), "instruction EXT4 is not one"),
    "PERSID": (list_of(b"Psomewhere\n"), "instruction PERSID is not one"),
    "BINPERSID": (list_of(push("somewhere") + b"Q"), r"outside the file \(a persistent id\)"),
    "buffers elsewhere": (list_of(b"\x97"), "instruction NEXT_BUFFER is not one"),
    "an unknown instruction": (START + b"\xff.", "instruction 0xff is not one"),
    "protocol 6": (b"\x80\x06].", "expected a pickle of protocol 2 to 5, got 6"),
    "BUILD of a dict": (list_of(b"}}" + push("a") + b"K\x01sb"), "state of dict, which has none"),
    "BUILD of a name": (list_of(b"ccollections\nOrderedDict\n}b"), "state of Global"),
    "BUILD of an array": (
        list_of(
            b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\n"
            b"K\x00\x85C\x01b\x87R}b"
        ),
        "expected an array of NumPy",
    ),
    "a dtype of objects": (
        list_of(b"cnumpy\ndtype\n" + push("O8") + b"\x89\x88\x87R"),
        r"numpy\.dtype got other arguments",
    ),
    "a dtype with a state of its own": (
        list_of(b"cnumpy\ndtype\n" + push("f4") + b"\x89\x88\x87R" + push((3, 1)) + b"b"),
        "expected a plain little-endian dtype",
    ),
    "an array that compares as an array": (
        list_of(b"cnumpy\ndtype\n" + push("f4") + b"\x89\x88\x87R(" + TENSOR + b"tb"),
        "expected a plain little-endian dtype",
    ),
    "an encoding of its own": (
        list_of(b"c_codecs\nencode\n" + push("a") + push("zlib") + b"\x86R"),
        r"_codecs\.encode got other arguments",
    ),
    "a call of a text": (list_of(push("os.system") + b")R"), "calls str, which is no function"),
    "a call of a class": (list_of(b"cnumpy\nndarray\n)R"), r"calls numpy\.ndarray, which is no"),
    "arguments that are no tuple": (list_of(b"ccollections\nOrderedDict\n]R"), "without a tuple"),
    "a count of 2**63 bytes": (START + b"]\x8e" + b"\xff" * 7 + b"\x7f", r"wants 922337203685477"),
    "a count of 4 GB": (START + b"]X\xff\xff\xff\xff", "wants 4294967295 bytes where 0 are left"),
    "a text of 2**64": (START + b"]\x8d" + b"\xff" * 8, "wants 18446744073709551615 bytes"),
    "a bytearray of 2**62": (START + b"]\x96" + b"\0" * 7 + b"\x40", "wants 46116860184273879"),
    "an integer of 255 bytes": (START + b"]\x8a\xff" + b"\x01" * 255, "integer has 255 bytes"),
    "an integer of 2**31 bytes": (START + b"]\x8b\xff\xff\xff\x7f", "instruction LONG4 is not"),
    "a list that holds itself": (START + b"]q\x00h\x00a.", "refers to a list again"),
    "a tuple that holds itself": (START + b"](h\x00tq\x00.", "value 0, which it never stored"),
    "a dict that holds itself": (list_of(b"}q\x01" + push("a") + b"h\x01s"), "to a dict again"),
    "a key that is deep": (list_of(b"})" + b"\x85" * 50_000 + b"Ns"), "is tuple, not text"),
    "references to nothing": (START + b"]j\xff\xff\xff\xff.", "value 4294967295, which it never"),
    "one storage, many tensors": (
        list_of(b"]" + loaded(saved(torch.zeros(5000)._typed_storage())) + b"q\x01a"
                + rebuilt(b"h\x01", shape=(5000,)) * 20),
        "the same bytes over and over",
    ),
    "one text, many copies": (
        list_of(b"](X\x88\x13\0\0" + b"a" * 5000 + b"q\x07"
                + (b"c_codecs\nencode\nh\x07" + push("latin1") + b"\x86R") * 20 + b"e"),
        "the same bytes over and over",
    ),
    "one tensor, many rows": (
        list_of(b"](" + TENSOR + b"q\x01" + b"h\x01" * 1000 + b"e"),
        "the same bytes over and over",
    ),
    "a shape of 2**40": (
        list_of(rebuilt(loaded(STORAGE), shape=(2**40,), steps=(0,))),
        "does not lie in its storage of 2 numbers",
    ),
    "a tensor beyond its storage": (
        list_of(rebuilt(loaded(STORAGE), offset=1)),
        "does not lie in its storage",
    ),
    "a tensor before its storage": (
        list_of(rebuilt(loaded(STORAGE), offset=-1)),
        "does not lie in its storage",
    ),
    "steps backwards": (list_of(rebuilt(loaded(STORAGE), steps=(-1,))), "other arguments"),
    "a huge step": (list_of(rebuilt(loaded(STORAGE), steps=(2**61,))), "does not lie in its"),
    "64 axes": (list_of(rebuilt(loaded(STORAGE), shape=(1,) * 64, steps=(1,) * 64)), "other arg"),
    "an empty tensor of 2**61": (
        list_of(rebuilt(loaded(STORAGE), shape=(0, 2**61), steps=(1, 1))),
        "does not lie in its storage",
    ),
    "a tensor of no storage": (list_of(rebuilt(b"K\x01")), "other arguments than torch"),
    "a storage of more than it has": (
        list_of(loaded(STORAGE.replace(b"K\x02NtQ", b"K\xffNtQ").replace(b"K\x02Nt", b"K\xffNt"))),
        "a storage of torch",
    ),
    "a storage that is cut off": (list_of(loaded(STORAGE[:-4])), "storage of torch of 2 numbers"),
    "a storage of a strange kind": (
        list_of(loaded(STORAGE.replace(b"FloatStorage", b"FleetStorage"))),
        r"asks for 'torch\.FleetStorage'",
    ),
    "a storage of nothing": (list_of(loaded(b"")), "wants 1 bytes where 0 are left"),
    "a storage that names a tensor": (
        list_of(loaded(START + b"ctorch._utils\n_rebuild_tensor_v2\n.")),
        r"asks for 'torch\._utils",
    ),
    "a big-endian system": (
        list_of(loaded(STORAGE.replace(b"little_endianq\x02\x88", b"little_endianq\x02\x89"))),
        "does not begin as torch writes it",
    ),
    "texts that are no texts": (START + b"]X\x01\x00\x00\x00\xff.", "not valid UTF-8"),
    "no list": (START + b"}.", "expected a list, got something else"),
    "values left over": (START + b"]].", "values left over"),
    "a mark left over": (START + b"](.", "values left over"),
    "no values": (START + b".", "values left over"),
    "an empty file": (b"", "wants 1 bytes where 0 are left"),
    "more after the end": (list_of() + b"cos\nsystem\n.", "more bytes follow its end"),
    "appending to a text": (START + push("a") + push("b") + b"a.", "appends to what is no list"),
    "appending to nothing": (START + b"(e.", "appends to what is no list"),
    "an item of a list": (list_of(b"]" + push("a") + b"Ns"), "item of what is no dict"),
    "a key without a value": (list_of(b"}(" + push("a") + b"u"), "item of what is no dict"),
    "no mark": (START + b"]e.", "takes a mark where there is none"),
    "values below a mark": (START + b"](a.", "takes a value where there is none"),
    "nothing to store": (START + b"q\x00.", "stores a value where there is none"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile(name: str, tmp_path: Path):
    content, message = HOSTILE[name]
    before = set(sys.modules)
    with pytest.raises(ForeignFileError, match=message) as caught:
        read(content, tmp_path)
    assert "Nothing in it was run" in str(caught.value)
    assert len(str(caught.value)) < 1000
    assert set(sys.modules) == before


def test_an_array_of_an_earlier_item(tmp_path: Path):
    content = list_of(b"}" + push("a") + TENSOR + b"q\x07s", b"}" + push("a") + b"h\x07s")
    with pytest.raises(ForeignFileError, match=r"value 7, .* of an earlier item"):
        read(content, tmp_path)


def test_texts_of_earlier_items(tmp_path: Path):
    name = "church_1"
    assert read(pickle.dumps([{"a": name}, {"b": name}]), tmp_path) == [{"a": name}, {"b": name}]


def test_items_of_endless_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    defaults = pickle_machine.Machine.__init__.__kwdefaults__
    monkeypatch.setitem(defaults, "limit", 1000)
    with pytest.raises(ForeignFileError, match="more than 1000 instructions"):
        read(START + b"](" + b"}" * 10 + b"]" * 2000, tmp_path)


def test_a_file_that_is_not_there(tmp_path: Path):
    with pytest.raises(ForeignFileError, match=r"gone\.pkl can't be read: No such file"):
        list(read_items(tmp_path / "gone.pkl"))


@pytest.mark.parametrize("protocol", range(2, 6))
@pytest.mark.parametrize(
    ("value", "key"),
    [
        ([{"model": "a", "x": 1}], "model"),
        ([{"class": "a"}], "class"),
        ([{"class": "a"}, {}], "class"),
        ([{1: "a"}], None),
        ([], None),
        ([[]], None),
        ({"model": 1}, None),
        (["model"], None),
        (3, None),
    ],
)
def test_the_first_key(tmp_path: Path, value: Any, key: str | None, protocol: int):
    path = tmp_path / "file.pkl"
    path.write_bytes(pickle.dumps(value, protocol))
    assert first_key(path) == key


def test_the_first_key_of_what_is_no_pickle(tmp_path: Path):
    path = tmp_path / "file.pkl"
    assert first_key(path) is None
    assert first_key(tmp_path) is None
    for content in (b"", b"PK\3\4", b"\x89HDF", START + b"cos\nsystem\n)R."):
        path.write_bytes(content)
        assert first_key(path) is None


VALID = pickle.dumps(
    [{"model": "a_1", "t": torch.arange(4.0), "n": np.ones((2, 2), np.float32)}] * 1
    + [{"model": "a_2", "t": torch.arange(4.0), "n": [1.5, (2, None)]}]
)
OLD = pickle.dumps([{"t": torch.arange(4.0), "n": np.ones(2, np.float32)}], 2)


def only_refuses(content: bytes, path: Path) -> None:
    path.write_bytes(content)
    first_key(path)
    with contextlib.suppress(ForeignFileError):
        collections.deque(read_items(path), maxlen=0)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz") / "file.pkl"


@settings(max_examples=200, deadline=None)
@given(content=st.binary(max_size=200))
def test_random_bytes(scratch: Path, content: bytes):
    only_refuses(content, scratch)
    only_refuses(START + b"]" + content, scratch)


@settings(max_examples=300, deadline=None)
@given(data=st.data(), old=st.booleans())
def test_mutated_bytes(scratch: Path, data: st.DataObject, old: bool):
    content = bytearray(OLD if old else VALID)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        width = data.draw(st.integers(0, 3))
        content[place : place + width] = data.draw(st.binary(max_size=3))
    only_refuses(bytes(content), scratch)


_CODES = [bytes([code]) for code in range(256)]
_PIECES = [push("a"), TENSOR, b"ccollections\nOrderedDict\n", b"cnumpy\ndtype\n", b"K\x01", b"h\0"]


@settings(max_examples=300, deadline=None)
@given(pieces=st.lists(st.sampled_from([*_CODES, *_PIECES * 10]), max_size=30))
def test_random_instructions(scratch: Path, pieces: list[bytes]):
    only_refuses(START + b"]" + b"".join(pieces), scratch)


@pytest.mark.parametrize("cut", range(0, len(VALID), 7))
def test_every_truncation(tmp_path: Path, cut: int):
    with pytest.raises(ForeignFileError, match="not a pickle that can be trusted"):
        read(VALID[:cut], tmp_path)
