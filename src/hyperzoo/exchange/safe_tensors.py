"""What stands in for the functions that honest pickles of tensors ask for.

They make NumPy arrays and nothing else, whichever of PyTorch's or NumPy's forms a tensor has.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyperzoo.exchange.safe_pickle import Built, Function, Name, load_bytes

_MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
_DTYPES = {"f2": "<f2", "f4": "<f4", "f8": "<f8"}


class Storage:
    """Numbers of a tensor, in one row."""

    def __init__(self, numbers: NDArray[Any]) -> None:
        self.numbers = numbers


def load_storage(content: Any) -> Storage:
    """`torch.storage._load_from_bytes`: a storage as the older `torch.save` writes it.

    Five pickles one after another (a magic number, a version, facts of the system, the storage's
    persistent id, the keys), then the count of numbers and the numbers.

    Raises:
        ValueError: it is something else.
    """
    if type(content) is not bytes:
        raise ValueError("a storage that is no bytes")
    found: list[tuple[Any, ...]] = []

    def persistent(entry: Any) -> None:
        found.append(entry)

    machine = load_bytes(content, _STORAGES, "a storage", persistent)
    if machine.load() != _MAGIC_NUMBER or machine.load() != 1001:
        raise ValueError("a storage of an unknown version")
    system = machine.load()
    if type(system) is not dict or system.get("little_endian") is not True:
        raise ValueError("a storage that is not little-endian")
    machine.load()
    machine.load()
    kind = found[0] if len(found) == 1 else None
    if type(kind) is not tuple or len(kind) < 5 or kind[0] != "storage":
        raise ValueError("a storage without a kind")
    if type(kind[1]) is not Name or kind[1].name != "FloatStorage":
        raise ValueError(f"a tensor of {getattr(kind[1], 'name', '?')}, expected float32")
    count = int.from_bytes(machine.read(8), "little")
    numbers = machine.read(4 * count)
    return Storage(np.frombuffer(numbers, "<f4"))


def _rebuild_tensor(
    storage: Any, offset: Any, shape: Any, stride: Any, *_: Any
) -> NDArray[np.float32]:
    """`torch._utils._rebuild_tensor_v2`, of dense float32 tensors."""
    if type(storage) is not Storage:
        raise ValueError("a tensor without a storage")
    _check_whole(shape)
    _check_whole(stride)
    if type(offset) is not int or offset < 0:
        raise ValueError("a tensor that begins before its storage")
    # As many numbers as the storage has, at most: a stride of 0 could make any number of them.
    last = offset + sum((n - 1) * step for n, step in zip(shape, stride, strict=True))
    count = math.prod(shape)
    if count > len(storage.numbers) - offset or (count and last >= len(storage.numbers)):
        raise ValueError(
            f"a tensor of shape {shape} and strides {stride} that does not fit its "
            f"{len(storage.numbers)} numbers"
        )
    strides = tuple(4 * step for step in stride)
    view = np.lib.stride_tricks.as_strided(storage.numbers[offset:], shape, strides)
    return np.ascontiguousarray(view)


def _check_whole(numbers: Any) -> None:
    small = type(numbers) is tuple and len(numbers) <= 8
    if not small or not all(type(n) is int and 0 <= n < 2**40 for n in numbers):
        raise ValueError("a shape that is none")


def _rebuild_parameter(tensor: Any, *_: Any) -> Any:
    """`torch._utils._rebuild_parameter`: the tensor itself."""
    return tensor


class _Dtype(Built):
    """`numpy.dtype`; the same object serves all arrays of a file."""

    is_shared = True

    def __init__(self, code: Any, *_: Any) -> None:
        if type(code) is not str or code.lstrip("<") not in _DTYPES:
            raise ValueError(f"numbers of type {code!r}, expected float32")
        self.dtype = np.dtype(_DTYPES[code.lstrip("<")])

    def build(self, state: Any) -> None:
        """Byte order and the like."""
        if type(state) is not tuple or len(state) < 2 or state[1] not in ("<", "=", "|"):
            raise ValueError("numbers that are not little-endian")


class _Array(Built):
    """`numpy.ndarray`, empty until it gets its state."""

    def __init__(self) -> None:
        self.array: NDArray[Any] | None = None

    def build(self, state: Any) -> None:
        """Version, shape, type, order and content."""
        _, shape, dtype, fortran, content = state
        self.array = _from_buffer(content, dtype, shape, "F" if fortran else "C")


def _reconstruct(*_: Any) -> _Array:
    return _Array()


def _from_buffer(content: Any, dtype: Any, shape: Any, order: Any, *_: Any) -> NDArray[Any]:
    _check_whole(shape)
    if type(content) is not bytes or type(dtype) is not _Dtype or order not in ("C", "F"):
        raise ValueError("an array that is none")
    array = np.frombuffer(content, dtype.dtype).reshape(shape, order=order)
    return np.ascontiguousarray(array)


def _scalar(dtype: Any, content: Any) -> float:
    return float(_from_buffer(content, dtype, (1,), "C")[0])


def _latin_1(text: Any, encoding: Any) -> bytes:
    """`_codecs.encode`, by which protocol 2 writes bytes."""
    if type(text) is not str or encoding != "latin1":
        raise ValueError(f"an encoding {str(encoding)[:40]!r}, expected latin1")
    return text.encode("latin1")


def _ordered_dict(*arguments: Any) -> dict[str, Any]:
    if arguments:
        raise ValueError("an OrderedDict with arguments")
    return {}


def _never(*_: Any) -> Any:
    raise ValueError("a class where a call should be")


_STORAGES: dict[str, Function] = {
    f"torch.{name}": _never
    for name in ("FloatStorage", "DoubleStorage", "HalfStorage", "BFloat16Storage", "LongStorage")
}

NAMES: dict[str, Function] = {
    "torch._utils._rebuild_tensor_v2": _rebuild_tensor,
    "torch._utils._rebuild_parameter": _rebuild_parameter,
    "torch.storage._load_from_bytes": load_storage,
    "collections.OrderedDict": _ordered_dict,
    "numpy.ndarray": _never,
    "numpy.dtype": _Dtype,
    "_codecs.encode": _latin_1,
    **{
        f"numpy.{core}.{name}": function
        for core in ("core", "_core")
        for name, function in (
            ("multiarray._reconstruct", _reconstruct),
            ("multiarray.scalar", _scalar),
            ("numeric._frombuffer", _from_buffer),
        )
    },
}
"""Every name that a file may ask for."""


def as_array(value: Any) -> NDArray[np.float32]:
    """A tensor of a file, as a float32 array.

    Raises:
        ValueError: it is no tensor, or of other numbers.
    """
    array = value.array if isinstance(value, _Array) else value
    if not isinstance(array, np.ndarray) or array.dtype != np.dtype("<f4"):
        kind = array.dtype if isinstance(array, np.ndarray) else type(array).__name__
        raise ValueError(f"expected a tensor of float32, got {kind}")
    return array
