"""What is kept of a fit that was interrupted: the parts of it that were done."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyperzoo.errors import ZooFormatError
from hyperzoo.zoo.files import GO_ON, write_file
from hyperzoo.zoo.tensors import ALL_WIDTHS, encode_tensors, open_tensors

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Kept:
    """A folder with the parts of a fit that are done.

    Attributes:
        folder: it may lack, and may hold parts of other fits: these are made anew.
        about: what tells the fit from every other.
    """

    folder: Path
    about: Mapping[str, str | int]

    def once(self, name: str, compute: Callable[[], Arrays]) -> Arrays:
        """A part of the fit: read where it is kept, else made and kept.

        Args:
            name: of the part.
            compute: makes it, of float32, float16 or uint8 numbers.

        Raises:
            ZooWriteError: the disk refused.
        """
        file = self.folder / f"{name}.safetensors"
        try:
            kept = open_tensors(file, widths=ALL_WIDTHS)
        except ZooFormatError:  # there is none, or what a power cut left of it
            pass
        else:
            if kept.metadata == self.about:
                return {own: np.array(kept.tensor(own)) for own in kept.places}
        made = compute()
        write_file(file, encode_tensors(made, dict(self.about)), otherwise=GO_ON)
        return made
