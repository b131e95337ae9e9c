"""`hyperzoo images`: getting images ready."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from hyperzoo.cli.console import out
from hyperzoo.cli.image_choice import how_many
from hyperzoo.cli.progress import image_meter
from hyperzoo.images import load_images, prepare_imagenette

app = typer.Typer(no_args_is_help=True)


@app.callback()
def images() -> None:
    """Get images ready for training."""


@app.command()
def prepare(
    source: Annotated[Literal["imagenette"], typer.Argument(help="Which images.")],
    origin: Annotated[
        Path | None,
        typer.Option(
            "--from", help="The official .tgz, or the folder it unpacks to; default: download it."
        ),
    ] = None,
    size: Annotated[int, typer.Option(min=1, max=4096, help="Height and width in pixels.")] = 32,
    channels: Annotated[int, typer.Option(min=1, max=3, help="3 for RGB, 1 for grey.")] = 3,
) -> None:
    """Decode and resize images once; recipes then find them in your cache folder."""
    with image_meter() as meter:
        path = prepare_imagenette(origin, size=size, channels=channels, meter=meter)
    found = load_images("npz", path=path, size=size, channels=channels)
    out.print(f"{how_many(found)} in {path}\nfingerprint {found.fingerprint}")
