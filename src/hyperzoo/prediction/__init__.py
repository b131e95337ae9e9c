"""Properties of networks from their weights, the class among them: a benchmark, and methods."""

from hyperzoo.prediction.benchmark import run
from hyperzoo.prediction.fitted import FittedMethod, fit, load_method
from hyperzoo.prediction.registry import METHODS, TRACKS, Method
from hyperzoo.prediction.results import Benchmark, read_benchmark

__all__ = [
    "METHODS",
    "TRACKS",
    "Benchmark",
    "FittedMethod",
    "Method",
    "fit",
    "load_method",
    "read_benchmark",
    "run",
]
