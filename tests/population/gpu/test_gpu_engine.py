import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from hyperzoo.architectures import initial_parameters, lenet5, smallcnn
from hyperzoo.architectures.layers import Conv2d
from hyperzoo.errors import EngineError
from hyperzoo.images import ImageSet
from hyperzoo.population import EpochRecord, Precision, make_engine
from hyperzoo.population.gpu import GpuEngine, engine
from hyperzoo.population.gpu.precision import library_settings
from hyperzoo.population.gpu.trainer import Trainer
from hyperzoo.population.torch_engine import TorchEngine
from tests.population.engine_contract import EngineContract, bits, network, run, settings

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
needs_no_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")


class TestGpuEngineOnACpu(EngineContract):
    """The way of a GPU, on a CPU."""

    @staticmethod
    def make(workers: int) -> GpuEngine:
        return GpuEngine(device="cpu", stack=4)

    # The library may round differently in a stack of another size.
    test_bits_do_not_depend_on_cohort_or_workers = None
    test_a_network_that_diverges_disturbs_no_other = None


@pytest.mark.gpu
@needs_gpu
class TestGpuEngine(EngineContract):
    @staticmethod
    def make(workers: int) -> GpuEngine:
        return GpuEngine()

    test_bits_do_not_depend_on_cohort_or_workers = None
    test_a_network_that_diverges_disturbs_no_other = None


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=[pytest.mark.gpu, needs_gpu])])
def make(request: pytest.FixtureRequest) -> Callable[..., GpuEngine]:
    def made(**options: Any) -> GpuEngine:
        return GpuEngine(device=request.param, **options)

    return made


def test_it_agrees_with_the_torch_engine_to_rounding(
    make: Callable[..., GpuEngine], digits: ImageSet
):
    """Also with networks of another batch size, which make a stack of their own."""
    cohort = [network("two"), network("five", batch_size=32), network("six", learning_rate=1e-2)]
    ours = run(make(), lenet5(1), cohort, digits, settings())
    theirs = run(TorchEngine(), lenet5(1), cohort, digits, settings())
    for position in range(3):
        for name, tensor in theirs[position].parameters.items():
            np.testing.assert_allclose(
                ours[position].parameters[name], tensor, rtol=1e-3, atol=2e-5, err_msg=name
            )


@pytest.mark.parametrize("precision", ["float32", "tf32", "bfloat16"])
def test_two_runs_give_the_same_bits(
    make: Callable[..., GpuEngine], digits: ImageSet, precision: Precision
):
    chosen = settings(precision=precision, epochs=1)
    cohort = [network("two"), network("five")]
    first, second = (run(make(), lenet5(1), cohort, digits, chosen) for _ in range(2))
    for position in range(2):
        assert bits(first[position]) == bits(second[position])
        assert first[position].logits.tobytes() == second[position].logits.tobytes()


def test_a_network_that_diverges_leaves_those_of_its_stack_alone(
    make: Callable[..., GpuEngine], digits: ImageSet
):
    calm, wild = network("four"), network("five", learning_rate=1e38)
    beside_wild = run(make(), lenet5(1), [calm, wild], digits, settings())
    beside_calm = run(make(), lenet5(1), [calm, network("five")], digits, settings())
    assert bits(beside_wild[0]) == bits(beside_calm[0])
    assert not all(np.isfinite(tensor).all() for tensor in beside_wild[1].parameters.values())


def test_bfloat16_learns_alike(make: Callable[..., GpuEngine], digits: ImageSet):
    cohort, chosen = [network("two"), network("five")], settings(epochs=3)
    exact, coarse = (
        [
            event
            for event in make().train(lenet5(1), cohort, digits, own)
            if isinstance(event, EpochRecord)
        ]
        for own in (chosen, replace(chosen, precision="bfloat16"))
    )
    for one, other in zip(exact, coarse, strict=True):
        np.testing.assert_allclose(other.training_loss, one.training_loss, atol=0.02)
        np.testing.assert_allclose(other.validation_loss, one.validation_loss, atol=0.02)
        assert not np.array_equal(other.training_loss, one.training_loss)


@pytest.mark.parametrize("fails_after", [0, 1, 3])
def test_memory_that_runs_out_halves_the_stack(
    digits: ImageSet,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    fails_after: int,
):
    """Every network gets each record once, even where its stack had come to the third epoch."""
    whole = Trainer.train

    def train(self: Trainer, stopped: Callable[[], bool]) -> Iterator[object]:
        for count, event in enumerate(whole(self, stopped)):
            if len(self._networks) > 2 and count == fails_after:
                raise torch.OutOfMemoryError("CUDA out of memory")
            yield event

    monkeypatch.setattr(Trainer, "train", train)
    cohort, chosen = [network("two", index) for index in range(5)], settings(epochs=3)
    with caplog.at_level(logging.WARNING):
        events = list(GpuEngine(device="cpu", stack=8).train(lenet5(1), cohort, digits, chosen))
    seen = [
        (int(position), event.epoch)
        for event in events
        if isinstance(event, EpochRecord)
        for position in event.networks
    ]
    assert sorted(seen) == [(position, epoch) for position in range(5) for epoch in (1, 2, 3)]
    trained = [event for event in events if not isinstance(event, EpochRecord)]
    assert sorted(event.network for event in trained) == [0, 1, 2, 3, 4]
    assert "out of GPU memory: going on with stacks of 2 networks" in caplog.text
    alone = run(GpuEngine(device="cpu"), lenet5(1), [cohort[4]], digits, chosen)[0]
    last = next(event for event in trained if event.network == 4)
    for name, tensor in alone.parameters.items():
        np.testing.assert_allclose(last.parameters[name], tensor, atol=2e-5)


def test_memory_without_room_for_one_network(digits: ImageSet, monkeypatch: pytest.MonkeyPatch):
    def train(*_: object) -> Iterator[object]:
        raise torch.OutOfMemoryError("tried to allocate 3 GiB")
        yield

    monkeypatch.setattr(Trainer, "train", train)
    with pytest.raises(EngineError, match=r"not hold even one network.*allocate 3 GiB"):
        run(GpuEngine(device="cpu"), lenet5(1), [network(), network()], digits, settings())


def test_as_many_networks_as_fit(monkeypatch: pytest.MonkeyPatch):
    own = GpuEngine(device="cpu")
    own._device = torch.device("cuda")
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (900, 5000))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda: 300)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda: 200)
    assert own._that_fit(100) == int(10 * engine.SHARE)
    assert own._that_fit(10_000) == 1


@pytest.mark.parametrize("before", ["none", "ieee", "tf32"])
@pytest.mark.parametrize("precision", ["float32", "tf32", "bfloat16"])
def test_the_librarys_settings_are_restored(precision: Precision, before: str):
    matmul, threads = torch.backends.cuda.matmul, torch.get_num_threads()
    matmul.fp32_precision = before
    torch.set_num_threads(3)
    try:
        with library_settings(precision):
            assert matmul.fp32_precision == ("tf32" if precision == "tf32" else "ieee")
            assert matmul.allow_tf32 == (precision == "tf32")
            assert not matmul.allow_bf16_reduced_precision_reduction
            assert torch.get_num_threads() == 1
        assert matmul.fp32_precision == before
        assert matmul.allow_bf16_reduced_precision_reduction
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(threads)
        matmul.allow_tf32 = False
        matmul.fp32_precision = "none"


def test_images_of_another_size_are_refused(grey_digits: ImageSet):
    with pytest.raises(EngineError, match=r"takes images of shape \(32, 32, 3\), got 'digits'"):
        run(GpuEngine(device="cpu"), lenet5(1), [network()], grey_digits, settings())


def test_an_architecture_beyond_it_is_refused(digits: ImageSet):
    ended = replace(lenet5(1), layers=(Conv2d(filters=3, kernel=3),))
    with pytest.raises(EngineError, match="the last layer must be dense and linear"):
        run(GpuEngine(device="cpu"), ended, [network()], digits, settings())


def test_provenance_names_what_bits_may_depend_on():
    provenance = GpuEngine(device="cpu").provenance
    assert (provenance["engine"], provenance["device"]) == ("gpu", "cpu")
    assert set(provenance) == {"engine", "device", "torch", "kernels", "processor"}


class TestMaking:
    @needs_no_gpu
    def test_without_a_gpu(self):
        with pytest.raises(EngineError, match=r"needs a CUDA GPU, but torch .* finds none"):
            make_engine("gpu", lenet5(1))
        with pytest.raises(EngineError, match="finds none"):
            make_engine("auto", lenet5(1), "cuda")

    def test_on_a_cpu_by_name(self, caplog: pytest.LogCaptureFixture):
        assert make_engine("gpu", lenet5(1), "cpu").name == "gpu"
        assert "slow on a CPU" in caplog.text

    def test_another_precision(self):
        assert make_engine("auto", smallcnn(1), "cpu", precision="bfloat16").name == "gpu"
        for name in ("native", "torch"):
            with pytest.raises(EngineError, match="'float32' only, and the recipe asks for 'tf32'"):
                make_engine(name, lenet5(1), precision="tf32")

    def test_what_the_engine_can_not_run(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ):
        ended = replace(lenet5(1), layers=(Conv2d(filters=3, kernel=3),))
        with pytest.raises(EngineError, match="the last layer must be dense"):
            make_engine("gpu", ended, "cpu")
        with pytest.raises(EngineError, match="the last layer must be dense"):
            make_engine("auto", ended, "cpu", precision="bfloat16")
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        assert make_engine("auto", ended, "cuda").name == "torch"
        assert "training with PyTorch, because 'lenet5': the last layer" in caplog.text
        assert make_engine("auto", lenet5(1), "cuda").name == "gpu"


def test_the_start_is_the_one_of_all_engines(digits: ImageSet):
    chosen = settings(epochs=1, checkpoint_epochs=(0,), precision="bfloat16")
    found = run(GpuEngine(device="cpu"), lenet5(1), [network("two", 4)], digits, chosen)[0]
    for name, tensor in initial_parameters(lenet5(1), 0, "two", 4).items():
        assert np.array_equal(found.checkpoints[0][name], tensor)
