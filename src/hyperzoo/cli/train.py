"""`hyperzoo train`: from a recipe to a zoo."""

import shlex
import sys
import time
from pathlib import Path
from typing import Annotated, Literal

import typer

from hyperzoo.cli.console import err, out
from hyperzoo.cli.image_choice import HELP, introduce
from hyperzoo.cli.progress import duration, training_meter
from hyperzoo.cli.recipe_options import BreakLock, changed_recipe
from hyperzoo.errors import ZooError
from hyperzoo.population import Device, EngineName
from hyperzoo.recipe import load_recipe
from hyperzoo.train import Machines, Meter, Progress, recipe_images, train_zoo
from hyperzoo.words import counted
from hyperzoo.zoo import open_zoo


def train(
    recipe: Annotated[str, typer.Argument(help="A built-in recipe's name, or a TOML file.")],
    folder: Annotated[Path, typer.Option("--out", help="The zoo's folder.", show_default=False)],
    networks_per_class: Annotated[
        int | None, typer.Option(help="In place of the recipe's; more than the zoo has grows it.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="In place of the recipe's.")] = None,
    images: Annotated[
        str | None, typer.Option(help=f"In place of the recipe's images: {HELP}.")
    ] = None,
    engine: Annotated[
        EngineName,
        typer.Option(help="What trains; auto: native on a CPU, gpu where --device cuda asks."),
    ] = "auto",
    device: Annotated[
        Device, typer.Option(help="Where it trains; cuda for the GPU engine.")
    ] = "auto",
    workers: Annotated[int, typer.Option(min=0, help="Threads on a CPU; 0: one a core.")] = 0,
    break_lock: BreakLock = False,
    on: Annotated[
        Literal["ray"] | None,
        typer.Option(help="Train on a Ray cluster; this process then only writes."),
    ] = None,
    ray_address: Annotated[
        str | None,
        typer.Option(help="For --on ray: the cluster's address, or auto; default: a local one."),
    ] = None,
    cpus_per_part: Annotated[
        int, typer.Option(min=1, help="For --on ray: cores that train a part.")
    ] = 1,
) -> None:
    """Train a zoo, or go on where an interrupted run stopped."""
    chosen = changed_recipe(load_recipe(recipe), networks_per_class, epochs)
    image_set = recipe_images(chosen, images)
    introduce(image_set)
    trained = False
    started = time.monotonic()
    try:
        with training_meter() as meter:

            def remember(progress: Progress, meter: Meter = meter) -> None:
                nonlocal trained
                trained = True
                meter(progress)

            zoo = train_zoo(
                chosen,
                folder,
                images=image_set,
                engine=engine,
                device=device,
                workers=workers,
                meter=remember,
                break_lock=break_lock,
                on=_machines(on, ray_address, cpus_per_part),
            )
    except KeyboardInterrupt:
        kept = _kept(folder)
        command = shlex.join(["hyperzoo", *sys.argv[1:]])
        err.print(
            f"interrupted: {kept} kept in {folder}; resume with\n  {command}",
            markup=False,
        )
        raise  # typer exits with status 130
    if not trained:
        out.print(f"{folder} is complete: {counted(len(zoo), 'network')}; nothing to train")
    else:
        err.print(f"trained in {duration(time.monotonic() - started)}")
        out.print(f"{folder} is complete: {counted(len(zoo), 'network')}")


def _machines(on: str | None, address: str | None, cpus: int) -> Machines | None:
    if on is None:
        if address is not None or cpus != 1:
            raise typer.BadParameter("--ray-address and --cpus-per-part are for --on ray; give it")
        return None
    from hyperzoo.cluster.on_ray import OnRay

    return OnRay(address=address, cpus_per_part=cpus)


def _kept(folder: Path) -> str:
    """How many networks are on disk, in words."""
    try:
        zoo = open_zoo(folder)
    except ZooError:
        return "no networks are"
    return f"{len(zoo)} of {counted(zoo.planned, 'network')} are"
