"""Networks that were never trained: generators fitted on a zoo, and what they make."""

from hyperzoo.generation.fitting import fit
from hyperzoo.generation.generator import Generator, load_generator
from hyperzoo.generation.making import Regenerated, generate_zoo, regenerate_network
from hyperzoo.generation.registry import BEST, METHODS, Method
from hyperzoo.generation.split import Split, default_split

__all__ = [
    "BEST",
    "METHODS",
    "Generator",
    "Method",
    "Regenerated",
    "Split",
    "default_split",
    "fit",
    "generate_zoo",
    "load_generator",
    "regenerate_network",
]
