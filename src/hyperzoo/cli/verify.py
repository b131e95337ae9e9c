"""`hyperzoo verify`: is a zoo what it says it is?"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from hyperzoo.cli.console import err, out
from hyperzoo.cli.progress import counting_meter
from hyperzoo.errors import VerificationError
from hyperzoo.images.place import HELP
from hyperzoo.population import Device, EngineName
from hyperzoo.words import counted
from hyperzoo.zoo import Zoo, open_zoo, verify_zoo

if TYPE_CHECKING:
    from hyperzoo.generation import Regenerated
    from hyperzoo.generation.making import Maker
    from hyperzoo.retrain import Retrained


def verify(
    folder: Annotated[Path, typer.Argument(help="The zoo's folder.", show_default=False)],
    retrain: Annotated[
        str | None,
        typer.Option(metavar="ID", help="Train this network again and compare every bit."),
    ] = None,
    regenerate: Annotated[
        str | None,
        typer.Option(metavar="ID", help="Generate this network again and compare every bit."),
    ] = None,
    generator: Annotated[
        Path | None, typer.Option("--with", help="For --regenerate: the generator's file.")
    ] = None,
    images_of: Annotated[
        Path | None,
        typer.Option(help="For --regenerate of a zoo made from images: the folder of these."),
    ] = None,
    images: Annotated[
        str | None, typer.Option(help=f"For --retrain: the images trained on. {HELP}.")
    ] = None,
    engine: Annotated[
        EngineName | None,
        typer.Option(help="For --retrain: in place of the engine that trained the network."),
    ] = None,
    device: Annotated[Device, typer.Option(help="For --retrain: where to train.")] = "auto",
) -> None:
    """Check every part: checksums, shapes, finite values, row counts, and ids against the plan."""
    if (regenerate is None) != (generator is None):
        raise typer.BadParameter("--regenerate ID and --with GENERATOR belong together")
    if images_of is not None and regenerate is None:
        raise typer.BadParameter("--images-of is for --regenerate ID --with GENERATOR")
    with counting_meter("part") as meter:
        found = verify_zoo(folder, meter=meter)
    for problem in found.problems:
        err.print(f"[bold red]problem:[/] {escape(problem)}")
    if found.problems:
        raise VerificationError(
            f"{folder}: {counted(len(found.problems), 'problem')} found; restore the files from a "
            "copy, or delete the models file of a damaged part and train again to make it anew"
        )
    networks, parts = counted(found.networks, "network"), counted(found.parts, "part")
    out.print(f"{folder}: {networks} in {parts} {'is' if found.networks == 1 else 'are'} sound")
    if left := len(found.incomplete):
        out.print(f"{counted(left, 'part')} {'is' if left == 1 else 'are'} still to be trained")
    if regenerate is not None and generator is not None:
        from hyperzoo.generation import regenerate_network

        zoo = open_zoo(folder)
        again = regenerate_network(zoo, regenerate, _maker(zoo, generator, images_of))
        _report(again, "generated", "generator's")
    if retrain is not None:
        from hyperzoo.retrain import retrain_network

        _report(
            retrain_network(open_zoo(folder), retrain, images=images, engine=engine, device=device),
            "trained",
            "recipe's",
        )


def _maker(zoo: Zoo, generator: Path, images_of: Path | None) -> "Maker":
    """What made a zoo's networks: a generator, with images where they were made from some."""
    from hyperzoo.generation import load_generator

    origin = zoo.generated
    if origin is None or origin.given is None:
        if images_of is not None:
            raise VerificationError(
                f"{zoo.path}: its networks were not made from images; leave --images-of out"
            )
        return load_generator(generator)
    if images_of is None:
        raise VerificationError(
            f"{zoo.path}: its networks were made from {counted(sum(origin.given.counts), 'image')} "
            "that the zoo does not hold; say where these lie with --images-of FOLDER"
        )
    from hyperzoo.cli.generate_from_images import given_images
    from hyperzoo.generation.from_images import conditioned, load_image_generator
    from hyperzoo.generation.registry import FROM_IMAGES

    found = load_image_generator(generator)
    if origin.method in FROM_IMAGES:  # it has learned all ways, whichever its file names
        found = found.by(origin.method)
    return conditioned(found, given_images(images_of, found.architecture))


def _report(result: "Retrained | Regenerated", made: str, whose: str) -> None:
    if not result.differing:
        out.print(f"{result.id}: {made} again, all {result.weights:,} weights equal bit for bit")
        return
    circumstances = "; ".join(
        f"{name} was {then}, is {now}" for name, (then, now) in result.circumstances.items()
    )
    reason = (
        f"made under other circumstances ({circumstances}), where bits may differ"
        if circumstances
        else f"made under the same circumstances, so the stored weights are not the {whose}"
    )
    raise VerificationError(
        f"{result.id}: {result.differing:,} of {result.weights:,} weights differ, by at most "
        f"{result.largest_difference:.3g}; {reason}"
    )
