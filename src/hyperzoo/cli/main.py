"""Where the command begins: interrupts are handled before anything that takes time is loaded."""

import gc
import sys

TYPE_CHECKING = False  # typing takes a moment to load, in which Ctrl-C would show a traceback
if TYPE_CHECKING:
    from typing import NoReturn


def main() -> "NoReturn":
    """Run the command line; its exit status is told by `command.run`."""
    try:
        from hyperzoo.cli.interrupts import end_at_once

        end_at_once()
    except KeyboardInterrupt:
        sys.exit(130)
    gc.disable()  # what loading makes stays; `command.run` turns it on again
    from hyperzoo.cli.command import run

    run()
