import numpy as np
import pytest

from hyperzoo.analysis.estimates import Estimates, known_or_none

DRAWN = np.array([[0.3, 0.5], [0.5, 0.5]])
HALVES = np.array([[0.4, 0.5], [0.6, 0.7]])
EVEN = np.array([[0.5, 0.5], [1.0, 1.0]])
"""Classes of four networks, and their halves of two."""


def estimates(power: int = 1, **changes: np.ndarray) -> Estimates:
    arrays = {"value": np.array([0.3, 0.5]), "drawn": DRAWN, "halves": HALVES, "inverse": EVEN}
    return Estimates(power=power, **arrays | changes)


def test_halves_have_twice_the_bias():
    first, second = estimates().rows()
    assert (first["value"], first["corrected"]) == pytest.approx((0.3, 0.3 - (0.5 - 0.3)))
    assert (second["value"], second["corrected"]) == pytest.approx((0.5, 0.5 - (0.6 - 0.5)))
    # Both draws of the second are the same: an interval without width.
    assert (second["low"], second["high"]) == pytest.approx((0.4, 0.4))


def test_a_distance_is_corrected_in_its_square():
    first, _ = estimates(2, value=np.array([0.6, 0.5])).rows()
    halves = (0.4**2 + 0.6**2) / 2
    assert first["corrected"] == pytest.approx((2 * 0.6**2 - halves) ** 0.5)


def test_halves_of_an_odd_number_are_less_than_half():
    inverse = np.array([[2 / 5, 2 / 5], [2 / 2, 2 / 2]])
    first, _ = estimates(inverse=inverse).rows()
    assert first["corrected"] == pytest.approx(0.3 - (0.5 - 0.3) / 1.5)


def test_nothing_is_below_zero():
    row, _ = estimates(value=np.array([0.1, 0.5])).rows()
    assert row["corrected"] == row["low"] == 0 <= row["high"]


def test_draws_are_turned_round_the_center():
    turned = estimates().turned()
    assert turned.mean(axis=0) == pytest.approx(estimates().center())
    assert turned[0, 0] - turned[1, 0] == pytest.approx(DRAWN[1, 0] - DRAWN[0, 0])


def test_without_halves_the_bootstrap_tells_the_bias():
    row, _ = estimates(halves=np.full((2, 2), np.nan)).rows()
    assert row["corrected"] == pytest.approx(0.3 - (0.4 - 0.3))


def test_without_anything_nothing_is_known():
    unknown = np.full((2, 2), np.nan)
    row, _ = estimates(halves=unknown, drawn=unknown).rows()
    assert row == {"value": 0.3, "corrected": None, "low": None, "high": None}
    assert known_or_none(0.0) == 0.0


def test_of_the_mean():
    (row,) = estimates().mean().rows()
    assert (row["value"], row["corrected"]) == pytest.approx((0.4, 0.4 - (0.55 - 0.4)))
