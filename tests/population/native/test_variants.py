"""The same bits from every instruction set."""

import hashlib

import numpy as np
import pytest

from hyperzoo.errors import EngineError
from hyperzoo.images import ImageSet
from hyperzoo.population import TrainedNetwork
from hyperzoo.population.native import NativeEngine
from hyperzoo.population.native.description import describe
from hyperzoo.population.native.engine import ARITHMETIC
from hyperzoo.population.native.library import (
    Network,
    apply,
    fma_peak,
    is_fast,
    reason_unavailable,
    variant,
)
from tests.architectures.declarations import STRAIGHT
from tests.helpers import few
from tests.population.declared import noise_images, planned_for, settings_for
from tests.population.engine_contract import bits, network, run, settings
from tests.population.native.architectures import EVERY
from tests.population.native.test_gradients import sample, start

pytestmark = pytest.mark.skipif(reason_unavailable() is not None, reason="no native engine")

VARIANTS = ("baseline", "avx2", "avx512")


def runnable(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The variants that this processor runs."""
    found = []
    for name in VARIANTS:
        monkeypatch.setenv("HYPERZOO_NATIVE_ISA", name)
        if reason_unavailable() is None:
            assert variant() == name
            found.append(name)
    return found


@pytest.mark.parametrize("name", [name for name in EVERY if name != "lenet5"])
@pytest.mark.parametrize("count", [5, 37])
def test_gradients_have_the_same_bits(name: str, count: int, monkeypatch: pytest.MonkeyPatch):
    architecture = EVERY[name]
    images, targets = sample(architecture, count)
    flat = np.concatenate([tensor.ravel() for tensor in start(architecture).values()])
    wanted = np.random.default_rng(3).normal(size=(count, architecture.outputs)).astype("f4")
    found, squares = set(), set()
    for isa in runnable(monkeypatch):
        monkeypatch.setenv("HYPERZOO_NATIVE_ISA", isa)
        own = Network(describe(architecture), count)
        own.load(flat)
        gradient, loss = own.gradient(images, targets)
        logits, sums = np.empty((count, architecture.outputs), np.float32), np.zeros(2)
        own.evaluate(images, targets, 0, 10, logits, sums)
        towards, missed = own.gradient(images, wanted)
        found.add((gradient.tobytes(), loss, logits.tobytes(), sums.tobytes()))
        squares.add((towards.tobytes(), missed))
    assert len(found) == len(squares) == 1


@pytest.mark.parametrize("name", STRAIGHT)
def test_declared_networks_have_the_same_bits(name: str, monkeypatch: pytest.MonkeyPatch):
    """Steps, running statistics and validation, with a last batch that fills no vector."""
    architecture = STRAIGHT[name]
    images, chosen = noise_images(architecture, 77, 33), settings_for(architecture, epochs=2)
    found = set()
    for isa in runnable(monkeypatch):
        monkeypatch.setenv("HYPERZOO_NATIVE_ISA", isa)
        (trained,) = run(
            NativeEngine(workers=1), architecture, [planned_for(architecture)], images, chosen
        ).values()
        found.add((*bits(trained).values(), trained.logits.tobytes()))
    assert len(found) == 1


def test_trained_lenet5_has_the_same_bits(digits: ImageSet, monkeypatch: pytest.MonkeyPatch):
    """Steps of Adam, validation and a smaller last batch included."""
    images, chosen = few(digits, 75, 60), settings(epochs=1)
    found: list[TrainedNetwork] = []
    for isa in runnable(monkeypatch):
        monkeypatch.setenv("HYPERZOO_NATIVE_ISA", isa)
        planned = network("four", batch_size=40, learning_rate=0.01)
        found.append(run(NativeEngine(workers=1), EVERY["lenet5"], [planned], images, chosen)[0])
    assert all(bits(trained) == bits(found[0]) for trained in found)
    assert all(trained.logits.tobytes() == found[0].logits.tobytes() for trained in found)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("lenet5", "f8f6736628130ad4"),
        ("smallcnn", "c66308b7ee072146"),
        ("same, stride 2, even size", "c6e2422d13c9b75c"),
        ("even kernels", "8b14d1592b78f5f7"),
        ("normalised", "ab9cff828566b748"),
        ("pooled activations", "f2a033ec302009cc"),
        ("scaled", "8d67f34b45b65290"),
    ],
)
def test_the_arithmetic_is_the_one_of_its_version(name: str, expected: str):
    """Who changes these bits must raise ARITHMETIC: a zoo says which of them trained it."""
    architecture = {**EVERY, **STRAIGHT}[name]
    own = Network(describe(architecture), 50)
    numbers = np.arange(own.parameter_count) * 7919 % 2001 - 1000
    own.load((numbers / 5000).astype(np.float32))
    pixels = np.arange(90 * np.prod(architecture.input_shape)) * 31 // 7 % 256
    images = pixels.astype(np.uint8).reshape(90, *architecture.input_shape)
    targets = np.arange(90) * 5 // 3 % max(architecture.outputs, 2)
    own.train(images, targets, np.arange(90)[::-1].copy(), 0, 50, 0.01, 1e9, np.zeros(2))
    weights = own.save()
    assert (ARITHMETIC, hashlib.sha256(weights.tobytes()).hexdigest()[:16]) == (
        "float32 2",
        expected,
    )


@pytest.mark.parametrize("function", ["tanh", "exp", "log", "log1p", "erf"])
def test_functions_have_the_same_bits(function: str, monkeypatch: pytest.MonkeyPatch):
    patterns = np.random.default_rng(0).integers(0, 2**32, 200_000, dtype=np.uint64)
    numbers = patterns.astype(np.uint32).view(np.float32)
    if function == "log1p":
        numbers = numbers[(numbers >= 0) & (numbers <= 1)]
    found = set()
    for isa in runnable(monkeypatch):
        monkeypatch.setenv("HYPERZOO_NATIVE_ISA", isa)
        result = apply(function, numbers)
        result[np.isnan(result)] = np.nan
        found.add(result.tobytes())
    assert len(found) == 1


def test_emulated_fma_is_exact(monkeypatch: pytest.MonkeyPatch):
    """Against the instruction, also where rounding twice would err."""
    monkeypatch.delenv("HYPERZOO_NATIVE_ISA", raising=False)
    if not is_fast():
        pytest.skip("the processor has no fused multiply-add")
    generator = np.random.default_rng(0)
    a, b = (generator.normal(size=100_000).astype(np.float32) for _ in range(2))
    # Addends from far below the product to far above it, and products almost cancelled.
    c = (generator.normal(size=100_000) * 2.0 ** generator.integers(-60, 60, 100_000)).astype("f4")
    c[::3] = -(a * b)[::3]
    special = np.array([np.inf, -np.inf, np.nan, 0, -0.0, 3e38, 1e-38], np.float32)
    grid = np.stack(np.meshgrid(special, special, special)).reshape(3, -1)
    a, b, c = (np.concatenate([x, y]) for x, y in zip((a, b, c), grid, strict=True))
    instruction = apply("fma", a, b, c)
    monkeypatch.setenv("HYPERZOO_NATIVE_ISA", "baseline")
    emulated = apply("fma", a, b, c)
    np.testing.assert_array_equal(np.isnan(emulated), np.isnan(instruction))
    sound = ~np.isnan(instruction)
    assert emulated[sound].tobytes() == instruction[sound].tobytes()


def test_an_unknown_instruction_set(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HYPERZOO_NATIVE_ISA", "avx1024")
    with pytest.raises(EngineError, match="HYPERZOO_NATIVE_ISA names kernels"):
        NativeEngine()
    assert not NativeEngine.is_available()
    assert "HYPERZOO_NATIVE_ISA" in str(NativeEngine.unsupported(EVERY["lenet5"]))


def test_auto_does_not_choose_emulation(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("HYPERZOO_NATIVE_ISA", raising=False)
    if variant() == "baseline":
        pytest.skip("the baseline is this processor's own")
    monkeypatch.setenv("HYPERZOO_NATIVE_ISA", "baseline")
    assert "no fused multiply-add" in str(NativeEngine.unsupported(EVERY["lenet5"]))


def test_the_peak_is_a_speed():
    assert fma_peak(0.01) > 1e8
