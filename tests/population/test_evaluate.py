import itertools
from collections.abc import Iterator

import numpy as np
import pytest

from hyperzoo.architectures import initial_parameters, lenet5, smallcnn
from hyperzoo.errors import ImageError
from hyperzoo.population import Parameters, evaluate
from hyperzoo.population.native import NativeEngine

IMAGES = np.random.default_rng(0).integers(0, 256, (300, 32, 32, 3), dtype=np.uint8)


def networks(count: int) -> list[Parameters]:
    return [initial_parameters(lenet5(1), 0, "cat", index) for index in range(count)]


def test_both_ways_agree_in_the_networks_order(monkeypatch: pytest.MonkeyPatch):
    native = list(evaluate(lenet5(1), networks(9), IMAGES))
    monkeypatch.setattr(NativeEngine, "unsupported", lambda _: "not asked for")
    torch = list(evaluate(lenet5(1), networks(9), IMAGES))
    assert [logits.shape for logits in native] == [(300, 1)] * 9
    assert all(np.allclose(a, b, atol=1e-5) for a, b in zip(native, torch, strict=True))
    assert not np.allclose(native[0], native[1])


def test_weights_that_are_not_to_be_written_to():
    (own,) = networks(1)
    for tensor in own.values():
        tensor.setflags(write=False)
    (logits,) = evaluate(lenet5(1), [own], IMAGES[:1])
    assert logits.shape == (1, 1)


def test_networks_are_taken_a_few_at_a_time():
    taken = []

    def endless() -> Iterator[Parameters]:
        (own,) = networks(1)
        for number in itertools.count():
            taken.append(number)
            yield own

    results = evaluate(lenet5(1), endless(), IMAGES[:2])
    next(results)
    results.close()
    assert len(taken) < 1000
    assert list(evaluate(lenet5(1), [], IMAGES)) == []


def test_images_of_another_shape():
    with pytest.raises(ImageError, match=r"takes images of shape \(32, 32, 1\).*got \(32, 32, 3\)"):
        evaluate(smallcnn(1), [], IMAGES)
