"""The buffers of a stack: allocated once, counted, and shared by batches of different sizes."""

import math

import torch
from torch import Tensor


class Memory:
    """Hands out buffers by name.

    A training step touches nothing but these, so it can be captured as a CUDA graph. Asked for a
    name again it gives the beginning of the same buffer: the smaller last batch of an epoch is
    laid out in the memory of a full one.

    Args:
        device: where; on "meta" buffers are only counted.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._buffers: dict[str, Tensor] = {}

    @property
    def bytes(self) -> int:
        """The bytes of all buffers."""
        return sum(buffer.nbytes for buffer in self._buffers.values())

    def zeros(self, name: str, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """The buffer of a name, zero when it is new; a later shape must not be larger.

        Args:
            name: what the buffer is for.
            shape: its shape.
            dtype: its numbers.
        """
        size = math.prod(shape)
        if name not in self._buffers:
            self._buffers[name] = torch.zeros(size, dtype=dtype, device=self.device)
        return self._buffers[name][:size].view(shape)
