"""The `hyperzoo` command: its subcommands, and what it does with errors and interrupts."""

import signal
import sys
import traceback
from types import FrameType
from typing import Annotated, NoReturn

import typer
from rich.markup import escape

from hyperzoo.cli import (
    analyze,
    classify,
    exporting,
    generate,
    identify,
    images,
    importing,
    judge,
    predict,
    push,
    recipes,
    report,
    show,
    submit,
    train,
    verify,
    work,
)
from hyperzoo.cli.console import err, write_what_the_terminal_lacks_as_escapes
from hyperzoo.errors import HyperzooError
from hyperzoo.version import VERSION

app = typer.Typer(
    name="hyperzoo",
    help="Make, keep, read and study zoos: datasets whose samples are trained neural networks.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)
app.command("recipes")(recipes.recipes)
app.add_typer(images.app, name="images")
app.command("train")(train.train)
app.command("submit")(submit.submit)
app.command("work")(work.work)
app.command("collect")(work.collect)
app.command("status")(work.status)
app.command("show")(show.show)
app.command("verify")(verify.verify)
app.command("analyze")(analyze.analyze)
app.command("predict")(predict.predict)
app.command("classify")(classify.classify)
app.command("identify")(identify.identify)
app.command("generate")(generate.generate)
app.command("judge")(judge.judge_)
app.command("report")(report.report)
app.command("import")(importing.import_)
app.command("export")(exporting.export)
app.command("push")(push.push)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"hyperzoo {VERSION}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show a traceback with an error; works anywhere.")
    ] = False,
) -> None:
    """Options of the command itself."""


def main() -> NoReturn:
    """Run the command line.

    Exit status: 0 done; 1 the work failed (one message on standard error); 2 wrong usage;
    130 interrupted.
    """
    debug = "--debug" in sys.argv
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    try:
        write_what_the_terminal_lacks_as_escapes()
        # What a batch system sends before it kills is handled as Ctrl-C is.
        signal.signal(signal.SIGTERM, _interrupt)
        app(arguments)  # leaves with 0, 2 or 130 by itself
    except KeyboardInterrupt:
        sys.exit(130)
    except HyperzooError as error:
        if debug:
            traceback.print_exc()
        err.print(f"[bold red]error:[/] {escape(str(error))}")
        sys.exit(1)
    except Exception as error:  # noqa: BLE001  (whatever it is, a user gets one line)
        if debug:
            traceback.print_exc()
        err.print(
            f"[bold red]error:[/] {escape(f'{type(error).__name__}: {error}')}\n"
            "This is a fault in hyperzoo; run again with --debug and report what it prints."
        )
        sys.exit(1)
    sys.exit(0)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
