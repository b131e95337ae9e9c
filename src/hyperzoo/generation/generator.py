"""A fitted generator that knows classes by their names."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from hyperzoo.errors import ArchitectureError, GenerationError, did_you_mean
from hyperzoo.generation.draw import Draw
from hyperzoo.generation.registry import get_method
from hyperzoo.generation.stored import Fitted, computing, open_generator, parsed, whole_number


@dataclass(frozen=True, kw_only=True, eq=False)
class Generator(Fitted):
    """A fitted method: makes networks that were never trained, of classes of the zoo.

    Attributes:
        given: images that its networks are made from: none.
    """

    given: ClassVar[None] = None

    def sample(
        self, class_name: str, count: int, *, seed: int = 0, first: int = 0
    ) -> dict[str, NDArray[np.float32]]:
        """Make networks of a class.

        Network k follows from the generator, the seed, the class and k alone, whatever is made
        beside it.

        Args:
            class_name: one of `classes`.
            count: how many.
            seed: of the sample.
            first: the index of the first.

        Returns:
            PyTorch name -> float32 [network, *shape].

        Raises:
            GenerationError: there is no such class, or count, first or seed are out of bounds.
        """
        count = whole_number("count", count, 1)
        first = whole_number("first", first)
        made = [self.make(class_name, first + place, seed=seed) for place in range(count)]
        return {
            p.name: np.stack([own[p.name] for own in made]) for p in self.architecture.parameters
        }

    def make(self, class_name: str, index: int, *, seed: int = 0) -> dict[str, NDArray[np.float32]]:
        """Make one network: PyTorch name -> float32 [*shape]; see `sample`."""
        if not isinstance(class_name, str) or class_name not in self.classes:
            raise GenerationError(
                f"the generator makes no networks of class '{class_name}'"
                f"{did_you_mean(str(class_name), self.classes)} (it knows: "
                f"{', '.join(self.classes)})"
            )
        draw = Draw(whole_number("seed", seed), class_name, whole_number("index", index))
        with computing():
            method = get_method(self.method).load()
            made = method.make(self.state, self.architecture, self.classes, draw)
        return self.sound(made, f"{class_name}_{index}")


def load_generator(path: str | Path) -> Generator:
    """Read a generator that `Generator.save` wrote; nothing in the file is taken on trust.

    Raises:
        GenerationError: there is no such file, or it holds no generator that this version knows.
        ZooFormatError: the file is damaged.
    """
    path = Path(path)
    file = open_generator(path, None, "hyperzoo generate ZOO --method NAME --save FILE")
    try:
        generator = Generator(**parsed(file, None))
        get_method(generator.method).load().check(
            generator.state, generator.architecture, generator.classes
        )
    except (ArchitectureError, GenerationError, ValueError) as error:
        raise GenerationError(f"{path}: not a generator that can be used: {error}") from None
    return generator
