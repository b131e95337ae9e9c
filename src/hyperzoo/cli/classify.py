"""`hyperzoo classify`: a benchmark of naming a network's class from its weights."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.markup import escape
from rich.table import Table

from hyperzoo.architectures import Architecture
from hyperzoo.cli.console import err, out
from hyperzoo.cli.image_choice import HELP, image_choice
from hyperzoo.cli.progress import counting_meter
from hyperzoo.errors import PredictionError
from hyperzoo.images import ImageSet
from hyperzoo.prediction import METHODS, Benchmark, fit, run
from hyperzoo.prediction.splits import MOST_SEED
from hyperzoo.zoo import Zoo, open_zoo


def classify(
    folder: Annotated[Path, typer.Argument(help="The zoo's folder.", show_default=False)],
    results: Annotated[
        Path, typer.Option("--out", help="A folder for tables and methods.", show_default=False)
    ],
    track: Annotated[
        Literal["A", "B", "C"] | None,
        typer.Option(help="A: weights alone. B: own inputs too. C: real images too."),
    ] = None,
    methods: Annotated[
        str | None,
        typer.Option(
            help=f"Names, separated by commas: {', '.join(METHODS)}.",
            show_default="all of the track",
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option(min=0, max=MOST_SEED, help="Of the splits and the methods.")
    ] = 0,
    splits: Annotated[int, typer.Option(min=1, help="How often to split 70 : 30.")] = 5,
    images: Annotated[
        str | None, typer.Option(help=f"For track C: real images. {HELP}.", show_default=False)
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes.", show_default="one a core, at most 4")
    ] = None,
) -> None:
    """Benchmark how well a network's class can be named from its weights."""
    load, zoo = image_choice(images), open_zoo(folder)
    chosen = None if images is None or load is None else _images(zoo, images, load)
    check_folder(results)
    names = None if methods is None else [n.strip() for n in methods.split(",") if n.strip()]
    try:
        with counting_meter("methods") as meter:
            found = run(
                zoo,
                names,
                track=track,
                seed=seed,
                splits=splits,
                images=chosen,
                workers=workers,
                meter=meter,
            )
    except KeyboardInterrupt:
        err.print(f"interrupted: nothing was written to {escape(str(results))}")
        raise  # typer exits with status 130
    found.write(results)
    out.print(_table(found))
    if images is None and track is None and names is None:
        err.print("track C was left out: it needs real images (--images)")
    for name in found.about["methods"]:
        if METHODS[name].portable:
            fit(zoo, name, seed=seed).save(results / f"{name}.safetensors")
    out.print(f"tables and fitted methods are in {escape(str(results))}")


def _images(zoo: Zoo, choice: str, load: Callable[[Architecture], ImageSet]) -> ImageSet:
    found = load(zoo.architecture)
    if strangers := sorted(set(zoo.classes) - set(found.class_names)):
        err.print(
            f"note: {escape(choice)} has no images of {escape(', '.join(strangers[:5]))}, which "
            "the networks detect; track C shows them images of other classes"
        )
    return found


def check_folder(folder: Path) -> None:
    """Refuse a folder that can't be written to, before the work rather than after it."""
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise PredictionError(
            f"can't write to {folder}: {error.strerror or error}; give another folder to --out"
        ) from error


def _table(found: Benchmark) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("track")
    table.add_column("method", no_wrap=True)
    columns = ("accuracy", "low", "high", "precision", "recall", "specificity", "f1", "fit s")
    for column in (*columns, "predict s", "shuffled"):
        table.add_column(column, justify="right")
    for row in found.summary.to_pylist():
        scores = [f"{row[column]:.3f}" for column in columns[:-1]]
        seconds = [f"{row[column]:.1f}" for column in ("fit_seconds", "predict_seconds")]
        table.add_row(
            row["track"], row["method"], *scores, *seconds, f"{row['control_accuracy']:.3f}"
        )
    return table
