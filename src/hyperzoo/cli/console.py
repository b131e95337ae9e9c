"""Where the command line writes: results to standard output, all else to standard error."""

from rich.console import Console
from rich.table import Table

MINIMAL_WIDTH = 120
"""Columns that a table may take; a narrower terminal wraps its lines rather than lose figures."""

# soft_wrap keeps a message on one line, so that it can be searched for and copied.
out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def print_table(table: Table) -> None:
    """Print a table in full, however narrow the terminal is and also into a file."""
    out.print(table, width=max(out.width, MINIMAL_WIDTH), crop=False)
