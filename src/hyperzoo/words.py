"""Numbers of things in words, names that can be shown, and names that classes may have."""

import re
import unicodedata
from collections.abc import Sequence

ACCENTS = "letters and their accents were put together in names of classes, as Unicode's NFC does"
"""What is to be said where `composed` changed a name."""


def counted(count: int, one: str, many: str | None = None) -> str:
    """So many of a thing: "1 network", "1,061 networks", "2 classes".

    Args:
        count: how many.
        one: what a single one is called.
        many: what several are called; None for `one` with an "s".
    """
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"


def some_of(names: Sequence[str], most: int = 5) -> str:
    """The first of some names, and how many more there are: "a, b and 7 more"."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def printable(text: str) -> str:
    """A name of a file as a whole, with escapes for what would act on a terminal.

    Args:
        text: any text, half characters of names that are no UTF-8 included.
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def in_markdown(text: str) -> str:
    """Text of one line that Markdown shows as it is: neither marks, nor links, nor HTML."""
    marked = re.sub(r"([\\`*_{}\[\]#|~$])", r"\\\1", text.replace("&", "&amp;"))
    return marked.replace("<", "&lt;").replace(">", "&gt;")


def code_in_markdown(text: str) -> str:
    """Text of one line as code in Markdown, whatever backticks it has itself."""
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence, space = "`" * (longest + 1), " " * (longest > 0)
    return f"{fence}{space}{text}{space}{fence}"


def is_fit(class_name: str) -> bool:
    """Whether a class's name may become a part of network ids and of file names."""
    return bool(class_name) and all(c.isalnum() or c in "_-." for c in class_name)


def composed(class_name: str) -> str:
    """A class's name with accents in its letters, where apart from them they would be refused.

    macOS writes names of files so that accents follow their letters.
    """
    return class_name if is_fit(class_name) else unicodedata.normalize("NFC", class_name)
