"""The `hyperzoo` command: its subcommands, and what it does with errors and interrupts."""

import ast
import gc
import importlib
import sys
import traceback
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.markup import escape

from hyperzoo.cli.console import err, write_what_the_terminal_lacks_as_escapes
from hyperzoo.cli.interrupts import STATUS, end_at_once, raise_interrupts
from hyperzoo.errors import HyperzooError
from hyperzoo.version import VERSION
from hyperzoo.words import printable

COMMANDS = {
    "recipes": "recipes.recipes",
    "images": "images.images",
    "train": "train.train",
    "submit": "submit.submit",
    "work": "work.work",
    "collect": "work.collect",
    "status": "status.status",
    "show": "show.show",
    "verify": "verify.verify",
    "analyze": "analyze.analyze",
    "predict": "predict.predict",
    "classify": "classify.classify",
    "identify": "identify.identify",
    "generate": "generate.generate",
    "judge": "judge.judge_",
    "report": "report.report",
    "import": "importing.import_",
    "export": "exporting.export",
    "push": "push.push",
}
"""Name of a command, in the order of the help -> where in `hyperzoo.cli` it is."""


def _version(wanted: bool) -> None:
    if wanted:
        print(f"hyperzoo {VERSION}")
        raise typer.Exit


def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show a traceback with an error; works anywhere.")
    ] = False,
) -> None:
    """Options of the command itself."""


def _app_of(asked: Collection[str]) -> typer.Typer:
    """The command; those of its subcommands that are not asked for are but names with a line."""
    made = typer.Typer(
        name="hyperzoo",
        help="Make, keep, read and study zoos: datasets whose samples are trained neural networks.",
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode="markdown",
        pretty_exceptions_enable=False,
        callback=_options,
    )
    for name, place in COMMANDS.items():
        module, _, function = place.partition(".")
        if name not in asked:
            made.command(name)(_stand_in(module, function))
            continue
        loaded = importlib.import_module(f"hyperzoo.cli.{module}")
        if hasattr(loaded, "app"):  # a command with commands of its own
            made.add_typer(loaded.app, name=name)
        else:
            made.command(name)(getattr(loaded, function))
    return made


def _stand_in(module: str, function: str) -> Callable[[], None]:
    """A function with the docstring of another whose module is not loaded, for the list of all."""
    tree = ast.parse(Path(__file__).with_name(f"{module}.py").read_text(encoding="utf-8"))

    def stand_in() -> None:
        raise AssertionError(f"{module}.{function} was not loaded")

    [stand_in.__doc__] = (
        ast.get_docstring(node)
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.name == function
    )
    return stand_in


def __getattr__(name: str) -> Any:
    """`app`, the command with all its subcommands, is made when it is first asked for."""
    if name != "app":
        raise AttributeError(f"module 'hyperzoo.cli.command' has no attribute '{name}'")
    globals()["app"] = made = _app_of(COMMANDS)
    return made


def run() -> NoReturn:
    """Run the command line.

    Exit status: 0 done; 1 the work failed (one message on standard error); 2 wrong usage;
    130 interrupted.
    """
    try:
        status = _run()
    except KeyboardInterrupt:
        status = STATUS
    with suppress(OSError, AttributeError):  # nobody reads on, or there is no standard output
        sys.stdout.flush()
    end_at_once()  # leaving takes a moment too
    sys.exit(status)


def _run() -> int | str | None:
    """Run the command that the arguments tell; returns the exit status."""
    debug = "--debug" in sys.argv
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    try:
        write_what_the_terminal_lacks_as_escapes()
        # What all of them need takes a second to load: only what is asked for.
        app = _app_of(arguments)
        gc.freeze()
        gc.enable()
        raise_interrupts()
        app(arguments)  # leaves with 0, 2 or 130 by itself
    except SystemExit as leaving:
        return leaving.code
    except HyperzooError as error:
        if debug:
            traceback.print_exc()
        err.print(f"[bold red]error:[/] {escape(_plain(str(error)))}")
        return 1
    except Exception as error:  # noqa: BLE001  (whatever it is, a user gets one line)
        if debug:
            traceback.print_exc()
        err.print(
            f"[bold red]error:[/] {escape(_plain(f'{type(error).__name__}: {error}'))}\n"
            "This is a fault in hyperzoo; run again with --debug and report what it prints."
        )
        return 1
    return 0


def _plain(message: str) -> str:
    """A message, with escapes for what names of files in it would do to a terminal."""
    return "\n".join(map(printable, message.split("\n")))
