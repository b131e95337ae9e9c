"""Runs a stranger's pickle: an interpreter of the few instructions that plain data takes.

Python's own unpickler calls whatever a file names. This one is not built on it: it knows the
instructions for numbers, text, bytes, lists, tuples and dicts, and looks every other name up in a
table that it is given, whose functions are hyperzoo's own. Nothing is imported, no attribute is
looked up, nothing that the table lacks can be called.

A file can't make it take endless memory or time: what is to be read must be there before room is
made for it, the same bytes are not used over and over, and the instructions of an item are counted
(those that are allowed make values of some 130 bytes at most: 1.3 GB beside the file's own bytes).

References: CPython's Lib/pickletools.py, which defines every instruction.
"""

import struct
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pickletools import opcodes
from typing import IO

import numpy as np

MAX_INSTRUCTIONS = 10_000_000
"""Of one item; a network takes some 400, a class of 1,061 networks layer by layer 170,000."""

MAX_KEPT = 1_000_000
"""Short texts and the like that later items may refer to."""

_MAX_NAME = 256
_MAX_USES = 8


class RefusedError(Exception):
    """What is wrong with a pickle; `items` tells it with the file and the place."""


@dataclass(frozen=True)
class Global:
    """What a name in a pickle stands for.

    Attributes:
        name: as in the pickle, "module.name".
        call: gets the arguments, which can be any values of a pickle, and makes a value of them
            or raises `RefusedError`; None for what is only handed on.
    """

    name: str
    call: Callable[[tuple[object, ...]], object] | None = None


class Unfinished(ABC):
    """A value that a pickle completes with a state of its own (the instruction BUILD)."""

    memo_key: int | None = None

    @abstractmethod
    def finish(self, state: object) -> object:
        """The completed value.

        Raises:
            RefusedError: the state is not what it should be.
        """


class Machine:
    """Runs a pickle's instructions.

    Args:
        file: the pickle.
        size: how many bytes the file has from here on.
        names: all that the pickle may name, by "module.name".
        persistent: gives what a persistent id stands for; None refuses all.
        limit: the most instructions of one item.
        python2: take Python 2's strings too, which were bytes and text in one, as texts of the
            first 256 characters.

    Attributes:
        size: how many bytes the file has.
        position: how many of them were read.
        stack: values; above the last mark, where there is one.
        marks: the values below each mark.
    """

    def __init__(
        self,
        file: IO[bytes],
        size: int,
        names: Mapping[str, Global],
        *,
        persistent: Callable[[object], object] | None = None,
        limit: int = MAX_INSTRUCTIONS,
        python2: bool = False,
    ) -> None:
        self._file, self._names, self._limit = file, names, limit
        self._persistent = persistent
        self._counted = _COUNTED | _PYTHON2 if python2 else _COUNTED
        self.size, self.position = size, 0
        self.stack: list[object] = []
        self.marks: list[list[object]] = []
        # What an item stored, and what outlives the item. A reference looks into both.
        self._memo: dict[int, object] = {}
        self._kept: dict[int, object] = {}
        self._memoized = 0
        self._instructions = 0
        self._used = 0

    def run(self) -> object:
        """Run to the end (STOP) and return the value.

        Raises:
            RefusedError: something is not allowed.
        """
        while self.step() != b".":
            pass
        return self.result()

    def result(self) -> object:
        """The value that is left at the end."""
        if self.marks or len(self.stack) != 1:
            raise RefusedError("it ends with values left over")
        return self.stack.pop()

    def step(self) -> bytes:
        """Run one instruction and return it."""
        code = self.read(1)
        self._instructions += 1
        if self._instructions > self._limit:
            raise RefusedError(f"an item takes more than {self._limit} instructions")
        if code in _CONSTANTS:
            self.stack.append(_CONSTANTS[code])
        elif code in self._counted:
            width, make = self._counted[code]
            count = int.from_bytes(self.read(width), "little")
            self.stack.append(make(self.read(count)))
        elif code in _ACTIONS:
            _ACTIONS[code](self)
        elif code != b".":
            raise RefusedError(f"the instruction {_name_of(code)} is not one that plain data takes")
        return code

    def read(self, count: int) -> bytes:
        """Read so many bytes."""
        # Compared first: Python would make room for as many bytes as a hostile count asks for.
        if count > self.size - self.position:
            raise RefusedError(
                f"it wants {count} bytes where {self.size - self.position} are left; the file "
                "is cut off or damaged"
            )
        content = self._file.read(count)
        if len(content) != count:
            raise RefusedError("it ends early; the file is being changed")
        self.position += count
        return content

    def skip(self, count: int) -> None:
        """Read so many bytes that do not matter."""
        self.read(count)

    def forget(self) -> None:
        """Begin a new item: free what the last one stored, but for names and short texts."""
        for key, value in self._memo.items():
            if len(self._kept) < MAX_KEPT and _outlives_its_item(value):
                self._kept[key] = value
        self._memo.clear()
        self._instructions = 0

    def pop(self) -> object:
        """Take the topmost value."""
        if not self.stack:
            raise RefusedError("it takes a value where there is none")
        return self.stack.pop()

    def pop_to_mark(self) -> list[object]:
        """Take all values above the last mark, and the mark."""
        if not self.marks:
            raise RefusedError("it takes a mark where there is none")
        values, self.stack = self.stack, self.marks.pop()
        return values

    def mark(self) -> None:
        """Set a mark."""
        self.marks.append(self.stack)
        self.stack = []

    def push_integer(self, form: str) -> None:
        """Read an integer of the form that `struct` gives a letter."""
        (value,) = struct.unpack(form, self.read(struct.calcsize(form)))
        self.stack.append(value)

    def append(self, values: list[object]) -> None:
        """Append to the topmost list."""
        if not self.stack or not isinstance(self.stack[-1], list):
            raise RefusedError("it appends to what is no list")
        self.stack[-1].extend(values)

    def set_items(self, values: list[object]) -> None:
        """Put keys and values in turn into the topmost dict."""
        if not self.stack or not isinstance(self.stack[-1], dict) or len(values) % 2:
            raise RefusedError("it sets an item of what is no dict")
        for key, value in zip(values[::2], values[1::2], strict=True):
            # The hash of a tuple of tuples of tuples ... would overflow Python's own stack.
            # Python 2's text, saved again by Python 3, is bytes.
            if isinstance(key, bytes) and key.isascii():
                key = key.decode()
            if not isinstance(key, str):
                raise RefusedError(f"a key of a dict is {type(key).__name__}, not text")
            self.stack[-1][key] = value

    def tuple_to_mark(self) -> None:
        """Make a tuple of all values above the last mark."""
        values = tuple(self.pop_to_mark())
        self.stack.append(values)

    def tuple_of(self, count: int) -> None:
        """Make a tuple of the topmost values."""
        values = [self.pop() for _ in range(count)]
        self.stack.append(tuple(reversed(values)))

    def memoize(self, key: int | None = None) -> None:
        """Store the topmost value for references."""
        if not self.stack:
            raise RefusedError("it stores a value where there is none")
        if key is None:
            key = self._memoized
            self._memoized += 1
        value = self.stack[-1]
        if isinstance(value, Unfinished):
            value.memo_key = key
        self._memo[key] = value

    def recall(self, key: int) -> None:
        """Push a value that was stored."""
        found = self._memo if key in self._memo else self._kept
        if key not in found:
            raise RefusedError(
                f"it refers to value {key}, which it never stored, or which is an array or the "
                "like of an earlier item; such are freed when an item is complete"
            )
        value = found[key]
        # So that no list can hold itself, nor a million items be one and the same.
        if isinstance(value, list | dict):
            raise RefusedError(f"it refers to a {type(value).__name__} again (value {key})")
        self._use(value)
        self.stack.append(value)

    def look_up(self, module: object, name: object) -> None:
        """Push what a name stands for."""
        if not (isinstance(module, str) and isinstance(name, str)):
            raise RefusedError("it names a global by what is no text")
        full = f"{module}.{name}"
        if full not in self._names:
            raise RefusedError(
                f"it asks for {full[:_MAX_NAME]!r}, which plain data does not need and which may "
                "run code"
            )
        self.stack.append(self._names[full])

    def read_global(self) -> None:
        """Push what a name stands for that is written in two lines."""
        module, name = self._line(), self._line()
        self.look_up(module, name)

    def stack_global(self) -> None:
        """Push what a name stands for that is on the stack."""
        name, module = self.pop(), self.pop()
        self.look_up(module, name)

    def call(self) -> None:
        """Call what a name stands for."""
        arguments, function = self.pop(), self.pop()
        if not isinstance(function, Global) or function.call is None:
            what = function.name if isinstance(function, Global) else type(function).__name__
            raise RefusedError(f"it calls {what}, which is no function")
        if not isinstance(arguments, tuple):
            raise RefusedError(f"it calls {function.name} without a tuple of arguments")
        for argument in arguments:
            self._use(argument)
        value = function.call(arguments)
        self._use(value)
        self.stack.append(value)

    def build(self) -> None:
        """Complete a value with its state."""
        state, value = self.pop(), self.pop()
        if not isinstance(value, Unfinished):
            raise RefusedError(f"it sets the state of {type(value).__name__}, which has none")
        finished = value.finish(state)
        if value.memo_key is not None and self._memo.get(value.memo_key) is value:
            self._memo[value.memo_key] = finished
        self.stack.append(finished)

    def persistent_id(self) -> None:
        """Push what a persistent id stands for."""
        if self._persistent is None:
            raise RefusedError("it asks for something outside the file (a persistent id)")
        self.stack.append(self._persistent(self.pop()))

    def check_protocol(self) -> None:
        """Read the protocol's number."""
        (number,) = self.read(1)
        if not 2 <= number <= 5:
            raise RefusedError(f"expected a pickle of protocol 2 to 5, got {number}")

    def _use(self, value: object) -> None:
        """Count the bytes of a value that is used again."""
        # An honest file uses each of its bytes up to six times, on the way from text to bytes to
        # storage to tensor. One that made a million tensors of one storage, or called for a
        # million copies, would cost its reader what it does not cost its author.
        if isinstance(value, np.ndarray):
            self._used += value.nbytes
        elif isinstance(value, str | bytes) and len(value) > _MAX_NAME:
            self._used += len(value)
        if self._used > _MAX_USES * self.position:
            raise RefusedError("it uses the same bytes over and over")

    def _line(self) -> str:
        line = self._file.readline(_MAX_NAME)
        self.position += len(line)
        if not line.endswith(b"\n"):
            raise RefusedError("a global's name does not end")
        return line[:-1].decode("utf-8", "backslashreplace")


def _outlives_its_item(value: object) -> bool:
    # In files of pickle.dump, items share names, short texts, constants and a dtype, but no array.
    if isinstance(value, str | bytes):
        return len(value) <= _MAX_NAME
    if isinstance(value, tuple):
        return len(value) <= 8 and all(isinstance(v, int | float | None) for v in value)
    return isinstance(value, Global | np.dtype)


def _text(content: bytes) -> str:
    try:
        return content.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError as error:
        raise RefusedError("a text is not valid UTF-8") from error


def _long(content: bytes) -> int:
    if len(content) > 16:
        raise RefusedError(f"an integer has {len(content)} bytes")
    return int.from_bytes(content, "little", signed=True)


def _name_of(code: bytes) -> str:
    known = {opcode.code: opcode.name for opcode in opcodes}
    return known.get(code.decode("latin1"), f"0x{code.hex()}")


_CONSTANTS: dict[bytes, object] = {b"N": None, b"\x88": True, b"\x89": False, b")": ()}

# Width of the count in bytes, and what the counted bytes become.
_COUNTED: dict[bytes, tuple[int, Callable[[bytes], object]]] = {
    b"\x8c": (1, _text),  # SHORT_BINUNICODE
    b"X": (4, _text),  # BINUNICODE
    b"\x8d": (8, _text),  # BINUNICODE8
    b"C": (1, bytes),  # SHORT_BINBYTES
    b"B": (4, bytes),  # BINBYTES
    b"\x8e": (8, bytes),  # BINBYTES8
    b"\x96": (8, bytes),  # BYTEARRAY8; nobody here changes it
    b"\x8a": (1, _long),  # LONG1
}
_PYTHON2: dict[bytes, tuple[int, Callable[[bytes], object]]] = {
    b"U": (1, lambda content: content.decode("latin1")),  # SHORT_BINSTRING
    b"T": (4, lambda content: content.decode("latin1")),  # BINSTRING
}

_ACTIONS: dict[bytes, Callable[[Machine], None]] = {
    b"]": lambda m: m.stack.append([]),
    b"}": lambda m: m.stack.append({}),
    b"(": Machine.mark,
    b"K": lambda m: m.push_integer("<B"),  # BININT1
    b"M": lambda m: m.push_integer("<H"),  # BININT2
    b"J": lambda m: m.push_integer("<i"),  # BININT
    b"G": lambda m: m.push_integer(">d"),  # BINFLOAT
    b"t": Machine.tuple_to_mark,
    b"\x85": lambda m: m.tuple_of(1),
    b"\x86": lambda m: m.tuple_of(2),
    b"\x87": lambda m: m.tuple_of(3),
    b"a": lambda m: m.append([m.pop()]),
    b"e": lambda m: m.append(m.pop_to_mark()),
    b"s": lambda m: m.set_items([m.pop(), m.pop()][::-1]),
    b"u": lambda m: m.set_items(m.pop_to_mark()),
    b"q": lambda m: m.memoize(m.read(1)[0]),  # BINPUT
    b"r": lambda m: m.memoize(int.from_bytes(m.read(4), "little")),  # LONG_BINPUT
    b"\x94": Machine.memoize,
    b"h": lambda m: m.recall(m.read(1)[0]),  # BINGET
    b"j": lambda m: m.recall(int.from_bytes(m.read(4), "little")),  # LONG_BINGET
    b"c": Machine.read_global,
    b"\x93": Machine.stack_global,
    b"R": Machine.call,
    b"b": Machine.build,
    b"Q": Machine.persistent_id,
    b"\x80": Machine.check_protocol,
    b"\x95": lambda m: m.skip(8),  # FRAME: a length that matters to nobody who reads on
}
