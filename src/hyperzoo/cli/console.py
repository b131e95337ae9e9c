"""Where the command line writes: results to standard output, all else to standard error."""

import io
import sys

from rich.console import Console

MINIMAL_WIDTH = 120
"""Columns that a table may take: a narrow terminal wraps its lines rather than lose figures."""

# soft_wrap keeps a message on one line, so that it can be searched for and copied.
# Without emoji a text stays what it is: "root:x:0" is no cross.
out = Console(highlight=False, soft_wrap=True, emoji=False)
out.width = max(out.width, MINIMAL_WIDTH)
err = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)


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
