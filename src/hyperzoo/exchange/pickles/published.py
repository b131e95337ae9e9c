"""What both published pickles have in common."""

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from hyperzoo.errors import ForeignFileError
from hyperzoo.exchange.content import Content, look, told
from hyperzoo.exchange.format import Format, Meter
from hyperzoo.exchange.network import ForeignNetwork
from hyperzoo.exchange.pickles.items import begins_as_list, first_key


class PublishedPickle(Format):
    """A list of dicts; the keys of the first tell which of the two it is.

    Attributes:
        keys: of each dict.
    """

    reads = True
    writes = True
    holds_many = True
    weights_alone = True
    called = "a pickle of networks"
    contents = (Content.PICKLE,)
    suffixes = (".pkl", ".pickle", ".p")
    keys: ClassVar[tuple[str, ...]]

    def read(
        self, path: Path, meter: Meter | None = None, prefer: str | None = None
    ) -> Iterator[ForeignNetwork]:
        """Read the networks of a file, but of none that somebody pickled in another form."""
        if look(path) is Content.PICKLE and not begins_as_list(path):
            raise ForeignFileError(
                f"{path}: not one of the published pickles, which hold a list, but "
                f"{told(path, Content.PICKLE)}; if it is no network, move it away"
            )
        yield from super().read(path, meter, prefer)

    def recognises(self, path: Path) -> bool:
        """By the suffix, and by the first key of the first dict."""
        return self.has_suffix(path.name) and first_key(path) in self.keys
