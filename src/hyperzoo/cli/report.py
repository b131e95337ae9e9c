"""`hyperzoo report`: a zoo on one HTML page."""

import time
import webbrowser
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from hyperzoo.cli.console import err, out
from hyperzoo.cli.image_choice import HELP, zoo_images
from hyperzoo.cli.progress import counting_meter, duration
from hyperzoo.generation.judging import Beside, put_beside
from hyperzoo.prediction import read_benchmark
from hyperzoo.report.page import write_report
from hyperzoo.words import counted
from hyperzoo.zoo import Zoo, open_zoo


def report(
    folder: Annotated[Path, typer.Argument(help="The zoo's folder.", show_default=False)],
    target: Annotated[
        Path, typer.Option("--out", help="The HTML file; one that is there is replaced.")
    ] = Path("report.html"),
    seed: Annotated[int, typer.Option(help="Of all random draws of the studies.")] = 0,
    classification: Annotated[
        Path | None,
        typer.Option(
            help="A folder that `classify` wrote for this zoo; its results are shown as well.",
            show_default=False,
        ),
    ] = None,
    beside: Annotated[
        Path | None,
        typer.Option(
            help="Of a generated zoo: the zoo that its generator was fitted on. Generated networks "
            "are judged, and shown beside trained ones.",
            show_default=False,
        ),
    ] = None,
    images: Annotated[
        str | None, typer.Option(help=f"For --beside; else those of that zoo's recipe. {HELP}")
    ] = None,
    predictions: Annotated[
        list[Path] | None,
        typer.Option(
            "--prediction",
            help="A folder that `predict` wrote for this zoo; may be given several times.",
            show_default=False,
        ),
    ] = None,
    open_it: Annotated[bool, typer.Option("--open", help="Open it in a browser.")] = False,
) -> None:
    """Put a zoo on one HTML page: figures, tables, recipe, and an explorer of its networks."""
    if images is not None and beside is None:
        raise typer.BadParameter("--images are for --beside ZOO")
    zoo = open_zoo(folder)
    folders = [*([] if classification is None else [classification]), *(predictions or [])]
    benchmarks = [read_benchmark(folder) for folder in folders]
    started = time.monotonic()
    compared = None if beside is None else _beside(zoo, open_zoo(beside), images)
    with counting_meter("part read", "parts read") as meter:
        path = write_report(
            zoo, target, seed=seed, meter=meter, benchmarks=benchmarks, beside=compared
        )
    err.print(f"made in {duration(time.monotonic() - started)}")
    size = f"{path.stat().st_size / 1e6:.1f} MB"
    out.print(f"{escape(str(path))}: {counted(len(zoo), 'network')}, {size}")
    if open_it and not webbrowser.open(path.absolute().as_uri()):
        err.print("no browser could be opened; open the file yourself")


def _beside(generated: Zoo, zoo: Zoo, images: str | None) -> Beside:
    shown = zoo_images(zoo, images)
    with counting_meter("family of measures", "families of measures") as meter:
        return put_beside(generated, zoo, images=shown, meter=meter)
