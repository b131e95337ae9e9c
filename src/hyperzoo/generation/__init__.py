"""Networks that were never trained: generators fitted on a zoo, and what they make."""

from hyperzoo.generation.fitting import fit
from hyperzoo.generation.generator import Generator, load_generator
from hyperzoo.generation.registry import METHODS, Method
from hyperzoo.generation.split import Split, default_split

__all__ = ["METHODS", "Generator", "Method", "Split", "default_split", "fit", "load_generator"]
