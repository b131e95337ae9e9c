"""What a report says of a zoo in words and numbers: headline, recipe, provenance, use."""

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from hyperzoo.analysis.performance import PERFORMANCE_METRICS, performance, remarkable_networks
from hyperzoo.analysis.published import PUBLISHED
from hyperzoo.recipe import Recipe
from hyperzoo.report.figure import networks
from hyperzoo.report.figures.performance import is_published
from hyperzoo.version import VERSION
from hyperzoo.zoo import Generated, Imported, Trained, Zoo
from hyperzoo.zoo.tables import numbers_of


@dataclass(frozen=True, kw_only=True)
class Headline:
    """One number to see first: its value, what it is, and a remark."""

    value: str
    label: str
    remark: str


def title(zoo: Zoo) -> str:
    """The zoo's name: its recipe's, or its folder's where it has no recipe."""
    return zoo.name if isinstance(zoo.origin, Trained) else zoo.path.absolute().name


def recipe(zoo: Zoo) -> dict[str, str | None]:
    """The recipe as TOML, or what stands in place of one."""
    match zoo.origin:
        case Trained(own):
            return {"recipe": recipe_toml(own), "unknown_recipe": ""}
        case Generated() as origin:
            reason = (
                f"The zoo has no recipe: its networks were {origin.how}. With {origin.again}, the "
                "same networks can be made again."
            )
        case Imported(training=known):
            reason = "The zoo has no recipe: it was imported, " + (
                "and how its networks were trained is not known."
                if known is None
                else "with the hyper-parameters that its origin tells."
            )
    return {"recipe": None, "unknown_recipe": reason}


def summary(zoo: Zoo) -> str:
    """One sentence that says what the zoo is."""
    outputs = zoo.architecture.outputs
    tells = (
        f"each tells a few of {len(zoo.image_classes)} classes from all others"
        if zoo.kind == "subset-vs-rest"
        else f"each tells one class of {len(zoo.image_classes) or len(zoo.classes)} from all others"
        if outputs == 1
        else f"each tells {outputs} classes apart"
    )
    height, width, channels = zoo.architecture.input_shape
    colour = {1: "grey", 3: "RGB"}.get(channels, f"{channels}-channel")
    return (
        f"A zoo of {networks(len(zoo))} of the architecture {zoo.architecture.name}; {tells}, in "
        f"{colour} images of {height} x {width} pixels "
        f"({zoo.images_name or 'of an unknown image set'}).{_generated(zoo)}"
    )


def _generated(zoo: Zoo) -> str:
    """A sentence on the first screen that nobody can take generated networks for trained ones."""
    match zoo.origin:
        case Generated() as origin:
            return f" They were never trained: {origin.how}."
        case _:
            return ""


def headlines(zoo: Zoo) -> list[Headline]:
    """The numbers to see first."""
    planned = "all that are planned" if zoo.is_complete else f"of {zoo.planned:,} planned"
    found = [
        Headline(value=f"{len(zoo):,}", label="networks", remark=planned),
        Headline(
            value=f"{zoo.architecture.parameter_count:,}",
            label="parameters each",
            remark=f"{zoo.architecture.outputs} output" + "s" * (zoo.architecture.outputs > 1),
        ),
    ]
    for metric, label in (("accuracy", "mean accuracy"), ("f1", "mean F1"), ("auc", "mean AUC")):
        values = numbers_of(zoo.models[metric])
        values = values[np.isfinite(values)]
        if len(values):
            remark = f"{values.min():.3f} to {values.max():.3f}"
            found.append(Headline(value=f"{values.mean():.3f}", label=label, remark=remark))
    remarkable = remarkable_networks(zoo)["finding"].to_pylist()
    failed = remarkable.count("failed")
    same = len(remarkable) - failed
    remark = "a loss or weight not finite" if failed else "all losses and weights finite"
    if same:
        remark = f"and {same:,} answer always the same"
    found.append(Headline(value=f"{failed:,}", label="failed", remark=remark))
    return found


def performance_rows(zoo: Zoo) -> list[dict[str, Any]]:
    """The performance table, a dict a row: class, networks, failed, and a dict a metric.

    A metric has low, high and mean, and the published mean where there is one; None where no
    network has the metric.
    """
    published = PUBLISHED if is_published(zoo) else {}
    rows = []
    for row in performance(zoo).to_pylist():
        known = published.get(row["class"], {})
        metrics = {
            metric: {
                "low": row[f"{metric}_min"],
                "high": row[f"{metric}_max"],
                "mean": row[f"{metric}_avg"],
                "published": known[metric][2] if known else None,
            }
            for metric in PERFORMANCE_METRICS
        }
        rows.append({key: row[key] for key in ("class", "networks", "failed")} | metrics)
    return rows


def recipe_toml(recipe: Recipe) -> str:
    """A recipe as TOML, which `parse_recipe` reads back as a recipe of the same digest."""
    document = recipe.canonical()
    top = [f"{key} = {_toml(value)}" for key, value in document.items() if not _is_table(value)]
    tables = [
        "\n".join([f"[{name}]", *(f"{key} = {_toml(value)}" for key, value in table.items())])
        for name, table in document.items()
        if _is_table(table) and table
    ]
    return "\n\n".join(["\n".join(top), *tables]) + "\n"


def _is_table(value: object) -> bool:
    return isinstance(value, dict)


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        # Recipes hold names alone; of these nothing needs another escape than JSON's.
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, Mapping):
        pairs = ", ".join(f"{key} = {_toml(entry)}" for key, entry in value.items())
        return "{ " + pairs + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return repr(value)


def provenance(zoo: Zoo) -> list[tuple[str, str]]:
    """What the networks are, what made them, and what made this page."""
    facts = []
    match zoo.origin:
        case Trained(recipe):
            facts.append(("Recipe", f"{recipe.name}, seed {recipe.seed}"))
            facts.append(("Recipe digest", recipe.digest))
        case Imported():
            facts.append(("Recipe", "unknown (imported)"))
        case Generated() as origin:
            facts.append(("Origin", f"not trained: {origin.how}"))
            facts.append(("Generator digest", f"{origin.generator_digest}, seed {origin.seed}"))
            if origin.given is not None:
                facts.append(("Fingerprint of given images", origin.given.fingerprint))
    facts.append(("Images", zoo.images_name or "unknown"))
    facts.append(("Image fingerprint", zoo.image_fingerprint or "unknown"))
    made_by = _makers(zoo)
    for maker, count in made_by.items():
        done = "Generated" if isinstance(zoo.origin, Generated) else "Trained"
        label = f"{done} with" if len(made_by) == 1 else f"{done} with ({networks(count)})"
        facts.append((label, maker))
    page = f"hyperzoo {VERSION}, Python {platform.python_version()}, {_now():%Y-%m-%d %H:%M} UTC"
    return [*facts, ("This page", page)]


def _makers(zoo: Zoo) -> dict[str, int]:
    """What trained the networks -> how many."""
    makers: dict[str, int] = {}
    for part in zoo.parts_complete:
        found = zoo.provenance_of(zoo.plan[part][0].id)
        text = ", ".join(f"{name} {value}" for name, value in found.items()) or "unknown"
        makers[text] = makers.get(text, 0) + len(zoo.plan[part])
    return makers


def _now() -> datetime:
    # https://reproducible-builds.org/specs/source-date-epoch/: the same zoo, the same page.
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    return datetime.fromtimestamp(int(epoch), UTC) if epoch.isdigit() else datetime.now(UTC)


def usage(zoo: Zoo) -> str:
    """Python that opens the zoo."""
    first = zoo.architecture.parameters[0]
    shape = ", ".join(map(str, (len(zoo), *first.shape)))
    some = zoo.ids[0]
    lines = [
        "import hyperzoo as hz",
        "",
        f'zoo = hz.open_zoo("{zoo.path.absolute().name}")  # maps the files, copies nothing',
        "zoo.models  # pyarrow table: id, class, accuracy, f1, auc, ...",
        f'zoo.weights("{first.name}")  # numpy [{shape}]',
        f"zoo.matrix()  # numpy [{len(zoo)}, {zoo.architecture.parameter_count}]",
        f'network = zoo.network("{some}")  # torch.nn.Module: images in [0, 1] -> logits',
        f'zoo.history("{some}")  # loss and accuracy, a row an epoch',
    ]
    return "\n".join(lines)
