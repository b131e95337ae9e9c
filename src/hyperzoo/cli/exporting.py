"""`hyperzoo export`: a zoo in other people's formats."""

from pathlib import Path
from typing import Annotated

import typer

from hyperzoo.cli.console import out
from hyperzoo.cli.image_choice import HELP, image_choice, seen_by
from hyperzoo.cli.progress import counting_meter
from hyperzoo.exchange.exporting import export_zoo, hint_at
from hyperzoo.exchange.registry import FORMATS
from hyperzoo.words import counted
from hyperzoo.zoo import open_zoo

WRITTEN = {name: entry for name, entry in FORMATS.items() if entry.writes}
FORMATS_HELP = "; ".join(f"{name}: {entry.description}" for name, entry in WRITTEN.items())


def export(
    zoo: Annotated[str, typer.Argument(help="The zoo's folder.", show_default=False)],
    format: Annotated[str, typer.Option(help=f"{FORMATS_HELP}.", show_default=False)],
    folder: Annotated[Path, typer.Option("--out", help="Where the files go.", show_default=False)],
    images: Annotated[
        str | None,
        typer.Option(help=f"For the ROC curves of plots: what the zoo was trained on. {HELP}"),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Also into a folder that holds other files.")
    ] = False,
) -> None:
    """Write a zoo's networks in another format: the published dataset's, or PyTorch's.

    Files get their names when all are written; an interrupted export leaves nothing.
    """
    if format not in WRITTEN:
        hint = hint_at(format, WRITTEN)
        raise typer.BadParameter(f"expected one of {', '.join(WRITTEN)}, got {format!r}{hint}")
    load, opened = image_choice(images), open_zoo(zoo)
    with counting_meter("network") as meter:
        written = export_zoo(
            opened,
            format,
            folder,
            force=force,
            images=None if load is None else seen_by(opened, load(opened.architecture)),
            meter=meter,
        )
    out.print(
        f"{folder}: {counted(written, 'file')} ({format}, {counted(len(opened), 'network')})",
        markup=False,
    )
