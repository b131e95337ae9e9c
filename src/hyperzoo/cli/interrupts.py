"""What an interrupt does: Ctrl-C, or what a batch system sends before it kills."""

import os
import signal
from types import FrameType

STATUS = 130
"""The exit status of what was interrupted."""


def end_at_once() -> None:
    """Let an interrupt end the process as it is.

    For loading, in which nothing has been begun: an exception there may surface anywhere, as an
    error of a module that is half loaded or as a traceback that nobody can catch.
    """
    _handle(_end)


def raise_interrupts() -> None:
    """Let an interrupt raise KeyboardInterrupt, so that work begun is kept."""
    _handle(_interrupt)


def _handle(handler: "signal._HANDLER") -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        # A shell's jobs in the background ignore Ctrl-C.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)


def _end(_signal: int, _frame: FrameType | None) -> None:
    os._exit(STATUS)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
