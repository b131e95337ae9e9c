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
from hyperzoo.prediction.splits import Split
from hyperzoo.prediction.target import CLASS, Target
from hyperzoo.prediction.yardstick import Yardstick, counts_of, yardstick_of
from hyperzoo.version import VERSION
from hyperzoo.zoo import Zoo
from hyperzoo.zoo.files import write_file

RESULTS_FILE = "results.json"

_SECONDS = ("fit_seconds", "predict_seconds")


@dataclass(frozen=True, kw_only=True, eq=False)
class Benchmark:
    """Results of `hyperzoo.prediction.run`.

    The main score is the accuracy where words are told apart, and R2 where numbers are regressed.
    It comes with a 95 % interval (`low`, `high`; see `scores.interval`, `number_scores.interval`),
    and so does Kendall's tau (`tau_low`, `tau_high`).

    Attributes:
        about: zoo, recipe digest, networks, target, classes, seed, splits, methods, versions.
        summary: a row a method: means over the splits of all scores (accuracy, macro precision,
            recall, specificity and F1; or R2, Kendall's tau, mean absolute error, and tau among
            the networks of a class), seconds to fit and to predict, and the control's score.
        scores: a row a method and split.
        control: a row a method: the score after training on shuffled words or numbers.
        curve: a row a studied method and number of training networks a class.
        layers: a row a method and layer; `weights` says which networks were tried: "alone" those
            of the layer only, "swapped" with the layer of another network.
        confusion: a row a method, word and name: networks, summed over the splits.
        training: a row an epoch of the methods that are trained in epochs.
        transfer: a row a method: the scores on the networks that were held out.
        answers: a row a method and test network of the first split: the number that is wanted,
            and the one that was said.
    """

    about: dict[str, Any]
    summary: pa.Table
    scores: pa.Table
    control: pa.Table
    curve: pa.Table
    layers: pa.Table
    confusion: pa.Table
    training: pa.Table
    transfer: pa.Table
    answers: pa.Table

    @property
    def target(self) -> Target:
        """What was predicted."""
        return Target(
            name=self.about["target"],
            kind=self.about["kind"],
            logarithmic=self.about["logarithmic"],
        )

    @property
    def yardstick(self) -> Yardstick:
        """What it was measured by."""
        return yardstick_of(self.target.kind, self.about["classes"])

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
    "summary": ("track", "method", "{main}", "low", "high", "control_{main}"),
    "curve": ("track", "method", "networks_per_class", "{main}", "low", "high"),
    "layers": ("weights", "method", "layer", "{main}"),
    "confusion": ("method", "class", "named", "networks"),
    "training": ("method", "split", "epoch", "training_loss", "validation_loss"),
    "transfer": ("method", "{main}", "low", "high"),
    "answers": ("method", "network", "wanted", "said"),
}

_ABOUT = {"target": CLASS, "kind": "category", "logarithmic": False}
_LATER = ("transfer", "answers")
"""What the first version, which knew classes alone, did not write."""


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
            "that `hyperzoo classify ZOO --out DIR` or `predict` wrote"
        ) from error
    try:
        return _parse(json.loads(text))
    except (ValueError, KeyError, TypeError, RecursionError, pa.ArrowException) as error:
        raise PredictionError(
            f"{path} is not what `hyperzoo classify` or `predict` writes ({type(error).__name__}: "
            f"{error}); run it again"
        ) from error


def _parse(document: dict[str, Any]) -> Benchmark:
    found: dict[str, pa.Table] = {}
    about = document["about"]
    about |= {key: value for key, value in _ABOUT.items() if key not in about}
    classes = about["classes"]
    counts = [about[key] for key in ("networks", "training_networks", "test_networks", "splits")]
    if not (all(isinstance(c, str) for c in classes) and all(type(n) is int for n in counts)):
        raise ValueError("'about' does not name classes and numbers of networks")
    target = about["target"]
    if about["kind"] not in ("category", "number") or not str(target).isidentifier():
        raise ValueError("'about' names no target")
    main = yardstick_of(about["kind"], classes).main
    for name in (f.name for f in fields(Benchmark) if f.name != "about"):
        table = pa.Table.from_pylist(document.get(name, []) if name in _LATER else document[name])
        needed = {column.format(main=main) for column in _NEEDED.get(name, ())}
        missing = needed - set(table.column_names)
        if len(table) and missing:
            raise ValueError(f"table '{name}' has no column {', '.join(sorted(missing))}")
        found[name] = table
    rows = found["summary"].to_pylist()
    shares = [row[key] for row in rows for key in (main, "low", "high")]
    least = 0 if about["kind"] == "category" else -np.inf
    if not rows or not all(least <= share <= 1 for share in shares):
        raise ValueError("table 'summary' has no accuracies from 0 to 1, and no R2 of up to 1")
    named = {row[key] for row in found["confusion"].to_pylist() for key in ("class", "named")}
    if not named <= set(classes) or not {row["track"] for row in rows} <= set(TRACKS):
        raise ValueError("a class or a track that is not known")
    return Benchmark(about=about, **found)


def about(
    zoo: Zoo,
    networks: Networks,
    cuts: Sequence[Split],
    seed: int,
    methods: Sequence[Method],
    **asked: Any,
) -> dict[str, Any]:
    """What a benchmark was run on; `asked` is what else was asked for."""
    import sklearn
    import torch

    return {
        "hyperzoo": VERSION,
        "scikit-learn": sklearn.__version__,
        "torch": str(torch.__version__),
        "zoo": zoo.name,
        "recipe_digest": zoo.origin.recipe_digest,
        "image_fingerprint": zoo.image_fingerprint,
        "networks": len(networks.ids),
        "failed_left_out": networks.failed,
        "unknown_left_out": networks.unknown,
        "too_large_left_out": list(networks.too_large),
        "target": networks.target.name,
        "kind": networks.target.kind,
        "logarithmic": networks.target.logarithmic,
        "epochs_drawn": list(networks.epochs_drawn),
        **asked,
        "classes": networks.categories,
        "training_networks": len(cuts[0].train),
        "test_networks": len(cuts[0].test),
        "held_out_networks": len(cuts[0].held_out),
        "seed": seed,
        "splits": len(cuts),
        "methods": {method.name: method.about for method in methods},
    }


def tables(
    records: Sequence[Mapping[str, Any]], networks: Networks, cuts: Sequence[Split]
) -> dict[str, pa.Table]:
    """The tables of a benchmark from the records of its fits.

    Args:
        records: kind, method, track, split, trained, answers of each fit, and what belongs to its
            kind.
        networks: what they were fitted on.
        cuts: the splits.
    """
    categories = networks.categories
    yard = yardstick_of(networks.target.kind, categories)
    scored = [record for record in records if record["kind"] == "score"]
    groups = _groups(records, "score")
    control = [_pooled(group, yard) for group in _groups(records, "control")]
    chance = {row["method"]: row for row in control}
    summary = []
    for group in groups:
        seconds = {key: float(np.mean([record[key] for record in group])) for key in _SECONDS}
        row = _pooled(group, yard) | _other_means(group, yard) | seconds
        guessed = chance.get(row["method"], {})
        summary.append(row | {f"control_{name}": guessed.get(name) for name in yard.intervals})
    layers = [
        {"weights": kind} | _pooled(group, yard)
        for kind in ("alone", "swapped")
        for group in _groups(records, kind, "layer")
    ]
    curve = [_pooled(group, yard) for group in _groups(records, "curve", "networks_per_class")]
    transfer = [
        _pooled(group, yard) | _other_means(group, yard) for group in _groups(records, "transfer")
    ]
    training = [
        {"method": record["method"], "split": record["split"], "epoch": epoch, **entry}
        for record in scored
        for epoch, entry in enumerate(record["history"], start=1)
    ]
    named = [row for group in groups if categories for row in _confusion(group, categories)]
    said = [row for group in groups if not categories for row in _answers(group, networks, cuts)]
    return {
        "summary": _table(summary),
        "scores": _table([_score_row(record, yard) for record in scored]),
        "control": _table(control),
        "curve": _table(curve),
        "layers": _table(layers),
        "confusion": _table(named),
        "training": _table(training),
        "transfer": _table(transfer),
        "answers": _table(said),
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


def _pooled(group: Sequence[Mapping[str, Any]], yard: Yardstick) -> dict[str, Any]:
    """Mean and interval over the splits of a group, of the scores that have one."""
    first = group[0]
    answers = [record["answers"] for record in group]
    scores = [yard.scores(own) for own in answers]
    found: dict[str, Any] = {key: first[key] for key in ("method", "track")}
    found |= {key: first[key] for key in ("layer", "networks_per_class") if key in first}
    found["splits"] = len(group)
    for name, interval in yard.intervals.items():
        low, high = interval(answers)
        prefix = "" if name == yard.main else f"{name}_"
        found |= {
            name: float(np.mean([own[name] for own in scores])),
            f"{prefix}low": low,
            f"{prefix}high": high,
        }
    return found


def _other_means(group: Sequence[Mapping[str, Any]], yard: Yardstick) -> dict[str, float]:
    """Means over the splits of a group, of the scores that have no interval."""
    scores = [yard.scores(record["answers"]) for record in group]
    others = [name for name in yard.names if name not in yard.intervals]
    return {name: float(np.mean([own[name] for own in scores])) for name in others}


def _score_row(record: Mapping[str, Any], yard: Yardstick) -> dict[str, Any]:
    row = {key: record[key] for key in ("method", "track", "split", "trained")}
    return {**row, **yard.scores(record["answers"]), **{key: record[key] for key in _SECONDS}}


def _confusion(
    group: Sequence[Mapping[str, Any]], categories: Sequence[str]
) -> list[dict[str, Any]]:
    counts = np.sum([counts_of(categories, record["answers"]) for record in group], axis=0)
    return [
        {
            "method": group[0]["method"],
            "class": label,
            "named": name,
            "networks": int(counts[row, column]),
        }
        for row, label in enumerate(categories)
        for column, name in enumerate(categories)
    ]


def _answers(
    group: Sequence[Mapping[str, Any]], networks: Networks, cuts: Sequence[Split]
) -> list[dict[str, Any]]:
    first = group[0]
    answers = first["answers"]
    ids = [networks.ids[row] for row in cuts[first["split"]].test]
    return [
        {"method": first["method"], "network": name, "wanted": float(wanted), "said": float(said)}
        for name, wanted, said in zip(ids, answers.wanted, answers.said, strict=True)
    ]


def _table(rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(rows)
