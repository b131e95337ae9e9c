"""Work of another kind than training, for what hands out work of any kind."""

from collections.abc import Generator, Sequence
from pathlib import Path

from hyperzoo.cluster.work import Maker, Told, Work
from hyperzoo.zoo.bundle import Bundle, discard, lying_bundles
from hyperzoo.zoo.write import Taken


class Trials(Maker, Work):
    """Five trials: what is delivered is counted, and removed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.taken: list[str] = []

    @property
    def maker(self) -> Maker:
        return self

    @property
    def pieces(self) -> Sequence[str]:
        return [f"trial-{number}" for number in range(5)]

    def finished(self) -> set[str]:
        return set(self.taken)

    def together(self, names: Sequence[str]) -> Sequence[str]:
        return names[:1]

    def make(self, names: Sequence[str], told: Told) -> Generator[Bundle, None, None]:
        for name in names:
            yield Bundle(piece=name, facts={}, files={"result": name.encode()})

    def bytes_needed(self, names: Sequence[str]) -> int:
        return 1000 * len(names)

    def steps(self, name: str) -> int:
        return 1

    def collect(self, *, once: bool = False) -> Taken:
        for lying in lying_bundles(self.folder):
            assert (lying.path / "result").read_text() == lying.piece
            self.taken.append(lying.piece)
            discard(lying.path)
        return Taken(parts=(), refused=())
