"""How well the class of a zoo's networks can be named from their weights: results of `classify`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from hyperzoo.prediction import TRACKS, Benchmark
from hyperzoo.report.figure import Figure, Section
from hyperzoo.report.style import BLUE, INK, MARKERS, ORANGE, PALETTE, SOFT, draw, heat_map

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

TITLE = "Naming the class"

_COLOURS = {"A": BLUE, "B": ORANGE, "C": "#5c6b7a"}


def section(found: Benchmark, *, png: bool = False) -> Section:
    """A benchmark's methods, learning curve, layers, confusion and training."""
    figures = [_methods(found, png=png)]
    figures += [_curve(found, png=png)] if len(found.curve) else []
    figures += [_layers(found, png=png)] if len(found.layers) else []
    figures.append(_confusion(found, _best(found), png=png))
    figures += [_training(found, png=png)] if len(found.training) else []
    return Section(title=TITLE, text=_text(found), figures=tuple(figures), missing=None)


def _best(found: Benchmark) -> dict[str, Any]:
    """The best method of the first track that there is."""
    rows: list[dict[str, Any]] = found.summary.to_pylist()
    track = min(row["track"] for row in rows)
    return max((row for row in rows if row["track"] == track), key=lambda row: row["accuracy"])


def _chance(found: Benchmark) -> float:
    return 1 / len(found.about["classes"])


def _text(found: Benchmark) -> str:
    about, rows = found.about, found.summary.to_pylist()
    text = (
        f"Which class does a network detect, given its weights? Methods learn it from "
        f"{about['training_networks']} networks and name {about['test_networks']} others, in "
        f"{about['splits']} random splits of the {about['networks']} networks; guessing names "
        f"{100 * _chance(found):.3g} %. Tracks know different things and are not to be compared: "
        + "; ".join(f"{track}: {what}" for track, what in TRACKS.items())
        + "."
    )
    bests = []
    for track in sorted({row["track"] for row in rows}):
        own = max((r for r in rows if r["track"] == track), key=lambda row: row["accuracy"])
        bests.append(
            f"{track} {100 * own['accuracy']:.3g} % ({100 * own['low']:.3g} to "
            f"{100 * own['high']:.3g} %) by {own['method']}"
        )
    shuffled = [row["control_accuracy"] for row in rows if row["control_accuracy"] is not None]
    text += f"\n\nBest of each track, with 95 % interval: {'; '.join(bests)}."
    if shuffled:
        text += (
            f" Trained on shuffled labels, methods name {100 * min(shuffled):.2g} to "
            f"{100 * max(shuffled):.2g} %, which is to be that of guessing."
        )
    return text


def _interval(axes: "Axes", row: dict[str, Any], place: float, colour: str) -> None:
    axes.plot([100 * row["low"], 100 * row["high"]], [place, place], color=colour, linewidth=1.4)


def _methods(found: Benchmark, *, png: bool) -> Figure:
    rows = sorted(found.summary.to_pylist(), key=lambda row: (row["track"], -row["accuracy"]))

    def paint(drawing: "Drawing") -> None:
        axes = drawing.subplots()
        seen: set[str] = set()
        for place, row in enumerate(rows):
            track, colour = row["track"], _COLOURS[row["track"]]
            _interval(axes, row, place, colour)
            label = None if track in seen else f"track {track}"
            axes.plot(100 * row["accuracy"], place, "o", color=colour, markersize=4.5, label=label)
            seen.add(track)
            if row["control_accuracy"] is not None:
                axes.plot(
                    100 * row["control_accuracy"],
                    place,
                    "o",
                    color=SOFT,
                    markerfacecolor="white",
                    markersize=3.5,
                    label=None if "control" in seen else "shuffled labels",
                )
                seen.add("control")
        axes.axvline(100 * _chance(found), color=INK, linestyle=":", label="guessing")
        axes.set_yticks(range(len(rows)), [row["method"] for row in rows])
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.set_xlim(0, 102)
        axes.grid(axis="y", visible=False)
        axes.set_xlabel("networks named rightly (%)")
        drawing.legend(loc="outside right center")

    picture = draw("classification-methods", 0.7 + 0.2 * len(rows), paint, png=png)
    return Figure(
        name="classification-methods",
        title="Accuracy of the methods",
        caption="Dots: the mean over the splits of the share of test networks whose class is named "
        "rightly; lines: its 95 % interval. Hollow: after training on shuffled labels.",
        alt="A line a method: accuracy with its interval, and that of shuffled labels.",
        svg=picture.svg,
        png=picture.png,
        table=found.summary,
    )


def _names(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Methods in the order in which they come."""
    return list(dict.fromkeys(row["method"] for row in rows))


def _curve(found: Benchmark, *, png: bool) -> Figure:
    rows = found.curve.to_pylist()

    def paint(drawing: "Drawing") -> None:
        axes = drawing.subplots()
        for place, name in enumerate(_names(rows)):
            own = [row for row in rows if row["method"] == name]
            sizes = [row["networks_per_class"] for row in own]
            colour = PALETTE[place % len(PALETTE)]
            axes.fill_between(
                sizes,
                [100 * row["low"] for row in own],
                [100 * row["high"] for row in own],
                color=colour,
                alpha=0.12,
                linewidth=0,
            )
            axes.plot(
                sizes,
                [100 * row["accuracy"] for row in own],
                MARKERS[place % len(MARKERS)] + "-",
                color=colour,
                markersize=4,
                label=f"{name} ({own[0]['track']})",
            )
        sizes = _apart(sorted({row["networks_per_class"] for row in rows}))
        axes.axhline(100 * _chance(found), color=INK, linestyle=":", label="guessing")
        axes.set_xscale("log")
        axes.set_xticks(sizes, [str(size) for size in sizes])
        axes.minorticks_off()
        axes.set_ylim(0, 102)
        axes.set_xlabel("training networks a class")
        axes.set_ylabel("named rightly (%)")
        drawing.legend(loc="outside right center")

    picture = draw("classification-curve", 2.7, paint, png=png)
    return Figure(
        name="classification-curve",
        title="How many networks does it take?",
        caption="The share of test networks whose class is named rightly by the number of training "
        "networks of each class; shaded: its 95 % interval.",
        alt="Curves of accuracy over the number of training networks, one a method.",
        svg=picture.svg,
        png=picture.png,
        table=found.curve,
    )


def _apart(sizes: list[int]) -> list[int]:
    """Sizes whose labels do not touch on a logarithmic axis; the last one stays."""
    kept: list[int] = []
    for size in reversed(sizes):
        if not kept or kept[-1] > 1.15 * size:
            kept.append(size)
    return kept[::-1]


def _layers(found: Benchmark, *, png: bool) -> Figure:
    rows = found.layers.to_pylist()
    lines = [(row["weights"], row["method"]) for row in rows]
    lines, layers = list(dict.fromkeys(lines)), list(dict.fromkeys(row["layer"] for row in rows))
    values = np.full((len(lines), len(layers)), np.nan)
    for row in rows:
        place = lines.index((row["weights"], row["method"])), layers.index(row["layer"])
        values[place] = 100 * row["accuracy"]

    def paint(drawing: "Drawing") -> None:
        names = [f"{method}, {weights}" for weights, method in lines]
        heat_map(
            drawing.subplots(),
            values,
            names,
            layers,
            highest=100,
            text=lambda row, column: f"{values[row, column]:.0f}",
        )

    picture = draw("classification-layers", 0.4 + 0.19 * len(lines), paint, png=png)
    return Figure(
        name="classification-layers",
        title="Which layers tell?",
        caption="Networks named rightly (%). Alone: the method learns from that layer only. "
        "Swapped: it is as fitted on whole networks, but that layer of every test network is of "
        "another; the lower, the more the layer matters.",
        alt="A table of accuracies, a row a method, a column a layer.",
        svg=picture.svg,
        png=picture.png,
        table=found.layers,
    )


def _confusion(found: Benchmark, best: dict[str, Any], *, png: bool) -> Figure:
    classes = list(found.about["classes"])
    counts = np.zeros((len(classes), len(classes)))
    for row in found.confusion.to_pylist():
        if row["method"] == best["method"]:
            counts[classes.index(row["class"]), classes.index(row["named"])] = row["networks"]

    def paint(drawing: "Drawing") -> None:
        axes = drawing.subplots()
        heat_map(
            axes, counts, classes, classes, text=lambda row, column: f"{counts[row, column]:.0f}"
        )
        axes.tick_params(axis="x", rotation=45)
        for label in axes.get_xticklabels():
            label.set_horizontalalignment("right")
            label.set_rotation_mode("anchor")
        axes.set_ylabel("class")
        axes.set_xlabel("named")

    side = 1.2 + 0.24 * len(classes)
    picture = draw("classification-confusion", side, paint, png=png, width=min(7.2, 1.4 * side))
    return Figure(
        name="classification-confusion",
        title=f"What is taken for what: {best['method']}",
        caption="Test networks of each class (rows) by the class that they are named (columns), "
        "summed over the splits. The table has all methods.",
        alt=f"Confusion matrix of {best['method']}.",
        svg=picture.svg,
        png=picture.png,
        table=found.confusion,
    )


def _training(found: Benchmark, *, png: bool) -> Figure:
    rows = found.training.to_pylist()
    names = _names(rows)
    quantities = ("loss", "accuracy")

    def paint(drawing: "Drawing") -> None:
        panels = drawing.subplots(len(names), 2, squeeze=False)
        for name, line in zip(names, panels, strict=True):
            own = [row for row in rows if row["method"] == name]
            epochs = sorted({row["epoch"] for row in own})
            for quantity, axes in zip(quantities, line, strict=True):
                for part, colour in (("training", BLUE), ("validation", ORANGE)):
                    values = [
                        np.nanmean([r[f"{part}_{quantity}"] for r in own if r["epoch"] == epoch])
                        for epoch in epochs
                    ]
                    axes.plot(epochs, values, color=colour, label=part)
                axes.set_title(name)
                axes.set_xlabel("epoch")
                axes.set_ylabel(quantity)
        panels[0, 0].legend(loc="best")

    picture = draw("classification-training", 1.9 * len(names), paint, png=png)
    return Figure(
        name="classification-training",
        title="Training of the perceptron" if len(names) == 1 else "Training of the methods",
        caption="Loss (nats) and accuracy over the epochs, means over the splits that got so far.",
        alt="Curves of loss and accuracy over the epochs, for training and validation.",
        svg=picture.svg,
        png=picture.png,
        table=_mean_training(found.training),
    )


def _mean_training(table: pa.Table) -> pa.Table:
    """Means over the splits, a row a method and epoch."""
    values = [name for name in table.column_names if name not in ("method", "split", "epoch")]
    found = table.group_by(["method", "epoch"], use_threads=False).aggregate(
        [(name, "mean") for name in values]
    )
    ordered = found.sort_by([("method", "ascending"), ("epoch", "ascending")])
    return ordered.select(["method", "epoch", *(f"{name}_mean" for name in values)])
