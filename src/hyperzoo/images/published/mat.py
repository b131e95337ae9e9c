"""Arrays of numbers in MATLAB files of version 5, as far as image sets need them.

SciPy reads such files too, but a damaged one can make it crash.

Reference: The MathWorks, "MAT-File Format", chapter "Level 5 MAT-File Format".
"""

import math
import struct
import zlib
from collections.abc import Collection, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyperzoo.errors import ImageError
from hyperzoo.images.described import AGAIN, described

_START = b"MATLAB 5.0 MAT-file"
_HEADER = 128
_BLOCK = 2**20
_INT8, _INT32, _UINT32, _MATRIX, _COMPRESSED = 1, 5, 6, 14, 15
_NUMBERS = {
    number: np.dtype(f"<{code}")
    for number, code in {
        1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8",
    }.items()
}  # fmt: skip
_NUMERIC = range(6, 16)  # the classes of arrays of numbers, from double to uint64
_COMPLEX = 0x0800


def read_mat(content: bytes, names: Collection[str], most: int) -> dict[str, NDArray[Any]]:
    """The arrays of some names. MATLAB may store numbers in a smaller type than an array's own.

    Args:
        content: the file.
        names: the arrays to read; others, and what are no plain numbers, are passed over.
        most: how many bytes may come of the file's compressed parts.

    Returns:
        Name -> numbers, of the type that they are stored in, in MATLAB's order of axes.

    Raises:
        ImageError: the file is of another kind, damaged or cut off, or becomes too large.
    """
    if not content.startswith(_START) or len(content) < _HEADER:
        raise ImageError(
            f"expected a MATLAB file of version 5, got {described(content[:64], AGAIN)}"
        )
    if content[126:128] != b"IM":
        raise ImageError("expected a MATLAB file of a little-endian machine; save it on one")
    arrays = {}
    left = most
    for kind, data in _elements(memoryview(content)[_HEADER:]):
        if kind == _COMPRESSED:
            unpacked = _inflate(data, left)
            left -= len(unpacked)
            kind, data = next(_elements(memoryview(unpacked)), (0, data))
        if kind == _MATRIX:
            name, array = _read_matrix(data)
            if array is not None and name in names:
                arrays[name] = array
    return arrays


def _elements(data: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Type and content of each element."""
    begin = 0
    while begin < len(data):
        if len(data) - begin < 8:
            raise ImageError("cut off within a tag; download it again")
        first, size = struct.unpack_from("<II", data, begin)
        begin += 8
        if first >> 16:  # up to four bytes stand in the tag itself
            kind, size, begin, following = first & 0xFFFF, first >> 16, begin - 4, begin
            if size > 4:
                raise ImageError(f"damaged: a small element of {size} bytes; download it again")
        else:
            kind = first
            following = begin + size + (-size % 8 if kind != _COMPRESSED else 0)
        if size > len(data) - begin:
            raise ImageError(
                f"a part of {size} bytes where {len(data) - begin} are left; the file is cut off "
                "or damaged; download it again"
            )
        yield kind, data[begin : begin + size]
        begin = following


def _inflate(data: memoryview, most: int) -> bytes:
    decompressor = zlib.decompressobj()
    unpacked, rest = bytearray(), bytes(data)
    try:
        while rest and not decompressor.eof:
            unpacked += decompressor.decompress(rest, _BLOCK)
            rest = decompressor.unconsumed_tail
            if len(unpacked) > most:
                raise ImageError(f"refused, because more than {most} bytes come of it")
    except zlib.error as error:
        raise ImageError(f"damaged or cut off ({error}); download it again") from error
    return bytes(unpacked)


def _read_matrix(data: memoryview) -> tuple[str, NDArray[Any] | None]:
    """Name and numbers of an array; no numbers where it has none or complex ones."""
    parts = _elements(data)
    flags = next(parts, (0, data))
    if flags[0] != _UINT32 or len(flags[1]) != 8:
        raise ImageError("damaged: an array without flags; download it again")
    (about,) = struct.unpack_from("<I", flags[1])
    if about & 0xFF not in _NUMERIC or about & _COMPLEX:
        return "", None
    lengths, name, numbers = (next(parts, (0, data[:0])) for _ in range(3))
    if lengths[0] != _INT32 or name[0] != _INT8 or numbers[0] not in _NUMBERS:
        raise ImageError("damaged: an array without shape, name or numbers; download it again")
    dtype = _NUMBERS[numbers[0]]
    shape = tuple(n for (n,) in struct.iter_unpack("<i", lengths[1][: len(lengths[1]) // 4 * 4]))
    if min(shape, default=-1) < 0 or math.prod(shape) * dtype.itemsize != len(numbers[1]):
        raise ImageError(
            f"an array of shape {shape} of {dtype} has {len(numbers[1])} bytes; the file is "
            "damaged; download it again"
        )
    array = np.frombuffer(numbers[1], dtype).reshape(shape, order="F")
    return bytes(name[1]).decode("latin1"), array
