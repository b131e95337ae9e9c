"""Networks that were never trained: generators fitted on a zoo, and what they make."""

from hyperzoo.generation.fitting import fit
from hyperzoo.generation.generator import Generator, load_generator
from hyperzoo.generation.judging import Cost, Judgement, judge, prepare_reference
from hyperzoo.generation.registry import METHODS, Method
from hyperzoo.generation.split import Split, default_split

__all__ = [
    "METHODS",
    "Cost",
    "Generator",
    "Judgement",
    "Method",
    "Split",
    "default_split",
    "fit",
    "judge",
    "load_generator",
    "prepare_reference",
]
