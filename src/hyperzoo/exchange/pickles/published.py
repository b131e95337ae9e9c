"""What both published pickles have in common."""

from pathlib import Path
from typing import ClassVar

from hyperzoo.exchange.content import Content
from hyperzoo.exchange.format import Format
from hyperzoo.exchange.pickles.items import first_key


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
    # Old pickles are text; the reader says what is wrong with them.
    contents = (Content.PICKLE, Content.TEXT, Content.JSON)
    suffixes = (".pkl", ".pickle", ".p")
    keys: ClassVar[tuple[str, ...]]

    def recognises(self, path: Path) -> bool:
        """By the suffix, and by the first key of the first dict."""
        return self.has_suffix(path.name) and first_key(path) in self.keys
