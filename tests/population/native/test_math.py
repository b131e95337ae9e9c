"""The kernels' own functions against float64: at most 2 units in the last place."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import erf

from hyperzoo.population.native.library import apply, reason_unavailable

pytestmark = pytest.mark.skipif(reason_unavailable() is not None, reason="no native engine")

NORMAL = np.finfo(np.float32).tiny
Exact = Callable[[NDArray[np.float64]], NDArray[np.float64]]


def all_magnitudes() -> NDArray[np.float32]:
    """Every exponent and sign alike, and every number in the neighbourhood of interest."""
    generator = np.random.default_rng(0)
    patterns = generator.integers(0, 2**32, 2_000_000, dtype=np.uint64)
    spread = patterns.astype(np.uint32).view(np.float32)
    near = generator.uniform(-12, 12, 2_000_000).astype(np.float32)
    far = generator.uniform(-110, 95, 1_000_000).astype(np.float32)
    # Consecutive numbers where tanh changes its formula, and where log changes the exponent.
    edges = [
        (np.float32(at).view(np.int32) + np.arange(-5000, 5000, dtype=np.int32)).view(np.float32)
        for at in (0.1733, 0.3466, 9.02, 0.5**0.5, 1.0, 2**0.5)
    ]
    numbers = np.concatenate([spread, near, far, *edges])
    numbers = numbers[np.isfinite(numbers)]
    # Denormal arguments count as zero.
    return numbers[(np.abs(numbers) >= NORMAL) | (numbers == 0)]


@pytest.mark.parametrize(
    ("function", "exact", "low", "high"),
    [
        ("tanh", np.tanh, -np.inf, np.inf),
        ("exp", np.exp, -np.inf, np.inf),
        ("log", np.log, NORMAL, np.inf),
        ("log1p", np.log1p, 0.0, 1.0),
        ("erf", erf, -np.inf, np.inf),
    ],
)
def test_within_two_units_in_the_last_place(function: str, exact: Exact, low: float, high: float):
    numbers = all_magnitudes()
    numbers = numbers[(numbers >= low) & (numbers <= high)]
    found = apply(function, numbers).astype(np.float64)
    with np.errstate(over="ignore", under="ignore"):
        expected = exact(numbers.astype(np.float64))
        rounded = expected.astype(np.float32)
    # Results below the normal numbers are flushed to zero.
    tiny = np.abs(expected) < NORMAL
    assert np.all(np.abs(found[tiny]) <= NORMAL)
    infinite = np.isinf(rounded)
    assert np.array_equal(found[infinite], rounded[infinite])
    rest = ~tiny & ~infinite
    errors = np.abs(found[rest] - expected[rest]) / np.spacing(np.abs(rounded[rest]))
    assert errors.max() <= 2


@pytest.mark.parametrize(
    ("function", "pairs"),
    [
        ("tanh", {0.0: 0.0, np.inf: 1.0, -np.inf: -1.0, 1e-30: 1e-30, 100.0: 1.0}),
        ("exp", {0.0: 1.0, np.inf: np.inf, -np.inf: 0.0, 1000.0: np.inf, -1000.0: 0.0}),
        ("log", {0.0: -np.inf, np.inf: np.inf, 1.0: 0.0, -1.0: np.nan}),
        ("log1p", {0.0: 0.0}),
        ("erf", {0.0: 0.0, np.inf: 1.0, -np.inf: -1.0, 5.0: 1.0}),
    ],
)
def test_special_values(function: str, pairs: dict[float, float]):
    numbers = np.array([*pairs, np.nan], np.float32)
    expected = np.array([*pairs.values(), np.nan], np.float32)
    np.testing.assert_array_equal(apply(function, numbers), expected)
