"""`hyperzoo analyze`: all studies of a zoo, as tables and figures."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from hyperzoo.cli.console import out
from hyperzoo.cli.progress import counting_meter
from hyperzoo.report.figure import Section
from hyperzoo.report.save import save_sections
from hyperzoo.report.sections import sections
from hyperzoo.words import counted
from hyperzoo.zoo import open_zoo


def analyze(
    folder: Annotated[Path, typer.Argument(help="The zoo's folder.", show_default=False)],
    target: Annotated[
        Path, typer.Option("--out", help="Where tables and figures go.", show_default=False)
    ],
    decimals: Annotated[
        int, typer.Option(min=1, max=5, help="Decimals that common weights are rounded to.")
    ] = 4,
    seed: Annotated[int, typer.Option(help="Of all random draws of the studies.")] = 0,
) -> None:
    """Study a zoo: tables as CSV, figures as SVG and PNG, and the main findings."""
    zoo = open_zoo(folder)
    found: list[Section] = []
    with counting_meter("part read", "parts read") as meter:

        def studied() -> Iterator[Section]:
            for section in sections(zoo, seed=seed, decimals=decimals, png=True, meter=meter):
                found.append(section)
                yield section

        # Saved one by one, so that a folder that can't be written fails before the long work.
        files = save_sections(studied(), target, f"Analysis of {zoo.name}")
    for section in found:
        out.print(f"[bold]{escape(section.title)}[/]")
        for text in (section.text, section.missing):
            if text:
                out.print(escape(text))
        out.print()
    written = counted(len(files), "file")
    out.print(f"{written} in {escape(str(target))}; {files[-1].name} lists them")
