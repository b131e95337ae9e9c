"""The cloud of the networks: principal components and distances, by layer."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from hyperzoo.analysis.weights import Weights
from hyperzoo.report.figure import Figure, Section
from hyperzoo.report.style import BLUE, MARKERS, ORANGE, class_style, draw, from_zero, label_classes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

SHOWN = 150
"""Networks in a figure, the first of each class; the table has all up to `LISTED`."""

LISTED = 2000


def section(weights: Weights, *, png: bool = False) -> Section:
    """Principal components and distances of the networks, by layer."""
    if len(weights.ids) < 3:
        return Section(
            title="Structure",
            text="",
            figures=(),
            missing=f"Principal components need at least 3 networks; there are {len(weights.ids)}.",
        )
    rows = [_layer_row(weights, layer.name) for layer in weights.layers]
    several = len(np.unique(weights.labels)) > 1
    figures = [_components(weights, png=png)]
    figures += [_distances(rows, png=png)] if several else []
    return Section(
        title="Structure",
        text=_text(rows, several=several),
        figures=tuple(figures),
        missing=None if several else "Distances between classes need networks of two classes.",
    )


def _layer_row(weights: Weights, layer: str) -> dict[str, Any]:
    found = weights.structure[layer]
    away = found.distances
    figures = {
        "within": away.within,
        "between": away.between,
        "share": away.share,
        "share_by_chance": away.share_by_chance,
    }
    shares = {f"pc{n}": float(share) for n, share in enumerate(found.components.shares, 1)}
    known = {key: float(f) if np.isfinite(f) else None for key, f in figures.items()}
    return {"layer": layer, **known, **shares}


def _text(rows: list[dict[str, Any]], *, several: bool) -> str:
    first = "; ".join(f"{row['layer']} {100 * row['pc1']:.2g} %" for row in rows)
    text = (
        "Networks as points in the space of a layer's weights, as they are: hidden units are not "
        "aligned, so that two networks that compute the same function can lie far apart. The first "
        f"principal component holds of the variance: {first}."
    )
    if not several:
        return text
    shares = "; ".join(
        f"{row['layer']} {100 * row['share']:.3g} % ({100 * row['share_by_chance']:.3g} % by "
        "chance)"
        for row in rows
        if row["share"] is not None
    )
    return f"{text}\n\nOf the variance, between the means of the classes lies: {shares}."


def _components(weights: Weights, *, png: bool) -> Figure:
    layers = [layer.name for layer in weights.layers]
    columns = min(3, len(layers))
    lines = -(-len(layers) // columns)
    each = max(1, SHOWN // len(weights.classes))

    def paint(drawing: "Drawing") -> None:
        panels = drawing.subplots(lines, columns, squeeze=False).ravel()
        for axes, layer in zip(panels, layers, strict=False):
            _scatter(axes, weights, layer, each)
        for axes in panels[len(layers) :]:
            axes.set_visible(False)
        if len(weights.classes) > 1:
            label_classes(drawing, panels[0])

    picture = draw("structure-components", 0.2 + 2.0 * lines, paint, png=png)
    limited = (
        f" The first {each} networks of each class are drawn."
        if np.bincount(weights.labels).max() > each
        else ""
    )
    return Figure(
        name="structure-components",
        title="Principal components",
        caption="Each dot is a network, at its first two principal components of a layer's "
        "weights; in brackets their shares of the variance. Large marks: the classes' "
        f"means.{limited}",
        alt="Scatter of the networks along two principal components, a panel for "
        f"{', '.join(layers)}.",
        svg=picture.svg,
        png=picture.png,
        table=_scores(weights),
    )


def _scatter(axes: "Axes", weights: Weights, layer: str, each: int) -> None:
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    found = weights.structure[layer].components
    scores = np.zeros((len(weights.ids), 2))
    scores[:, : found.scores.shape[1]] = found.scores[:, :2]
    reach = 1.08 * np.abs(scores).max(axis=0) + 1e-12
    for place, name in enumerate(weights.classes):
        own = scores[weights.labels == place]
        if not len(own):
            continue
        # Lines of nearly no length with round ends: a dot takes a third of a marker's bytes.
        corners = np.repeat(own[:each], 2, axis=0)
        corners[1::2, 0] += 1e-3 * reach[0]
        codes = [Path.MOVETO, Path.LINETO] * len(own[:each])
        dots = Path(corners, codes)
        dots.should_simplify = False  # it would drop lines as short as these
        axes.add_patch(
            PathPatch(
                dots,
                edgecolor=class_style(place)["color"],
                facecolor="none",
                linewidth=2.6,
                capstyle="round",
                alpha=0.55,
                snap=False,
            )
        )
        axes.plot(
            *own.mean(axis=0),
            MARKERS[place % len(MARKERS)],
            markersize=6,
            color=class_style(place)["color"],
            markeredgecolor="white",
            label=name,
            zorder=3,
        )
    axes.set_xlim(-reach[0], reach[0])
    axes.set_ylim(-reach[1], reach[1])
    axes.set_title(layer)
    shares = [*(f"{100 * share:.2g} %" for share in found.shares[:2]), "0 %", "0 %"]
    axes.set_xlabel(f"component 1 ({shares[0]})")
    axes.set_ylabel(f"component 2 ({shares[1]})")
    axes.locator_params(nbins=4)


def _scores(weights: Weights) -> pa.Table:
    """Ids, classes and the first two components of each layer; evenly thinned if they are many."""
    rows = np.arange(0, len(weights.ids), -(-len(weights.ids) // LISTED))
    table: dict[str, Any] = {
        "id": [weights.ids[row] for row in rows],
        "class": [weights.classes[weights.labels[row]] for row in rows],
    }
    for layer in weights.layers:
        scores = weights.structure[layer.name].components.scores[rows]
        for place in range(min(2, scores.shape[1])):
            table[f"{layer.name}_pc{place + 1}"] = np.round(scores[:, place], 5)
    return pa.table(table)


def _distances(rows: list[dict[str, Any]], *, png: bool) -> Figure:
    def paint(drawing: "Drawing") -> None:
        lengths, shares = drawing.subplots(1, 2, sharey=True)
        places = np.arange(len(rows))

        def column(key: str) -> list[float]:
            return [np.nan if row[key] is None else row[key] for row in rows]

        lengths.plot(
            column("within"), places + 0.12, "D", color=ORANGE, markersize=4, label="same class"
        )
        lengths.plot(
            column("between"),
            places - 0.12,
            "s",
            color=BLUE,
            markersize=4,
            label="different classes",
        )
        lengths.set_xlabel("distance between networks (root mean square)")
        lengths.legend(loc="best")
        shares.plot(
            100 * np.array(column("share_by_chance")),
            places + 0.12,
            "D",
            color=ORANGE,
            markersize=4,
            label="by chance",
        )
        shares.plot(
            100 * np.array(column("share")),
            places - 0.12,
            "s",
            color=BLUE,
            markersize=4,
            label="between classes",
        )
        shares.set_xlabel("share of the variance between classes (%)")
        shares.legend(loc="best")
        for axes in (lengths, shares):
            axes.set_yticks(places, [row["layer"] for row in rows])
            axes.set_ylim(len(rows) - 0.5, -0.5)
            axes.grid(axis="y", visible=False)
            from_zero(axes)

    picture = draw("structure-distances", 0.7 + 0.3 * len(rows), paint, png=png)
    return Figure(
        name="structure-distances",
        title="Distances between networks",
        caption="Left: Euclidean distance between two networks of the same class and of different "
        "classes, root of the mean square over all pairs. Right: the share of the total variance "
        "that lies between the classes' means, beside its expectation where classes do not matter, "
        "(classes - 1) / (networks - 1).",
        alt="Dots by layer: distances within and between classes, and variance between classes.",
        svg=picture.svg,
        png=picture.png,
        table=pa.Table.from_pylist(rows),
    )
