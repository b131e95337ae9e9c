from hyperzoo.population.gpu import GpuEngine
from tests.population.engine_contract import EngineContract


class TestGpuEngine(EngineContract):
    """The way of a GPU, on a CPU."""

    @staticmethod
    def make(workers: int) -> GpuEngine:
        return GpuEngine(device="cpu", stack=4)

    # The library may round differently in a stack of another size.
    test_bits_do_not_depend_on_cohort_or_workers = None
    test_a_network_that_diverges_disturbs_no_other = None
