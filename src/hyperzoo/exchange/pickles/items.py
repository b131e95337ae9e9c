"""Reads pickles of strangers: nothing in them is run, and large ones take little memory."""

import io
import os
import pickletools
from collections.abc import Iterator
from pathlib import Path

from hyperzoo.errors import ForeignFileError
from hyperzoo.exchange.content import magic
from hyperzoo.exchange.format import Meter
from hyperzoo.exchange.pickles.tensors import TENSOR_NAMES
from hyperzoo.unpickling.machine import Machine, RefusedError

_METER_STEP = 1 << 22
_MOST_OF_ELSE = 1 << 24
"""Bytes within which what is not a list may end, or show what it asks for."""
_APPENDING = {b"a", b"e"}


def read_items(path: Path, meter: Meter | None = None) -> Iterator[object]:
    """The items of the list that a pickle holds, each as soon as it is complete.

    Values are None, bool, int, float, str, bytes, tuple, list, dict, and, for tensors of torch and
    arrays of NumPy, arrays that are views of the file's bytes and can't be written to.

    A complete item is forgotten: memory is that of one item, where items are dicts, as in the
    published files; of up to a thousand otherwise. What is wrong further on in the file is found
    when it is come to.

    Args:
        path: the file.
        meter: is told how many bytes of how many are read.

    Raises:
        ForeignFileError: the file is damaged, asks for what is not allowed, or holds no list.
    """
    machine = None
    try:
        with path.open("rb", buffering=1 << 20) as file:
            machine = Machine(file, os.fstat(file.fileno()).st_size, TENSOR_NAMES)
            yield from _items(machine, meter)
            if file.read(1):
                raise RefusedError("more bytes follow its end")
    except RefusedError as error:
        place = f"byte {machine.position}" if machine else "its start"
        raise ForeignFileError(
            f"{path}: not a pickle that can be trusted: before {place}, "
            f"{error}{_named(path, error)}. Nothing in it was run; get the file from its authors "
            "again, or move it away"
        ) from error
    except OSError as error:
        raise ForeignFileError(f"{path} can't be read: {error.strerror or error}") from error


def _named(path: Path, told: RefusedError) -> str:
    """What else to say of a refused file: the first name in it that only code needs.

    Protocols 0 and 1 are refused for their instructions, before the names are come to.
    """
    start = magic(path, _METER_STEP)
    if start.startswith(b"\x80"):
        return ""
    try:
        for opcode, argument, _ in pickletools.genops(start):
            name = str(argument).replace(" ", ".")
            if opcode.name in ("GLOBAL", "INST") and name not in TENSOR_NAMES:
                if name in str(told):
                    return ""
                return f"; it also asks for {name[:200]!r}, which may run code"
    except (ValueError, OverflowError):  # cut off, or no pickle at all
        pass
    return ""


def _items(machine: Machine, meter: Meter | None) -> Iterator[object]:
    told, size = 0, machine.size
    code, is_list = b"", False
    while code != b".":
        code = machine.step()
        for item in _complete(machine, code):
            yield item
            del item  # not to be held while the next is read
            machine.forget()
        if not is_list and machine.position > _MOST_OF_ELSE:
            # A tuple or a dict of everything would be in memory as a whole before its end.
            outermost = machine.marks[0] if machine.marks else machine.stack
            is_list = bool(outermost) and isinstance(outermost[0], list)
            if not is_list:
                raise RefusedError("expected a list, got something else")
        if meter is not None and machine.position >= told + _METER_STEP:
            told = machine.position
            meter(told, size)
    if not isinstance(machine.result(), list):
        raise RefusedError("expected a list, got something else")
    if meter is not None:
        meter(size, size)


def _complete(machine: Machine, code: bytes) -> Iterator[object]:
    """Take the items of the outermost list that are complete after an instruction."""
    if code in _APPENDING and not machine.marks:
        (*_, outermost) = machine.stack
        if len(machine.stack) == 1 and isinstance(outermost, list):
            outermost.reverse()
            while outermost:
                yield outermost.pop()
    # Many items are appended at once. One is complete as soon as the next dict begins: nothing
    # but the list can take a dict that has another dict above it.
    elif code == b"}" and len(machine.marks) == 1 and len(machine.stack) == 2:
        below = machine.marks[0]
        if len(below) == 1 and isinstance(below[0], list) and isinstance(machine.stack[0], dict):
            yield machine.stack.pop(0)


def first_key(path: Path) -> str | None:
    """The first key of the first dict of the list that a pickle holds; None for all else.

    Runs nothing and raises nothing, whatever the file is.
    """
    start = magic(path, 512)
    machine = Machine(io.BytesIO(start), len(start), {})
    inside: list[object] = [[], {}]
    try:
        while True:
            machine.step()
            values = [value for level in [*machine.marks, machine.stack] for value in level]
            if values[: len(inside)] != inside[: len(values)]:
                return None
            if len(values) == 3:
                return values[2] if isinstance(values[2], str) else None
    except RefusedError:
        return None


def begins_as_list(path: Path) -> bool:
    """Whether the first object that a pickle makes is a list; True where that can't be seen.

    Runs nothing and raises nothing, whatever the file is.
    """
    try:
        for opcode, _, _ in pickletools.genops(magic(path, 512)):
            if opcode.name not in ("PROTO", "FRAME", "MARK"):
                return opcode.name in ("EMPTY_LIST", "LIST")
    except (ValueError, OverflowError):
        pass
    return True
