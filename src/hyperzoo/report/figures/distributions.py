"""Where the weights lie: densities by class, by layer, by both; their moments."""

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from hyperzoo.analysis.counts import FARTHEST, LARGEST
from hyperzoo.analysis.distributions import (
    ALL_CLASSES,
    ALL_LAYERS,
    BIN_HIGH,
    BIN_LOW,
    ZOOM,
    ZOOM_BINS,
    histogram,
    layer_groups,
    moments_table,
    wide_edges,
    zoom_edges,
)
from hyperzoo.analysis.weights import Weights
from hyperzoo.report.figure import Figure, Section, networks
from hyperzoo.report.style import (
    BLUE,
    INK,
    class_style,
    draw,
    label_classes,
    legend_name,
    logarithmic,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

GROUPED = "A layer's parameters are its weight and bias together, as in the published study."


def section(weights: Weights, *, png: bool = False) -> Section:
    """Distributions of the weights."""
    table = moments_table(weights)
    figures = [_all(weights, png=png), _layers(weights, png=png)]
    if len(weights.classes) > 1:
        figures.append(_classes(weights, png=png))
        figures.append(_layers_and_classes(weights, png=png))
    figures += [_moments(weights, table, png=png)]
    return Section(
        title="Weight distributions",
        text=_text(weights, table),
        figures=tuple(figures),
        missing=" ".join([*_left_out(weights), *_off_the_grid(weights, table)]) or None,
    )


def _left_out(weights: Weights) -> list[str]:
    if not weights.left_out:
        return []
    named = ", ".join(weights.left_out[:5]) + ", ..." * (len(weights.left_out) > 5)
    count = len(weights.left_out)
    return [
        f"{networks(count)} {'is' if count == 1 else 'are'} left out, failed or with weights that "
        f"are not finite or beyond {LARGEST:.0e}: {named}."
    ]


def _off_the_grid(weights: Weights, table: pa.Table) -> list[str]:
    """What the grid of counts is too short or too coarse for."""
    rows = [row for row in table.to_pylist() if row["class"] == _pooled(weights)]
    rows = [row for row in rows if row["layer"] != ALL_LAYERS]
    unit = 10.0 ** -next(iter(weights.counts.values())).decimals
    beyond = sum(row["beyond"] for row in rows)
    close = [row["layer"] for row in rows if row["sd"] < unit and row["greatest"] > row["least"]]
    found = []
    if beyond:
        found.append(
            f"{beyond:,} weights lie beyond {FARTHEST * unit:.3g} or -{FARTHEST * unit:.3g} and "
            "are counted there, so that moments and divergences understate them."
        )
    if close:
        found.append(
            f"The weights of {', '.join(close)} lie within the rounding of {unit:.0e}: their "
            "moments, quantiles and divergences say nothing."
        )
    return found


def _text(weights: Weights, table: pa.Table) -> str:
    rows = table.to_pylist()
    pooled = [row for row in rows if row["class"] in (ALL_CLASSES, weights.classes[-1])]
    layers = {row["layer"]: row for row in pooled}
    whole = layers.get(ALL_LAYERS, rows[-1])
    spread = [row for name, row in layers.items() if name != ALL_LAYERS and row["sd"]]
    decimals = next(iter(weights.counts.values())).decimals
    text = (
        f"{whole['weights']:,} weights of {networks(len(weights.ids))}: mean {whole['mean']:.2g}, "
        f"standard deviation {whole['sd']:.3g}"
    )
    if whole["kurtosis"] is not None:
        text += f", excess kurtosis {whole['kurtosis']:.2g}"
    if len(spread) > 1:
        least, most = (pick(spread, key=lambda row: row["sd"]) for pick in (min, max))
        text += (
            f". The widest spread is {most['layer']}'s ({most['sd']:.3g}), the narrowest "
            f"{least['layer']}'s ({least['sd']:.3g})"
        )
    return f"{text}. {GROUPED} All figures come from the weights rounded to {decimals} decimals."


def _density(table: pa.Table, name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Edges, and share of the weights per unit of weight; NaN (no line) where there is none."""
    edges = np.append(table[BIN_LOW].to_numpy(), table[BIN_HIGH].to_numpy()[-1:])
    counts = table[name].to_numpy().astype(np.float64)
    density = counts / max(counts.sum(), 1) / np.diff(edges)
    return edges, np.where(density > 0, density, np.nan)


def _pooled(weights: Weights) -> str:
    return ALL_CLASSES if len(weights.classes) > 1 else weights.classes[0]


def _bins(weights: Weights, layer: str, most: int) -> NDArray[np.float64]:
    """Edges for lines by class: the Rice rule for the class with the fewest weights."""
    counts = weights.counts[layer].classes.sum(axis=1)
    fewest = int(counts[counts > 0].min())
    return wide_edges(weights, (layer,), int(np.clip(2 * fewest ** (1 / 3), 10, most)) // 2 * 2)


def _line(axes: "Axes", table: pa.Table, name: str, **style: object) -> None:
    edges, density = _density(table, name)
    axes.plot((edges[:-1] + edges[1:]) / 2, density, **style)  # type: ignore[arg-type]


def _all(weights: Weights, *, png: bool) -> Figure:
    layers = tuple(layer.name for layer in weights.layers)
    wide = histogram(weights, layers, wide_edges(weights, layers))
    zoom = histogram(weights, layers, zoom_edges())
    pooled = _pooled(weights)

    def paint(drawing: "Drawing") -> None:
        linear, log, near = drawing.subplots(1, 3)
        for axes, table in ((linear, wide), (log, wide), (near, zoom)):
            edges, density = _density(table, pooled)
            axes.stairs(
                np.nan_to_num(density), edges, fill=axes is not log, color=BLUE, linewidth=0.9
            )
            axes.set_xlabel("weight")
        logarithmic(log)
        linear.set_ylabel("density (share per unit)")
        linear.set_title("linear")
        log.set_title("logarithmic")
        near.set_title(f"near zero, {ZOOM_BINS} bins")
        near.set_xlim(-ZOOM, ZOOM)

    picture = draw("weights-all", 2.1, paint, png=png)
    return Figure(
        name="weights-all",
        title="All weights",
        caption="Distribution of all weights of all networks, on a linear and a logarithmic scale, "
        f"and near zero (from -{ZOOM} to {ZOOM} in {ZOOM_BINS} bins). The data are the counts of "
        "the zoom.",
        alt="Three histograms of all weights: linear, logarithmic, and near zero.",
        svg=picture.svg,
        png=picture.png,
        table=zoom,
    )


def _layers(weights: Weights, *, png: bool) -> Figure:
    pooled = _pooled(weights)
    tables = {
        layer.name: histogram(weights, (layer.name,), _bins(weights, layer.name, 120))
        for layer in weights.layers
    }

    def paint(drawing: "Drawing") -> None:
        axes = drawing.subplots()
        for place, (name, table) in enumerate(tables.items()):
            _line(axes, table, pooled, label=name, **class_style(place))
        logarithmic(axes)
        axes.set_xlabel("weight")
        axes.set_ylabel("density (share per unit)")
        label_classes(drawing, axes)

    picture = draw("weights-layers", 2.6, paint, png=png, width=5.4)
    rows = [table.select([BIN_LOW, BIN_HIGH, pooled]) for table in tables.values()]
    return Figure(
        name="weights-layers",
        title="Weights by layer",
        caption=f"Distribution of the weights of each layer over all networks. {GROUPED} "
        "Logarithmic scale.",
        alt=f"Densities of the weights of {', '.join(tables)}.",
        svg=picture.svg,
        png=picture.png,
        table=_stacked(tables, rows),
    )


def _stacked(tables: dict[str, pa.Table], rows: list[pa.Table]) -> pa.Table:
    """Tables one below the other, the layer's name before each row."""
    # "layer" can be the name of a class, and so of a column.
    names = [name for name, table in zip(tables, rows, strict=True) for _ in range(len(table))]
    return pa.concat_tables(rows).add_column(0, "layer name", [names])


def _classes(weights: Weights, *, png: bool) -> Figure:
    layers = tuple(layer.name for layer in weights.layers)
    table = histogram(weights, layers, wide_edges(weights, layers, 80))

    def paint(drawing: "Drawing") -> None:
        axes = drawing.subplots()
        for place, name in enumerate(weights.classes):
            _line(axes, table, name, label=legend_name(name), **class_style(place))
        logarithmic(axes)
        axes.set_xlabel("weight")
        axes.set_ylabel("density (share per unit)")
        label_classes(drawing, axes)

    picture = draw("weights-classes", 2.6, paint, png=png, width=5.4)
    return Figure(
        name="weights-classes",
        title="Weights by class",
        caption="Distribution of all weights of the networks of each class. Logarithmic scale. "
        "Where the lines cover each other, weights alone do not tell the classes apart.",
        alt=f"Densities of all weights for each of {len(weights.classes)} classes.",
        svg=picture.svg,
        png=picture.png,
        table=table,
    )


def _layers_and_classes(weights: Weights, *, png: bool) -> Figure:
    tables = {
        layer.name: histogram(weights, (layer.name,), _bins(weights, layer.name, 36))
        for layer in weights.layers
    }
    columns = min(3, len(tables))
    lines = -(-len(tables) // columns)

    def paint(drawing: "Drawing") -> None:
        panels = drawing.subplots(lines, columns, squeeze=False).ravel()
        for axes, (name, table) in zip(panels, tables.items(), strict=False):
            for place, class_name in enumerate(weights.classes):
                _line(
                    axes,
                    table,
                    class_name,
                    label=legend_name(class_name),
                    **class_style(place) | {"linewidth": 0.8},
                )
            logarithmic(axes)
            axes.set_title(name)
            axes.set_xlabel("weight")
        for axes in panels[::columns]:
            axes.set_ylabel("density")
        for axes in panels[len(tables) :]:
            axes.set_visible(False)
        label_classes(drawing, panels[0])

    picture = draw("weights-layers-classes", 0.2 + 1.8 * lines, paint, png=png)
    return Figure(
        name="weights-layers-classes",
        title="Weights by layer and class",
        caption=f"Distribution of the weights of each layer, a line a class. {GROUPED} "
        "Logarithmic scale.",
        alt=f"Densities of the weights of {', '.join(tables)}, a line a class.",
        svg=picture.svg,
        png=picture.png,
        table=_stacked(tables, list(tables.values())),
    )


MOMENTS = {"sd": "standard deviation", "skewness": "skewness", "kurtosis": "excess kurtosis"}


def _moments(weights: Weights, table: pa.Table, *, png: bool) -> Figure:
    layers = [name for name, _ in layer_groups(weights)]
    rows = table.to_pylist()

    def paint(drawing: "Drawing") -> None:
        panels = drawing.subplots(1, len(MOMENTS), sharey=True)
        for axes, (key, title) in zip(panels, MOMENTS.items(), strict=True):
            for row in rows:
                if row["class"] == ALL_CLASSES or row[key] is None:
                    continue
                place = weights.classes.index(row["class"])
                offset = 0.6 * ((place + 0.5) / len(weights.classes) - 0.5)
                first = row["layer"] == layers[0]
                axes.plot(
                    row[key],
                    layers.index(row["layer"]) + offset,
                    "o",
                    markersize=2.6,
                    color=class_style(place)["color"],
                    label=legend_name(row["class"]) if first else None,
                )
            axes.set_title(title)
            axes.set_yticks(range(len(layers)), layers)
            axes.set_ylim(len(layers) - 0.5, -0.5)
            if key != "sd":
                axes.axvline(0, color=INK, linewidth=0.6, zorder=1)
            axes.locator_params(axis="x", nbins=4)
        if len(weights.classes) > 1:
            label_classes(drawing, panels[0])

    picture = draw("weights-moments", 0.7 + 0.36 * len(layers), paint, png=png)
    return Figure(
        name="weights-moments",
        title="Moments",
        caption="Standard deviation, skewness and excess kurtosis (0 for a normal distribution, "
        "-1.2 for a uniform one) of the weights, a dot a class. The table has quantiles as well.",
        alt="Dots: standard deviation, skewness and excess kurtosis by layer and class.",
        svg=picture.svg,
        png=picture.png,
        table=table,
    )
