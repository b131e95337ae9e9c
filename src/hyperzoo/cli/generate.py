"""`hyperzoo generate`: from a zoo to a zoo of networks that were never trained."""

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from hyperzoo.cli.console import err, out
from hyperzoo.cli.image_choice import HELP, zoo_images
from hyperzoo.cli.progress import counting_meter
from hyperzoo.errors import GenerationError, ZooError
from hyperzoo.generation import BEST, METHODS, Generator, Split, fit, generate_zoo, load_generator
from hyperzoo.images import ImageSet
from hyperzoo.words import counted
from hyperzoo.zoo import Zoo, open_zoo


def generate(
    folder: Annotated[
        Path, typer.Argument(metavar="ZOO", help="The zoo to fit on.", show_default=False)
    ],
    target: Annotated[Path, typer.Option("--out", help="The new zoo's folder.")],
    method: Annotated[
        str | None,
        typer.Option(
            "--method",
            "--methods",
            help=f"One of {', '.join(METHODS)}; else {BEST}. Several with commas, or all: fits and "
            "judges each, into tables instead of a zoo.",
        ),
    ] = None,
    given: Annotated[
        Path | None, typer.Option("--with", help="A generator's file, in place of a fit.")
    ] = None,
    networks_per_class: Annotated[
        int, typer.Option(min=1, help="More than the new zoo has grows it.")
    ] = 20,
    save: Annotated[
        Path | None, typer.Option(help="Where to keep the fitted generator as well.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the fit and of the sample.")] = 0,
    images: Annotated[str | None, typer.Option(help=f"Else the recipe's. {HELP}")] = None,
    split: Annotated[
        str | None,
        typer.Option(help="Networks a class to fit on / held out / fresh, as 40/20/20."),
    ] = None,
    workers: Annotated[int, typer.Option(min=0, help="Threads; 0: one a core.")] = 0,
) -> None:
    """Make a zoo of networks that were never trained, or go on where a run was interrupted."""
    if given is not None and (method is not None or split is not None or save is not None):
        raise typer.BadParameter("--with FILE is a fit already: leave --method, --split, --save")
    cut = None if split is None else parse_split(split)
    zoo = open_zoo(folder)
    shown = zoo_images(zoo, images)
    if method is not None and (method == "all" or "," in method):
        _leaderboard(zoo, method, target, shown, cut, networks_per_class, seed)
        return
    if given is not None:
        generator = load_generator(given)
        _check_same_architecture(zoo, generator, given)
    else:
        generator = _fitted(zoo, method or BEST, shown, cut, seed, save)
    try:
        with counting_meter("network on disk", "networks on disk") as meter:
            made = generate_zoo(
                generator,
                target,
                networks_per_class=networks_per_class,
                images=shown,
                seed=seed,
                meter=meter,
                workers=workers,
            )
    except KeyboardInterrupt:
        again = "" if given or save else " (the fit is made again: --save FILE keeps it)"
        err.print(
            f"interrupted: {_kept(target)} networks are kept in {target}; go on{again} with\n"
            f"  {_again(save)}",
            markup=False,
        )
        raise  # typer exits with status 130
    out.print(f"{target} is complete: {counted(len(made), 'network')} {generator.method} made")


def _fitted(
    zoo: Zoo,
    method: str,
    images: ImageSet,
    split: Split | None,
    seed: int,
    save: Path | None,
) -> Generator:
    """Fit a method, and keep the generator where that was asked for."""
    try:
        with counting_meter("step of the fit", "steps of the fit") as meter:
            generator = fit(zoo, method, images=images, split=split, seed=seed, meter=meter)
    except KeyboardInterrupt:
        err.print(
            f"interrupted: a fit is kept when it is done, so nothing was; begin again with\n"
            f"  {_again(None)}",
            markup=False,
        )
        raise  # typer exits with status 130
    if save is not None:
        generator.save(save)
        out.print(f"{save}: the generator, {len(generator.encoded) / 1e6:,.1f} MB", markup=False)
    return generator


def _again(saved: Path | None) -> str:
    """The command, with the generator's file where the fit was kept in one."""
    words = list(sys.argv[1:])
    if saved is not None:
        words = _without(words, "--save", "--method", "--methods", "--split")
        words += ["--with", str(saved)]
    return shlex.join(["hyperzoo", *words])


def _without(words: list[str], *options: str) -> list[str]:
    """A command line without some options and their values."""
    kept: list[str] = []
    skip = False
    for word in words:
        if not skip and word.partition("=")[0] not in options:
            kept.append(word)
        skip = not skip and word in options
    return kept


def _leaderboard(
    zoo: Zoo,
    methods: str,
    folder: Path,
    images: ImageSet,
    split: Split | None,
    networks_per_class: int,
    seed: int,
) -> None:
    """Fit and judge several methods on the same networks."""
    from hyperzoo.generation import leaderboard

    names = None if methods == "all" else [n.strip() for n in methods.split(",") if n.strip()]

    def tell(method: str, done: int, count: int) -> None:
        if method:
            err.print(f"{done + 1} of {count}: {method}", markup=False)

    try:
        board = leaderboard.run(
            zoo,
            folder,
            images=images,
            methods=names,
            split=split,
            networks_per_class=networks_per_class,
            seed=seed,
            meter=tell,
        )
    except KeyboardInterrupt:
        err.print(f"interrupted: the methods that are done are kept in {folder}", markup=False)
        raise  # typer exits with status 130
    for row in board.table.to_pylist():
        said = row["refused"] or f"{row['faults'] or 'no fault'}"
        passed = "" if row["passed"] is None else f"{row['passed']:g} of {row['bars']:g} bars; "
        out.print(f"{row['method']}: {passed}{said}", markup=False)
    out.print(f"{folder / leaderboard.TABLE_FILE} has all figures", markup=False)


def parse_split(text: str) -> Split:
    """The split that stands behind `--split`, as 40/20/20.

    Raises:
        typer.BadParameter: it is none.
    """
    counts = text.split("/")
    if len(counts) != 3 or not all(count.isascii() and count.isdigit() for count in counts):
        raise typer.BadParameter(f"--split: expected three numbers as 40/20/20, got '{text}'")
    training, held_out, fresh = map(int, counts)
    return Split(training=training, held_out=held_out, fresh=fresh)


def _check_same_architecture(zoo: Zoo, generator: Generator, file: Path) -> None:
    own, other = zoo.architecture, generator.architecture
    if own != other:
        alike = (own.name, own.outputs) == (other.name, other.outputs)
        raise GenerationError(
            f"{file} makes networks of '{other.name}' with {other.outputs} output(s), but those of "
            f"{zoo.path} are '{own.name}' with {own.outputs}"
            + (", of other layers" if alike else "")
            + "; give a generator that was fitted on such a zoo"
        )


def _kept(folder: Path) -> str:
    """How many networks are on disk, in words."""
    try:
        zoo = open_zoo(folder)
    except ZooError:
        return "no"
    return f"{len(zoo)} of {zoo.planned}"
