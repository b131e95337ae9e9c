"""`hyperzoo import`: other people's files become a zoo."""

import shlex
from collections import Counter
from pathlib import Path
from typing import Annotated, Literal

import typer

from hyperzoo.cli.console import err, out
from hyperzoo.cli.image_choice import HELP, image_choice
from hyperzoo.cli.progress import counting_meter
from hyperzoo.exchange.finding import Found, find_foreign
from hyperzoo.exchange.importing import import_zoo, zoo_reader
from hyperzoo.words import counted

MOST_NOTES = 20


def import_(
    path: Annotated[Path, typer.Argument(help="A file, or a folder of files.", show_default=False)],
    folder: Annotated[Path, typer.Option("--out", help="The zoo's folder.", show_default=False)],
    images: Annotated[
        str | None,
        typer.Option(help=f"Evaluate the networks on the validation split of these. {HELP}"),
    ] = None,
    epochs: Annotated[
        Literal["all", "last"] | None,
        typer.Option(
            help="Of another's zoo: all checkpoints, or the last weights of every run alone.",
            show_default="all",
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(
            help="How the paths in the folder are made of {class}, {index}, {epoch}, text and *, "
            "such as '{class}/run{index}'.",
            show_default=False,
        ),
    ] = None,
    only: Annotated[
        str | None, typer.Option(help="Read the files of this format alone.", show_default=False)
    ] = None,
    prefer: Annotated[
        str | None,
        typer.Option(
            help="Of several files of one network, or several states of it in one file: best, "
            "last, ema, model, weights, or an epoch as epoch7.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Make a zoo of networks that were trained elsewhere.

    Files are recognised by name and content (`hyperzoo export --help` lists the formats), with
    metrics as CSV beside them. A file with one network is named by its id, such as church_649
    or binary_oneVall_church_649_model; names that are other ones are told by --name. The Small CNN
    Zoo and folders of the ModelZoos' trials are read as a whole, with hyper-parameters, figures
    and checkpoints.
    """
    load = image_choice(images)
    reader = zoo_reader(path)
    if reader is None:
        found = find_foreign(path, name)
        out.print(_told(found), markup=False)
        read = [entry for _, entry in found.networks if only in (None, entry.name)]
        # One file of many networks tells its bytes; see `import_zoo`.
        unit = "byte" if len(read) == 1 and read[0].holds_many else "file"
    else:
        out.print(f"found a zoo of the kind {reader.NAME}", markup=False)
        unit = "network"
    with counting_meter(unit) as meter:
        imported = import_zoo(
            path,
            folder,
            images=load,
            name=name,
            only=only,
            prefer=prefer,
            epochs=epochs,
            meter=meter,
        )
    for note in imported.notes[:MOST_NOTES]:
        err.print(f"note: {note}", markup=False)
    if len(imported.notes) > MOST_NOTES:
        err.print(f"note: and {len(imported.notes) - MOST_NOTES} more of these", markup=False)
    zoo = imported.zoo
    classes = counted(len(zoo.classes), "class", "classes")
    out.print(
        f"{folder}: {counted(len(zoo), 'network')} ({zoo.architecture.name}, {classes}); "
        f"look at it with: hyperzoo show {shlex.quote(str(folder))}",
        markup=False,
    )


def _told(found: Found) -> str:
    """One line on what was found."""
    counts = Counter(entry.name for _, entry in found.networks)
    parts = [counted(count, f"{name} file") for name, count in counts.items()]
    if found.metrics:
        parts.append(f"{len(found.metrics)} of metrics")
    if found.others:
        names = ", ".join(file.name for file in found.others[:3])
        more = ", ..." * (len(found.others) > 3)
        parts.append(f"{len(found.others)} passed over ({names}{more})")
    return f"found {'; '.join(parts)}"
