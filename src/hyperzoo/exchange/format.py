"""What a format is: the one interface behind which other people's files are read and written."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar

from hyperzoo.exchange.network import ForeignNetwork
from hyperzoo.images import ImageSet
from hyperzoo.plan import PlannedNetwork
from hyperzoo.zoo import Zoo

Meter = Callable[[int, int | None], None]
"""Is told how many (networks, bytes) of how many are done."""


class Format(ABC):
    """A format of other people's: reads networks, or metrics, or writes a zoo, or several of these.

    `exporting.py` and `importing.py` do once for all what every format needs: folders that are in
    use, interruptions, duplicates, networks that do not fit together.

    Attributes:
        name: as in `--format`.
        description: a clause for `--help`.
        reads: whether `read` gives networks.
        reads_metrics: whether its files hold metrics of networks in place of networks.
        writes: whether `write` writes.
        holds_many: whether a file holds many networks, which files of one each may hold as well.
        has_ids: whether its files say which network is which.
        suffixes: how names of its files end. A file of such a name that no format recognises is
            damaged or hostile, not something else: `read` is given it to say what is wrong.
    """

    name: ClassVar[str]
    description: ClassVar[str]
    reads: ClassVar[bool] = False
    reads_metrics: ClassVar[bool] = False
    writes: ClassVar[bool] = False
    holds_many: ClassVar[bool] = False
    has_ids: ClassVar[bool] = True
    suffixes: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def recognises(self, path: Path) -> bool:
        """Whether a file (or a folder) looks like one of this format.

        Cheap: by the suffix and the first bytes (`magic`). Raises nothing, whatever the file is.
        """

    def read(self, path: Path, meter: Meter | None = None) -> Iterator[ForeignNetwork]:
        """Read the networks of one file that `recognises` took; in any order, one at a time.

        Raises:
            ForeignFileError: the file is damaged, hostile, or holds something else.
            MissingExtraError: an optional package is not installed.
        """
        raise NotImplementedError(f"{self.name} is not a format of networks")

    def write(
        self,
        zoo: Zoo,
        folder: Path,
        meter: Meter | None = None,
        *,
        images: ImageSet | None = None,
    ) -> int:
        """Write a zoo's networks.

        Plain writes will do: nobody sees the folder before all of it is done.

        Args:
            zoo: the zoo.
            folder: an empty folder of the format's own.
            meter: is told how many networks of how many are written.
            images: the images that the zoo was trained on, for formats that need them.

        Returns:
            How many files were written.

        Raises:
            ExportError: the zoo lacks what the format needs.
            MissingExtraError: an optional package is not installed.
            OSError: the disk refused.
        """
        raise NotImplementedError(f"{self.name} is not a format to write")


def networks_of(zoo: Zoo) -> list[PlannedNetwork]:
    """The networks that are there, in the order of every network axis."""
    return [network for part in zoo.parts_complete for network in zoo.plan[part]]


def magic(path: Path, count: int = 8) -> bytes:
    """The first bytes of a regular file; b"" for anything else, and for what can't be read."""
    try:
        if not path.is_file():  # opening a pipe would wait for ever
            return b""
        with path.open("rb") as file:
            return file.read(count)
    except OSError:
        return b""
