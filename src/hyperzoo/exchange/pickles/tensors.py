"""Tensors in pickles, as torch and NumPy write them: read into arrays, written without torch.

A tensor of torch is a call of `torch._utils._rebuild_tensor_v2` with a storage, and a storage is a
call of `torch.storage._load_from_bytes` with a whole file of `torch.save` in its older format: four
pickles, a list of keys, and the numbers. torch's own function of that name loads that file with
`weights_only=False` and so runs what is in it. Here it is read by the same interpreter as the rest.
"""

import io
import math
import pickle
import struct
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyperzoo.unpickling.arrays import Arguments, array_names, refusal, sizes
from hyperzoo.unpickling.machine import Global, Machine, RefusedError

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
_SYSTEM = {
    "protocol_version": _PROTOCOL,
    "little_endian": True,
    "type_sizes": {"short": 2, "int": 4, "long": 4},
}
_STORAGES = {
    f"torch.{kind}Storage": np.dtype(code)
    for kind, code in {"Float": "<f4", "Double": "<f8", "Half": "<f2", "Long": "<i8"}.items()
}
_STORAGE_NAMES = {name: Global(name) for name in _STORAGES}
_NUMPY_TYPES = ("f2", "f4", "f8", "i4", "i8")
# A storage's own pickles take 40 instructions.
_STORAGE_LIMIT = 200


def _ordered_dict(arguments: Arguments) -> dict[str, object]:
    if arguments:
        raise refusal("OrderedDict", arguments)
    return {}


def _load_storage(arguments: Arguments) -> NDArray[Any]:
    """The numbers of a file of `torch.save` that holds a storage; a view of its bytes."""
    match arguments:
        case (bytes(content),):
            pass
        case _:
            raise refusal("torch.storage._load_from_bytes", arguments)
    file = io.BytesIO(content)
    told: list[tuple[str, str, int]] = []

    def persistent(value: object) -> object:
        match value:
            case ("storage", Global(name=kind), str(key), str(), int(count), None) if (
                kind in _STORAGES and 1 <= count < 2**62 and not told
            ):
                told.append((kind, key, count))
                return told[0]
        raise RefusedError("a storage of torch is not described as torch does it")

    def run() -> object:
        rest = len(content) - file.tell()
        machine = Machine(file, rest, _STORAGE_NAMES, persistent=persistent, limit=_STORAGE_LIMIT)
        return machine.run()

    if [run(), run()] != [_MAGIC, _PROTOCOL] or _is_other_system(run()):
        raise RefusedError("a storage of torch does not begin as torch writes it")
    storage = run()
    if not told or storage is not told[0] or run() != [told[0][1]]:
        raise RefusedError("a storage of torch holds something else")
    kind, _, count = told[0]
    begin, dtype = file.tell() + 8, _STORAGES[kind]
    size = begin + count * dtype.itemsize
    if content[begin - 8 : begin] != struct.pack("<q", count) or len(content) != size:
        raise RefusedError(
            f"a storage of torch of {count} numbers takes {size} bytes, got {len(content)}"
        )
    return np.frombuffer(content, dtype, count, begin)


def _is_other_system(value: object) -> bool:
    return not isinstance(value, dict) or value.get("little_endian") is not True


def _rebuild_tensor(arguments: Arguments) -> NDArray[Any]:
    """A tensor as a view of its storage."""
    match arguments:
        case (np.ndarray() as storage, int(offset), size, step, bool(), dict(hooks), *_) if (
            len(arguments) <= 7 and storage.ndim == 1 and not hooks
        ):
            shape, steps = sizes(size), sizes(step)
            if shape is not None and steps is not None:
                return _view(storage, offset, shape, steps)
    raise refusal("torch._utils._rebuild_tensor_v2", arguments)


def _view(
    storage: NDArray[Any], offset: int, shape: tuple[int, ...], steps: tuple[int, ...]
) -> NDArray[Any]:
    last = offset + sum((n - 1) * step for n, step in zip(shape, steps, strict=False))
    # Steps of 0 would make a tensor of any size out of one number.
    fits = len(shape) == len(steps) and offset >= 0 and last < len(storage)
    if not fits or not 1 <= math.prod(shape) <= len(storage):
        raise RefusedError(
            f"a tensor of shape {shape} with steps {steps} from {offset} does not lie in its "
            f"storage of {len(storage)} numbers"
        )
    width = storage.itemsize
    return np.ndarray(
        shape, storage.dtype, storage, offset * width, tuple(step * width for step in steps)
    )


def _parameter(arguments: Arguments) -> NDArray[Any]:
    match arguments:
        case (np.ndarray() as tensor, bool(), dict(hooks)) if not hooks:
            return tensor
    raise refusal("torch._utils._rebuild_parameter", arguments)


TENSOR_NAMES: Mapping[str, Global] = array_names(_NUMPY_TYPES) | {
    name: Global(name, call)
    for name, call in {
        "collections.OrderedDict": _ordered_dict,
        "torch.storage._load_from_bytes": _load_storage,
        "torch._utils._rebuild_tensor_v2": _rebuild_tensor,
        "torch._utils._rebuild_parameter": _parameter,
    }.items()
}
"""All that pickles of tensors and arrays name; behind the names are functions of hyperzoo's own."""

# How a stream of values begins and ends. Protocol 3 has bytes, and numbers what it stores within
# a value alone, so that values can be written one after another.
START, END = b"\x80\x03", b"."

_pickled = partial(pickle.dumps, protocol=3)


def push(value: str | int | list[Any] | dict[str, Any] | tuple[int, ...]) -> bytes:
    """The instructions that push a plain value, to stand between `START` and `END`."""
    return _pickled(value)[len(START) : -len(END)]


def push_tensor(array: NDArray[np.float32]) -> bytes:
    """The instructions that push a tensor, as pickle writes a `torch.Tensor`.

    The key of the storage, which torch makes of an address in memory, is always "0", so that the
    same numbers give the same bytes.

    Args:
        array: any shape.
    """
    content = np.asarray(array, dtype="<f4", order="C")
    steps = tuple(stride // content.itemsize for stride in content.strides)
    storage = _storage_file(content)
    return b"".join(
        (
            b"ctorch._utils\n_rebuild_tensor_v2\n(ctorch.storage\n_load_from_bytes\n",
            # BINBYTES, TUPLE1, REDUCE; the offset of 0.
            b"B" + struct.pack("<I", len(storage)) + storage + b"\x85RK\x00",
            push(content.shape) + push(steps),
            # requires_grad, the hooks, and the end of the arguments.
            b"\x89ccollections\nOrderedDict\n)RtR",
        )
    )


def _storage_file(content: NDArray[np.float32]) -> bytes:
    """A file of `torch.save(storage, _use_new_zipfile_serialization=False)`."""
    described = push("storage") + b"ctorch\nFloatStorage\n" + push("0") + push("cpu")
    return b"".join(
        (
            _STORAGE_START,
            START + b"(" + described + push(content.size) + b"NtQ" + END,
            _pickled(["0"]),
            struct.pack("<q", content.size),
            content.tobytes(),
        )
    )


_STORAGE_START = _pickled(_MAGIC) + _pickled(_PROTOCOL) + _pickled(_SYSTEM)
