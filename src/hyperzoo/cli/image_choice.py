"""Images that a user names on the command line for networks that are there already."""

from collections.abc import Callable
from pathlib import Path

from hyperzoo.architectures import Architecture
from hyperzoo.errors import ImageError
from hyperzoo.images import ImageSet, load_images

HELP = "digits, imagenette, or a path: an npz file, an Imagenette archive, a folder of folders."


def image_choice(choice: str | None) -> Callable[[Architecture], ImageSet] | None:
    """A function that loads the chosen images as an architecture takes them.

    Args:
        choice: what stands behind `--images`; None for no images.

    Raises:
        ImageError: there is neither a source nor a file of that name.
    """
    if choice is None:
        return None
    path = Path(choice).expanduser()
    named = choice in ("digits", "imagenette")
    if not named and not path.exists():
        raise ImageError(f"no images at {choice}; expected {HELP}")

    def load(architecture: Architecture) -> ImageSet:
        height, _, channels = architecture.input_shape
        if named:
            return load_images(choice, size=height, channels=channels)
        return load_images(_source(path), size=height, channels=channels, path=path)

    return load


def _source(path: Path) -> str:
    if path.suffix == ".npz":
        return "npz"
    return "folder" if path.is_dir() else "imagenette"
