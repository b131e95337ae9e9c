"""Where the command line writes: results to standard output, all else to standard error."""

from rich.console import Console

# soft_wrap keeps a message on one line, so that it can be searched for and copied.
out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)
