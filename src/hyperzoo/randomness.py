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
    identity = f"hyperzoo 1|{seed}|{class_name}|{index}|{purpose}".encode()
    key = np.frombuffer(hashlib.sha256(identity).digest()[:16], dtype="<u8")
    return np.random.Philox(key=key.astype(np.uint64)).random_raw(count)


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
