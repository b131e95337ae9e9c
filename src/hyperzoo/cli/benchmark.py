"""A benchmark on the command line: what `classify` and `predict` share."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from hyperzoo.architectures import Architecture
from hyperzoo.cli.console import err, out, print_table
from hyperzoo.cli.image_choice import HELP, image_choice, seen_by
from hyperzoo.cli.progress import counting_meter
from hyperzoo.errors import PredictionError
from hyperzoo.images import ImageSet
from hyperzoo.plan import positives_of
from hyperzoo.prediction import METHODS, Benchmark, fit, run
from hyperzoo.prediction.splits import MOST_SEED
from hyperzoo.prediction.target import CLASS
from hyperzoo.words import counted, some_of
from hyperzoo.zoo import Zoo, open_zoo
from hyperzoo.zoo.files import check_writable

Folder = Annotated[Path, typer.Argument(help="The zoo's folder.", show_default=False)]
Methods = Annotated[
    str | None,
    typer.Option(
        help=f"Names, separated by commas: {', '.join(METHODS)}.",
        show_default="all that fit the target and the track, but for graded-probes, which is slow",
    ),
]
Seed = Annotated[int, typer.Option(min=0, max=MOST_SEED, help="Of the splits and the methods.")]
Splits = Annotated[int, typer.Option(min=1, help="How often to split 70 : 30.")]
Images = Annotated[
    str | None, typer.Option(help=f"For track C: real images. {HELP}.", show_default=False)
]
Workers = Annotated[
    int | None, typer.Option(min=1, help="Processes.", show_default="one a core, at most 4")
]


def run_benchmark(
    folder: Path,
    results: Path | None,
    methods: str | None,
    *,
    target: str = CLASS,
    from_epoch: int | None = None,
    hold_out: str | None = None,
    track: str | None,
    seed: int,
    splits: int,
    images: str | None,
    workers: int | None,
) -> None:
    """Run a benchmark, show its table, and write it and what can be kept of its methods.

    Args:
        folder: the zoo's.
        results: where to write to; None for nowhere.
        methods: names, separated by commas; None for all.
        target: as the others of `hyperzoo.prediction.run`.
        from_epoch: see there.
        hold_out: see there.
        track: see there.
        seed: see there.
        splits: see there.
        images: a choice of images.
        workers: see there.
    """
    load, zoo = image_choice(images), open_zoo(folder)
    chosen = None if images is None or load is None else _images(zoo, images, load)
    if results is not None:
        check_folder(results)
    names = None if methods is None else [n.strip() for n in methods.split(",") if n.strip()]
    try:
        with counting_meter("method") as meter:
            found = run(
                zoo,
                names,
                target=target,
                from_epoch=from_epoch,
                hold_out=hold_out,
                track=track,
                seed=seed,
                splits=splits,
                images=chosen,
                workers=workers,
                meter=meter,
            )
    except KeyboardInterrupt:
        if results is not None:
            err.print(f"interrupted: nothing was written to {escape(str(results))}")
        raise  # typer exits with status 130
    _say_notes(found)
    print_table(_table(found))
    if len(found.transfer):
        out.print(f"\non the {_held_out(found)} of {escape(found.about['hold_out'])}:")
        print_table(_transfer_table(found))
    if images is None and track is None and names is None:
        err.print("track C was left out: it needs real images (--images)")
    if names is None:
        _say_slow(found, track)
    if zoo.architecture.is_drawn and names is None:
        err.print(
            "methods that show images to all networks by one architecture were left out: the "
            "activation differs from network to network"
        )
    if results is None:
        return
    found.write(results)
    for name in found.about["methods"]:
        if METHODS[name].portable:
            fitted = fit(zoo, name, target=target, from_epoch=from_epoch, seed=seed)
            fitted.save(results / f"{name}.safetensors")
    out.print(f"tables and fitted methods are in {escape(str(results))}")


def _images(zoo: Zoo, choice: str, load: Callable[[Architecture], ImageSet]) -> ImageSet:
    found = seen_by(zoo, load(zoo.architecture))
    named = () if zoo.kind == "multi-class" else zoo.classes
    detected = {name for own in named for name in positives_of(own)}
    if strangers := sorted(detected - set(found.class_names)):
        err.print(
            f"note: {escape(choice)} has no images of {escape(', '.join(strangers[:5]))}, which "
            "the networks detect; track C shows them images of other classes"
        )
    return found


def check_folder(folder: Path) -> None:
    """Refuse a folder that can't be written to, before the work rather than after it."""
    try:
        check_writable(folder)
    except OSError as error:
        raise PredictionError(
            f"can't write to {folder}: {error.strerror or error}; give another folder to --out"
        ) from error


def _say_notes(found: Benchmark) -> None:
    """Say once what was assumed and left out."""
    about, target = found.about, found.target
    if target.logarithmic:
        err.print(f"note: {target.name} spans powers of ten: scores are of its log10", markup=False)
    if about["unknown_left_out"]:
        err.print(
            f"note: left out {counted(about['unknown_left_out'], 'network')} whose {target.name} "
            "is not known, or meant nothing to them",
            markup=False,
        )
    if target.name != CLASS and about["failed_left_out"]:
        failed = counted(about["failed_left_out"], "network")
        err.print(f"note: left out {failed} whose training failed")
    if large := about["too_large_left_out"]:
        err.print(
            f"note: left out {counted(len(large), 'network')} whose weights are too large to "
            f"compute with: {some_of(large)}",
            markup=False,
        )
    if about["epochs_drawn"]:
        epochs = ", ".join(map(str, about["epochs_drawn"]))
        err.print(f"note: of every network the weights of one epoch, of {epochs}, by its id")


def _say_slow(found: Benchmark, track: str | None) -> None:
    """Say which methods were left out for the time that they take."""
    slow = [
        method.name
        for method in METHODS.values()
        if method.slow and found.target.kind in method.kinds and track in (None, method.track)
    ]
    if slow:
        err.print(f"left out, for a fit takes minutes: {', '.join(slow)} (--methods)")


def _held_out(found: Benchmark) -> str:
    return counted(found.about["held_out_networks"], "network")


def _table(found: Benchmark) -> Table:
    main = found.yardstick.main
    table = _begun(found)
    for column in ("fit s", "predict s", "shuffled"):
        table.add_column(column, justify="right")
    for row in found.summary.to_pylist():
        seconds = [f"{row[column]:.1f}" for column in ("fit_seconds", "predict_seconds")]
        table.add_row(*_scores(found, row), *seconds, _number(row[f"control_{main}"]))
    return table


def _transfer_table(found: Benchmark) -> Table:
    table = _begun(found)
    for row in found.transfer.to_pylist():
        table.add_row(*_scores(found, row))
    return table


def _columns(found: Benchmark) -> list[str]:
    """The scores of a table, the interval of the main one behind it."""
    main, *others = found.yardstick.names
    return [main, "low", "high", *others]


def _begun(found: Benchmark) -> Table:
    """A table with columns for a method and its scores."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("track")
    table.add_column("method", no_wrap=True)
    for column in _columns(found):
        table.add_column(column.replace("_", " "), justify="right")
    return table


def _scores(found: Benchmark, row: dict[str, Any]) -> list[str]:
    return [row["track"], row["method"], *(_number(row[column]) for column in _columns(found))]


def _number(value: float) -> str:
    """A score; errors of small numbers with the digits that they have."""
    return f"{value:.3f}" if value == 0 or abs(value) >= 0.01 else f"{value:.2g}"
