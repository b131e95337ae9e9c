"""`hyperzoo judge`: generated networks beside trained ones."""

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.markup import escape
from rich.table import Table

from hyperzoo.cli.benchmark import check_folder
from hyperzoo.cli.console import err, out, print_table
from hyperzoo.cli.generate import parse_split
from hyperzoo.cli.image_choice import HELP, say_unknown, zoo_images
from hyperzoo.cli.progress import counting_meter
from hyperzoo.generation import Judgement, Split, judge
from hyperzoo.generation.judging.judge import check_pair, judged_by
from hyperzoo.zoo import open_zoo


def judge_(
    folder: Annotated[
        Path, typer.Argument(help="The folder of the zoo to be judged.", show_default=False)
    ],
    against: Annotated[
        Path, typer.Option(help="The zoo that a generator was fitted on.", show_default=False)
    ],
    results: Annotated[
        Path, typer.Option("--out", help="A folder for tables and verdicts.", show_default=False)
    ],
    images: Annotated[
        str | None, typer.Option(help=HELP, show_default="those of the recipe")
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            help="Training, held-out and fresh networks of a class, as 40/20/20.",
            show_default="half, a quarter, a quarter",
        ),
    ] = None,
    half: Annotated[
        Literal["report", "settings"], typer.Option(help="Half of the validation images.")
    ] = "report",
    fine_tune: Annotated[
        int, typer.Option(min=0, help="Train on from so many networks of each class.")
    ] = 0,
) -> None:
    """Judge generated networks by trained ones that their generator has not seen."""
    made, zoo = open_zoo(folder), open_zoo(against)
    chosen = None if split is None else parse_split(split)
    check_folder(results)
    check_pair(made, zoo)  # before the images of either are looked for
    shown = zoo_images(zoo, images)
    say_unknown(zoo.image_fingerprint, zoo.name, shown)
    try:
        with counting_meter("family of measures", "families of measures") as meter:
            found = judge(
                made,
                zoo,
                images=shown,
                split=chosen,
                half=half,
                fine_tune=fine_tune,
                meter=meter,
            )
    except KeyboardInterrupt:
        err.print(f"interrupted: nothing was written to {escape(str(results))}")
        raise  # typer exits with status 130
    found.write(results)
    used = Split(**found.about["split"])
    err.print(judged_by(made, zoo, used, chosen), markup=False)
    print_table(_table(found))
    for row in found.faults.to_pylist():
        out.print(f"[bold]fault: {escape(row['fault'])}[/]: {escape(row['sentence'])}")
    out.print(f"tables and verdicts are in {escape(str(results))}")


def _table(found: Judgement) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("measure")
    for column in ("generated", "held-out", "fresh"):
        table.add_column(column, justify="right")
    table.add_column("bar")
    table.add_column("verdict")
    for row in found.verdicts.to_pylist():
        numbers = [
            "" if row[name] is None else f"{row[name]:.3f}"
            for name in ("generated", "held_out", "fresh")
        ]
        none = "not told" if row["bar"] else ""
        mark = {True: "pass", False: "[bold red]miss[/]", None: none}[row["passed"]]
        table.add_row(escape(row["measure"]), *numbers, row["bar"], mark)
    return table
