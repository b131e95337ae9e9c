"""`hyperzoo generate --images-of`: networks for classes that none was trained on."""

from pathlib import Path

import typer

from hyperzoo.architectures import Architecture
from hyperzoo.cli.console import err, out
from hyperzoo.cli.generators import check_same_architecture, check_save, keep
from hyperzoo.cli.going_on import fitting, making
from hyperzoo.cli.image_choice import all_images, image_choice, seen_by
from hyperzoo.generation.from_images import (
    ImageGenerator,
    conditioned,
    fit,
    generate_from_images,
    load_image_generator,
)
from hyperzoo.generation.from_images.fitting import unfitted
from hyperzoo.generation.from_images.making import asked_of, met_again
from hyperzoo.generation.making import check_place
from hyperzoo.generation.registry import FROM_IMAGES
from hyperzoo.images import ImageSet
from hyperzoo.images.given import GivenImages, load_given
from hyperzoo.words import counted
from hyperzoo.zoo import Zoo, open_zoo


def generate_from(
    images_of: Path,
    target: Path,
    *,
    folder: Path | None,
    given: Path | None,
    method: str | None,
    networks_per_class: int,
    save: Path | None,
    seed: int,
    images: str | None,
    workers: int,
) -> None:
    """Make a zoo from images of classes; the options of `hyperzoo generate`."""
    zoo = None if folder is None else open_zoo(folder)
    if given is not None:
        generator = load_image_generator(given)
        generator = generator if method is None else generator.by(method)
        if zoo is not None:
            check_same_architecture(zoo, generator, given)
        own = given_images(images_of, generator.architecture)  # mistakes in it come up at once
        on = _to_evaluate_on(zoo, images, generator.architecture)
    elif zoo is None:
        raise typer.BadParameter("give ZOO, the zoo of tasks to fit on, or --with FILE")
    else:
        own = given_images(images_of, zoo.architecture)
        on = all_images(zoo, images)
        seen, head = seen_by(zoo, on), FROM_IMAGES[0] if method is None else method
        blank = unfitted(zoo, images=seen, head=head, seed=seed)
        asked = asked_of(blank, own, on)
        check_place(
            conditioned(blank, own, asked.classes),
            target,
            networks_per_class=networks_per_class,
            on=asked,
            seed=seed,
        )
        check_save(save, target)
        generator = _fitted(zoo, seen, head, seed, save)
    _say(generator, own, on)
    with making(target, save, fitted=given is None) as meter:
        made = generate_from_images(
            generator,
            own,
            target,
            networks_per_class=networks_per_class,
            images=on,
            seed=seed,
            meter=meter,
            workers=workers,
        )
    classes = ", ".join(f"{len(own.images[name])} of {name}" for name in own.class_names)
    out.print(
        f"{target} is complete: {counted(len(made), 'network')} {generator.method} made from "
        f"images: {classes}",
        markup=False,
    )


def given_images(folder: Path, architecture: Architecture) -> GivenImages:
    """Images of classes as networks take them; what was done to them is said.

    Raises:
        ImageError: there are none, or they can't be read.
    """
    height, _, channels = architecture.input_shape
    found = load_given(folder, size=height, channels=channels)
    for note in found.notes:
        err.print(f"note: {folder}: {note}", markup=False)
    return found


def _to_evaluate_on(
    zoo: Zoo | None, choice: str | None, architecture: Architecture
) -> ImageSet | None:
    """The chosen images, else the zoo's with those that its recipe excludes, if there are any."""
    if choice is None and (zoo is None or zoo.recipe is None):
        return None
    if zoo is not None:
        return all_images(zoo, choice)
    load = image_choice(choice)
    return None if load is None else load(architecture)


def _fitted(
    zoo: Zoo, images: ImageSet, method: str, seed: int, save: Path | None
) -> ImageGenerator:
    with fitting() as meter:
        generator = fit(zoo, images=images, head=method, seed=seed, meter=meter)
    if save is not None:
        keep(generator, save)
    return generator


def _say(generator: ImageGenerator, given: GivenImages, images: ImageSet | None) -> None:
    """Say what makes figures of the networks other than they look."""
    # Of a class in parts (`images.parts`) the generator has those, "church.1" or "church.1.1".
    seen = set(generator.image_classes)
    if known := [n for n in given.class_names if seen & {n + ".1" * level for level in range(4)}]:
        err.print(
            f"note: the generator has seen images of {', '.join(known)}, and takes them for others",
            markup=False,
        )
    without = [n for n in given.class_names if images is None or n not in images.class_names]
    if images is None or without:
        err.print(
            f"note: networks are not evaluated, for there are no validation images of "
            f"{', '.join(without)}; give images that have the class with --images",
            markup=False,
        )
    elif again := met_again(given, images):
        err.print(
            f"note: {counted(again, 'validation image')} of '{images.name}' "
            f"{'is' if again == 1 else 'are'} among the given ones: figures are too good",
            markup=False,
        )
