"""What can be told of a zoo's networks by their weights: results of `classify`, `predict`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from hyperzoo.prediction import TRACKS, Benchmark
from hyperzoo.prediction.target import CLASS
from hyperzoo.report.figure import Figure, Section
from hyperzoo.report.figures.score_scale import LEAST_R2, Scale, scale_of, title_of
from hyperzoo.report.style import BLUE, INK, MARKERS, ORANGE, PALETTE, SOFT, draw, heat_map

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

_COLOURS = {"0": "#9a8f7f", "A": BLUE, "B": ORANGE, "C": "#5c6b7a"}


def section(found: Benchmark, *, png: bool = False) -> Section:
    """A benchmark's methods, learning curve, layers, answers and training."""
    scale = scale_of(found)
    figures = [_methods(found, scale, png=png)]
    figures += [_transfer(found, scale, png=png)] if len(found.transfer) else []
    figures += [_curve(found, scale, png=png)] if len(found.curve) else []
    figures += [_layers(found, scale, png=png)] if len(found.layers) else []
    figures += [_confusion(found, scale, png=png)] if len(found.confusion) else []
    figures += [_answers(found, scale, png=png)] if len(found.answers) else []
    figures += [_training(found, scale, png=png)] if len(found.training) else []
    text = _text(found, scale)
    return Section(title=title_of(found), text=text, figures=tuple(figures), missing=None)


def _best(found: Benchmark, scale: Scale) -> dict[str, Any]:
    """The best method of the first track with weights, or of the first that there is."""
    rows: list[dict[str, Any]] = found.summary.to_pylist()
    rows = [row for row in rows if row["track"] != "0"] or rows
    track = min(row["track"] for row in rows)
    return max((row for row in rows if row["track"] == track), key=lambda row: row[scale.score])


def _text(found: Benchmark, scale: Scale) -> str:
    about, rows = found.about, found.summary.to_pylist()
    number, target = found.target.kind == "number", found.target
    asked = "Which class does a network detect, given its weights?"
    if target.name != CLASS:
        asked = f"What is a network's {target.quantity}, given its weights?"
    if about.get("from_epoch") is not None:
        asked = asked[:-1] + f" after epoch {about['from_epoch']}?"
    done = (
        f"predict it for {about['test_networks']} others"
        if number
        else f"name {about['test_networks']} others"
    )
    nothing = (
        "who says the mean has an R2 of 0" if number else f"guessing names {scale.chance:.3g} %"
    )
    known = [track for track in TRACKS if track != "0" or any(row["track"] == "0" for row in rows)]
    text = (
        f"{asked} Methods learn it from {about['training_networks']} networks and {done}, in "
        f"{about['splits']} random splits of the {about['networks']} networks; {nothing}. "
        "Tracks know different things and are not to be compared: "
        + "; ".join(f"{track}: {TRACKS[track]}" for track in known)
        + "."
    )
    unit = "" if number else " %"
    bests = []
    for track in sorted({row["track"] for row in rows}):
        own = max((r for r in rows if r["track"] == track), key=lambda row: row[scale.score])
        main, low, high = (scale.factor * own[key] for key in (scale.score, "low", "high"))
        bests.append(f"{track} {main:.3g}{unit} ({low:.3g} to {high:.3g}{unit}) by {own['method']}")
    text += f"\n\nBest of each track, with 95 % interval: {'; '.join(bests)}."
    shuffled = [row[f"control_{scale.score}"] for row in rows]
    shuffled = [scale.factor * value for value in shuffled if value is not None]
    if shuffled and number:
        text += (
            f" Trained on shuffled numbers, methods reach R2 of {min(shuffled):.2g} to "
            f"{max(shuffled):.2g}, which is to be near 0 or below."
        )
    elif shuffled:
        text += (
            f" Trained on shuffled labels, methods name {min(shuffled):.2g} to "
            f"{max(shuffled):.2g} %, which is to be that of guessing."
        )
    return text


def _interval(axes: "Axes", scale: Scale, row: dict[str, Any], place: float, colour: str) -> None:
    ends = scale.of([row["low"], row["high"]])
    axes.plot(ends, [place, place], color=colour, linewidth=1.4)


def _methods(found: Benchmark, scale: Scale, *, png: bool) -> Figure:
    rows = sorted(found.summary.to_pylist(), key=lambda row: (row["track"], -row[scale.score]))

    def paint(drawing: "Drawing") -> None:
        axes = drawing.subplots()
        seen: set[str] = set()
        for place, row in enumerate(rows):
            track, colour = row["track"], _COLOURS[row["track"]]
            _interval(axes, scale, row, place, colour)
            label = None if track in seen else f"track {track}"
            value = scale.of(row[scale.score])
            axes.plot(value, place, "o", color=colour, markersize=4.5, label=label)
            seen.add(track)
            control = row[f"control_{scale.score}"]
            if control is not None:
                axes.plot(
                    scale.of(control),
                    place,
                    "o",
                    color=SOFT,
                    markerfacecolor="white",
                    markersize=3.5,
                    label=None if "control" in seen else "shuffled labels",
                )
                seen.add("control")
        axes.axvline(scale.chance, color=INK, linestyle=":", label=scale.guess)
        axes.set_yticks(range(len(rows)), [row["method"] for row in rows])
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.set_xlim(*scale.span)
        axes.grid(axis="y", visible=False)
        axes.set_xlabel(scale.label)
        drawing.legend(loc="outside right center")

    picture = draw(f"{scale.prefix}-methods", 0.7 + 0.2 * len(rows), paint, png=png)
    return Figure(
        name=f"{scale.prefix}-methods",
        title="Accuracy of the methods" if scale.factor > 1 else "R2 of the methods",
        caption=f"Dots: the mean over the splits of {scale.what}; lines: its 95 % interval. "
        f"Hollow: after training on shuffled labels.{_edge(scale)}",
        alt="A line a method: its score with its interval, and that of shuffled labels.",
        svg=picture.svg,
        png=picture.png,
        table=found.summary,
    )


def _names(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Methods in the order in which they come."""
    return list(dict.fromkeys(row["method"] for row in rows))


def _curve(found: Benchmark, scale: Scale, *, png: bool) -> Figure:
    rows = found.curve.to_pylist()

    def paint(drawing: "Drawing") -> None:
        axes = drawing.subplots()
        for place, name in enumerate(_names(rows)):
            own = [row for row in rows if row["method"] == name]
            sizes = [row["networks_per_class"] for row in own]
            colour = PALETTE[place % len(PALETTE)]
            axes.fill_between(
                sizes,
                scale.of([row["low"] for row in own]),
                scale.of([row["high"] for row in own]),
                color=colour,
                alpha=0.12,
                linewidth=0,
            )
            axes.plot(
                sizes,
                scale.of([row[scale.score] for row in own]),
                MARKERS[place % len(MARKERS)] + "-",
                color=colour,
                markersize=4,
                label=f"{name} ({own[0]['track']})",
            )
        sizes = _apart(sorted({row["networks_per_class"] for row in rows}))
        axes.axhline(scale.chance, color=INK, linestyle=":", label=scale.guess)
        axes.set_xscale("log")
        axes.set_xticks(sizes, [str(size) for size in sizes])
        axes.minorticks_off()
        axes.set_ylim(*scale.span)
        axes.set_xlabel("training networks a class")
        axes.set_ylabel(scale.label.removeprefix("networks "))
        drawing.legend(loc="outside right center")

    picture = draw(f"{scale.prefix}-curve", 2.7, paint, png=png)
    return Figure(
        name=f"{scale.prefix}-curve",
        title="How many networks does it take?",
        caption=f"{scale.what[0].upper()}{scale.what[1:]} by the number of training networks of "
        f"each class; shaded: its 95 % interval.{_edge(scale)}",
        alt="Curves of the score over the number of training networks, one a method.",
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


def _layers(found: Benchmark, scale: Scale, *, png: bool) -> Figure:
    rows = found.layers.to_pylist()
    lines = [(row["weights"], row["method"]) for row in rows]
    lines, layers = list(dict.fromkeys(lines)), list(dict.fromkeys(row["layer"] for row in rows))
    values = np.full((len(lines), len(layers)), np.nan)
    for row in rows:
        place = lines.index((row["weights"], row["method"])), layers.index(row["layer"])
        values[place] = scale.factor * row[scale.score]

    def paint(drawing: "Drawing") -> None:
        names = [f"{method}, {weights}" for weights, method in lines]
        heat_map(
            drawing.subplots(),
            np.maximum(values, 0),
            names,
            layers,
            highest=scale.factor,
            text=lambda row, column: _short(scale, values[row, column]),
        )

    picture = draw(f"{scale.prefix}-layers", 0.4 + 0.19 * len(lines), paint, png=png)
    return Figure(
        name=f"{scale.prefix}-layers",
        title="Which layers tell?",
        caption=f"{scale.label[0].upper()}{scale.label[1:]}. Alone: the method learns from that "
        "layer only. Swapped: it is as fitted on whole networks, but that layer of every test "
        "network is of another; the lower, the more the layer matters.",
        alt="A table of scores, a row a method, a column a layer.",
        svg=picture.svg,
        png=picture.png,
        table=found.layers,
    )


def _confusion(found: Benchmark, scale: Scale, *, png: bool) -> Figure:
    best = _best(found, scale)
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
        axes.set_ylabel(found.target.name)
        axes.set_xlabel("named")

    side = 1.2 + 0.24 * len(classes)
    picture = draw(f"{scale.prefix}-confusion", side, paint, png=png, width=min(7.2, 1.4 * side))
    return Figure(
        name=f"{scale.prefix}-confusion",
        title=f"What is taken for what: {best['method']}",
        caption=f"Test networks of each {found.target.name} (rows) by what they are named "
        "(columns), summed over the splits. The table has all methods.",
        alt=f"Confusion matrix of {best['method']}.",
        svg=picture.svg,
        png=picture.png,
        table=found.confusion,
    )


def _answers(found: Benchmark, scale: Scale, *, png: bool) -> Figure:
    best, quantity = _best(found, scale), found.target.quantity
    own = [row for row in found.answers.to_pylist() if row["method"] == best["method"]]
    wanted = np.array([row["wanted"] for row in own])
    said = np.array([row["said"] for row in own])

    def paint(drawing: "Drawing") -> None:
        axes = drawing.subplots()
        ends = [float(wanted.min()), float(wanted.max())]
        axes.plot(ends, ends, color=INK, linestyle=":", label="right")
        axes.plot(wanted, said, "o", color=BLUE, markersize=3, alpha=0.6, label="a network")
        axes.set_xlabel(quantity)
        axes.set_ylabel("predicted")
        axes.legend(loc="best")

    picture = draw(f"{scale.prefix}-answers", 3.2, paint, png=png, width=3.6)
    return Figure(
        name=f"{scale.prefix}-answers",
        title=f"What is predicted: {best['method']}",
        caption=f"A dot a test network of the first split: its {quantity}, and what was predicted "
        "from its weights. The table has all methods.",
        alt=f"Scatter of predicted over true {quantity}.",
        svg=picture.svg,
        png=picture.png,
        table=found.answers,
    )


def _transfer(found: Benchmark, scale: Scale, *, png: bool) -> Figure:
    rows = sorted(found.transfer.to_pylist(), key=lambda row: (row["track"], -row[scale.score]))
    usual = {row["method"]: row[scale.score] for row in found.summary.to_pylist()}
    condition, count = found.about["hold_out"], found.about["held_out_networks"]

    def paint(drawing: "Drawing") -> None:
        axes = drawing.subplots()
        for place, row in enumerate(rows):
            first = place == 0
            _interval(axes, scale, row, place, ORANGE)
            value, like = scale.of(row[scale.score]), scale.of(usual[row["method"]])
            label = "held out" if first else None
            axes.plot(value, place, "o", color=ORANGE, markersize=4.5, label=label)
            label = "like those of training" if first else None
            axes.plot(like, place, "o", color=BLUE, markersize=3.5, label=label)
        axes.axvline(scale.chance, color=INK, linestyle=":", label=scale.guess)
        axes.set_yticks(range(len(rows)), [row["method"] for row in rows])
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.set_xlim(*scale.span)
        axes.grid(axis="y", visible=False)
        axes.set_xlabel(scale.label)
        drawing.legend(loc="outside right center")

    picture = draw(f"{scale.prefix}-transfer", 0.7 + 0.2 * len(rows), paint, png=png)
    return Figure(
        name=f"{scale.prefix}-transfer",
        title=f"Does it transfer to {condition}?",
        caption=f"{scale.what[0].upper()}{scale.what[1:]}, of methods fitted without any network "
        f"of {condition}: on test networks like those of training, and on the {count} held out, "
        f"with 95 % interval.{_edge(scale)}",
        alt="A line a method: its score on the networks held out beside that on others.",
        svg=picture.svg,
        png=picture.png,
        table=found.transfer,
    )


def _edge(scale: Scale) -> str:
    """What a caption says of scores that are drawn at the edge."""
    return "" if scale.factor > 1 else f" R2 below {LEAST_R2} stand at the edge."


def _short(scale: Scale, value: float) -> str:
    return f"{value:.0f}" if scale.factor > 1 else f"{value:.2f}" if value > -1 else "< -1"


def _training(found: Benchmark, scale: Scale, *, png: bool) -> Figure:
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

    picture = draw(f"{scale.prefix}-training", 1.9 * len(names), paint, png=png)
    return Figure(
        name=f"{scale.prefix}-training",
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
