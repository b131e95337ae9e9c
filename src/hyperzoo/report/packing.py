"""Arrays as text that a page can hold: compressed, base64, read again by the page's script."""

import base64
import json
import struct
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

_GZIP = 31  # zlib's window bits that ask for a gzip header, which is what browsers read


def pack(
    header: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], *, noise: bool = False
) -> str:
    """Pack arrays into text.

    The unpacked bytes are: the header's length (uint32), the header (JSON, padded with spaces to a
    multiple of four), the arrays one after the other. Everything is little-endian. The same input
    gives the same text.

    Args:
        header: JSON values for the script.
        arrays: name -> uint8, uint16 or float32 of any shape; the header's "arrays" will list
            their names, types and lengths.
        noise: whether the bytes are much like noise, in which searching for repeats does harm.

    Returns:
        base64 of the gzipped bytes.
    """
    contents = {
        name: np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
        for name, array in arrays.items()
    }
    listed = [[name, str(array.dtype), array.size] for name, array in contents.items()]
    text = json.dumps({**header, "arrays": listed}, separators=(",", ":"), allow_nan=False).encode()
    text += b" " * (-len(text) % 4)
    body = b"".join(array.tobytes() for array in contents.values())
    return compress(struct.pack("<I", len(text)) + text + body, noise=noise)


def compress(content: bytes, *, noise: bool = False) -> str:
    """Bytes as base64 of their gzip form, which has no time stamp."""
    strategy = zlib.Z_HUFFMAN_ONLY if noise else zlib.Z_DEFAULT_STRATEGY
    stream = zlib.compressobj(9, zlib.DEFLATED, _GZIP, 9, strategy)
    return base64.b64encode(stream.compress(content) + stream.flush()).decode("ascii")
