"""Finds the compiled kernels and calls them.

They are optional, as the native engine is: without them `counts.py` and `structure.py` go on with
NumPy, which takes about twice as long and finds the same but for the rounding of sums.
"""

import ctypes
import importlib.machinery
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

INTERFACE = 1
"""The version of the C interface that this file speaks."""

AXES = 8
"""The number of axes that `project` and `add_products` take."""

_POINTER, _SIZE, _FLOAT = ctypes.c_void_p, ctypes.c_int64, ctypes.c_float


def is_available() -> bool:
    """Whether the kernels were built."""
    return _library() is not None


@cache
def _library() -> ctypes.CDLL | None:
    folder = Path(__file__).parent
    names = [f"_kernels{suffix}" for suffix in importlib.machinery.EXTENSION_SUFFIXES]
    file = next((folder / name for name in names if (folder / name).exists()), None)
    if file is None:
        return None
    try:
        library = ctypes.CDLL(str(file))
        library.hyperzoo_analysis_interface.restype = _SIZE
        if library.hyperzoo_analysis_interface() != INTERFACE:
            return None
        library.hyperzoo_count.restype = _SIZE
        library.hyperzoo_count.argtypes = (
            [_POINTER] + [_SIZE] * 2 + [_FLOAT] + [_SIZE] * 3 + [_POINTER] * 6
        )
        library.hyperzoo_add_sums.restype = None
        library.hyperzoo_add_sums.argtypes = [_POINTER] + [_SIZE] * 3 + [_POINTER] * 3
        for product in (library.hyperzoo_project, library.hyperzoo_add_products):
            product.restype = None
            product.argtypes = [_POINTER] + [_SIZE] * 2 + [_POINTER] * 2
    except (OSError, AttributeError):
        return None
    return library


def count(
    weights: NDArray[np.float32],
    window: tuple[int, int],
    unit: float,
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
        window[0],
        window[1],
        networks.shape[1],
        *(array.ctypes.data for array in arrays),
    )
    return int(stopped) == 0


def add_sums(
    weights: NDArray[np.float32],
    labels: NDArray[np.int64],
    sums: NDArray[np.float32],
    squares: NDArray[np.float64],
) -> None:
    """Add weights to the sums of their classes, and their squares.

    All arrays but `sums`, of which only the rows must be, must be contiguous; only `is_available`
    kernels can be called.

    Args:
        weights: [network, number].
        labels: [network], the class of each.
        sums: [class, number], is added to.
        squares: [class], is added to.
    """
    library = _library()
    assert library is not None
    library.hyperzoo_add_sums(
        weights.ctypes.data,
        *weights.shape,
        sums.strides[0] // sums.itemsize,
        labels.ctypes.data,
        sums.ctypes.data,
        squares.ctypes.data,
    )


def project(
    weights: NDArray[np.float32], axes: NDArray[np.float32], found: NDArray[np.float32]
) -> None:
    """Add the products of weights with axes.

    All arrays must be contiguous; only `is_available` kernels can be called.

    Args:
        weights: [network, number].
        axes: [number, AXES].
        found: [network, AXES], is added to.
    """
    library = _library()
    assert library is not None
    library.hyperzoo_project(
        weights.ctypes.data, *weights.shape, axes.ctypes.data, found.ctypes.data
    )


def add_products(
    weights: NDArray[np.float32], along: NDArray[np.float32], product: NDArray[np.float32]
) -> None:
    """Add the transposed weights times what their networks have along axes.

    All arrays must be contiguous; only `is_available` kernels can be called.

    Args:
        weights: [network, number].
        along: [network, AXES].
        product: [number, AXES], is added to.
    """
    library = _library()
    assert library is not None
    library.hyperzoo_add_products(
        weights.ctypes.data, *weights.shape, along.ctypes.data, product.ctypes.data
    )
