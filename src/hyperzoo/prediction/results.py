"""What a benchmark found: tables, and the files they are written to."""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import csv

from hyperzoo.errors import PredictionError
from hyperzoo.prediction.networks import Networks
from hyperzoo.prediction.registry import TRACKS, Method
from hyperzoo.prediction.scores import interval, scores_of
from hyperzoo.prediction.splits import Split
from hyperzoo.version import VERSION
from hyperzoo.zoo import Zoo
from hyperzoo.zoo.files import write_file

_SCORES = ("accuracy", "precision", "recall", "specificity", "f1")
RESULTS_FILE = "results.json"

_SECONDS = ("fit_seconds", "predict_seconds")


@dataclass(frozen=True, kw_only=True, eq=False)
class Benchmark:
    """Results of `hyperzoo.prediction.run`.

    Accuracies come with a 95 % interval (`low`, `high`; see `scores.interval`).

    Attributes:
        about: zoo, recipe digest, networks, classes, seed, splits, methods, versions.
        summary: a row a method: means over the splits of accuracy, macro precision, recall,
            specificity and F1, seconds to fit and to predict, and the control's accuracy.
        scores: a row a method and split.
        control: a row a method: accuracy after training on shuffled labels.
        curve: a row a studied method and number of training networks a class.
        layers: a row a method and layer; `weights` says which networks were named: "alone" those
            of the layer only, "swapped" with the layer of another network.
        confusion: a row a method, class and name: networks, summed over the splits.
        training: a row an epoch of the methods that are trained in epochs.
    """

    about: dict[str, Any]
    summary: pa.Table
    scores: pa.Table
    control: pa.Table
    curve: pa.Table
    layers: pa.Table
    confusion: pa.Table
    training: pa.Table

    def tables(self) -> dict[str, pa.Table]:
        """Name -> table."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name != "about"}

    def write(self, folder: str | Path) -> list[Path]:
        """Write every table that has rows as <name>.csv, and everything as results.json.

        Args:
            folder: made if it is not there; files of these names are replaced or removed.

        Returns:
            The files.

        Raises:
            ZooWriteError: the disk refused.
        """
        written = []
        for name, table in self.tables().items():
            path = Path(folder) / f"{name}.csv"
            if len(table):
                text = io.BytesIO()
                csv.write_csv(table, text)
                write_file(path, text.getvalue())
                written.append(path)
            else:  # nothing may remain there of other results
                path.unlink(missing_ok=True)
        rows = {name: table.to_pylist() for name, table in self.tables().items()}
        written.append(Path(folder) / RESULTS_FILE)
        write_file(
            written[-1], (json.dumps({"about": self.about} | rows, indent=1) + "\n").encode()
        )
        return written


_NEEDED = {
    "summary": ("track", "method", "accuracy", "low", "high", "control_accuracy"),
    "curve": ("track", "method", "networks_per_class", "accuracy", "low", "high"),
    "layers": ("weights", "method", "layer", "accuracy"),
    "confusion": ("method", "class", "named", "networks"),
    "training": ("method", "split", "epoch", "training_loss", "validation_loss"),
}


def read_benchmark(folder: str | Path) -> Benchmark:
    """Read what `Benchmark.write` wrote.

    Raises:
        PredictionError: the folder has no results, or they are not those of a benchmark.
    """
    path = Path(folder) / RESULTS_FILE
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise PredictionError(
            f"{path} can't be read: {getattr(error, 'strerror', None) or error}; expected a folder "
            "that `hyperzoo classify ZOO --out DIR` wrote"
        ) from error
    try:
        return _parse(json.loads(text))
    except (ValueError, KeyError, TypeError, RecursionError, pa.ArrowException) as error:
        raise PredictionError(
            f"{path} is not what `hyperzoo classify` writes ({type(error).__name__}: {error}); run "
            "it again"
        ) from error


def _parse(document: dict[str, Any]) -> Benchmark:
    found: dict[str, pa.Table] = {}
    for name in (f.name for f in fields(Benchmark) if f.name != "about"):
        table = pa.Table.from_pylist(document[name])
        missing = set(_NEEDED.get(name, ())) - set(table.column_names)
        if len(table) and missing:
            raise ValueError(f"table '{name}' has no column {', '.join(sorted(missing))}")
        found[name] = table
    about = document["about"]
    classes = about["classes"]
    counts = [about[key] for key in ("networks", "training_networks", "test_networks", "splits")]
    if not (all(isinstance(c, str) for c in classes) and all(type(n) is int for n in counts)):
        raise ValueError("'about' does not name classes and numbers of networks")
    rows = found["summary"].to_pylist()
    shares = [row[key] for row in rows for key in ("accuracy", "low", "high")]
    if not rows or not all(0 <= share <= 1 for share in shares):
        raise ValueError("table 'summary' has no accuracies from 0 to 1")
    named = {row[key] for row in found["confusion"].to_pylist() for key in ("class", "named")}
    if not named <= set(classes) or not {row["track"] for row in rows} <= set(TRACKS):
        raise ValueError("a class or a track that is not known")
    return Benchmark(about=about, **found)


def about(
    zoo: Zoo, networks: Networks, cuts: Sequence[Split], seed: int, methods: Sequence[Method]
) -> dict[str, Any]:
    """What a benchmark was run on."""
    import sklearn
    import torch

    return {
        "hyperzoo": VERSION,
        "scikit-learn": sklearn.__version__,
        "torch": str(torch.__version__),
        "zoo": zoo.name,
        "recipe_digest": None if zoo.recipe is None else zoo.recipe.digest,
        "image_fingerprint": zoo.image_fingerprint,
        "networks": len(networks.ids),
        "failed_left_out": networks.failed,
        "classes": sorted(set(networks.labels)),
        "training_networks": len(cuts[0].train),
        "test_networks": len(cuts[0].test),
        "seed": seed,
        "splits": len(cuts),
        "methods": {method.name: method.about for method in methods},
    }


def tables(records: Sequence[Mapping[str, Any]], classes: Sequence[str]) -> dict[str, pa.Table]:
    """The tables of a benchmark from the records of its fits.

    Args:
        records: kind, method, track, split, trained, counts [class, name] of each fit, and what
            belongs to its kind.
        classes: the names of the classes.
    """
    scored = [record for record in records if record["kind"] == "score"]
    control = [_pooled(group) for group in _groups(records, "control")]
    chance = {row["method"]: row["accuracy"] for row in control}
    summary = []
    for group in _groups(records, "score"):
        means = {
            score: float(np.mean([scores_of(record["counts"])[score] for record in group]))
            for score in _SCORES[1:]
        }
        seconds = {key: float(np.mean([record[key] for record in group])) for key in _SECONDS}
        row = _pooled(group) | means | seconds
        summary.append(row | {"control_accuracy": chance.get(row["method"])})
    return {
        "summary": _table(summary),
        "scores": _table([_score_row(record) for record in scored]),
        "control": _table(control),
        "curve": _table([_pooled(g) for g in _groups(records, "curve", "networks_per_class")]),
        "layers": _table(
            [
                {"weights": kind} | _pooled(group)
                for kind in ("alone", "swapped")
                for group in _groups(records, kind, "layer")
            ]
        ),
        "confusion": _table(
            [row for group in _groups(records, "score") for row in _confusion(group, classes)]
        ),
        "training": _table(
            [
                {"method": record["method"], "split": record["split"], "epoch": epoch, **entry}
                for record in scored
                for epoch, entry in enumerate(record["history"], start=1)
            ]
        ),
    }


def _groups(
    records: Sequence[Mapping[str, Any]], kind: str, *keys: str
) -> list[list[Mapping[str, Any]]]:
    """The records of a kind that differ in nothing but the split."""
    groups: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for record in records:
        if record["kind"] == kind:
            identity = tuple(record[key] for key in ("method", *keys))
            groups.setdefault(identity, []).append(record)
    return list(groups.values())


def _pooled(group: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Mean and interval of the accuracy over the splits of a group."""
    first = group[0]
    accuracies = [scores_of(record["counts"])["accuracy"] for record in group]
    low, high = interval(accuracies, int(first["counts"].sum()))
    own = {key: first[key] for key in ("layer", "networks_per_class") if key in first}
    return {
        "method": first["method"],
        "track": first["track"],
        **own,
        "splits": len(group),
        "accuracy": float(np.mean(accuracies)),
        "low": low,
        "high": high,
    }


def _score_row(record: Mapping[str, Any]) -> dict[str, Any]:
    row = {key: record[key] for key in ("method", "track", "split", "trained")}
    return row | scores_of(record["counts"]) | {key: record[key] for key in _SECONDS}


def _confusion(group: Sequence[Mapping[str, Any]], classes: Sequence[str]) -> list[dict[str, Any]]:
    counts = sum(record["counts"] for record in group)
    return [
        {
            "method": group[0]["method"],
            "class": label,
            "named": name,
            "networks": int(counts[row, column]),
        }
        for row, label in enumerate(classes)
        for column, name in enumerate(classes)
    ]


def _table(rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(rows)
