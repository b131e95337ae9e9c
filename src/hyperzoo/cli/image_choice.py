"""Images that a user names on the command line, and what is said of them."""

from collections.abc import Callable

from hyperzoo.architectures import Architecture
from hyperzoo.cli.console import err
from hyperzoo.errors import ImageError
from hyperzoo.images import ImageSet, load_images, source_at
from hyperzoo.images.place import HELP
from hyperzoo.train import images_of_task, recipe_images
from hyperzoo.words import counted
from hyperzoo.zoo import Trained, Zoo

__all__ = [
    "HELP",
    "all_images",
    "how_many",
    "image_choice",
    "introduce",
    "say_notes",
    "say_unknown",
    "seen_by",
    "zoo_images",
]


def image_choice(choice: str | None) -> Callable[[Architecture], ImageSet] | None:
    """A function that loads the chosen images as an architecture takes them.

    Args:
        choice: what stands behind `--images`; None for no images.

    Raises:
        ImageError: there is neither a source nor a file of that name, or it holds no images.
    """
    if choice is None:
        return None
    source, path = source_at(choice)

    def load(architecture: Architecture) -> ImageSet:
        height, _, channels = architecture.input_shape
        images = load_images(source, size=height, channels=channels, path=path)
        say_notes(images)
        return images

    return load


def all_images(zoo: Zoo, choice: str | None) -> ImageSet:
    """As `zoo_images`, with those of the classes that the zoo's recipe excludes.

    Raises:
        ImageError: none are chosen and the zoo has no recipe, or they can't be read.
    """
    load = image_choice(choice)
    if load is not None:
        return load(zoo.architecture)
    match zoo.origin:
        case Trained(recipe):
            return recipe_images(recipe, excluded=True)
        case _:
            raise ImageError(f"{zoo.path} has no recipe that names its images; give --images")


def zoo_images(zoo: Zoo, choice: str | None) -> ImageSet:
    """A zoo's images: those that are chosen, or its recipe's.

    Raises:
        ImageError: none are chosen and the zoo has no recipe, or they can't be read.
    """
    return seen_by(zoo, all_images(zoo, choice))


def seen_by(zoo: Zoo, images: ImageSet) -> ImageSet:
    """Images as the zoo's networks see them: without what the recipe excludes, and in its parts."""
    return images if zoo.recipe is None else images_of_task(zoo.recipe, images, lacking=True)


def say_unknown(fingerprint: str, zoo: str, images: ImageSet) -> None:
    """Say it where images can't be told from others, for a zoo's own are not known.

    Args:
        fingerprint: of the zoo's images; "" where that is not known.
        zoo: its name.
        images: those that were given.
    """
    if not fingerprint:
        err.print(
            f"note: which images the networks of '{zoo}' were trained on is not known; that they "
            f"are those of '{images.name}' is taken on trust",
            markup=False,
        )


def say_notes(images: ImageSet) -> None:
    """Say what was assumed and left out when images were read."""
    for note in images.notes:
        err.print(f"note: {note}", markup=False)


def introduce(images: ImageSet) -> None:
    """Say what networks will be trained on: notes, and how many images of how many classes."""
    say_notes(images)
    err.print(how_many(images))


def how_many(images: ImageSet) -> str:
    """How many images there are, of how many classes."""
    return (
        f"{len(images.train_images):,} training and "
        f"{counted(len(images.validation_images), 'validation image')} of "
        f"{counted(len(images.class_names), 'class', 'classes')}"
    )
