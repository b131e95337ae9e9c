"""What a format of exchange is: functions that recognise, read and write its files."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from hyperzoo.exchange.network import ForeignNetwork
from hyperzoo.images import ImageSet
from hyperzoo.zoo import Zoo

Meter = Callable[[int, int | None], None]
"""Is told how much of how much is done."""


class Reader(Protocol):
    """Reads the networks of one file, one after another."""

    def __call__(self, path: Path, *, meter: Meter | None = None) -> Iterator[ForeignNetwork]:
        """Read.

        Args:
            path: a regular file that the format recognises. Hostile until parsed.
            meter: is told how many bytes of how many are read, where a file takes long.

        Raises:
            ForeignFileError: the file is damaged, hostile, or holds something else.
            MissingExtraError: the package that reads it is not installed.
        """


class Writer(Protocol):
    """Writes a zoo into a folder."""

    def __call__(
        self,
        zoo: Zoo,
        folder: Path,
        *,
        images: ImageSet | None = None,
        meter: Meter | None = None,
    ) -> int:
        """Write.

        Args:
            zoo: the zoo, which has networks.
            folder: an empty folder. It gets its name when all is written, so that a writer need
                not care for interruptions.
            images: the images that the zoo was trained on, for formats that ask for them.
            meter: is told how many networks of how many are written.

        Returns:
            How many files were written.

        Raises:
            MissingExtraError: a package that it takes is not installed.
            OSError: the disk refused.
        """


@dataclass(frozen=True, kw_only=True)
class Format:
    """A format of exchange.

    Attributes:
        name: as in `--format`.
        description: one line for people.
        recognises: whether a regular file is of this format, by its name and first bytes; None
            where it is only written, or holds no networks.
        read: reads what it recognises.
        write: writes a zoo; None where it is only read.
    """

    name: str
    description: str
    recognises: Callable[[Path], bool] | None = None
    read: Reader | None = None
    write: Writer | None = None
