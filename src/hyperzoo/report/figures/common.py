"""The most common weight values of each class."""

from typing import TYPE_CHECKING

import pyarrow as pa

from hyperzoo.analysis.common import common_weights
from hyperzoo.analysis.distributions import ALL_CLASSES
from hyperzoo.analysis.weights import Weights
from hyperzoo.report.figure import Figure, Section
from hyperzoo.report.style import BLUE, INK, draw

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

SHOWN = 10
"""Values a class in the figure; the table has twice as many."""


def section(weights: Weights, *, decimals: int = 4, png: bool = False) -> Section:
    """The most common values, rounded."""
    table = common_weights(weights, decimals=decimals, count=2 * SHOWN)
    return Section(
        title="Common weights",
        text=_text(weights, table, decimals),
        figures=(_figure(table, decimals, png=png),),
        missing=None,
    )


def _text(weights: Weights, table: pa.Table, decimals: int) -> str:
    rows = [row for row in table.to_pylist() if row["rank"] == 1]
    top = rows[-1]
    total = sum(layer.size for layer in weights.layers) * len(weights.ids)
    return (
        f"Rounded to {decimals} decimals, the most common of all {total:,} weights is "
        f"{top['value']:.{decimals}f}: {top['count']:,} times, {100 * top['share']:.3g} %. "
        "Neighbouring values are nearly as common: a peak of the distribution, not a value that "
        "networks prefer, unless one share stands out."
    )


def _figure(table: pa.Table, decimals: int, *, png: bool) -> Figure:
    rows = [row for row in table.to_pylist() if row["rank"] <= SHOWN]
    classes = list(dict.fromkeys(row["class"] for row in rows))
    most = max(row["share"] for row in rows)

    def paint(drawing: "Drawing") -> None:
        axes = drawing.subplots()
        for row in rows:
            first = row["rank"] == 1
            axes.plot(
                row["value"],
                classes.index(row["class"]),
                "o",
                markersize=8 * (row["share"] / most) ** 0.5,
                color=INK if row["class"] == ALL_CLASSES else BLUE,
                alpha=1.0 if first else 0.45,
                markeredgewidth=0,
            )
        axes.set_yticks(range(len(classes)), classes)
        axes.set_ylim(len(classes) - 0.4, -0.6)
        axes.set_xlabel(f"weight, rounded to {decimals} decimals")
        axes.axvline(0, color=INK, linewidth=0.6, zorder=1)

    picture = draw("common-weights", 0.6 + 0.2 * len(classes), paint, png=png, width=5.4)
    return Figure(
        name="common-weights",
        title="Most common weights",
        caption=f"The {SHOWN} most common values of each class; the area of a dot is the value's "
        "share, the most common one is dark. The table gives counts and shares (0 to 1) of "
        f"{2 * SHOWN}.",
        alt=f"Dots at the {SHOWN} most common weight values of each class.",
        svg=picture.svg,
        png=picture.png,
        table=table,
    )
