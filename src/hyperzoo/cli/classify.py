"""`hyperzoo classify`: a benchmark of naming a network's class from its weights."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from hyperzoo.cli.benchmark import Folder, Images, Methods, Seed, Splits, Workers, run_benchmark


def classify(
    folder: Folder,
    results: Annotated[
        Path, typer.Option("--out", help="A folder for tables and methods.", show_default=False)
    ],
    track: Annotated[
        Literal["A", "B", "C"] | None,
        typer.Option(help="A: weights alone. B: own inputs too. C: real images too."),
    ] = None,
    methods: Methods = None,
    seed: Seed = 0,
    splits: Splits = 5,
    images: Images = None,
    workers: Workers = None,
) -> None:
    """Benchmark how well a network's class can be named from its weights."""
    run_benchmark(
        folder,
        results,
        methods,
        track=track,
        seed=seed,
        splits=splits,
        images=images,
        workers=workers,
    )
