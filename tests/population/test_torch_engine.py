import numpy as np
import pytest
import torch

from hyperzoo.architectures import Architecture, lenet5
from hyperzoo.errors import EngineError
from hyperzoo.images import ImageSet
from hyperzoo.population.torch_engine import TorchEngine
from tests.architectures.declarations import EVERY
from tests.population.declared import noise_images, planned_for, settings_for
from tests.population.engine_contract import EngineContract, bits, network, run, settings
from tests.population.training_by_definition import train_by_definition


class TestTorchEngine(EngineContract):
    @staticmethod
    def make(workers: int) -> TorchEngine:
        return TorchEngine(workers=workers)


class TestStackedTorchEngine(EngineContract):
    """The way of a GPU, on a CPU: networks trained as one by vmap."""

    @staticmethod
    def make(workers: int) -> TorchEngine:
        return TorchEngine(workers=workers, stack=4)

    # A stack of another size may round differently; one network by itself is the other test's.
    test_bits_do_not_depend_on_cohort_or_workers = None
    test_a_network_that_diverges_disturbs_no_other = None


def test_stacked_and_single_networks_agree_to_rounding(digits: ImageSet):
    cohort = [network("two"), network("five", learning_rate=1e38), network("six", batch_size=32)]
    single = run(TorchEngine(workers=1), lenet5(1), cohort, digits, settings(epochs=1))
    stacked = run(TorchEngine(workers=1, stack=3), lenet5(1), cohort, digits, settings(epochs=1))
    for position in (0, 2):
        for name, tensor in single[position].parameters.items():
            np.testing.assert_allclose(
                stacked[position].parameters[name], tensor, rtol=1e-3, atol=1e-5
            )


@pytest.mark.parametrize("stack", [1, 2])
@pytest.mark.parametrize("architecture", EVERY.values(), ids=lambda a: a.name)
def test_declared_networks_are_trained_as_defined(architecture: Architecture, stack: int):
    """Every layer and activation, dropout and running statistics included."""
    images, chosen = noise_images(architecture), settings_for(architecture)
    cohort = [planned_for(architecture, index) for index in range(stack)]
    found = run(TorchEngine(workers=1, stack=stack), architecture, cohort, images, chosen)
    for position, planned in enumerate(cohort):
        expected, logits = train_by_definition(architecture, planned, images, chosen)
        for name, value in expected.items():
            # Three steps of 1e-3: where a gradient is near 0, Adam makes much of its rounding.
            np.testing.assert_allclose(
                found[position].parameters[name], value, rtol=1e-3, atol=3e-5, err_msg=name
            )
        np.testing.assert_allclose(found[position].logits, logits, rtol=1e-3, atol=2e-3)


def test_dropout_depends_on_the_network_alone():
    architecture = EVERY["dropped out"]
    images, chosen = noise_images(architecture), settings_for(architecture, epochs=2)
    cohort = [planned_for(architecture, index) for index in range(3)]
    together = run(TorchEngine(workers=2), architecture, cohort, images, chosen)
    alone = run(TorchEngine(workers=1), architecture, cohort[2:], images, chosen)
    assert bits(together[2]) == bits(alone[0])
    assert bits(together[0]) != bits(together[1])


def test_the_callers_number_of_threads_is_restored(digits: ImageSet):
    threads = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        run(TorchEngine(workers=2), lenet5(1), [network()], digits, settings(epochs=1))
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(threads)


def test_another_precision_is_refused(digits: ImageSet):
    with pytest.raises(EngineError, match="the torch engine trains in precision 'float32' only"):
        run(TorchEngine(), lenet5(1), [network()], digits, settings(precision="tf32"))


def test_provenance_names_what_bits_may_depend_on():
    provenance = TorchEngine(workers=3).provenance
    assert provenance["engine"] == "torch"
    assert provenance["torch"] == torch.__version__
    assert set(provenance) == {"engine", "device", "torch", "kernels", "processor"}
    assert provenance == TorchEngine(workers=1).provenance


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_no_gpu():
    with pytest.raises(EngineError, match="finds no CUDA GPU; use device 'cpu'"):
        TorchEngine(device="cuda")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_a_gpu_agrees_with_the_cpu_to_rounding(digits: ImageSet):
    cohort = [network("two"), network("five")]
    here = run(TorchEngine(), lenet5(1), cohort, digits, settings(epochs=1))
    there = run(TorchEngine(device="cuda"), lenet5(1), cohort, digits, settings(epochs=1))
    again = run(TorchEngine(device="cuda"), lenet5(1), cohort, digits, settings(epochs=1))
    for position in range(2):
        assert bits(there[position]) == bits(again[position])
        for name, tensor in here[position].parameters.items():
            np.testing.assert_allclose(
                there[position].parameters[name], tensor, rtol=1e-3, atol=1e-5
            )
