"""`hyperzoo predict`: a benchmark of predicting a property of networks from their weights."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from hyperzoo.cli.benchmark import Folder, Images, Methods, Seed, Splits, Workers, run_benchmark


def predict(
    folder: Folder,
    target: Annotated[
        str,
        typer.Option(
            help="What: a metric, a hyper-parameter, any column of the zoo's table. Numbers are "
            "regressed, words told apart."
        ),
    ] = "accuracy",
    results: Annotated[
        Path | None,
        typer.Option("--out", help="A folder for tables and methods.", show_default=False),
    ] = None,
    from_epoch: Annotated[
        int | None,
        typer.Option(help="From weights of that checkpoint, not the last.", show_default=False),
    ] = None,
    hold_out: Annotated[
        str | None,
        typer.Option(
            help="Networks to try methods on that were fitted without any like them: "
            "activation=tanh, learning_rate>0.01.",
            show_default=False,
        ),
    ] = None,
    track: Annotated[
        Literal["0", "A", "B", "C"] | None,
        typer.Option(help="0: no weights. A: weights alone. B: own inputs too. C: real images."),
    ] = None,
    methods: Methods = None,
    seed: Seed = 0,
    splits: Splits = 5,
    images: Images = None,
    workers: Workers = None,
) -> None:
    """Benchmark how well a property of networks can be predicted from their weights."""
    run_benchmark(
        folder,
        results,
        methods,
        target=target,
        from_epoch=from_epoch,
        hold_out=hold_out,
        track=track,
        seed=seed,
        splits=splits,
        images=images,
        workers=workers,
    )
