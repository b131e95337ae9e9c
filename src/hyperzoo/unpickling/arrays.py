"""Arrays of NumPy in pickles: what NumPy writes is read, and nothing else of NumPy's is called."""

import math
from collections.abc import Callable, Collection
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyperzoo.unpickling.machine import Global, RefusedError, Unfinished

Arguments = tuple[object, ...]

_MAX_AXES = 8


def array_names(types: Collection[str]) -> dict[str, Global]:
    """All that pickles of arrays name, with functions of hyperzoo's own behind the names.

    Args:
        types: NumPy's codes of the types that arrays may have, such as "f4".
    """
    calls: dict[str, Callable[[Arguments], object] | None] = {
        "_codecs.encode": encode,
        "numpy.ndarray": None,
        "numpy.dtype": partial(_dtype, types),
        "numpy.core.multiarray._reconstruct": _reconstruct,
        "numpy._core.multiarray._reconstruct": _reconstruct,
        "numpy.core.numeric._frombuffer": _from_buffer,
        "numpy._core.numeric._frombuffer": _from_buffer,
    }
    return {name: Global(name, call) for name, call in calls.items()}


def refusal(name: str, arguments: Arguments) -> RefusedError:
    """The error of a function that got what an honest pickle does not give it."""
    kinds = ", ".join(type(argument).__name__ for argument in arguments[:8])
    return RefusedError(f"{name} got other arguments than torch and NumPy write: ({kinds})")


def sizes(value: object) -> tuple[int, ...] | None:
    """A shape, or steps in memory; None if it is none."""
    if not isinstance(value, tuple) or len(value) > _MAX_AXES:
        return None
    return value if all(map(_is_size, value)) else None


def _is_size(value: object) -> bool:
    return type(value) is int and 0 <= value < 2**62


def encode(arguments: Arguments) -> bytes:
    """Bytes, which protocol 2 writes as a text of the first 256 characters."""
    match arguments:
        case (str(text), str("latin1")):
            try:
                return text.encode("latin1")
            except UnicodeEncodeError:
                pass
    raise refusal("_codecs.encode", arguments)


class _UnfinishedType(Unfinished):
    """A NumPy dtype before it is told its byte order, which bytes have not."""

    def __init__(self, code: str) -> None:
        self._dtype = np.dtype(f"<{code}")

    def finish(self, state: object) -> np.dtype[Any]:
        order = "<" if self._dtype.itemsize > 1 else "|"
        match state:
            case (int(3), str(told), None, None, None, int(-1), int(-1), int(0)) if told == order:
                return self._dtype
        raise RefusedError("expected a plain little-endian dtype of NumPy")


def _dtype(types: Collection[str], arguments: Arguments) -> _UnfinishedType:
    match arguments:
        case (str(code), int(), int()) if code in types:
            return _UnfinishedType(code)
    raise refusal("numpy.dtype", arguments)


class _UnfinishedArray(Unfinished):
    """A NumPy array before it is told its shape and numbers."""

    def finish(self, state: object) -> NDArray[Any]:
        match state:
            # int(1), not 1: an array compared with 1 gives an array.
            case (int(1), shape, np.dtype() as dtype, bool(fortran), bytes() | str() as content):
                # Python 2 had one type for bytes and text.
                content = encode((content, "latin1")) if isinstance(content, str) else content
                return _numpy_array(content, dtype, shape, "F" if fortran else "C")
        raise RefusedError("expected an array of NumPy with shape, dtype and bytes")


def _reconstruct(arguments: Arguments) -> _UnfinishedArray:
    match arguments:
        case (Global(name="numpy.ndarray"), (int(0),), bytes(b"b") | str("b")):
            return _UnfinishedArray()
    raise refusal("numpy._core.multiarray._reconstruct", arguments)


def _from_buffer(arguments: Arguments) -> NDArray[Any]:
    match arguments:
        case (bytes(content), np.dtype() as dtype, shape, str("C" | "F" as order)):
            return _numpy_array(content, dtype, shape, order)
    raise refusal("numpy._core.numeric._frombuffer", arguments)


def _numpy_array(content: bytes, dtype: np.dtype[Any], shape: object, order: str) -> NDArray[Any]:
    lengths = sizes(shape)
    if lengths is None or math.prod(lengths) * dtype.itemsize != len(content) or not content:
        raise RefusedError(f"an array of NumPy does not fit its {len(content)} bytes")
    flat = np.frombuffer(content, dtype)
    return flat.reshape(lengths, order="F" if order == "F" else "C")
