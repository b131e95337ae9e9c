"""Finds the compiled counting kernel and calls it.

The kernel is optional, as the native engine is: without it `counts.py` counts with NumPy, which
takes about twice as long and finds the same.
"""

import ctypes
import importlib.machinery
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

INTERFACE = 1
"""The version of the C interface that this file speaks."""

_POINTER, _SIZE, _FLOAT = ctypes.c_void_p, ctypes.c_int64, ctypes.c_float


def is_available() -> bool:
    """Whether the kernel was built."""
    return _library() is not None


@cache
def _library() -> ctypes.CDLL | None:
    folder = Path(__file__).parent
    names = [f"_counting{suffix}" for suffix in importlib.machinery.EXTENSION_SUFFIXES]
    file = next((folder / name for name in names if (folder / name).exists()), None)
    if file is None:
        return None
    try:
        library = ctypes.CDLL(str(file))
        library.hyperzoo_counting_interface.restype = _SIZE
        if library.hyperzoo_counting_interface() != INTERFACE:
            return None
        library.hyperzoo_count.restype = _SIZE
        library.hyperzoo_count.argtypes = (
            [_POINTER] + [_SIZE] * 2 + [_FLOAT] * 2 + [_SIZE] * 3 + [_POINTER] * 6
        )
    except (OSError, AttributeError):
        return None
    return library


def count(
    weights: NDArray[np.float32],
    window: tuple[int, int],
    unit: float,
    farthest: float,
    labels: NDArray[np.int64],
    bin_of: NDArray[np.uint16],
    classes: NDArray[np.int64],
    networks: NDArray[np.uint32],
    least: NDArray[np.float32],
    greatest: NDArray[np.float32],
) -> bool:
    """Add weights to the counts of their classes and networks.

    All arrays must be contiguous; only `is_available` kernels can be called.

    Args:
        weights: [network, number].
        window: the first grid point of `classes`, and how many follow each other.
        unit: grid points to 1.
        farthest: the last grid point; weights beyond count there.
        labels: [network], the class of each.
        bin_of: [grid point of the window], its bin.
        classes: [class, grid point of the window], is added to.
        networks: [network, bin], is added to.
        least: [network], is lowered to the least weight.
        greatest: [network], is raised to the greatest weight.

    Returns:
        Whether all weights were finite and inside the window; if not, the counts are spoilt.
    """
    library = _library()
    assert library is not None
    arrays = (labels, bin_of, classes, networks, least, greatest)
    stopped = library.hyperzoo_count(
        weights.ctypes.data,
        *weights.shape,
        unit,
        farthest,
        window[0],
        window[1],
        networks.shape[1],
        *(array.ctypes.data for array in arrays),
    )
    return int(stopped) == 0
