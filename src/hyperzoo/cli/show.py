"""`hyperzoo show`: what a zoo holds."""

import io
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from hyperzoo.analysis.performance import PERFORMANCE_METRICS, performance_rows
from hyperzoo.cli.console import as_shown, out, print_table
from hyperzoo.recipe import Recipe
from hyperzoo.recipe.training import ALWAYS_TOLD, Training
from hyperzoo.words import counted
from hyperzoo.zoo import Generated, Imported, Trained, Zoo, open_zoo
from hyperzoo.zoo.origin import KnownTraining


def show(
    folder: Annotated[Path, typer.Argument(help="The zoo's folder.", show_default=False)],
    as_csv: Annotated[bool, typer.Option("--csv", help="The performance table as CSV.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Everything as JSON.")] = False,
) -> None:
    """Show what a zoo holds: counts, recipe, sizes, and the performance table by class."""
    if as_csv and as_json:
        raise typer.BadParameter("give --csv or --json, not both")
    zoo = open_zoo(folder)
    rows = performance_rows(zoo)
    if as_csv:
        _print_csv(rows)
    elif as_json:
        facts = _facts(zoo) | _origin_facts(zoo) | {"performance": rows}
        # An escape that JSON knows, where the terminal lacks a character.
        ascii_only = not out.encoding.startswith("utf")
        out.print_json(json.dumps(facts), indent=2, ensure_ascii=ascii_only)
    else:
        _print_facts(zoo)
        print_table(_performance_table(rows))


def _facts(zoo: Zoo) -> dict[str, Any]:
    return {
        "folder": str(zoo.path),
        "name": zoo.name,
        "networks": len(zoo),
        "networks_planned": zoo.planned,
        "failed": zoo.models["status"].to_pylist().count("failed"),
        "classes": list(zoo.classes),
        "architecture": zoo.architecture.name,
        "parameters": zoo.architecture.parameter_count,
        "bytes": sum(file.stat().st_size for file in zoo.path.rglob("*") if file.is_file()),
        "recipe_digest": zoo.origin.recipe_digest,
        "image_fingerprint": zoo.image_fingerprint,
        **dict(zip(("training_images", "validation_images"), zoo.image_counts or (), strict=False)),
    }


def _origin_facts(zoo: Zoo) -> dict[str, Any]:
    """Where the networks come from, as JSON has it."""
    match zoo.origin:
        case Trained(recipe):
            return {"recipe": recipe.canonical()}
        case Generated() as origin:
            return {"recipe": None, **origin.table()}
        case Imported(training=known):
            told = {} if known is None else {"training": asdict(known)}
            return {"recipe": None, **told}


def _print_facts(zoo: Zoo) -> None:
    facts = _facts(zoo)
    incomplete = "" if zoo.is_complete else f" of {facts['networks_planned']} planned"
    failed = f", {facts['failed']} failed" if facts["failed"] else ""
    lines = {
        "zoo": facts["folder"],
        "networks": f"{facts['networks']}{incomplete}{failed}",
        "network": f"{facts['architecture']}, {facts['parameters']:,} parameters, "
        f"{counted(zoo.architecture.outputs, 'output')}",
        "task": f"{zoo.kind} on {zoo.images_name} "
        f"({counted(len(zoo.image_classes), 'class', 'classes')}, "
        f"{' x '.join(map(str, zoo.architecture.input_shape))})",
        **_origin(zoo),
        "size": f"{facts['bytes'] / 1e6:,.1f} MB",
        "images": f"{_image_counts(zoo)}fingerprint {facts['image_fingerprint'][:16]}"
        if zoo.image_fingerprint
        else _no_images(zoo),
    }
    for key, value in lines.items():
        out.print(f"[bold]{key:<12}[/]{escape(str(value))}")
    out.print()


def _image_counts(zoo: Zoo) -> str:
    """How many images there are; nothing of zoos that do not tell."""
    if zoo.image_counts is None:
        return ""
    training, validation = zoo.image_counts
    return f"{training:,} for training, {validation:,} for validation, "


def _origin(zoo: Zoo) -> dict[str, str]:
    """Lines on where the networks come from."""
    match zoo.origin:
        case Imported(formats=formats, training=known):
            counts = ", ".join(f"{count} as {name}" for name, count in formats.items())
            if known is None:
                return {"imported": f"{counts}; how they were trained is not known"}
            return {"imported": counts, **_known(known)}
        case Generated() as origin:
            return {
                "generated": f"not trained: {origin.how}",
                "generator": f"digest {origin.generator_digest[:16]}, seed of the fit "
                f"{origin.fit_seed}, of the sample {origin.seed}",
                **_given(origin),
            }
        case Trained(recipe):
            return _training(recipe)


def _no_images(zoo: Zoo) -> str:
    """What to say where networks were not evaluated."""
    if zoo.generated is not None:
        return "none to evaluate on; `hyperzoo generate --images` takes some that have the class"
    return "not known; `hyperzoo import --images` evaluates on some"


def _given(origin: Generated) -> dict[str, str]:
    """A line on the images that networks were made from, if they were."""
    if origin.given is None:
        return {}
    counts = zip(origin.network_classes, origin.given.counts, strict=True)
    told = ", ".join(f"{count} of {name}" for name, count in counts)
    return {"given": f"{told}, fingerprint {origin.given.fingerprint[:16]}"}


def _known(training: KnownTraining) -> dict[str, str]:
    """Lines on what the origin of an imported zoo tells."""
    shared = ", ".join(f"{key} {value}" for key, value in training.shared.items())
    differs = _listed(training.drawn)
    return {
        "training": f"{counted(training.epochs, 'epoch')}"
        + (f", {shared}" if shared else "")
        + (f"; {differs} of each network's own" if differs else ""),
        "checkpoints": ", ".join(map(str, training.checkpoint_epochs)) or "none",
    }


def _listed(words: Sequence[str]) -> str:
    *others, last = ["", *words]
    return f"{', '.join(others[1:])} and {last}" if others[1:] else last


def _training(recipe: Recipe) -> dict[str, str]:
    training = recipe.training
    listed = _listed(recipe.vary.drawn)
    others = {
        key: getattr(training, key)
        for key, field in Training.model_fields.items()
        if key not in {*ALWAYS_TOLD, *recipe.vary.drawn} and getattr(training, key) != field.default
    }
    return {
        "training": f"{training.optimizer}, learning rate {training.learning_rate:g}, "
        f"batch {training.batch_size}, {counted(training.epochs, 'epoch')}, "
        f"{training.keep} weights kept"
        + "".join(f", {key.replace('_', ' ')} {value}" for key, value in others.items())
        + (f"; {listed} drawn for each network" if listed else "")
        + (", choices by a full grid" if recipe.vary.grid else ""),
        "checkpoints": ", ".join(map(str, training.checkpoint_epochs)) or "none",
        "recipe": f"{recipe.name}, seed {recipe.seed}, digest {recipe.digest[:16]}",
    }


def _performance_table(rows: list[dict[str, Any]]) -> Table:
    """The table with a column for every minimum, maximum and average."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("class", no_wrap=True)
    table.add_column("networks", justify="right")
    for metric in PERFORMANCE_METRICS:
        for figure in ("min", "max", "avg"):
            table.add_column(f"{metric}\n{figure}" if figure == "min" else f"\n{figure}")
    for row in rows:
        figures = [
            row[f"{metric}_{figure}"]
            for metric in PERFORMANCE_METRICS
            for figure in ("min", "max", "avg")
        ]
        cells = ["-" if value is None else f"{value:.3f}" for value in figures]
        table.add_row(as_shown(row["class"]), str(row["networks"]), *cells)
    return table


def _print_csv(rows: list[dict[str, Any]]) -> None:
    import csv

    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    out.print(text.getvalue(), markup=False, end="")
