"""The most common weight values of every class, as the published study lists them."""

import numpy as np
import pyarrow as pa

from hyperzoo.analysis.distributions import class_groups, grid_counts
from hyperzoo.analysis.weights import Weights, check_decimals


def common_weights(weights: Weights, *, decimals: int = 4, count: int = 20) -> pa.Table:
    """The most frequent values among all weights of all layers, rounded.

    With fewer than 4 decimals weights are rounded twice, first to 4.

    Args:
        weights: the studied weights.
        decimals: decimals to round to, no more than the grid has.
        count: values a class.

    Returns:
        A row a class and rank, all classes together last. Columns: class, rank (from 1), value,
        count, share (of all weights of the class, from 0 to 1). Of equally frequent values the
        one nearer to zero comes first, then the negative one.

    Raises:
        AnalysisError: the weights were not read with so many decimals.
    """
    check_decimals(decimals, max(part.decimals for part in weights.counts.values()))
    values, counts = grid_counts(weights, tuple(layer.name for layer in weights.layers))
    rounded, columns = np.unique(np.rint(values * 10.0**decimals), return_inverse=True)
    rows = []
    for name, members in class_groups(weights):
        own = np.bincount(columns, weights=counts[members].sum(axis=0), minlength=len(rounded))
        total = own.sum()
        order = np.lexsort((rounded, np.abs(rounded), -own))[:count]
        rows += [
            {
                "class": name,
                "rank": rank,
                "value": float(rounded[place]) / 10**decimals + 0.0,
                "count": int(own[place]),
                "share": float(own[place] / total),
            }
            for rank, place in enumerate(order, 1)
            if own[place]
        ]
    return pa.Table.from_pylist(rows, schema=_SCHEMA)


_SCHEMA = pa.schema(
    [
        ("class", pa.string()),
        ("rank", pa.int64()),
        ("value", pa.float64()),
        ("count", pa.int64()),
        ("share", pa.float64()),
    ]
)
