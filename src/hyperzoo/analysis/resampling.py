"""Networks drawn anew: bootstrap samples and random halves, from ids and a seed alone."""

import numpy as np
from numpy.typing import NDArray

from hyperzoo.randomness import raw_words, uniforms


def bootstrap(class_name: str, networks: int, draws: int, seed: int) -> NDArray[np.float64]:
    """How often each network of a class is drawn, with replacement, in each bootstrap sample.

    Args:
        class_name: the class; another has other draws.
        networks: how many networks it has.
        draws: samples.
        seed: of the draws.

    Returns:
        [draw, network], each row sums to `networks`; NaN for fewer than 2 networks, of which one
        can't learn how networks differ.
    """
    if networks < 2:
        return np.full((draws, networks), np.nan)
    numbers = uniforms(seed, class_name, 0, "analysis/bootstrap", draws * networks)
    drawn = (numbers.reshape(draws, networks) * networks).astype(np.int64)
    drawn += networks * np.arange(draws)[:, None]
    counts = np.bincount(drawn.ravel(), minlength=draws * networks)
    return counts.reshape(draws, networks).astype(np.float64)


def halves(class_name: str, networks: int, draws: int, seed: int) -> NDArray[np.float64]:
    """Random halves of a class's networks.

    Args:
        class_name: the class; another has other draws.
        networks: how many networks it has; of an odd number, one is in neither half.
        draws: how many times to halve.
        seed: of the draws.

    Returns:
        [draw, network]: 1 in the one half, -1 in the other, 0 in neither; NaN for fewer than 4
        networks, whose halves would be single networks.
    """
    if networks < 4:
        return np.full((draws, networks), np.nan)
    words = raw_words(seed, class_name, 0, "analysis/halves", draws * networks)
    rank = words.reshape(draws, networks).argsort(axis=1, kind="stable").argsort(axis=1)
    half = networks // 2
    return np.where(rank < half, 1.0, np.where(rank < 2 * half, -1.0, 0.0))
