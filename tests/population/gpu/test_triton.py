"""Triton's kernels, one element after another in its interpreter where there is no GPU."""

import os

import pytest
import torch

from hyperzoo.architectures import Architecture, lenet5
from hyperzoo.errors import EngineError
from hyperzoo.images import ImageSet
from hyperzoo.population import Precision
from hyperzoo.population.gpu import GpuEngine, engine
from tests.population.engine_contract import bits, network, run, settings
from tests.population.gpu.test_network import (
    POOLS,
    Stacked,
    assert_equals_autograd,
    assert_near_autograd,
)
from tests.population.native.architectures import EVERY

if not torch.cuda.is_available():
    # Read when the kernels are defined, so before they are imported.
    os.environ["TRITON_INTERPRET"] = "1"


@pytest.fixture
def triton() -> None:
    pytest.importorskip("triton", reason="needs Triton")


@pytest.mark.usefixtures("triton")
@pytest.mark.parametrize(
    "architecture",
    # The interpreter is slow, and these have every operation.
    [
        EVERY["dense"],
        EVERY["same, stride 2, even size"],
        EVERY["stride 3, valid, kernel 1"],
        EVERY["max pool with remainder"],
        POOLS[0],
    ],
    ids=lambda architecture: architecture.name,
)
def test_logits_and_gradients_equal_autograd(architecture: Architecture):
    assert_equals_autograd(Stacked(architecture, images=2, fused=True), 2, 1)


@pytest.mark.usefixtures("triton")
@pytest.mark.parametrize("architecture", [EVERY["same, stride 2, even size"], POOLS[0]])
def test_bfloat16_is_near(architecture: Architecture):
    assert_near_autograd(Stacked(architecture, "bfloat16", images=2, fused=True))


@pytest.mark.usefixtures("triton")
def test_images_that_all_see_need_be_given_once():
    own = Stacked(EVERY["same, odd size"], images=2, fused=True)
    shared = own.padded()[:1]
    once = own.network.forward(shared).clone()
    each = own.network.forward(shared.expand(3, -1, -1, -1, -1).contiguous())
    assert torch.equal(once, each)


@pytest.mark.gpu
@pytest.mark.usefixtures("triton")
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
@pytest.mark.parametrize("precision", ["float32", "tf32", "bfloat16"])
def test_on_a_gpu_it_repeats_itself(digits: ImageSet, precision: Precision):
    cohort, chosen = [network("two"), network("five")], settings(precision=precision)
    first, second = (run(GpuEngine(fused=True), lenet5(1), cohort, digits, chosen) for _ in "ab")
    assert [bits(first[i]) for i in range(2)] == [bits(second[i]) for i in range(2)]


def test_without_triton(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(engine.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(EngineError, match="fused kernels need Triton"):
        GpuEngine(device="cpu", fused=True)
