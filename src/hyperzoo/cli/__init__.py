"""The command line: the only place that prints."""

import sys

try:
    from hyperzoo.cli.main import main
except KeyboardInterrupt:
    # Loading what the command needs takes a moment, in which nothing has been begun.
    sys.exit(130)

__all__ = ["main"]
