"""Writes tensors into a pickle just as PyTorch does, but to the same bytes each time.

PyTorch writes a storage's address into its bytes, so that no two files are alike.
"""

import io
import pickle
from collections import OrderedDict
from typing import Any

import numpy as np
from numpy.typing import NDArray

_SYSTEM = {
    "protocol_version": 1001,
    "little_endian": True,
    "type_sizes": {"short": 2, "int": 4, "long": 4},
}
_HEAD = b"".join(pickle.dumps(part, 2) for part in (0x1950A86A20F9469CFC6C, 1001, _SYSTEM))
_KEY = "0"


class TorchTensor:
    """A tensor to be: `pickle.loads` of it gives a contiguous float32 torch.Tensor.

    Args:
        array: its numbers, float32.
    """

    def __init__(self, array: NDArray[np.float32]) -> None:
        self._array = array

    def __reduce__(self) -> tuple[Any, ...]:
        """What `torch.Tensor.__reduce_ex__` gives."""
        from torch._utils import _rebuild_tensor_v2

        shape = self._array.shape
        stride = tuple(int(np.prod(shape[axis + 1 :])) for axis in range(len(shape)))
        storage = _Storage(self._array)
        return _rebuild_tensor_v2, (storage, 0, shape, stride, False, OrderedDict())


class _Storage:
    def __init__(self, array: NDArray[np.float32]) -> None:
        self.array = array

    def __reduce__(self) -> tuple[Any, ...]:
        from torch.storage import _load_from_bytes

        return _load_from_bytes, (_storage_bytes(self.array),)


class _PersistentPickler(pickle.Pickler):
    """Writes a storage as its kind and size."""

    def persistent_id(self, value: Any) -> Any:
        """The id of a storage."""
        import torch

        if isinstance(value, _Storage):
            return ("storage", torch.FloatStorage, _KEY, "cpu", value.array.size, None)
        return None


def _storage_bytes(array: NDArray[np.float32]) -> bytes:
    """A storage as the older `torch.save` writes it."""
    sink = io.BytesIO()
    sink.write(_HEAD)
    _PersistentPickler(sink, 2).dump(_Storage(array))
    sink.write(pickle.dumps([_KEY], 2))
    sink.write(array.size.to_bytes(8, "little"))
    sink.write(np.ascontiguousarray(array, "<f4").tobytes())
    return sink.getvalue()
