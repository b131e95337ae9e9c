"""Where the command line writes: results to standard output, all else to standard error."""

from rich.console import Console

MINIMAL_WIDTH = 120
"""Columns that a table may take: a narrow terminal wraps its lines rather than lose figures."""

# soft_wrap keeps a message on one line, so that it can be searched for and copied.
out = Console(highlight=False, soft_wrap=True)
out.width = max(out.width, MINIMAL_WIDTH)
err = Console(stderr=True, highlight=False, soft_wrap=True)
