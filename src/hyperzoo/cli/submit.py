"""`hyperzoo submit`: a zoo trained by an array of Slurm jobs."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from hyperzoo.cli.console import out
from hyperzoo.cli.image_choice import HELP, introduce
from hyperzoo.cli.recipe_options import BreakLock, changed_recipe
from hyperzoo.cli.work import seconds_of
from hyperzoo.cluster.submission import Request, Submission, submit_zoo
from hyperzoo.errors import ClusterError
from hyperzoo.population import Device, EngineName
from hyperzoo.recipe import load_recipe
from hyperzoo.train import check_engine, recipe_images
from hyperzoo.words import counted


def submit(
    recipe: Annotated[str, typer.Argument(help="A built-in recipe's name, or a TOML file.")],
    folder: Annotated[
        Path,
        typer.Option("--out", help="The zoo's folder, on a disk that all nodes see."),
    ],
    tasks: Annotated[int, typer.Option(min=1, help="Workers: tasks of an array.")],
    cpus: Annotated[int, typer.Option(min=1, help="Cores a task.")] = 1,
    time: Annotated[
        str | None, typer.Option(help="A task's time limit, e.g. 2:00:00; it drains before.")
    ] = None,
    at_once: Annotated[
        int | None, typer.Option(min=1, help="Tasks that may run at one time.")
    ] = None,
    partition: Annotated[str | None, typer.Option(help="Slurm's partition.")] = None,
    sbatch: Annotated[
        str, typer.Option(help='More options for sbatch, e.g. "--account=abc --gres=gpu:1".')
    ] = "",
    networks_per_class: Annotated[
        int | None, typer.Option(help="In place of the recipe's; more than the zoo has grows it.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="In place of the recipe's.")] = None,
    images: Annotated[
        str | None, typer.Option(help=f"In place of the recipe's images: {HELP}.")
    ] = None,
    engine: Annotated[EngineName, typer.Option(help="What trains.")] = "auto",
    device: Annotated[Device, typer.Option(help="Where it trains.")] = "auto",
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Make the zoo and the job script ready, submit nothing, print what to run.",
        ),
    ] = False,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Even while an earlier submission runs.")
    ] = False,
    break_lock: BreakLock = False,
) -> None:
    """Train a zoo on Slurm: arrays of workers, and a collector after them. Again: resumes."""
    seconds = None if time is None else seconds_of(time)
    more = _words(sbatch)
    chosen = changed_recipe(load_recipe(recipe), networks_per_class, epochs)
    request = Request(
        tasks=tasks,
        cpus=cpus,
        time=time,
        seconds=seconds,
        at_once=at_once,
        partition=partition,
        more=more,
        worker=("--engine", engine, "--device", device),
    )
    image_set = recipe_images(chosen, images)
    introduce(image_set)
    check_engine(engine, chosen, image_set)
    done = submit_zoo(
        chosen,
        folder,
        request,
        images=image_set,
        dry_run=dry_run,
        anyway=anyway,
        break_lock=break_lock,
    )
    if done is None:
        out.print(f"{folder} lacks no part; nothing to submit", markup=False)
        return
    for line in _lines(folder, done, tasks):
        out.print(line, markup=False)


def _words(options: str) -> tuple[str, ...]:
    """Options as one would write them in a shell; each goes into a line of the job script."""
    try:
        words = shlex.split(options)
    except ValueError as error:
        raise ClusterError(f"--sbatch: {error}, in {options!r}") from error
    wrong = [word for word in words if not word.startswith("-") or not word.isprintable()]
    if wrong:
        raise ClusterError(
            f"--sbatch: expected options such as --account=abc, with '=' before a value, got "
            f"{wrong[0]!r}"
        )
    return tuple(words)


def _lines(folder: Path, done: Submission, tasks: int) -> list[str]:
    lines = [f"{folder}: {counted(done.parts, 'part')} to make, by {counted(done.tasks, 'task')}"]
    if done.tasks < tasks:
        lines[0] += f" (not {tasks}: a task needs a part)"
    if not done.jobs:
        lines.append("nothing is submitted; where Slurm is, run")
        lines += [f"  {shlex.join(command)}" for command in done.commands]
        lines.append("(JOBS: the numbers of the arrays' jobs, joined by colons); elsewhere, run")
        lines.append(f"  hyperzoo work {shlex.quote(str(folder))} --shard N/{done.tasks}")
        lines.append(f"for every N from 0 to {done.tasks - 1}, on any machines")
    else:
        arrays = "array" if len(done.jobs) == 1 else "arrays"
        lines.append(f"submitted {arrays} {', '.join(done.jobs)}, then collector {done.collector}")
        lines.append(f"logs in {done.folder / 'logs'}")
        lines.append(f"see how far it has come: hyperzoo status {shlex.quote(str(folder))}")
    return lines
