"""The performance table: how well the networks of each class do."""

import numpy as np
import pyarrow as pa

from hyperzoo.zoo import Zoo

PERFORMANCE_METRICS = ("accuracy", "precision", "recall", "f1")
"""The metrics of the published table."""

OVERALL = "all classes"


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
    models = zoo.models
    classes = np.array(models["class"].to_pylist(), dtype=object)
    failed = np.array(models["status"].to_pylist(), dtype=object) == "failed"
    values = {
        metric: models[metric].to_numpy().astype(np.float64) for metric in PERFORMANCE_METRICS
    }
    groups = [(name, classes == name) for name in zoo.classes]
    if len(groups) > 1:
        groups.append((OVERALL, np.full(len(classes), True)))
    rows = []
    for name, members in groups:
        row: dict[str, object] = {
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
    return pa.Table.from_pylist(rows)
