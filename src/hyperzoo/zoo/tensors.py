"""Tensors in safetensors files: written through the library, read by mapping the file."""

import json
import math
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from hyperzoo.errors import ZooFormatError
from hyperzoo.zoo.files import regular_size

MAX_HEADER_BYTES = 16 * 2**20
MAX_AXES = 16
WIDTHS = {"F32": 4}
"""Bytes a number, by safetensors' name of the type: a zoo's are all of this one."""
ALL_WIDTHS = {"F32": 4, "F16": 2, "U8": 1}
"""The same of all that are written here: a generator's are of any of them."""
_KINDS = {"F32": "<f4", "F16": "<f2", "U8": "u1"}
"""The types that are written and read here, by safetensors' names: NumPy's names."""


def encode_tensors(tensors: Mapping[str, NDArray[Any]], metadata: dict[str, Any]) -> bytes:
    """The content of a safetensors file.

    Args:
        tensors: name -> array; float16 and uint8 stay what they are, all else becomes float32.
        metadata: JSON values. They go under one key, because with several the library's order,
            and so the bytes, differ from run to run.
    """
    # The library silently mistakes arrays that are not C-contiguous.
    kinds = {"float16": "<f2", "uint8": "u1"}
    contiguous = {
        name: np.ascontiguousarray(tensor, dtype=kinds.get(tensor.dtype.name, "<f4"))
        for name, tensor in tensors.items()
    }
    return save(contiguous, metadata={"hyperzoo": json.dumps(metadata, sort_keys=True)})


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a tensor lies: its shape and type, and the byte of the file with which it begins."""

    shape: tuple[int, ...]
    begin: int
    dtype: str = "F32"
    width: int = 4

    @property
    def end(self) -> int:
        """The byte after its last."""
        return self.begin + self.width * math.prod(self.shape)


@dataclass(frozen=True, kw_only=True, eq=False)
class TensorFile:
    """An opened safetensors file of float32 tensors.

    Attributes:
        path: the file.
        metadata: what `encode_tensors` was given; empty when there is none.
        places: name -> where the tensor lies.
        mapped: uint8 [byte], the mapped file; None to read by offset instead.
    """

    path: Path
    metadata: Mapping[str, Any]
    places: Mapping[str, Place]
    mapped: NDArray[np.uint8] | None

    def tensor(self, name: str) -> NDArray[Any]:
        """A tensor that can't be written to; a view of the file where it is mapped.

        float32, where `open_tensors` was not told to allow float16 and uint8 too.
        """
        place = self.places[name]
        kind = _KINDS[place.dtype]
        return self._numbers(place.begin, place.end, kind, place.width).reshape(place.shape)

    def row(self, name: str, row: int) -> NDArray[np.float32]:
        """One entry of a tensor's first axis; no other is read."""
        place = self.places[name]
        size = 4 * math.prod(place.shape[1:])
        begin = place.begin + row * size
        return self._numbers(begin, begin + size).reshape(place.shape[1:])

    def _numbers(self, begin: int, end: int, kind: str = "<f4", width: int = 4) -> NDArray[Any]:
        if self.mapped is not None:
            return self.mapped[begin:end].view(kind)
        try:
            numbers = np.fromfile(self.path, kind, count=(end - begin) // width, offset=begin)
        except OSError as error:
            raise _unreadable(self.path, error) from error
        if width * len(numbers) != end - begin:
            raise ZooFormatError(f"{self.path}: the file has been cut short since it was opened")
        numbers.setflags(write=False)
        return numbers


def open_tensors(
    path: Path, *, mmap: bool = True, widths: Mapping[str, int] = WIDTHS
) -> TensorFile:
    """Open a safetensors file of float32 tensors; of the data, nothing is read yet.

    Args:
        path: the file.
        mmap: map the file; False reads every tensor by its offset when it is asked for, which
            suits network file systems on which mapping is slow or fails.
        widths: the types that its tensors may have, and their bytes a number. Whoever allows
            others than float32 reads the bytes at a tensor's place itself.

    Raises:
        ZooFormatError: the file is damaged or holds something else.
    """
    try:
        size = regular_size(path)
        with path.open("rb") as file:
            prefix = file.read(8)
            length = int.from_bytes(prefix, "little")
            if len(prefix) < 8 or length > min(size - 8, MAX_HEADER_BYTES):
                raise ZooFormatError(
                    f"{path}: not a safetensors file, or cut short: {size} bytes, of which the "
                    f"header should take {length}"
                )
            metadata, places = _parse_header(path, file.read(length), 8 + length, size, widths)
            mapped = np.memmap(file, dtype=np.uint8, mode="r") if mmap else None
    except OSError as error:
        raise _unreadable(path, error) from error
    return TensorFile(path=path, metadata=metadata, places=places, mapped=mapped)


def _unreadable(path: Path, error: OSError) -> ZooFormatError:
    return ZooFormatError(f"{path} can't be read: {error.strerror or error}")


def _parse_header(
    path: Path, header: bytes, data_begin: int, size: int, widths: Mapping[str, int]
) -> tuple[dict[str, Any], dict[str, Place]]:
    """Metadata, and name -> place; nothing in the header is taken on trust."""
    entries = _parse_json(path, header, "the header")
    metadata = _parse_metadata(path, entries.pop("__metadata__", {}))
    places = {
        name: _parse_entry(path, name, entry, data_begin, widths) for name, entry in entries.items()
    }
    # Together the tensors must fill the data: no overlap, no hole, nothing beyond the end.
    position = data_begin
    for place in sorted(places.values(), key=lambda place: place.begin):
        if place.begin != position:
            raise ZooFormatError(f"{path}: tensors overlap or leave a hole at byte {position}")
        position = place.end
    if position != size:
        raise ZooFormatError(
            f"{path}: expected {position - data_begin} bytes of tensors, got "
            f"{size - data_begin}; the file is cut short or has been added to"
        )
    return metadata, places


def _parse_json(path: Path, content: bytes, what: str) -> dict[str, Any]:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        entries = dict(pairs)
        if len(entries) < len(pairs):
            raise ValueError("a name comes twice")
        return entries

    try:
        entries = json.loads(content.decode("utf-8"), object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        raise ZooFormatError(f"{path}: {what} is not JSON: {error}") from error
    if not isinstance(entries, dict):
        raise ZooFormatError(f"{path}: {what} is not a JSON object")
    return entries


def _parse_metadata(path: Path, entries: object) -> dict[str, Any]:
    if not isinstance(entries, dict) or not all(isinstance(v, str) for v in entries.values()):
        raise ZooFormatError(f"{path}: the metadata is not an object of texts")
    # A lone half of a surrogate pair can't be encoded; replaced, it is still no valid content.
    own = entries.get("hyperzoo", "{}").encode("utf-8", errors="replace")
    return _parse_json(path, own, "the metadata")


def _parse_entry(
    path: Path, name: str, entry: object, data_begin: int, widths: Mapping[str, int]
) -> Place:
    flaw = ZooFormatError(
        f"{path}: tensor {reprlib.repr(name)} has a wrong entry in the header: "
        f"{reprlib.repr(entry)}; expected dtype {' or '.join(widths)}, a shape without empty axes, "
        "and data_offsets as far apart as the shape says"
    )
    if not isinstance(entry, dict) or not isinstance(entry.get("dtype"), str):
        raise flaw
    dtype, width = entry["dtype"], widths.get(entry["dtype"])
    shape, offsets = _whole_numbers(entry.get("shape")), _whole_numbers(entry.get("data_offsets"))
    if width is None or shape is None or offsets is None:
        raise flaw
    # An empty tensor could claim any place, and a shape too large for an array.
    if len(shape) > MAX_AXES or len(offsets) != 2 or 0 in shape:
        raise flaw
    if width * math.prod(shape) != offsets[1] - offsets[0]:
        raise flaw
    return Place(shape=shape, begin=data_begin + offsets[0], dtype=dtype, width=width)


def _whole_numbers(value: object) -> tuple[int, ...] | None:
    """A list of whole numbers from 0 on, or None for anything else."""
    if not isinstance(value, list):
        return None
    # type(), because True is an int too.
    return tuple(value) if all(type(n) is int and 0 <= n < 2**63 for n in value) else None
