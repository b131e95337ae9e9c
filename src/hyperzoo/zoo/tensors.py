"""Tensors in safetensors files: written through the library, read by mapping the file."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from hyperzoo.errors import ZooFormatError

MAX_HEADER_BYTES = 16 * 2**20


def encode_tensors(tensors: Mapping[str, NDArray[np.float32]], metadata: dict[str, Any]) -> bytes:
    """The content of a safetensors file.

    Args:
        tensors: name -> float32 array.
        metadata: JSON values. They go under one key, because with several the library's order,
            and so the bytes, differ from run to run.
    """
    # The library silently mistakes arrays that are not C-contiguous.
    contiguous = {name: np.ascontiguousarray(t, dtype="<f4") for name, t in tensors.items()}
    return save(contiguous, metadata={"hyperzoo": json.dumps(metadata, sort_keys=True)})


def read_tensors(path: Path, *, mmap: bool = True) -> dict[str, NDArray[np.float32]]:
    """Open the tensors of a file.

    Args:
        path: a safetensors file of float32 tensors.
        mmap: map the file, so that only what is used is read; otherwise read it whole, which
            suits network file systems on which mapping is slow or fails.

    Returns:
        Name -> array that can't be written to.

    Raises:
        ZooFormatError: the file is damaged or holds something else.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            prefix = file.read(8)
            length = int.from_bytes(prefix, "little")
            if len(prefix) < 8 or length > min(size - 8, MAX_HEADER_BYTES):
                raise ZooFormatError(f"{path}: not a safetensors file, or cut short")
            header = file.read(length)
        places = _parse_header(path, header, size - 8 - length)
        data: NDArray[np.uint8] = (
            np.memmap(path, dtype=np.uint8, mode="r") if mmap else np.fromfile(path, dtype=np.uint8)
        )
    except OSError as error:
        raise ZooFormatError(f"{path} can't be read: {error.strerror or error}") from error
    data = data[8 + length :]
    data.setflags(write=False)
    return {
        name: data[begin:end].view("<f4").reshape(shape)
        for name, (shape, begin, end) in places.items()
    }


Place = tuple[tuple[int, ...], int, int]


def _parse_header(path: Path, header: bytes, data_bytes: int) -> dict[str, Place]:
    """Name -> (shape, first byte, byte after the last); nothing in the header is taken on trust."""
    try:
        entries = json.loads(header.decode("utf-8"))
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise ZooFormatError(f"{path}: the header is not JSON") from error
    if not isinstance(entries, dict):
        raise ZooFormatError(f"{path}: the header is not a JSON object")
    places = {
        name: _parse_entry(path, name, entry)
        for name, entry in entries.items()
        if name != "__metadata__"
    }
    # Together the tensors must fill the data: no overlap, no hole, nothing beyond the end.
    position = 0
    for _, begin, end in sorted(places.values(), key=lambda place: place[1:]):
        if begin != position:
            raise ZooFormatError(f"{path}: tensors overlap or leave a hole at byte {position}")
        position = end
    if position != data_bytes:
        raise ZooFormatError(
            f"{path}: expected {position} bytes of tensors, got {data_bytes}; the file is cut "
            "short or has been added to"
        )
    return places


def _parse_entry(path: Path, name: str, entry: object) -> Place:
    flaw = ZooFormatError(
        f"{path}: tensor {name!r} has a wrong entry in the header: {entry!r:.200}"
    )
    if not isinstance(entry, dict) or entry.get("dtype") != "F32":
        raise flaw
    shape, offsets = _counts(entry.get("shape")), _counts(entry.get("data_offsets"))
    if shape is None or offsets is None or len(shape) > 16 or len(offsets) != 2:
        raise flaw
    if 4 * math.prod(shape) != offsets[1] - offsets[0]:
        raise flaw
    return shape, offsets[0], offsets[1]


def _counts(value: object) -> tuple[int, ...] | None:
    """A list of whole numbers from 0 on, or None for anything else."""
    if not isinstance(value, list):
        return None
    # type(), because True is an int too.
    return tuple(value) if all(type(n) is int and 0 <= n < 2**62 for n in value) else None
