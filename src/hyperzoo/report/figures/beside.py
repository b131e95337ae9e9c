"""Generated networks beside the trained ones of the zoo that their generator was fitted on."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from hyperzoo.features.matrix import layer_columns
from hyperzoo.generation.judging import Beside
from hyperzoo.generation.judging.novelty import held_out_nearest, nearest
from hyperzoo.generation.judging.pairs import correlation, overlap
from hyperzoo.generation.judging.quality import of_class
from hyperzoo.report.figure import Figure, Section, networks
from hyperzoo.report.figures.kernels import figure as kernels
from hyperzoo.report.style import BLUE, INK, ORANGE, SOFT, draw, logarithmic

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

TITLE = "Generated beside trained"

SHOWN = 20
"""Classes that get a line of their own."""

_LOOK: dict[str, dict[str, Any]] = {
    "generated": {"color": ORANGE},
    "held-out": {"color": BLUE},
    "fresh": {"color": SOFT, "linestyle": (0, (4, 1.5))},
}
_BINS = 40

Array = NDArray[np.float64]


def section(beside: Beside, *, png: bool = False) -> Section:
    """The verdicts, and what they rest on."""
    figures = [
        _verdicts(beside),
        _quality(beside, png=png),
        _pairs(beside, png=png),
        _nearest(beside, png=png),
        _weights(beside, png=png),
    ]
    pictured = kernels(beside, png=png)
    return Section(
        title=TITLE,
        text=_text(beside),
        figures=(*figures, *([] if pictured is None else [pictured])),
        missing=None
        if pictured is not None
        else "The first layer has no kernels of 1 or 3 channels to be pictured.",
    )


def _text(beside: Beside) -> str:
    rows = beside.judgement.verdicts.to_pylist()
    held = [row for row in rows if row["passed"] is not None]
    passed = sum(row["passed"] for row in held)
    counts = {name: len(own.labels) for name, own in beside.groups.items()}
    trained = f"{networks(counts['held-out'])} of it that were held out"
    if "fresh" in counts:
        trained += f", and {counts['fresh']:,} fresh ones, which show what chance does"
    text = (
        f"{networks(counts['generated'])} that were never trained, beside those of the zoo "
        f"'{beside.reference.zoo.name}': {trained}. The generator saw others, for training. All "
        f"were asked about {len(beside.reference.questions.labels):,} validation images. "
        f"{passed} of {len(held)} bars are passed."
    )
    faults = beside.judgement.faults.to_pylist()
    if not faults:
        return f"{text}\n\nThe judge found none of the faults that it knows by name."
    named = "; ".join(f"{row['fault']} ({row['sentence']})" for row in faults)
    return f"{text}\n\nFaults: {named}."


def _verdicts(beside: Beside) -> Figure:
    mark = {True: "pass", False: "miss", None: None}
    rows = [
        {
            "verdict": mark[row["passed"]],
            **{name: row[name] for name in ("measure", "generated", "held_out", "fresh")},
            "bar": row["bar"] or None,
        }
        for row in beside.judgement.verdicts.to_pylist()
    ]
    return Figure(
        name="beside-verdicts",
        title="Verdicts",
        caption="Means over classes. Bars are those of the judge; measures without one say more.",
        alt="A table: figures of generated, held-out and fresh networks, and bars.",
        svg=None,
        table=pa.Table.from_pylist(rows),
    )


def _quality(beside: Beside, *, png: bool) -> Figure:
    measures = [m for m in ("AUC", "accuracy", "F1") if m in of_class(beside.made, 0)]
    classes = beside.reference.questions.classes
    rows = [
        {"measure": measure, "class": classes[label], "networks": group, **_spread(values)}
        for group, own in beside.groups.items()
        for label in range(len(classes))
        for measure, values in of_class(own, label).items()
        if measure in measures
    ]

    def paint(drawing: "Drawing") -> None:
        panels = drawing.subplots(1, len(measures), sharey=True, squeeze=False)[0]
        for axes, measure in zip(panels, measures, strict=True):
            _ranges(axes, [row for row in rows if row["measure"] == measure], classes[:SHOWN])
            axes.set_title(measure)
        drawing.legend(*panels[0].get_legend_handles_labels(), loc="outside right upper")

    lines = min(len(classes), SHOWN)
    picture = draw("beside-quality", 0.8 + 0.26 * lines, paint, png=png)
    more = f" The first {SHOWN} of {len(classes)} classes." * (len(classes) > SHOWN)
    return Figure(
        name="beside-quality",
        title="Quality",
        caption="On the validation images that the judge reports on: of the networks of each class "
        f"a dot for the median, a thick line for the middle half, a thin one for all.{more}",
        alt="Lines by class: the spread of AUC, accuracy and F1 of generated and trained networks.",
        svg=picture.svg,
        png=picture.png,
        table=pa.Table.from_pylist(rows),
    )


def _spread(values: Array) -> dict[str, float]:
    least, low, median, high, greatest = np.quantile(values, [0, 0.25, 0.5, 0.75, 1]).tolist()
    return {"least": least, "low": low, "median": median, "high": high, "greatest": greatest}


def _ranges(axes: "Axes", rows: Sequence[Mapping[str, Any]], classes: Sequence[str]) -> None:
    groups = list(dict.fromkeys(row["networks"] for row in rows))
    for row in rows:
        if row["class"] not in classes:
            continue
        line = classes.index(row["class"])
        place = line + 0.56 * ((groups.index(row["networks"]) + 0.5) / len(groups) - 0.5)
        colour = _LOOK[row["networks"]]["color"]
        axes.plot([row["least"], row["greatest"]], [place, place], color=colour, linewidth=0.7)
        axes.plot([row["low"], row["high"]], [place, place], color=colour, linewidth=2.2)
        axes.plot(
            row["median"],
            place,
            "o",
            color=colour,
            markersize=3.2,
            markeredgecolor="white",
            markeredgewidth=0.5,
            label=row["networks"] if line == 0 else None,
        )
    axes.set_yticks(range(len(classes)), classes)
    axes.set_ylim(len(classes) - 0.5, -0.5)
    axes.grid(axis="y", visible=False)
    axes.locator_params(axis="x", nbins=4)


def _pairs(beside: Beside, *, png: bool) -> Figure:
    def of_pairs(
        alike: Callable[[NDArray[Any], NDArray[Any]], Array], kind: str
    ) -> dict[str, Array]:
        found = {}
        for group, own in beside.groups.items():
            features = getattr(own, kind)
            tables = [alike(features[rows], features[rows]) for rows in own.rows]
            values = [table[np.triu_indices(len(table), 1)] for table in tables]
            found[group] = np.concatenate(values)
        return found

    panels = {
        "correlation of logits": of_pairs(correlation, "flat_logits"),
        "overlap of wrong predictions": of_pairs(overlap, "wrong"),
    }
    return _histograms(
        panels,
        name="beside-pairs",
        title="How alike two networks of a class are",
        caption="Pearson correlation of the logits of two networks of a class, and intersection "
        "over union of the images that they get wrong, over all pairs. Further right: less "
        "diverse.",
        png=png,
    )


def _nearest(beside: Beside, *, png: bool) -> Figure:
    reference = beside.reference
    held = held_out_nearest(reference)
    distances = {
        group: held if group == "held-out" else nearest(own, reference)
        for group, own in beside.groups.items()
    }
    panels: dict[str, dict[str, Array]] = {}
    for measure, words in (
        ("nearest aligned distance", "aligned weights"),
        ("nearest distance of linear response", "linear response"),
        ("nearest distance of logits", "logits"),
    ):
        medians = np.array([np.median(held[measure][rows]) for rows in reference.held_out.rows])
        panels[words] = {
            group: distances[group][measure] / np.maximum(medians[own.labels], 1e-12)
            for group, own in beside.groups.items()
        }
    return _histograms(
        panels,
        name="beside-nearest",
        title="Distance to the nearest training network",
        caption="Of each network to the nearest training network of its class, over the median of "
        "the class's held-out networks: what lies left of theirs is nearer to what the generator "
        "has seen than a new trained network is; 0 is a copy.",
        png=png,
    )


def _histograms(
    panels: Mapping[str, Mapping[str, Array]], *, name: str, title: str, caption: str, png: bool
) -> Figure:
    """A histogram a group in each panel; what is not a number is left out."""
    rows: list[dict[str, Any]] = []
    for quantity, groups in panels.items():
        finite = {group: values[np.isfinite(values)] for group, values in groups.items()}
        edges = _edges(np.concatenate(list(finite.values())))
        for group, values in finite.items():
            counts = np.histogram(values, edges)[0]
            for low, high, count in zip(edges[:-1], edges[1:], counts, strict=True):
                share = float(count) / max(len(values), 1)
                rows.append(
                    {
                        "quantity": quantity,
                        "networks": group,
                        "from": float(low),
                        "to": float(high),
                        "share": share,
                    }
                )

    def paint(drawing: "Drawing") -> None:
        found = drawing.subplots(1, len(panels), squeeze=False)[0]
        for axes, quantity in zip(found, panels, strict=True):
            for group in panels[quantity]:
                own = [r for r in rows if r["quantity"] == quantity and r["networks"] == group]
                edges = [own[0]["from"], *(row["to"] for row in own)]
                axes.stairs(
                    [100 * row["share"] for row in own],
                    edges,
                    label=group,
                    linewidth=1.1,
                    **_LOOK[group],
                )
            axes.set_xlabel(quantity)
        found[0].set_ylabel("share (%)")
        drawing.legend(*found[0].get_legend_handles_labels(), loc="outside right upper")

    picture = draw(name, 2.1, paint, png=png)
    return Figure(
        name=name,
        title=title,
        caption=caption,
        alt=f"Histograms of generated and trained networks: {', '.join(panels)}.",
        svg=picture.svg,
        png=picture.png,
        table=pa.Table.from_pylist(rows),
    )


def _edges(values: Array) -> Array:
    """Bins over all values."""
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
    margin = 0.5 * max(abs(low), 1e-3) if high <= low else 0.0
    return np.linspace(low - margin, high + margin, _BINS + 1)


def _weights(beside: Beside, *, png: bool) -> Figure:
    columns = layer_columns(beside.reference.architecture)
    groups = {name: own for name, own in beside.groups.items() if name != "fresh"}
    rows: list[dict[str, Any]] = []
    for layer, own in columns.items():
        edges = _edges(np.concatenate([_reach(n.matrix[:, own]) for n in groups.values()]))
        for group, members in groups.items():
            values = members.matrix[:, own]
            density = np.histogram(values, edges)[0] / values.size / np.diff(edges)
            for low, high, height in zip(edges[:-1], edges[1:], density, strict=True):
                rows.append(
                    {
                        "layer": layer,
                        "networks": group,
                        "from": float(low),
                        "to": float(high),
                        "density": float(height),
                    }
                )

    wide = min(3, len(columns))
    lines = -(-len(columns) // wide)

    def paint(drawing: "Drawing") -> None:
        panels = drawing.subplots(lines, wide, squeeze=False).ravel()
        for axes, layer in zip(panels, columns, strict=False):
            for group in groups:
                own = [r for r in rows if r["layer"] == layer and r["networks"] == group]
                heights = [row["density"] or np.nan for row in own]
                middles = [(row["from"] + row["to"]) / 2 for row in own]
                axes.plot(middles, heights, label=group, **_LOOK[group])
            logarithmic(axes)
            axes.set_title(layer)
            axes.axvline(0, color=INK, linewidth=0.5, zorder=1)
        for axes in panels[len(columns) :]:
            axes.set_visible(False)
        for axes in panels[::wide]:
            axes.set_ylabel("density")
        drawing.supxlabel("weight", fontsize=7.5)
        drawing.legend(*panels[0].get_legend_handles_labels(), loc="outside right upper")

    picture = draw("beside-weights", 0.4 + 1.6 * lines, paint, png=png)
    return Figure(
        name="beside-weights",
        title="Weights by layer",
        caption="Distribution of the weights and biases of each layer over all networks, on a "
        "logarithmic scale. Where the lines part, statistics of weights tell the networks apart.",
        alt=f"Densities of the weights of {', '.join(columns)}, generated and held-out networks.",
        svg=picture.svg,
        png=picture.png,
        table=pa.Table.from_pylist(rows),
    )


def _reach(values: NDArray[np.float32]) -> Array:
    return np.array([values.min(), values.max()], np.float64)
