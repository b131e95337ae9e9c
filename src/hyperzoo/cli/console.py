"""Where the command line writes: results to standard output, all else to standard error."""

import io
import sys
from typing import TYPE_CHECKING

from rich.console import Console

if TYPE_CHECKING:
    from rich.table import Table

MINIMAL_WIDTH = 120
"""Columns that a table may take: a narrow terminal wraps its lines rather than lose figures."""

# soft_wrap keeps a message on one line, so that it can be searched for and copied.
# Without emoji a text stays what it is: "root:x:0" is no cross.
out = Console(highlight=False, soft_wrap=True, emoji=False)
out.width = max(out.width, MINIMAL_WIDTH)
err = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)


_WIDEST = 10_000
"""Columns in which rich shortens nothing."""


def print_table(table: "Table") -> None:
    """Print a table as wide as it comes out: a terminal wraps its lines, no figure is cut short.

    Escapes make the names of classes long where a terminal lacks their characters.
    """
    width = out.width
    out.width = max(width, _WIDEST)
    try:
        out.print(table)
    finally:
        out.width = width


def as_shown(text: str) -> str:
    """A text as the terminal shows it, so that a column of a table can be as wide."""
    return text.encode(out.encoding, "backslashreplace").decode(out.encoding)


def write_what_the_terminal_lacks_as_escapes() -> None:
    """Write characters that the terminal's encoding lacks as Python's escapes.

    Two classes whose names a terminal lacks stay two, which question marks would not show.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
