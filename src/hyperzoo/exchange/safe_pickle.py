"""Reads pickles of lists, dicts, texts, numbers and tensors without Python's unpickler.

A pickle is a program. This is a small machine for the part of its language that honest files of
tensors use. It has no instruction that imports: a name in the file is looked up in a table of
stand-ins of our own (`safe_tensors.py`), and what is not there is refused by name. So nothing in
a file can be executed. Bytes are taken only when the file has them, so no number in it decides
how much memory is used.

Items of the outermost list are handed over one by one, and large values of an item are forgotten
with it: a file of any size is read with the memory of one item.
"""

import io
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

from hyperzoo.errors import ForeignFileError

Function = Callable[..., Any]

_MOST_DEPTH = 2**22
"""Values on the stack: more than any list is written with at once (1,000) times nesting."""

_MOST_SMALL = 256


@dataclass(frozen=True)
class Name:
    """A function or class that a file asks for, and what stands in for it."""

    module: str
    name: str
    function: Function


class Built:
    """What a stand-in makes that takes a state afterwards (the instruction BUILD)."""

    def build(self, state: Any) -> None:
        """Take the state.

        Raises:
            ValueError: it is not what an honest file gives.
        """
        raise NotImplementedError


class _Mark:
    """Where a group of values on the stack begins."""


class _Forgotten:
    """In place of a large value of an earlier item."""


_MARK, _FORGOTTEN = _Mark(), _Forgotten()


class Machine:
    """Runs one pickle after another from a stream.

    Args:
        file: the stream.
        size: bytes that it has.
        names: "module.name" -> what stands in for it; all else is refused.
        source: the file, for messages.
        persistent: what makes a value of a persistent id; None refuses them.
    """

    def __init__(
        self,
        file: BinaryIO,
        size: int,
        names: Mapping[str, Function],
        source: str,
        persistent: Function | None = None,
    ) -> None:
        self._file, self._size, self._names, self._source = file, size, names, source
        self._persistent = persistent
        self.position = 0

    def fail(self, reason: str) -> ForeignFileError:
        """An error that says where in the file it is."""
        return ForeignFileError(f"{self._source}: byte {self.position}: {reason}")

    def read(self, count: int) -> bytes:
        """The next bytes, if there are so many."""
        if not 0 <= count <= self._size - self.position:
            raise self.fail(
                f"expected {count} more bytes, but {self._size - self.position} are left; the "
                "file is damaged or cut short"
            )
        content = self._file.read(count)
        if len(content) != count:
            raise self.fail("the file is cut short")
        self.position += count
        return content

    def load(self) -> Any:
        """The value of the next pickle, whole."""
        items = list(self._run(streaming=False))
        return items[-1]

    def items(self) -> Iterator[Any]:
        """The items of a list, one by one, each complete when it is handed over.

        Raises:
            ForeignFileError: the pickle is something else, damaged, or asks for more than
                lists, dicts, texts, numbers and tensors.
        """
        yield from self._run(streaming=True)

    def _run(self, *, streaming: bool) -> Iterator[Any]:
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}
        self._root: list[Any] | None = None
        while True:
            code = self.read(1)
            if code == b".":
                break
            try:
                self._step(code)
            except ForeignFileError:
                raise
            # What a wrong operand leads to: there is none that is not refused.
            except (LookupError, TypeError, ValueError, struct.error, OverflowError) as error:
                raise self.fail(f"damaged: {type(error).__name__}: {str(error)[:200]}") from error
            if len(self._stack) > _MOST_DEPTH:
                raise self.fail("too many values at once")
            if streaming and self._root:
                # A list that is being filled is complete item by item only at the bottom.
                yield from self._root
                self._root.clear()
                self._forget()
        if len(self._stack) != 1:
            raise self.fail(f"the end with {len(self._stack)} values, expected 1")
        if streaming:
            if self._stack[0] is not self._root:
                raise self.fail(
                    f"expected a list, got {type(self._stack[0]).__name__.strip('_').lower()}"
                )
            return
        yield self._stack[0]

    def _forget(self) -> None:
        """Let go of what only a finished item held; small values may be shared with the next."""
        for key, value in self._memo.items():
            if value is not self._root and not _is_small(value):
                self._memo[key] = _FORGOTTEN

    def _step(self, code: bytes) -> None:
        action = _ACTIONS.get(code)
        if action is None:
            raise self.fail(
                f"instruction {code!r} is refused: honest files of tensors have no such one"
            )
        action(self)

    def push(self, value: Any) -> None:
        """Put a value on the stack."""
        self._stack.append(value)

    def pop(self) -> Any:
        """Take a value, not a mark, from the stack."""
        value = self._stack.pop()
        if value is _MARK:
            raise ValueError("a mark where a value should be")
        return value

    def pop_group(self) -> list[Any]:
        """Take the values above the last mark, and the mark."""
        for place in range(len(self._stack) - 1, -1, -1):
            if self._stack[place] is _MARK:
                group = self._stack[place + 1 :]
                del self._stack[place:]
                return group
        raise ValueError("no mark")

    def top(self, kind: type) -> Any:
        """The value on top, which must be of a kind."""
        value = self._stack[-1]
        if type(value) is not kind:
            raise ValueError(f"expected a {kind.__name__}, got {type(value).__name__}")
        return value

    def new_list(self, values: list[Any] | None = None) -> None:
        """A list; the first value of a pickle is the outermost."""
        values = [] if values is None else values
        if self._root is None and not self._stack:
            self._root = values
        self.push(values)

    def line(self) -> str:
        """Text to the end of the line, of the oldest protocol."""
        content = self._file.readline()
        self.position += len(content)
        if not content.endswith(b"\n"):
            raise self.fail("the file is cut short in a line")
        return content[:-1].decode("latin-1")

    def text(self, count: int) -> None:
        """Push a text."""
        self.push(self.read(count).decode("utf-8", "surrogatepass"))

    def whole(self, content: bytes) -> None:
        """Push a whole number."""
        if len(content) > 16:
            raise ValueError("a whole number of more than 16 bytes")
        self.push(int.from_bytes(content, "little", signed=True))

    def put(self, key: int) -> None:
        """Remember the value on top."""
        if self._stack[-1] is _MARK:
            raise ValueError("a mark where a value should be")
        self._memo[key] = self._stack[-1]

    def memoize(self) -> None:
        """Remember the value on top under the next number."""
        self.put(len(self._memo))

    def get(self, key: int) -> None:
        """Push what was remembered."""
        value = self._memo[key]
        if value is _FORGOTTEN:
            raise ValueError("a large value that an earlier network had too; expected its own")
        self.push(value)

    def name(self, module: Any, name: Any) -> None:
        """Push a stand-in; whatever has none is refused."""
        function = self._names.get(f"{module}.{name}")
        if type(module) is not str or type(name) is not str or function is None:
            asked = f"{module}.{name}"[:200]
            raise self.fail(
                f"the file asks for {asked!r}, which no honest file of tensors needs; it is "
                "refused, and nothing was executed"
            )
        self.push(Name(module, name, function))

    def reduce(self) -> None:
        """Call a stand-in."""
        arguments, name = self.pop(), self.pop()
        if type(name) is not Name or type(arguments) is not tuple:
            raise ValueError("a call of something that is no function")
        self.push(name.function(*arguments))

    def build(self) -> None:
        """Give a value its state."""
        state, value = self.pop(), self._stack[-1]
        if not isinstance(value, Built):
            raise ValueError(f"a state for a {type(value).__name__}")
        value.build(state)

    def persistent(self) -> None:
        """Push what stands behind a persistent id."""
        if self._persistent is None:
            raise self.fail("a persistent id, which only files beside others have; it is refused")
        self.push(self._persistent(self.pop()))


def _is_small(value: Any) -> bool:
    if type(value) in (str, bytes):
        return len(value) <= _MOST_SMALL
    if type(value) is tuple:
        return len(value) <= 8 and all(type(part) in (int, str, type(None)) for part in value)
    return type(value) in (Name, int, float, bool, type(None)) or hasattr(value, "is_shared")


def _appends(machine: Machine) -> None:
    group = machine.pop_group()
    machine.top(list).extend(group)


def _append(machine: Machine) -> None:
    value = machine.pop()
    machine.top(list).append(value)


def _set_items(machine: Machine, group: list[Any]) -> None:
    if len(group) % 2:
        raise ValueError("a key without a value")
    target = machine.top(dict)
    for key, value in zip(group[::2], group[1::2], strict=True):
        if type(key) not in (str, int):
            raise ValueError(f"a {type(key).__name__} as key")
        target[key] = value


def _set_item(machine: Machine) -> None:
    value, key = machine.pop(), machine.pop()
    _set_items(machine, [key, value])


def _tuple(count: int) -> Callable[[Machine], None]:
    def action(machine: Machine) -> None:
        values = [machine.pop() for _ in range(count)]
        machine.push(tuple(reversed(values)))

    return action


def _dict(machine: Machine) -> None:
    group = machine.pop_group()
    machine.push({})
    _set_items(machine, group)


def _int_line(machine: Machine) -> None:
    text = machine.line()
    if len(text) > 40:
        raise ValueError("a whole number of more than 40 digits")
    machine.push({"00": False, "01": True}.get(text) if text in ("00", "01") else int(text))


def _stack_name(machine: Machine) -> None:
    name, module = machine.pop(), machine.pop()
    machine.name(module, name)


def _protocol(machine: Machine) -> None:
    if (version := machine.read(1)[0]) > 5:
        raise machine.fail(f"protocol {version}, expected 5 at most")


def _number(form: str) -> Callable[[Machine], Any]:
    size = struct.calcsize(form)
    return lambda machine: struct.unpack(form, machine.read(size))[0]


_U1, _U2, _U4, _U8, _I4 = (_number(form) for form in ("<B", "<H", "<I", "<Q", "<i"))

_ACTIONS: dict[bytes, Callable[[Machine], Any]] = {
    b"\x80": _protocol,
    b"\x95": lambda m: m.read(8) and None,  # a frame: how much follows, which nobody needs
    b"(": lambda m: m.push(_MARK),
    b"0": lambda m: m.pop(),
    b"1": lambda m: m.pop_group(),
    b"2": lambda m: m.push(m._stack[-1]),
    b"]": Machine.new_list,
    b"l": lambda m: m.new_list(m.pop_group()),
    b"}": lambda m: m.push({}),
    b"d": _dict,
    b")": lambda m: m.push(()),
    b"t": lambda m: m.push(tuple(m.pop_group())),
    b"\x85": _tuple(1),
    b"\x86": _tuple(2),
    b"\x87": _tuple(3),
    b"a": _append,
    b"e": _appends,
    b"s": _set_item,
    b"u": lambda m: _set_items(m, m.pop_group()),
    b"N": lambda m: m.push(None),
    b"\x88": lambda m: m.push(True),
    b"\x89": lambda m: m.push(False),
    b"K": lambda m: m.push(_U1(m)),
    b"M": lambda m: m.push(_U2(m)),
    b"J": lambda m: m.push(_I4(m)),
    b"\x8a": lambda m: m.whole(m.read(_U1(m))),
    b"I": _int_line,
    b"L": lambda m: m.push(int(m.line()[:40].rstrip("L"))),
    b"G": lambda m: m.push(struct.unpack(">d", m.read(8))[0]),
    b"F": lambda m: m.push(float(m.line())),
    b"X": lambda m: m.text(_U4(m)),
    b"\x8c": lambda m: m.text(_U1(m)),
    b"\x8d": lambda m: m.text(_U8(m)),
    b"V": lambda m: m.push(m.line().encode("latin-1").decode("raw_unicode_escape")),
    b"B": lambda m: m.push(m.read(_U4(m))),
    b"C": lambda m: m.push(m.read(_U1(m))),
    b"\x8e": lambda m: m.push(m.read(_U8(m))),
    b"\x96": lambda m: m.push(m.read(_U8(m))),
    b"\x94": Machine.memoize,
    b"q": lambda m: m.put(_U1(m)),
    b"r": lambda m: m.put(_U4(m)),
    b"p": lambda m: m.put(int(m.line())),
    b"h": lambda m: m.get(_U1(m)),
    b"j": lambda m: m.get(_U4(m)),
    b"g": lambda m: m.get(int(m.line())),
    b"c": lambda m: m.name(m.line(), m.line()),
    b"\x93": _stack_name,
    b"R": Machine.reduce,
    b"b": Machine.build,
    b"Q": Machine.persistent,
}


def load_bytes(
    content: bytes, names: Mapping[str, Function], source: str, persistent: Function | None = None
) -> Machine:
    """A machine on bytes in memory."""
    return Machine(io.BytesIO(content), len(content), names, source, persistent)
