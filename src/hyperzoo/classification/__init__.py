"""Naming a network's class from its weights: a benchmark, and methods to name networks with."""

from hyperzoo.classification.benchmark import run
from hyperzoo.classification.fitted import FittedMethod, fit, load_method
from hyperzoo.classification.registry import METHODS, TRACKS, Method
from hyperzoo.classification.results import Benchmark, read_benchmark

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
