"""How different the classes' weights are, layer by layer, beside the noise."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from hyperzoo.analysis.divergence import Divergence, divergence
from hyperzoo.analysis.weights import Weights
from hyperzoo.errors import AnalysisError
from hyperzoo.report.figure import Figure, Section
from hyperzoo.report.style import BLUE, INK, ORANGE, WIDTH, draw, from_zero, heat_map

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

TITLE = "Divergence between classes"
UNITS = {
    "jensen_shannon": "Jensen-Shannon divergence (bits)",
    "wasserstein": "Wasserstein-1 distance (sd of the layer)",
}
FEW = (
    "A class has too few networks: intervals need 2, the noise between halves 4. Without the noise "
    "nothing here tells a difference from chance."
)


def section(weights: Weights, *, seed: int = 0, png: bool = False) -> Section:
    """Divergence between the classes, by layer."""
    try:
        found = divergence(weights, seed=seed)
    except AnalysisError as error:
        message = str(error)
        return Section(
            title=TITLE, text="", figures=(), missing=message[0].upper() + message[1:] + "."
        )
    rows = found.layers.to_pylist()
    figures = [_layers(found, png=png)]
    figures += [_heat_map(weights, found, layer.name, png=png) for layer in weights.layers]
    figures.append(_noise(found))
    few = any(row["noise"] is None or row["low"] is None for row in rows)
    return Section(
        title=TITLE,
        text=_text(found),
        figures=tuple(figures),
        missing=FEW if few else None,
    )


def _text(found: Divergence) -> str:
    rows = [row for row in found.layers.to_pylist() if row["measure"] == "jensen_shannon"]
    intro = (
        "Jensen-Shannon divergence with the logarithm to base 2, from 0 to 1 bit, not its square "
        "root; Wasserstein-1 distance in standard deviations of the layer's weights. Both on 100 "
        "common bins of equal width, and both above 0 between any two finite samples: what counts "
        "is how far a value lies above that between two random halves of the same class."
    )
    least, most = (pick(rows, key=lambda row: row["value"]) for pick in (min, max))
    plain = (
        f"By the plain mean over all pairs, as published studies compute it, the classes are most "
        f"alike in {least['layer']} ({least['value']:.2g} bits) and most different in "
        f"{most['layer']} ({most['value']:.2g} bits)."
    )
    if rows[0]["corrected"] is None:
        return f"{intro}\n\n{plain}"
    sentences = [_layer_sentence(row) for row in rows]
    return f"{intro}\n\n{plain} {_corrected(rows)}\n\n" + " ".join(sentences)


def _corrected(rows: list[dict[str, Any]]) -> str:
    least, most = (max(rows, key=lambda row: row[key]) for key in ("least", "most"))
    text = (
        f"Corrected for the bias of finite samples, {least['layer']} is the most alike in "
        f"{100 * least['least']:.0f} % of bootstrap draws of the networks, and {most['layer']} the "
        f"most different in {100 * most['most']:.0f} %."
    )
    if most["distinct"] == 0:
        # Where bins are nearly empty some bias remains.
        text += (
            f" But in {most['layer']} no pair lies above the noise: its figure is no evidence of a "
            "difference."
        )
    return text


def _layer_sentence(row: dict[str, Any]) -> str:
    above = ""
    if row["noise"] is not None:
        above = f", {row['distinct']} of {row['pairs']} pairs above the noise"
    return (
        f"{row['layer']}: {row['corrected']:.2g} bits ({row['low']:.2g} to {row['high']:.2g})"
        f"{above}."
    )


def _layers(found: Divergence, *, png: bool) -> Figure:
    rows = found.layers.to_pylist()

    def paint(drawing: "Drawing") -> None:
        panels = drawing.subplots(1, len(UNITS), sharey=True)
        for axes, (measure, unit) in zip(panels, UNITS.items(), strict=True):
            _layer_panel(axes, [row for row in rows if row["measure"] == measure])
            axes.set_xlabel(unit)
        handles, labels = panels[0].get_legend_handles_labels()
        drawing.legend(handles, labels, loc="outside upper center", ncols=4)

    layers = len({row["layer"] for row in rows})
    picture = draw("divergence-layers", 0.9 + 0.32 * layers, paint, png=png)
    return Figure(
        name="divergence-layers",
        title="Divergence by layer",
        caption="Means over all pairs of classes. Dark: over all networks, corrected for the bias "
        "of finite samples, with the 95 % bootstrap interval over networks (cut at 0). Blue and "
        "orange compare like with like: random halves of two classes, and of the same class, "
        "which is noise. Where blue does not lie right of orange, the layer does not tell classes "
        "apart by its weights' distribution.",
        alt="Mean divergence between classes by layer, with intervals, beside the noise.",
        svg=picture.svg,
        png=picture.png,
        table=found.layers,
    )


def _layer_panel(axes: "Axes", rows: list[dict[str, Any]]) -> None:
    columns = {
        key: np.array([row[key] for row in rows], np.float64)
        for key in ("value", "corrected", "low", "high", "halves", "noise")
    }
    places = np.arange(len(rows))
    known = np.isfinite(columns["corrected"])
    if not known.any():
        axes.plot(columns["value"], places, "o", color=INK, markersize=4, label="all networks")
    axes.hlines(
        places[known], columns["low"][known], columns["high"][known], color=INK, linewidth=1.2
    )
    axes.plot(
        columns["corrected"][known],
        places[known],
        "o",
        color=INK,
        markersize=4,
        label="all networks, corrected" if known.any() else None,
    )
    for key, offset, marker, colour, label in (
        ("halves", -0.2, "s", BLUE, "halves of two classes"),
        ("noise", 0.2, "D", ORANGE, "halves of the same class (noise)"),
    ):
        if np.isfinite(columns[key]).any():
            axes.plot(
                columns[key], places + offset, marker, color=colour, markersize=3.4, label=label
            )
    axes.set_yticks(places, [row["layer"] for row in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.grid(axis="y", visible=False)
    positive = np.concatenate(list(columns.values()))
    positive = positive[positive > 0]
    if len(positive) and positive.max() > 20 * positive.min():
        # Linear near zero, where cut intervals end, logarithmic beyond.
        from matplotlib.ticker import NullLocator

        axes.set_xscale("symlog", linthresh=10 ** np.floor(np.log10(np.median(positive)) - 0.5))
        axes.xaxis.set_minor_locator(NullLocator())
    from_zero(axes, 1.5)


def _heat_map(weights: Weights, found: Divergence, layer: str, *, png: bool) -> Figure:
    own = [
        table.filter(
            pc.and_(pc.equal(table["layer"], layer), pc.equal(table["measure"], "jensen_shannon"))
        )
        for table in (found.pairs, found.within)
    ]
    pairs, within = own[0].to_pylist(), own[1].to_pylist()
    names = [row["class"] for row in within]
    values, distinct = _matrix(pairs, within, names)
    top = float(np.nanmax(values, initial=0.0))
    power = 3 * max(0, int(np.ceil(-np.log10(top) / 3 - 1e-9))) if top > 0 else 0
    unit = {0: "bits", 3: "millibits", 6: "microbits"}.get(power, f"10^-{power} bits")
    scaled = values * 10.0**power

    def paint(drawing: "Drawing") -> None:
        axes = drawing.subplots()

        def text(row: int, column: int) -> str:
            return (
                f"{scaled[row, column]:.3g}"
                if scaled[row, column] < 99.5
                else (f"{scaled[row, column]:.0f}")
            )

        heat_map(axes, scaled, names, names, text=text if len(names) <= 12 else None)
        axes.tick_params(labelsize=min(7, 360 / len(names)))
        if max(map(len, names)) > 4:
            axes.tick_params(axis="x", rotation=40)
            for label in axes.get_xticklabels():
                label.set_horizontalalignment("right")
                label.set_rotation_mode("anchor")
        _frame(axes, np.eye(len(names), dtype=bool) & np.isfinite(values), INK)
        _frame(axes, distinct, ORANGE)

    side = min(WIDTH, 1.2 + 0.36 * len(names))
    name = f"divergence-{layer}"
    height = min(WIDTH, max(2.0, 0.8 + 0.24 * len(names)))
    picture = draw(name, height, paint, png=png, width=max(3.2, side))
    return Figure(
        name=name,
        title=f"Divergence between classes in {layer}",
        caption=f"Jensen-Shannon divergence of the weights of {layer} in {unit}. Below the "
        "diagonal: over all networks of two classes. Above: the mean over random halves of both. "
        "On the diagonal (framed): between two random halves of the same class, which is noise. "
        "Framed orange above the diagonal: above 95 % of that noise. " + _extremes(pairs),
        alt=f"Heat map: Jensen-Shannon divergence between {len(names)} classes in {layer}.",
        svg=picture.svg,
        png=picture.png,
        table=found.pairs.filter(pc.equal(found.pairs["layer"], layer)),
    )


def _noise(found: Divergence) -> Figure:
    return Figure(
        name="divergence-noise",
        title="Divergence within classes",
        caption="Noise: the mean over random halves of the same class, and the value that 95 % of "
        "them do not exceed. Jensen-Shannon in bits, Wasserstein in standard deviations.",
        alt="Table: divergence between random halves of each class, by measure and layer.",
        svg=None,
        table=found.within,
    )


def _extremes(pairs: list[dict[str, Any]]) -> str:
    """The most alike and the most different pair, in words."""
    least, most = (pick(pairs, key=lambda row: row["value"]) for pick in (min, max))
    return (
        f"Most alike: {least['class_a']} and {least['class_b']}{_interval(least)}; most different: "
        f"{most['class_a']} and {most['class_b']}{_interval(most)}."
    )


def _interval(row: dict[str, Any]) -> str:
    if row["low"] is None:
        return f" ({row['value']:.2g} bits)"
    return f" ({row['value']:.2g} bits, corrected interval {row['low']:.2g} to {row['high']:.2g})"


def _matrix(
    pairs: list[dict[str, Any]], within: list[dict[str, Any]], names: list[str]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """What the heat map shows, and which cells above the diagonal are above the noise."""
    values = np.full((len(names), len(names)), np.nan)
    distinct = np.zeros(values.shape, bool)
    for row in pairs:
        first, second = names.index(row["class_a"]), names.index(row["class_b"])
        values[second, first] = row["value"]
        if row["halves"] is not None:
            values[first, second] = row["halves"]
            distinct[first, second] = row["distinct"]
    for place, row in enumerate(within):
        if row["noise"] is not None:
            values[place, place] = row["noise"]
    return values, distinct


def _frame(axes: "Axes", cells: NDArray[np.bool_], colour: str) -> None:
    from matplotlib.collections import PatchCollection
    from matplotlib.patches import Rectangle

    frames = [Rectangle((c - 0.46, r - 0.46), 0.92, 0.92) for r, c in np.argwhere(cells)]
    axes.add_collection(
        PatchCollection(frames, facecolor="none", edgecolor=colour, linewidth=0.9, zorder=4)
    )
