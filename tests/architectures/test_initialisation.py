"""Initial weights: their distributions by definition, and their bits."""

import hashlib
import math

import numpy as np
import pytest
from scipy import stats

from hyperzoo.architectures import Initialisation, initial_parameters, lenet5
from hyperzoo.architectures.initialisation import SCHEMES, _sum

FAN_IN, FAN_OUT = 480, 84
"""Of LeNet-5's first dense layer."""

CUT = stats.truncnorm(-2, 2)

DISTRIBUTIONS = {
    "glorot_uniform": stats.uniform(-math.sqrt(6 / 564), 2 * math.sqrt(6 / 564)),
    "glorot_normal": stats.truncnorm(-2, 2, scale=math.sqrt(2 / 564) / CUT.std()),
    "he_uniform": stats.uniform(-math.sqrt(6 / 480), 2 * math.sqrt(6 / 480)),
    "he_normal": stats.truncnorm(-2, 2, scale=math.sqrt(2 / 480) / CUT.std()),
    "lecun_uniform": stats.uniform(-math.sqrt(3 / 480), 2 * math.sqrt(3 / 480)),
    "lecun_normal": stats.truncnorm(-2, 2, scale=math.sqrt(1 / 480) / CUT.std()),
    "uniform": stats.uniform(-0.2, 0.4),
    "normal": stats.norm(scale=0.2),
    "truncated_normal": stats.truncnorm(-2, 2, scale=0.2),
}


def drawn(scheme: str, bias: float = 0.0) -> dict[str, np.ndarray]:
    return initial_parameters(
        lenet5(1), 3, "a", 2, initialisation=Initialisation(scheme, 0.2, bias)
    )


def test_every_scheme_is_defined_here():
    assert {*DISTRIBUTIONS, "orthogonal"} == set(SCHEMES)


@pytest.mark.parametrize("scheme", DISTRIBUTIONS)
def test_distributions(scheme: str):
    """Kolmogorov and Smirnov's test, of 40,320 numbers that follow from their names."""
    weights = drawn(scheme)["fc1.weight"].astype(float).ravel()
    assert weights.size == FAN_IN * FAN_OUT
    assert stats.kstest(weights, DISTRIBUTIONS[scheme].cdf).pvalue > 0.01


def test_orthogonal_rows_or_columns():
    for name, tensor in drawn("orthogonal").items():
        if name.endswith(".weight"):
            matrix = tensor.reshape(len(tensor), -1).astype(float)
            wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
            np.testing.assert_allclose(wide @ wide.T, np.eye(len(wide)), atol=1e-6)


def test_orthogonal_is_q_of_normal_numbers():
    """numpy.linalg.qr of the same numbers, its signs such that R's diagonal is positive."""
    normal = drawn("normal")["fc1.weight"].astype(float).reshape(FAN_OUT, FAN_IN)
    q, r = np.linalg.qr(normal.T)
    expected = (q * np.sign(np.diag(r))).T
    np.testing.assert_allclose(drawn("orthogonal")["fc1.weight"], expected, atol=1e-6)


def test_biases():
    assert all((own == 0).all() for name, own in drawn("he_normal").items() if "bias" in name)
    own = drawn("he_normal", bias=0.01)
    assert (own["conv1.bias"] == np.float32(0.01)).all()


@pytest.mark.parametrize(
    ("scheme", "expected"),
    [
        # A vector's fans are its length, 84, both of them.
        ("glorot_uniform", stats.uniform(-math.sqrt(3 / 84), 2 * math.sqrt(3 / 84))),
        ("he_normal", stats.truncnorm(-2, 2, scale=math.sqrt(2 / 84) / CUT.std())),
        ("normal", stats.norm(scale=0.2)),
    ],
)
def test_biases_drawn_as_the_kernels(scheme: str, expected: stats.rv_continuous):
    chosen = Initialisation(scheme, 0.2, 0.5, "as_kernels")
    own = [initial_parameters(lenet5(1), 3, "a", i, initialisation=chosen) for i in range(40)]
    biases = np.concatenate([network["fc1.bias"] for network in own]).astype(float)
    assert stats.kstest(biases, expected.cdf).pvalue > 0.01
    assert not np.array_equal(own[0]["fc1.bias"], own[1]["fc1.bias"])
    kernels = drawn(scheme)["fc1.weight"]
    again = initial_parameters(lenet5(1), 3, "a", 2, initialisation=chosen)["fc1.weight"]
    np.testing.assert_array_equal(kernels, again)


def test_orthogonal_biases_stay_constant():
    chosen = Initialisation("orthogonal", bias=0.5, biases="as_kernels")
    own = initial_parameters(lenet5(1), 3, "a", 2, initialisation=chosen)
    assert (own["conv2.bias"] == 0.5).all()


@pytest.mark.parametrize(
    ("scheme", "digest"),
    [
        ("glorot_uniform", "cc909c3f4eb3c1d8"),
        ("glorot_normal", "06bcf1150223ef23"),
        ("he_uniform", "46bd21eed685861f"),
        ("orthogonal", "7877a8a542815a1f"),
        ("truncated_normal", "f0d4219bf9ef87f6"),
        ("normal", "05a9dc9c0d4362b0"),
    ],
)
def test_bits_are_pinned(scheme: str, digest: str):
    """The same numbers on every machine, in every version: these were written down once."""
    content = b"".join(own.astype("<f4").tobytes() for own in drawn(scheme).values())
    assert hashlib.sha256(content).hexdigest()[:16] == digest


@pytest.mark.parametrize("count", [1, 2, 3, 7, 64, 1001])
def test_sums(count: int):
    terms = np.random.default_rng(0).normal(size=(3, count))
    np.testing.assert_allclose(_sum(terms), terms.sum(axis=1), rtol=1e-12, atol=1e-12)
