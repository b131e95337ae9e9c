"""Random numbers that depend on a network's identity and on nothing else.

Every stream is a Philox 4x64-10 generator (Salmon et al., "Parallel random numbers: as easy as
1, 2, 3", SC 2011) whose key is drawn from (recipe seed, class name, index, purpose). Only the
generator's raw 64-bit words are used, because NumPy promises those to stay the same for ever,
and everything derived from them is exact IEEE arithmetic or an integer sort: the same numbers on
every machine, in every version, for every engine.
"""

import hashlib

import numpy as np
from numpy.typing import NDArray


def raw_words(
    seed: int, class_name: str, index: int, purpose: str, count: int
) -> NDArray[np.uint64]:
    """The first `count` words of the stream for one network and purpose.

    Args:
        seed: the recipe's seed.
        class_name: the network's class.
        index: the network's index within its class.
        purpose: what the numbers are for, e.g. "order/3" or "initialisation/conv1.weight".
        count: how many words.

    Returns:
        uint64 [word], uniform over all 64-bit words.
    """
    key = stream_key(seed, class_name, index, purpose)
    return np.random.Philox(key=key).random_raw(count)


def stream_key(seed: int, class_name: str, index: int, purpose: str) -> NDArray[np.uint64]:
    """The key of the generator of one network and purpose: uint64 [2]."""
    identity = f"hyperzoo 1|{seed}|{class_name}|{index}|{purpose}".encode()
    key = np.frombuffer(hashlib.sha256(identity).digest()[:16], dtype="<u8")
    return key.astype(np.uint64)


def uniforms(
    seed: int, class_name: str, index: int, purpose: str, count: int
) -> NDArray[np.float64]:
    """Uniform numbers in [0, 1) with 53 random bits: [number], float64."""
    words = raw_words(seed, class_name, index, purpose, count)
    return (words >> np.uint64(11)).astype(np.float64) * 2.0**-53


def permutation(
    seed: int, class_name: str, index: int, purpose: str, count: int
) -> NDArray[np.int64]:
    """A random order of 0 .. count - 1: the stable sort of `count` random words."""
    words = raw_words(seed, class_name, index, purpose, count)
    return np.argsort(words, kind="stable").astype(np.int64)


def normals(
    seed: int, class_name: str, index: int, purpose: str, count: int
) -> NDArray[np.float64]:
    """Standard normal numbers: [number], float64, the quantiles of uniform numbers.

    Args:
        seed: the recipe's seed.
        class_name: the network's class.
        index: the network's index within its class.
        purpose: what the numbers are for.
        count: how many.
    """
    # Midpoints of the 2^53 steps: 0 has no quantile.
    return normal_quantiles(uniforms(seed, class_name, index, purpose, count) + 2.0**-54)


def normal_quantiles(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Where a standard normal distribution has these shares below.

    Wichura's PPND16 ("Algorithm AS 241", Applied Statistics 37, 1988), to some 15 digits. It is
    made of the four operations and square roots alone, with a logarithm of our own, so that no
    mathematics library's last bit is in the numbers.

    Args:
        shares: [number], above 0 and below 1.
    """
    centred = shares - 0.5
    middle = centred * _ratio(0.180625 - centred * centred, *_MIDDLE)
    tail = np.sqrt(-_log(np.minimum(shares, 1 - shares)))
    outer = np.where(tail <= 5, _ratio(tail - 1.6, *_OUTER), _ratio(tail - 5, *_OUTMOST))
    return np.where(np.abs(centred) <= 0.425, middle, np.where(centred < 0, -outer, outer))


Coefficients = tuple[float, ...]


def _ratio(x: NDArray[np.float64], above: Coefficients, below: Coefficients) -> NDArray[np.float64]:
    return _polynomial(x, above) / _polynomial(x, below)


def _polynomial(x: NDArray[np.float64], coefficients: Coefficients) -> NDArray[np.float64]:
    """The first coefficient is that of 1."""
    sums = np.full_like(x, coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        sums = sums * x + coefficient
    return sums


def _log(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """The natural logarithm, by log(m) = 2 atanh((m - 1) / (m + 1)) for m from .7 to 1.4."""
    mantissa, exponent = np.frexp(x)
    small = mantissa < 2**-0.5
    mantissa, exponent = np.where(small, 2 * mantissa, mantissa), exponent - small
    s = (mantissa - 1) / (mantissa + 1)
    series = _polynomial(s * s, tuple(1 / odd for odd in range(1, 25, 2)))
    # The logarithm of 2 in two pieces, the first so short that its multiples are exact.
    rest: NDArray[np.float64] = exponent * 1.90821492927058770002e-10 + 2 * s * series
    return exponent * 6.93147180369123816490e-01 + rest


_MIDDLE = (
    (
        *(3.3871328727963666080e0, 1.3314166789178437745e2, 1.9715909503065514427e3),
        *(1.3731693765509461125e4, 4.5921953931549871457e4, 6.7265770927008700853e4),
        *(3.3430575583588128105e4, 2.5090809287301226727e3),
    ),
    (
        *(1.0, 4.2313330701600911252e1, 6.8718700749205790830e2, 5.3941960214247511077e3),
        *(2.1213794301586595867e4, 3.9307895800092710610e4, 2.8729085735721942674e4),
        5.2264952788528545610e3,
    ),
)
_OUTER = (
    (
        *(1.42343711074968357734e0, 4.63033784615654529590e0, 5.76949722146069140550e0),
        *(3.64784832476320460504e0, 1.27045825245236838258e0, 2.41780725177450611770e-1),
        *(2.27238449892691845833e-2, 7.74545014278341407640e-4),
    ),
    (
        *(1.0, 2.05319162663775882187e0, 1.67638483018380384940e0, 6.89767334985100004550e-1),
        *(1.48103976427480074590e-1, 1.51986665636164571966e-2, 5.47593808499534494600e-4),
        1.05075007164441684324e-9,
    ),
)
_OUTMOST = (
    (
        *(6.65790464350110377720e0, 5.46378491116411436990e0, 1.78482653991729133580e0),
        *(2.96560571828504891230e-1, 2.65321895265761230930e-2, 1.24266094738807843860e-3),
        *(2.71155556874348757815e-5, 2.01033439929228813265e-7),
    ),
    (
        *(1.0, 5.99832206555887937690e-1, 1.36929880922735805310e-1, 1.48753612908506148525e-2),
        *(7.86869131145613259100e-4, 1.84631831751005468180e-5, 1.42151175831644588870e-7),
        2.04426310338993978564e-15,
    ),
)
