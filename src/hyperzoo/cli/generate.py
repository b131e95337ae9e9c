"""`hyperzoo generate`: from a zoo to a zoo of networks that were never trained."""

import shutil
from pathlib import Path
from typing import Annotated

import typer

from hyperzoo.cli.console import err, out
from hyperzoo.cli.generators import check_same_architecture, check_save, keep
from hyperzoo.cli.going_on import fitting, making
from hyperzoo.cli.image_choice import HELP, say_unknown, zoo_images
from hyperzoo.generation import BEST, METHODS, Generator, Split, fit, generate_zoo, load_generator
from hyperzoo.generation.fitting import unfitted
from hyperzoo.generation.making import asked, check_place, check_shown
from hyperzoo.generation.registry import FROM_IMAGES
from hyperzoo.generation.training_set import check_images
from hyperzoo.images import ImageSet
from hyperzoo.words import counted
from hyperzoo.zoo import Zoo, open_zoo
from hyperzoo.zoo.files import check_writable


def generate(
    target: Annotated[Path, typer.Option("--out", help="The new zoo's folder.")],
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="ZOO",
            help="The zoo to fit on. Not needed for --with FILE --images-of FOLDER.",
            show_default=False,
        ),
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(
            help=f"One of {', '.join(METHODS)}; else {BEST}. With --images-of one of "
            f"{', '.join(FROM_IMAGES)}; else the first, or --with FILE's.",
        ),
    ] = None,
    methods: Annotated[
        str | None,
        typer.Option(
            help="all, or names with commas: fits and judges each, into tables instead of a zoo."
        ),
    ] = None,
    images_of: Annotated[
        Path | None,
        typer.Option(
            help="Images of a class that no network of ZOO, a zoo of tasks, was trained on: a "
            "folder of them with the class's name, or one folder a class. The networks detect it."
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
    images: Annotated[
        str | None,
        typer.Option(
            help=f"Else the recipe's. With --images-of, networks are evaluated on them. {HELP}"
        ),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(help="Networks a class to fit on / held out / fresh, as 40/20/20."),
    ] = None,
    workers: Annotated[
        int,
        typer.Option(min=0, help="Threads that make networks; 0: one a core. Fits use all cores."),
    ] = 0,
) -> None:
    """Make a zoo of networks that were never trained, or go on where a run was interrupted."""
    if methods is not None and (method, images_of, given, save) != (None,) * 4:
        raise typer.BadParameter(
            "--methods makes tables, not a zoo: leave --method, --images-of, --with, --save"
        )
    # A generator that takes images has learned all their ways, so that one can be chosen.
    fixed = method is not None and images_of is None
    if given is not None and (fixed or split is not None or save is not None):
        others = "--method, " * (images_of is None) + "--split, --save"
        raise typer.BadParameter(f"--with FILE is a fit already: leave {others}")
    cut = None if split is None else parse_split(split)
    if images_of is not None:
        if cut is not None:
            raise typer.BadParameter("--images-of: a zoo of tasks is not split; leave --split")
        from hyperzoo.cli.generate_from_images import generate_from

        generate_from(
            images_of,
            target,
            folder=folder,
            given=given,
            method=method,
            networks_per_class=networks_per_class,
            save=save,
            seed=seed,
            images=images,
            workers=workers,
        )
        return
    if folder is None:
        raise typer.BadParameter(
            "give ZOO, the zoo to fit on (or whose images --with takes); or --with FILE and "
            "--images-of FOLDER"
        )
    done: Path | None = None
    zoo = open_zoo(folder)
    shown = zoo_images(zoo, images)
    if methods is not None:
        say_unknown(zoo.image_fingerprint, zoo.name, shown)
        _leaderboard(zoo, methods, target, shown, cut, networks_per_class, seed)
        return
    if given is not None:
        generator = load_generator(given)
        check_same_architecture(zoo, generator, given)
        source = generator.fitted_on
        say_unknown(source.image_fingerprint, source.name, shown)
    else:
        blank = unfitted(zoo, BEST if method is None else method, split=cut, seed=seed)
        _look_ahead(zoo, blank, shown, target, networks_per_class, save)
        done = _place_of_parts(target)
        generator = _fitted(zoo, blank, shown, save, done)
    kept = done is not None and done.is_dir()
    with making(target, save, fitted=given is None and not kept) as meter:
        made = generate_zoo(
            generator,
            target,
            networks_per_class=networks_per_class,
            images=shown,
            seed=seed,
            meter=meter,
            workers=workers,
        )
    out.print(f"{target} is complete: {counted(len(made), 'network')} {generator.method} made")
    if done is not None:
        shutil.rmtree(done, ignore_errors=True)
    if given is None and save is None:
        out.print("the generator was not kept: --save FILE keeps it, for more without a fit")


def _look_ahead(
    zoo: Zoo,
    blank: Generator,
    shown: ImageSet,
    target: Path,
    networks_per_class: int,
    save: Path | None,
) -> None:
    """Refuse before the fit what would be refused after it."""
    check_images(zoo, shown)
    check_shown(blank, shown)
    on = asked(shown)
    check_place(blank, target, networks_per_class=networks_per_class, on=on, seed=blank.seed)
    check_save(save, target)
    say_unknown(zoo.image_fingerprint, zoo.name, shown)


def _place_of_parts(target: Path) -> Path | None:
    """Where the parts of a fit are kept, beside the zoo; None, and a note, where they can't be."""
    place = target.parent / f".{target.name}.fit"
    try:
        check_writable(place)
    except OSError as error:
        err.print(
            f"note: parts of the fit can't be kept in {place} ({error.strerror or error}): one "
            "that is interrupted begins again",
            markup=False,
        )
        return None
    return place


def _fitted(
    zoo: Zoo, blank: Generator, images: ImageSet, save: Path | None, done: Path | None
) -> Generator:
    """Fit a blank generator, going on from parts that are done; keep it if that was asked."""
    with fitting(done) as meter:
        generator = fit(
            zoo,
            blank.method,
            images=images,
            split=blank.fitted_on.split,
            seed=blank.seed,
            meter=meter,
            keep_in=done,
        )
    if save is not None:
        keep(generator, save)
    return generator


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
        if row["method"] not in METHODS:  # trained networks, in which nobody looks for faults
            continue
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
