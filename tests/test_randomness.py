"""The streams are part of the format: these values must never change."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hyperzoo.randomness import normal_quantiles, normals, permutation, raw_words, uniforms


def test_the_stream_is_pinned():
    words = raw_words(0, "church", 3, "order/1", 3)
    assert words.tolist() == PINNED_WORDS
    assert uniforms(0, "church", 3, "order/1", 3).tolist() == [
        (word >> 11) / 2**53 for word in PINNED_WORDS
    ]


PINNED_WORDS = [11162961962894978666, 15947436904081345456, 4234599718737577655]


def test_the_order_is_the_stable_sort_of_the_words():
    words = raw_words(7, "tench", 0, "order/2", 50)
    expected = sorted(range(50), key=lambda position: words[position])
    assert permutation(7, "tench", 0, "order/2", 50).tolist() == expected


def test_every_part_of_the_identity_counts():
    streams = {
        tuple(raw_words(*identity, 4).tolist())
        for identity in [
            (0, "church", 3, "order/1"),
            (1, "church", 3, "order/1"),
            (0, "tench", 3, "order/1"),
            (0, "church", 4, "order/1"),
            (0, "church", 3, "order/2"),
        ]
    }
    assert len(streams) == 5


@given(st.integers(0, 2**63 - 1), st.integers(0, 10**7), st.integers(1, 300))
def test_a_longer_stream_begins_with_a_shorter_one(seed: int, index: int, count: int):
    long, short = (raw_words(seed, "zero", index, "negatives", n) for n in (count + 5, count))
    assert np.array_equal(long[:count], short)
    assert sorted(permutation(seed, "zero", index, "negatives", count)) == list(range(count))


def test_uniforms_are_even():
    numbers = uniforms(0, "church", 0, "initialisation/conv1.weight", 100_000)
    assert numbers.min() >= 0
    assert numbers.max() < 1
    counts, _ = np.histogram(numbers, bins=20, range=(0, 1))
    # 5,000 expected in each bin, with a standard deviation of 69.
    assert abs(counts - 5000).max() < 5 * 69


def test_quantiles_of_the_normal_distribution():
    from scipy.special import ndtri

    shares = np.concatenate(
        [np.linspace(0, 1, 20_003)[1:-1], 10.0 ** -np.arange(1, 17), [2.0**-54]]
    )
    np.testing.assert_allclose(normal_quantiles(shares), ndtri(shares), rtol=5e-15, atol=1e-15)


def test_normal_numbers_are_pinned():
    """Made by the four operations and square roots alone: these bits are the same everywhere."""
    found = normals(7, "church", 3, "test", 3)
    assert [number.hex() for number in found] == [
        "0x1.d847df4a8c47fp-3",
        "-0x1.46d34e262e231p+1",
        "-0x1.5b6071a2fab21p+0",
    ]
    assert abs(normals(0, "a", 0, "b", 100_000).std() - 1) < 0.01
