"""How well the networks do: table, distributions, networks worth a look."""

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from hyperzoo.analysis.performance import (
    PERFORMANCE_METRICS,
    metric_distributions,
    performance,
    remarkable_networks,
)
from hyperzoo.analysis.published import PUBLISHED
from hyperzoo.report.figure import Figure, Section, networks
from hyperzoo.report.style import BLUE, ORANGE, SOFT, draw
from hyperzoo.zoo import Zoo

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

LABELS = {"f1": "F1", "auc": "ROC AUC"}


def section(zoo: Zoo, *, png: bool = False) -> Section:
    """Performance of the networks on the validation split."""
    spread, remarkable = metric_distributions(zoo), remarkable_networks(zoo)
    figures = [_table(zoo)]
    if len(spread):
        figures.append(_distributions(zoo, spread, png=png))
    if len(remarkable):
        figures.append(_remarkable(remarkable))
    missing = None if len(spread) else _missing(zoo, remarkable)
    return Section(
        title="Performance",
        text=_text(zoo, remarkable) if len(spread) else "",
        figures=tuple(figures),
        missing=missing,
    )


def is_published(zoo: Zoo) -> bool:
    """Whether the published table is about the networks of this zoo."""
    return zoo.architecture.name == "lenet5" and set(zoo.classes) <= set(PUBLISHED)


def _text(zoo: Zoo, remarkable: pa.Table) -> str:
    named = {kind: _named(remarkable, kind) for kind in ("failed", "always no", "always yes")}
    alike = "; ".join(text for text in named.values() if text) or "none failed"
    if len(remarkable) == 0 and zoo.kind != "multi-class":
        alike += ", and none gives every image the same answer"
    threshold = ", a network says yes above probability 0.5" * (zoo.kind != "multi-class")
    return f"Measured on the validation split{threshold}. Of {networks(len(zoo))}, {alike}."


def _named(remarkable: pa.Table, kind: str) -> str:
    """How many networks a finding has, and the first few of them; nothing where there are none."""
    ids = [row["id"] for row in remarkable.to_pylist() if row["finding"] == kind]
    if not ids:
        return ""
    says = "" if kind == "failed" else "says " if len(ids) == 1 else "say "
    return f"{len(ids):,} {says}{kind} ({', '.join(ids[:5])}{', ...' * (len(ids) > 5)})"


def _missing(zoo: Zoo, remarkable: pa.Table) -> str:
    if remarkable["finding"].to_pylist().count("failed") == len(zoo):
        return f"There are no metrics: all {networks(len(zoo))} failed."
    return "The zoo has no metrics: its networks were not evaluated."


def _table(zoo: Zoo) -> Figure:
    rows = performance(zoo).to_pylist()
    published = is_published(zoo)
    for row in rows if published else ():
        known = PUBLISHED.get(row["class"], {})
        for metric in PERFORMANCE_METRICS:
            row[f"{metric}_published_avg"] = known[metric][2] if known else None
    beside = (
        " Beside them the averages that Kurtenbach and Shamir (2025) publish for 1,061 networks a "
        "class."
        if published
        else ""
    )
    return Figure(
        name="performance-table",
        title="Performance by class",
        caption="Minimum, maximum and average over the networks of each class; networks without "
        "the metric are counted and left out. Precision is 0 for a network that never says yes."
        + beside,
        alt="Table: minimum, maximum and average of accuracy, precision, recall and F1 by class.",
        svg=None,
        table=pa.Table.from_pylist(rows),
    )


def _distributions(zoo: Zoo, spread: pa.Table, *, png: bool) -> Figure:
    metrics = list(dict.fromkeys(spread["metric"].to_pylist()))
    classes = list(zoo.classes)
    columns = min(3, len(metrics))
    lines = -(-len(metrics) // columns)
    published = is_published(zoo)

    def paint(drawing: "Drawing") -> None:
        panels = drawing.subplots(lines, columns, sharey=True, squeeze=False).ravel()
        for axes, metric in zip(panels, metrics, strict=False):
            rows = [row for row in spread.to_pylist() if row["metric"] == metric]
            _panel(axes, metric, rows, classes, published=published)
        for axes in panels[len(metrics) :]:
            axes.set_visible(False)

    picture = draw(
        "performance-metrics", lines * (0.55 + 0.145 * len(classes)) + 0.3, paint, png=png
    )
    return Figure(
        name="performance-metrics",
        title="Metrics by class",
        caption="Each line reaches from the worst to the best network of the class, the bar holds "
        "the middle half, the white dot is the median."
        + " Diamonds are the published averages."
        * published,
        alt=f"Ranges of {', '.join(metrics)} over the networks of each of {len(classes)} classes.",
        svg=picture.svg,
        png=picture.png,
        table=spread,
    )


def _panel(
    axes: "Axes", metric: str, rows: list[dict[str, Any]], classes: list[str], *, published: bool
) -> None:
    places = [place for place, row in enumerate(rows) if row["networks"]]
    known = [row for row in rows if row["networks"]]
    levels = {key: [row[key] for row in known] for key in ("min", "q25", "median", "q75", "max")}
    axes.hlines(places, levels["min"], levels["max"], color=SOFT, linewidth=0.9, zorder=2)
    axes.hlines(places, levels["q25"], levels["q75"], color=BLUE, linewidth=4.2, zorder=3)
    axes.plot(
        levels["median"],
        places,
        "o",
        color="white",
        markeredgecolor=BLUE,
        zorder=4,
        markersize=3.2,
        markeredgewidth=0.8,
    )
    if published and metric in PERFORMANCE_METRICS:
        means = [PUBLISHED[row["class"]][metric][2] for row in known]
        axes.plot(means, places, "D", color=ORANGE, markersize=3.2, zorder=5)
    axes.set_title(LABELS.get(metric, metric))
    axes.set_yticks(range(len(classes)), classes)
    axes.set_ylim(len(classes) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    axes.locator_params(axis="x", nbins=4)


def _remarkable(table: pa.Table) -> Figure:
    return Figure(
        name="performance-remarkable",
        title="Networks worth a look",
        caption="Failed: a loss or a weight is not finite. Always no, always yes: the same answer "
        "to every validation image; an accuracy near 90 % hides that.",
        alt="Table: id, class and finding of networks that failed or answer always the same.",
        svg=None,
        table=table,
    )
