"""Networks that were never trained: generators fitted on a zoo, what they make, and its judge."""

from hyperzoo.generation.fitting import fit
from hyperzoo.generation.generator import Generator, load_generator
from hyperzoo.generation.judging import Cost, Judgement, judge, prepare_reference
from hyperzoo.generation.making import Regenerated, generate_zoo, regenerate_network
from hyperzoo.generation.registry import BEST, METHODS, Method
from hyperzoo.generation.split import Split, default_split

__all__ = [
    "BEST",
    "METHODS",
    "Cost",
    "Generator",
    "Judgement",
    "Method",
    "Regenerated",
    "Split",
    "default_split",
    "fit",
    "generate_zoo",
    "judge",
    "load_generator",
    "prepare_reference",
    "regenerate_network",
]
