from hyperzoo.population.native import NativeEngine
from tests.population.engine_contract import EngineContract


class TestNativeEngine(EngineContract):
    @staticmethod
    def make(workers: int) -> NativeEngine:
        return NativeEngine(workers=workers)
