"""The command line: the only place that prints."""

from hyperzoo.cli.main import main

__all__ = ["main"]
