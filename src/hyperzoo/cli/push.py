"""`hyperzoo push`: a zoo to the Hugging Face Hub."""

from pathlib import Path
from typing import Annotated

import typer

from hyperzoo.cli.console import err, out
from hyperzoo.cli.progress import counting_meter
from hyperzoo.exchange.hub.push import push_zoo
from hyperzoo.words import counted


def push(
    folder: Annotated[Path, typer.Argument(help="The zoo's folder.", show_default=False)],
    repo: Annotated[
        str, typer.Argument(help="OWNER/NAME, or NAME for one of your own.", show_default=False)
    ],
    private: Annotated[
        bool, typer.Option("--private", help="Make a new repository private.")
    ] = False,
    license: Annotated[
        str | None, typer.Option(help="For the card, as the Hub calls it, e.g. cc-by-4.0.")
    ] = None,
) -> None:
    """Upload a zoo's complete parts to a dataset repository on the Hugging Face Hub.

    Files that are there already are not uploaded again: an interrupted push goes on, a zoo that
    has grown adds its new parts. Log in first with `hf auth login`, or set HF_TOKEN.
    """
    with counting_meter("file") as meter:
        pushed = push_zoo(folder, repo, private=private, license=license, meter=meter)
    for note in pushed.notes:
        err.print(f"note: {note}", markup=False)
    out.print(
        f"{pushed.address}: {counted(pushed.networks, 'network')}; "
        f"{counted(pushed.uploaded, 'file')} uploaded, {pushed.present} were there\n"
        f"open it with hz.open_zoo('{pushed.address}')",
        markup=False,
    )
