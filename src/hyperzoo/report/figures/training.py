"""How the networks learned: curves by class, best epochs."""

from typing import TYPE_CHECKING, Any

import numpy as np

from hyperzoo.analysis.training import Training, training
from hyperzoo.report.figure import Figure, Section, networks
from hyperzoo.report.style import BLUE, ORANGE, WIDTH, draw, heat_map
from hyperzoo.zoo import Generated, Trained, Zoo

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

SHOWN = 12
"""Classes that get a panel of their own."""


def section(zoo: Zoo, *, png: bool = False) -> Section:
    """Loss and accuracy over the epochs."""
    found = training(zoo)
    if found is None:
        return Section(
            title="Training",
            text="",
            figures=(),
            missing="The networks were never trained: a generator made them."
            if isinstance(zoo.origin, Generated)
            else "The zoo has no training history: how its networks learned is not known.",
        )
    figures = [_curves(zoo, found, quantity, png=png) for quantity in ("loss", "accuracy")]
    return Section(
        title="Training",
        text=_text(zoo, found),
        figures=(*figures, _best(zoo, found, png=png)),
        missing=None,
    )


def _text(zoo: Zoo, found: Training) -> str:
    rows = found.best_epochs.to_pylist()
    last = max(row["epoch"] for row in rows)
    total = sum(row["networks"] for row in rows)
    at_last = sum(row["networks"] for row in rows if row["epoch"] == last)
    if not total:
        return "No network has a finite validation loss after every epoch."
    epochs = np.repeat([r["epoch"] for r in rows], [r["networks"] for r in rows])
    best = isinstance(zoo.origin, Trained) and zoo.origin.recipe.training.keep == "best"
    kept = "after the best epoch" if best else "after the last epoch"
    return (
        f"Validation loss was least after epoch {np.median(epochs):g} of {last} in the median "
        f"network; {at_last:,} of {networks(total)} {'was' if at_last == 1 else 'were'} best after "
        f"the last epoch. The zoo keeps the weights {kept}."
    )


def _curves(zoo: Zoo, found: Training, quantity: str, *, png: bool) -> Figure:
    shown = zoo.classes[:SHOWN]
    rows = found.curves.to_pylist()
    columns = min(5, len(shown))
    lines = -(-len(shown) // columns)
    name = f"training-{quantity}"

    def paint(drawing: "Drawing") -> None:
        panels = drawing.subplots(
            lines, columns, sharex=True, sharey=quantity == "loss", squeeze=False
        ).ravel()
        for axes, class_name in zip(panels, shown, strict=False):
            _panel(axes, [row for row in rows if row["class"] == class_name], quantity)
            axes.set_title(class_name)
        for axes in panels[len(shown) :]:
            axes.set_visible(False)
        for axes in panels[::columns]:
            axes.set_ylabel(f"{quantity} (nats)" if quantity == "loss" else quantity)
        drawing.supxlabel("epoch", fontsize=7.5)
        drawing.legend(*panels[0].get_legend_handles_labels(), loc="outside upper right", ncols=2)

    picture = draw(name, 0.6 + 1.35 * lines, paint, png=png)
    more = f" The first {SHOWN} of {len(zoo.classes)} classes." * (len(zoo.classes) > SHOWN)
    return Figure(
        name=name,
        title=f"{quantity.capitalize()} over the epochs",
        caption="Median network of each class; the band holds four of five networks (10 % to 90 % "
        "quantile). Training figures are means over the epoch, while weights changed; validation "
        f"figures are from the weights after it.{more}",
        alt=f"Training and validation {quantity} over the epochs, a panel a class.",
        svg=picture.svg,
        png=picture.png,
        table=found.curves.select(
            [n for n in found.curves.column_names if "_" not in n or f"_{quantity}_" in n]
        ),
    )


def _panel(axes: "Axes", rows: list[dict[str, Any]], quantity: str) -> None:
    epochs = [row["epoch"] for row in rows]
    for split, colour, dashes in (("training", ORANGE, (0, (4, 1.5))), ("validation", BLUE, "-")):
        levels = {
            end: np.array([row[f"{split}_{quantity}_{end}"] for row in rows], np.float64)
            for end in ("median", "low", "high")
        }
        axes.fill_between(
            epochs, levels["low"], levels["high"], color=colour, alpha=0.2, linewidth=0
        )
        marker = "o" if len(epochs) == 1 else None
        axes.plot(
            epochs,
            levels["median"],
            color=colour,
            linestyle=dashes,
            label=split,
            marker=marker,
            markersize=3,
        )
    if len(epochs) == 1:
        axes.set_xticks(epochs)
    else:
        axes.locator_params(axis="x", integer=True, nbins=4)
    axes.locator_params(axis="y", nbins=4)


def _best(zoo: Zoo, found: Training, *, png: bool) -> Figure:
    rows = found.best_epochs.to_pylist()
    epochs = sorted({row["epoch"] for row in rows})
    counts = np.array([row["networks"] for row in rows], np.float64)
    counts = counts.reshape(len(zoo.classes), len(epochs))
    totals = counts.sum(axis=1, keepdims=True)
    shares = 100 * np.divide(counts, totals, out=np.full_like(counts, np.nan), where=totals > 0)

    def paint(drawing: "Drawing") -> None:
        axes = drawing.subplots()
        every = -(-len(epochs) // 25)
        names = [str(e) if (e - epochs[0]) % every == 0 else "" for e in epochs]

        def text(row: int, column: int) -> str:
            return f"{shares[row, column]:.0f}" if shares[row, column] >= 0.5 else ""

        few = len(epochs) <= 30 and len(zoo.classes) <= 30
        heat_map(axes, shares, list(zoo.classes), names, text=text if few else None)
        axes.set_xlabel("epoch after which validation loss was least")

    picture = draw(
        "training-best-epoch",
        0.6 + 0.19 * len(zoo.classes),
        paint,
        png=png,
        width=min(WIDTH, 2.6 + 0.3 * len(epochs)),
    )
    return Figure(
        name="training-best-epoch",
        title="Best epoch",
        caption="Of the networks of each class, the share in percent whose validation loss was "
        "least after that epoch. Where the last epoch is rarely the best, networks overfit.",
        alt="Heat map: share of the networks of each class by the epoch of least validation loss.",
        svg=picture.svg,
        png=picture.png,
        table=found.best_epochs,
    )
