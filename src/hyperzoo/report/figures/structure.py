"""The cloud of the networks: principal components and distances, by layer, aligned or not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from hyperzoo.analysis.aligned import AlignedStructure
from hyperzoo.analysis.structure import Structure
from hyperzoo.analysis.weights import Weights
from hyperzoo.report.figure import Figure, Section, networks
from hyperzoo.report.style import (
    BLUE,
    MARKERS,
    ORANGE,
    class_style,
    draw,
    from_zero,
    label_classes,
    legend_name,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

SHOWN = 150
"""Networks in a figure, the first of each class; the table has all up to `LISTED`."""

LISTED = 2000


@dataclass(frozen=True, kw_only=True)
class _Cloud:
    """Networks as points: their ids and labels, and layer -> their structure."""

    classes: Sequence[str]
    ids: Sequence[str]
    labels: NDArray[np.int64]
    layers: Mapping[str, Structure]


def section(
    weights: Weights, aligned: AlignedStructure | None = None, *, png: bool = False
) -> Section:
    """Principal components and distances of the networks, by layer."""
    if len(weights.ids) < 3:
        return Section(
            title="Structure",
            text="",
            figures=(),
            missing=f"Principal components need at least 3 networks; there are {len(weights.ids)}.",
        )
    cloud = _Cloud(
        classes=weights.classes,
        ids=weights.ids,
        labels=weights.labels,
        layers=weights.structure,
    )
    rows = [_layer_row(layer, found) for layer, found in weights.structure.items()]
    several = len(np.unique(weights.labels)) > 1
    figures = [_components(cloud, _AS_THEY_ARE, png=png)]
    figures += [_distances(rows, png=png)] if several else []
    text = _text(rows, several=several)
    if aligned is not None:
        figures += _aligned_figures(weights.classes, aligned, several=several, png=png)
        text += f"\n\n{_aligned_text(aligned, several=several)}"
    return Section(
        title="Structure",
        text=text,
        figures=tuple(figures),
        missing=None if several else "Distances between classes need networks of two classes.",
    )


def _aligned_figures(
    classes: Sequence[str], aligned: AlignedStructure, *, several: bool, png: bool
) -> list[Figure]:
    cloud = _Cloud(classes=classes, ids=aligned.ids, labels=aligned.labels, layers=aligned.after)
    figures = [_components(cloud, _ALIGNED, png=png)]
    if several:
        before = [_layer_row(layer, found) for layer, found in aligned.before.items()]
        after = [_layer_row(layer, found) for layer, found in aligned.after.items()]
        figures.append(_distances_aligned(before, after, png=png))
    return figures


def _aligned_text(aligned: AlignedStructure, *, several: bool) -> str:
    which, reference = "the first", "the first of them"
    if several:
        which = "the first of each class"
        reference = "the mean of one network of each class, which were aligned to each other"
    text = (
        f"Aligned are {networks(len(aligned.ids))}, {which}: the hidden units of "
        f"{', '.join(aligned.moved)} are put into the order, and given the signs where the "
        f"activation allows it, in which the networks lie near {reference}. Their functions stay "
        "the same."
    )
    if not several:
        return text
    changes = "; ".join(
        f"{layer} {aligned.before[layer].distances.within:.3g} to "
        f"{aligned.after[layer].distances.within:.3g}"
        for layer in aligned.after
        if np.isfinite(aligned.after[layer].distances.within)
    )
    shares = "; ".join(
        f"{layer} {100 * aligned.before[layer].distances.share:.3g} % to "
        f"{100 * aligned.after[layer].distances.share:.3g} %"
        for layer in aligned.after
        if np.isfinite(aligned.after[layer].distances.share)
    )
    if changes:
        text += f" Distances within a class change: {changes}."
    if shares:
        chance = next(iter(aligned.after.values())).distances.share_by_chance
        text += (
            f" The share of the variance between the classes' means changes: {shares} "
            f"({100 * chance:.3g} % by chance)."
        )
    return text


def _layer_row(layer: str, found: Structure) -> dict[str, Any]:
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


def _percent(share: float) -> str:
    """To two digits, of which a whole has three."""
    return f"{100 * share:.2g}" if share < 0.995 else f"{100 * share:.0f}"


def _text(rows: list[dict[str, Any]], *, several: bool) -> str:
    first = "; ".join(f"{row['layer']} {_percent(row['pc1'])} %" for row in rows)
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
    if not shares:
        return f"{text}\n\nAll networks are equal: there is no variance."
    return f"{text}\n\nOf the variance, between the means of the classes lies: {shares}."


@dataclass(frozen=True, kw_only=True)
class _Words:
    """What figures of the same form differ in."""

    name: str
    title: str
    begin: str


_AS_THEY_ARE = _Words(
    name="structure-components",
    title="Principal components",
    begin="Each dot is a network, at its first two principal components of a layer's weights",
)
_ALIGNED = _Words(
    name="structure-components-aligned",
    title="Principal components of aligned networks",
    begin="Each dot is a network after its hidden units were aligned, at its first two principal "
    "components of a layer's weights",
)


def _components(cloud: _Cloud, words: _Words, *, png: bool) -> Figure:
    layers = list(cloud.layers)
    columns = min(3, len(layers))
    lines = -(-len(layers) // columns)
    each = max(1, SHOWN // len(cloud.classes))

    def paint(drawing: "Drawing") -> None:
        panels = drawing.subplots(lines, columns, squeeze=False).ravel()
        for axes, layer in zip(panels, layers, strict=False):
            _scatter(axes, cloud, layer, each)
        for axes in panels[len(layers) :]:
            axes.set_visible(False)
        if len(cloud.classes) > 1:
            label_classes(drawing, panels[0])

    picture = draw(words.name, 0.2 + 2.0 * lines, paint, png=png)
    limited = (
        f" The first {each} networks of each class are drawn."
        if np.bincount(cloud.labels).max() > each
        else ""
    )
    return Figure(
        name=words.name,
        title=words.title,
        caption=f"{words.begin}; in brackets their shares of the variance. Large marks: the "
        f"classes' means.{limited}",
        alt="Scatter of the networks along two principal components, a panel for "
        f"{', '.join(layers)}.",
        svg=picture.svg,
        png=picture.png,
        table=_scores(cloud),
    )


def _scatter(axes: "Axes", cloud: _Cloud, layer: str, each: int) -> None:
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    found = cloud.layers[layer].components
    scores = np.zeros((len(cloud.ids), 2))
    scores[:, : found.scores.shape[1]] = found.scores[:, :2]
    reach = 1.08 * np.abs(scores).max(axis=0) + 1e-12
    for place, name in enumerate(cloud.classes):
        own = scores[cloud.labels == place]
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
            label=legend_name(name),
            zorder=3,
        )
    axes.set_xlim(-reach[0], reach[0])
    axes.set_ylim(-reach[1], reach[1])
    axes.set_title(layer)
    shares = [*(f"{100 * share:.2g} %" for share in found.shares[:2]), "0 %", "0 %"]
    axes.set_xlabel(f"component 1 ({shares[0]})")
    axes.set_ylabel(f"component 2 ({shares[1]})")
    axes.locator_params(nbins=4)


def _scores(cloud: _Cloud) -> pa.Table:
    """Ids, classes and the first two components of each layer; evenly thinned if they are many."""
    rows = range(0, len(cloud.ids), -(-len(cloud.ids) // LISTED))
    table: dict[str, Any] = {
        "id": [cloud.ids[row] for row in rows],
        "class": [cloud.classes[cloud.labels[row].item()] for row in rows],
    }
    for layer, found in cloud.layers.items():
        scores = found.components.scores[list(rows)]
        for place in range(min(2, scores.shape[1])):
            table[f"{layer}_pc{place + 1}"] = np.round(scores[:, place], 5)
    return pa.table(table)


def _column(rows: list[dict[str, Any]], key: str) -> NDArray[np.float64]:
    return np.array([np.nan if row[key] is None else row[key] for row in rows], np.float64)


def _name_layers(panels: "Sequence[Axes]", rows: list[dict[str, Any]]) -> None:
    """A line a layer, from top to bottom."""
    for axes in panels:
        axes.legend(loc="best")
        axes.set_yticks(np.arange(len(rows)), [row["layer"] for row in rows])
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.grid(axis="y", visible=False)
        from_zero(axes)


def _distances(rows: list[dict[str, Any]], *, png: bool) -> Figure:
    def paint(drawing: "Drawing") -> None:
        lengths, shares = drawing.subplots(1, 2, sharey=True)
        low, high = np.arange(len(rows)) + 0.12, np.arange(len(rows)) - 0.12
        own, other = {"color": ORANGE, "markersize": 4}, {"color": BLUE, "markersize": 4}
        lengths.plot(_column(rows, "within"), low, "D", label="same class", **own)
        lengths.plot(_column(rows, "between"), high, "s", label="different classes", **other)
        lengths.set_xlabel("distance between networks (root mean square)")
        shares.plot(100 * _column(rows, "share_by_chance"), low, "D", label="by chance", **own)
        shares.plot(100 * _column(rows, "share"), high, "s", label="between classes", **other)
        shares.set_xlabel("share of the variance between classes (%)")
        _name_layers((lengths, shares), rows)

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


def _distances_aligned(
    before: list[dict[str, Any]], after: list[dict[str, Any]], *, png: bool
) -> Figure:
    def paint(drawing: "Drawing") -> None:
        lengths, shares = drawing.subplots(1, 2, sharey=True)
        places = np.arange(len(before))
        for rows, word, face in ((before, "before", "white"), (after, "aligned", None)):
            for key, name, offset, mark, colour in (
                ("within", "same class", 0.12, "D", ORANGE),
                ("between", "different classes", -0.12, "s", BLUE),
            ):
                lengths.plot(
                    _column(rows, key),
                    places + offset,
                    mark,
                    color=colour,
                    markersize=4,
                    markerfacecolor=face or colour,
                    label=f"{name}, {word}",
                )
            shares.plot(
                100 * _column(rows, "share"),
                places,
                "s",
                color=BLUE,
                markersize=4,
                markerfacecolor=face or BLUE,
                label=f"between classes, {word}",
            )
        chance = 100 * after[0]["share_by_chance"]
        shares.axvline(chance, color=ORANGE, linestyle=":", label="by chance")
        lengths.set_xlabel("distance between networks (root mean square)")
        shares.set_xlabel("share of the variance between classes (%)")
        _name_layers((lengths, shares), before)

    picture = draw("structure-distances-aligned", 0.9 + 0.36 * len(before), paint, png=png)
    rows = [
        {"networks": word, **row}
        for word, own in (("as they are", before), ("aligned", after))
        for row in own
    ]
    return Figure(
        name="structure-distances-aligned",
        title="Distances before and after alignment",
        caption="As above, of the networks that were aligned: hollow marks before alignment, "
        "filled ones after it. The dotted line: the share's expectation where classes do not "
        "matter.",
        alt="Dots by layer: distances and shares of variance, before and after alignment.",
        svg=picture.svg,
        png=picture.png,
        table=pa.Table.from_pylist(rows),
    )
