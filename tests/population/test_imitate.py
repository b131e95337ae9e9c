"""Networks that learn to give logits that they are told."""

import itertools
from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from hyperzoo.architectures import Architecture, get_architecture, initial_parameters
from hyperzoo.errors import ImageError
from hyperzoo.population import Parameters, evaluate
from hyperzoo.population.imitate import imitate
from hyperzoo.population.native import NativeEngine
from tests.architectures.declarations import STRAIGHT

IMAGES = np.random.default_rng(0).integers(0, 256, (200, 32, 32, 3), dtype=np.uint8)
LENET = get_architecture("lenet5", 2)


def teacher(architecture: Architecture, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    (logits,) = evaluate(architecture, [initial_parameters(architecture, 0, "teacher", 0)], images)
    return 2 * logits + 1


def batches(count: int, of: int = 200) -> Iterator[NDArray[np.int64]]:
    generator = np.random.default_rng(1)
    return (generator.choice(of, count) for _ in itertools.count())


def learn(architecture: Architecture, images: NDArray[np.uint8], steps: int) -> Parameters:
    start = initial_parameters(architecture, 0, "learner", 0)
    squares = {name: float(np.square(tensor).sum()) for name, tensor in start.items()}
    longest = {name: most for name, most in squares.items() if name.endswith("weight") and most}
    return imitate(
        architecture, start, images, teacher(architecture, images), batches(20, len(images)),
        steps=steps, rate=2e-3, longest=longest,
    )  # fmt: skip


def missed(architecture: Architecture, network: Parameters, images: NDArray[np.uint8]) -> float:
    (said,) = evaluate(architecture, [network], images)
    return float(np.square(said - teacher(architecture, images)).mean())


@pytest.mark.parametrize("native", [True, False], ids=["native", "torch"])
def test_it_comes_near(native: bool, monkeypatch: pytest.MonkeyPatch):
    if not native:
        monkeypatch.setattr(NativeEngine, "unsupported", lambda _: "not asked for")
    start = initial_parameters(LENET, 0, "learner", 0)
    learned = learn(LENET, IMAGES, 60)
    assert missed(LENET, learned, IMAGES) < 0.05 * missed(LENET, start, IMAGES)
    for name, tensor in learned.items():
        assert tensor.dtype == np.float32
        assert tensor.shape == start[name].shape
        if name.endswith("weight"):  # no longer than it may be
            assert np.square(tensor).sum() <= np.square(start[name]).sum() * (1 + 1e-5)


def test_both_ways_agree(monkeypatch: pytest.MonkeyPatch):
    if NativeEngine.unsupported(LENET):
        pytest.skip("no native engine")
    native = learn(LENET, IMAGES, 25)
    again = learn(LENET, IMAGES, 25)
    monkeypatch.setattr(NativeEngine, "unsupported", lambda _: "not asked for")
    torch = learn(LENET, IMAGES, 25)
    start = initial_parameters(LENET, 0, "learner", 0)
    for name in native:
        assert native[name].tobytes() == again[name].tobytes()
        # Where a gradient is all but nothing, Adam makes whole steps of what was rounded.
        apart, way = (np.linalg.norm(native[name] - other[name]) for other in (torch, start))
        assert apart < 0.02 * way


@pytest.mark.parametrize("name", STRAIGHT)
def test_declared_networks_learn(name: str):
    """Those that normalise by the batch or drop learn as they are after training."""
    architecture = STRAIGHT[name]
    shape = (60, *architecture.input_shape)
    images = np.random.default_rng(2).integers(0, 256, shape, dtype=np.uint8)
    start = initial_parameters(architecture, 0, "learner", 0)
    learned = learn(architecture, images, 30)
    assert missed(architecture, learned, images) < missed(architecture, start, images)
    for p in architecture.parameters:
        if not p.is_trained:
            np.testing.assert_array_equal(learned[p.name], start[p.name])


def test_no_steps_change_nothing():
    start = initial_parameters(LENET, 0, "learner", 0)
    learned = learn(LENET, IMAGES, 0)
    assert all(np.array_equal(learned[name], start[name]) for name in start)


def test_logits_of_other_images():
    start = initial_parameters(LENET, 0, "learner", 0)
    with pytest.raises(ImageError, match=r"expected images and logits .*\(200, 2\), got .*199"):
        imitate(
            LENET, start, IMAGES, teacher(LENET, IMAGES)[1:], batches(5), steps=1, rate=1e-3,
            longest={},
        )  # fmt: skip
