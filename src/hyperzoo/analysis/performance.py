"""The performance table: how well the networks of each class do."""

from typing import Any

import numpy as np
import pyarrow as pa

from hyperzoo.zoo import Zoo
from hyperzoo.zoo.tables import numbers_of

PERFORMANCE_METRICS = ("accuracy", "precision", "recall", "f1")
"""The metrics of the published table."""

OVERALL = "all classes"

DISTRIBUTION_METRICS = ("accuracy", "precision", "recall", "specificity", "f1", "auc")


def performance(zoo: Zoo) -> pa.Table:
    """Minimum, maximum and average of the metrics, by class and over all networks.

    Networks without a metric (those that failed) are counted and left out of its figures.

    Args:
        zoo: the zoo.

    Returns:
        A row a class and, where there are several, a last row `OVERALL`. Columns: class, networks,
        failed, then <metric>_min, <metric>_max and <metric>_avg for every metric in
        `PERFORMANCE_METRICS`, null where no network has the metric.
    """
    return pa.Table.from_pylist(performance_rows(zoo))


def performance_rows(zoo: Zoo) -> list[dict[str, Any]]:
    """The rows of `performance`, None for null."""
    models = zoo.models
    classes = np.array(models["class"].to_pylist(), dtype=object)
    failed = np.array(models["status"].to_pylist(), dtype=object) == "failed"
    values = {metric: numbers_of(models[metric]) for metric in PERFORMANCE_METRICS}
    groups = [(name, classes == name) for name in zoo.classes]
    if len(groups) > 1:
        groups.append((OVERALL, np.full(len(classes), True)))
    rows = []
    for name, members in groups:
        row: dict[str, Any] = {
            "class": name,
            "networks": int(members.sum()),
            "failed": int(failed[members].sum()),
        }
        for metric, column in values.items():
            known = column[members & ~np.isnan(column)]
            row[f"{metric}_min"] = float(known.min()) if len(known) else None
            row[f"{metric}_max"] = float(known.max()) if len(known) else None
            row[f"{metric}_avg"] = float(known.mean()) if len(known) else None
        rows.append(row)
    return rows


def metric_distributions(zoo: Zoo) -> pa.Table:
    """How each metric is distributed over the networks of each class.

    Args:
        zoo: the zoo.

    Returns:
        A row a metric of `DISTRIBUTION_METRICS` that any network has, and class. Columns: metric,
        class, networks (that have the metric), min, q25, median, q75, max, mean, sd (with n - 1;
        null for fewer than two networks).
    """
    classes = np.array(zoo.models["class"].to_pylist(), dtype=object)
    rows = []
    for metric in DISTRIBUTION_METRICS:
        column = numbers_of(zoo.models[metric])
        known = ~np.isnan(column)
        for name in zoo.classes if known.any() else ():
            values = column[known & (classes == name)]
            levels = np.quantile(values, (0, 0.25, 0.5, 0.75, 1)) if len(values) else [None] * 5
            row: dict[str, object] = {"metric": metric, "class": name, "networks": len(values)}
            for key, level in zip(("min", "q25", "median", "q75", "max"), levels, strict=True):
                row[key] = None if level is None else float(level)
            row["mean"] = float(values.mean()) if len(values) else None
            row["sd"] = float(values.std(ddof=1)) if len(values) > 1 else None
            rows.append(row)
    return pa.Table.from_pylist(rows, schema=_DISTRIBUTION_SCHEMA)


_DISTRIBUTION_SCHEMA = pa.schema(
    [("metric", pa.string()), ("class", pa.string()), ("networks", pa.int64())]
    + [(key, pa.float64()) for key in ("min", "q25", "median", "q75", "max", "mean", "sd")]
)


def remarkable_networks(zoo: Zoo) -> pa.Table:
    """Networks that failed, and one-vs-all networks that give every image the same answer.

    Args:
        zoo: the zoo.

    Returns:
        Columns id, class, finding: "failed" (a loss or a weight is not finite), "always no"
        (recall 0, specificity 1) or "always yes" (recall 1, specificity 0) on the validation
        split. In the zoo's order.
    """
    rows = []
    columns = ("id", "class", "status", "recall", "specificity")
    for row in zoo.models.select(columns).to_pylist():
        answers = (row["recall"], row["specificity"])
        finding = {(0.0, 1.0): "always no", (1.0, 0.0): "always yes"}.get(answers)
        if row["status"] == "failed":
            finding = "failed"
        if finding is not None:
            rows.append({"id": row["id"], "class": row["class"], "finding": finding})
    schema = pa.schema([("id", pa.string()), ("class", pa.string()), ("finding", pa.string())])
    return pa.Table.from_pylist(rows, schema=schema)
