"""What can be shared out among machines: named pieces of work, each of which makes a bundle."""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hyperzoo.errors import ClusterError, ZooError
from hyperzoo.zoo.bundle import Bundle, lying_bundles
from hyperzoo.zoo.files import read_file, write_file
from hyperzoo.zoo.write import Taken

CLUSTER_FOLDER = ".cluster"
"""Of a zoo: submissions, and what workers need, kept beside what readers see."""
_MAX_BYTES = 2**26

Told = Callable[[int], None]
"""Is told of steps (of training: epochs, summed over networks) as they are done."""


class Maker(ABC):
    """Makes pieces, on any machine: it can be pickled, and needs no disk."""

    @abstractmethod
    def make(self, names: Sequence[str], told: Told) -> Generator[Bundle, None, None]:
        """Make pieces; yields the bundle of each when it is done, in any order."""


class Work(ABC):
    """A job that is cut into named pieces, the same on every machine.

    Training is one kind: a piece is a part of a zoo. Whatever else can be cut so can be run by
    `run_worker`, on Slurm and on Ray alike.

    Attributes:
        folder: what the work is for; bundles go into its `.incoming`.
    """

    folder: Path

    @property
    @abstractmethod
    def pieces(self) -> Sequence[str]:
        """The names of all pieces, in order."""

    @abstractmethod
    def finished(self) -> set[str]:
        """The pieces whose result is in place, by a new look at the disk."""

    @abstractmethod
    def together(self, names: Sequence[str]) -> Sequence[str]:
        """The first of these pieces, as many as are best made at once."""

    @property
    @abstractmethod
    def maker(self) -> "Maker":
        """What makes the pieces."""

    @abstractmethod
    def bytes_needed(self, names: Sequence[str]) -> int:
        """What the bundles of pieces take on disk, rather more than less."""

    @abstractmethod
    def steps(self, name: str) -> int:
        """How many steps a piece takes, of those that its maker tells of."""

    @abstractmethod
    def collect(self, *, once: bool = False) -> Taken:
        """Put in place what was delivered.

        Args:
            once: what is there now, and not what comes in meanwhile.

        Raises:
            ZooLockedError: somebody else is at it, who takes what is there.
        """

    def waiting(self) -> list[str]:
        """The pieces that nobody has finished or delivered yet, in order."""
        there = self.finished() | {lying.piece for lying in lying_bundles(self.folder)}
        return [name for name in self.pieces if name not in there]


@dataclass(frozen=True)
class Shard:
    """The share of one of several workers.

    Attributes:
        number: 0 for the first.
        total: how many shares there are.
    """

    number: int
    total: int

    def of(self, names: Sequence[str]) -> Sequence[str]:
        """This share of pieces: consecutive ones, of which no two shares have one in common."""
        begin, end = (part * len(names) // self.total for part in (self.number, self.number + 1))
        return names[begin:end]


def parse_shard(text: str) -> Shard:
    """Read a shard as people write it: "0/100" is the first of a hundred, "99/100" the last.

    Raises:
        ClusterError: it is none.
    """
    match = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text)
    if match is None or int(match[1]) >= int(match[2]):
        raise ClusterError(
            f"expected a shard such as 0/100 (the first of a hundred) up to 99/100, got {text!r}"
        )
    return Shard(int(match[1]), int(match[2]))


def write_pieces(path: Path, names: Sequence[str]) -> None:
    """Freeze a list of pieces, one a line, so that all workers share out the same."""
    write_file(path, "".join(f"{name}\n" for name in names).encode())


def read_pieces(path: Path) -> list[str]:
    """Read a frozen list of pieces.

    Raises:
        ClusterError: there is none, or it is no such list.
    """
    try:
        names = read_file(path, _MAX_BYTES).decode("ascii").splitlines()
    except (OSError, ZooError, ValueError) as error:
        raise ClusterError(f"{path}: expected a list of pieces of work: {error}") from error
    for name in names:
        if not re.fullmatch(r"[a-z0-9-]{1,100}", name):
            raise ClusterError(f"{path}: expected a piece of work a line, got {name!r:.100}")
    return names
