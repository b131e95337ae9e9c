"""Draws thousands of alike figures: what they share once, only their curves anew.

A figure's frame (axes, ticks, legend) is drawn once for every range of its axes and kept as
pixels. A network's figure is those pixels, its curves and its title, which takes a tenth of the
time of drawing it whole.
"""

import math
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyperzoo.errors import MissingExtraError

_TRAINING, _VALIDATION, _CHANCE = "#3b6ea8", "#d9731a", "#9a9a9a"
_DOTS_PER_INCH = 100
_STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 11,
    "axes.titlesize": 12,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#666666",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e6e6e6",
    "xtick.color": "#444444",
    "ytick.color": "#444444",
    "legend.frameon": False,
    "lines.linewidth": 2,
    "lines.solid_capstyle": "round",
    # Labels of at most five characters, for which the layout keeps room.
    "axes.formatter.limits": (-2, 4),
    "figure.constrained_layout.w_pad": 0.12,
    "figure.constrained_layout.h_pad": 0.1,
}


@contextmanager
def house_style() -> Iterator[None]:
    """Matplotlib's own defaults and the house's, whatever its user has set.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        import matplotlib as mpl
    except ImportError as error:
        raise MissingExtraError(
            'drawing plots needs matplotlib; install it with: pip install "hyperzoo[report]"'
        ) from error
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        yield


class _Figure:
    """A figure whose curves and title change and whose frames are kept.

    Args:
        size: width and height in pixels.
        panels: how many axes it has, side by side.

    Attributes:
        axes: its axes, from left to right.
        curves: what changes in them, from back to front.
        title: the text above them.
    """

    def __init__(self, size: tuple[int, int], panels: int) -> None:
        # No pyplot: it would keep every figure, and might open windows.
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        inches = (size[0] / _DOTS_PER_INCH, size[1] / _DOTS_PER_INCH)
        self._figure = Figure(inches, dpi=_DOTS_PER_INCH, layout="constrained")
        self._canvas: Any = FigureCanvasAgg(self._figure)
        self.axes: list[Any] = list(self._figure.subplots(1, panels, squeeze=False)[0])
        self.curves: list[Any] = []
        # A title from the start, so that the layout keeps room for it.
        self.title: Any = self._figure.suptitle("title", fontweight="bold", parse_math=False)
        self._frames: dict[object, Any] = {}

    def settle(self) -> None:
        """Lay the figure out for good, so that where things lie does not depend on the curves."""
        self._canvas.draw()
        self._figure.set_layout_engine("none")

    def draw(self, limits: object) -> bytes:
        """Draw the figure as it is set now, as a PNG.

        Args:
            limits: the ranges of the axes, by which the frame is known.
        """
        if limits not in self._frames:
            self._frames[limits] = self._frame()
        self._canvas.restore_region(self._frames[limits])
        for curve in self.curves:
            curve.axes.draw_artist(curve)
        self._figure.draw_artist(self.title)
        return png(np.asarray(self._canvas.buffer_rgba()))

    def _frame(self) -> Any:
        """The pixels of all that does not change."""
        changing = [*self.curves, self.title]
        for artist in changing:
            artist.set_visible(False)
        self._canvas.draw()
        for artist in changing:
            artist.set_visible(True)
        return self._canvas.copy_from_bbox(self._figure.bbox)


class HistoryFigure:
    """Accuracy and loss over the epochs, side by side, of one network after another.

    Args:
        epochs: the epochs that the histories have, 1 or more, increasing.
    """

    def __init__(self, epochs: Sequence[int]) -> None:
        from matplotlib.ticker import MaxNLocator

        self._figure = _Figure((1200, 500), 2)
        self._epochs = np.array(epochs)
        first, last = epochs[0], epochs[-1]
        # A curve of few points shows them: of one point, a line alone shows nothing.
        marker = "o" if len(epochs) <= 10 else ""
        for axes, what in zip(self._figure.axes, ("Accuracy", "Loss (nats)"), strict=True):
            axes.set(xlabel="Epoch", ylabel=what)
            margin = max(0.02 * (last - first), 0.25 if len(epochs) <= 10 else 0.0)
            axes.set_xlim(first - margin, last + margin)
            axes.xaxis.set_major_locator(MaxNLocator(10, integer=True, steps=[1, 2, 5, 10]))
            for colour, label in ((_TRAINING, "Training"), (_VALIDATION, "Validation")):
                (curve,) = axes.plot([], [], color=colour, marker=marker, markersize=5, label=label)
                self._figure.curves.append(curve)
        accuracy, loss = self._figure.axes
        accuracy.legend(loc="lower right")
        loss.legend(loc="upper right")
        accuracy.set_ylim(0.8, 1.004)
        self._figure.settle()

    def draw(self, title: str, history: Mapping[str, NDArray[np.float64]]) -> bytes:
        """Draw one network's figure, as a PNG.

        The ranges of the axes are round numbers from a short list, so that networks that do
        alike look alike. A value that is not finite is a gap in its curve.

        Args:
            title: the network's id.
            history: a zoo's history columns -> [epoch].
        """
        names = ("training_accuracy", "validation_accuracy", "training_loss", "validation_loss")
        values = [np.where(np.isfinite(v), v, np.nan) for v in (history[name] for name in names)]
        for curve, numbers in zip(self._figure.curves, values, strict=True):
            curve.set_data(self._epochs, numbers)
        lowest = _accuracy_floor(np.concatenate(values[:2]))
        highest = _loss_ceiling(np.concatenate(values[2:]))
        accuracy, loss = self._figure.axes
        accuracy.set_ylim(lowest, 1 + 0.02 * (1 - lowest))
        loss.set_ylim(0, highest)
        self._figure.title.set_text(title)
        return self._figure.draw((lowest, highest))


class RocFigure:
    """The receiver operating characteristic of one network after another."""

    def __init__(self) -> None:
        self._figure = _Figure((640, 480), 1)
        (axes,) = self._figure.axes
        axes.set(xlabel="False positive rate", ylabel="True positive rate")
        axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
        axes.plot([0, 1], [0, 1], color=_CHANCE, linestyle="--", linewidth=1.5)
        (curve,) = axes.plot([], [], color=_VALIDATION)
        area = axes.text(0.98, 0.04, "", ha="right", va="bottom", fontsize=13, parse_math=False)
        self._figure.curves += [curve, area]
        self._figure.settle()

    def draw(self, title: str, false: NDArray[np.float64], true: NDArray[np.float64]) -> bytes:
        """Draw one network's figure, as a PNG.

        Args:
            title: the network's id.
            false: [point] rates of false positives, from 0 to 1; empty for a network that has
                no curve.
            true: [point] rates of true positives.
        """
        curve, area = self._figure.curves
        curve.set_data(false, true)
        known = len(false) > 0
        area.set_text(f"AUC {area_under(false, true):.3f}" if known else "not finite: no curve")
        self._figure.title.set_text(title)
        return self._figure.draw(None)


def roc_curve(
    logits: NDArray[np.float32], targets: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The rates of false and of true positives over all thresholds.

    Args:
        logits: [image]; whether they are logits or probabilities makes no difference.
        targets: [image], 0 or 1, both of which occur.

    Returns:
        False and true positive rates, each [point] and from 0 to 1; empty when a logit is not
        finite. Images of the same logit are passed in one step.
    """
    if not np.isfinite(logits).all():
        return np.empty(0), np.empty(0)
    order = np.argsort(-logits, kind="stable")
    ordered = targets[order]
    last = np.append(np.flatnonzero(np.diff(logits[order])), len(order) - 1)
    true, false = np.cumsum(ordered)[last], np.cumsum(1 - ordered)[last]
    return np.append(0, false) / false[-1], np.append(0, true) / true[-1]


def area_under(false: NDArray[np.float64], true: NDArray[np.float64]) -> float:
    """The area under a curve that `roc_curve` gives, by trapezoids."""
    return float(np.sum(np.diff(false) * (true[1:] + true[:-1])) / 2)


def _accuracy_floor(values: NDArray[np.float64]) -> float:
    lowest = np.nanmin(values, initial=1.0)
    return next((floor for floor in (0.9, 0.8, 0.5) if lowest >= floor + 0.01), 0.0)


def _loss_ceiling(values: NDArray[np.float64]) -> float:
    """The smallest of 1, 1.5, 2, 3, 5, 7.5 times a power of ten that leaves some room."""
    highest = max(1.05 * float(np.nanmax(values, initial=0.0)), 1e-6)
    power = 10.0 ** math.floor(math.log10(highest))
    return power * next((m for m in (1, 1.5, 2, 3, 5, 7.5) if m * power >= highest), 10)


def png(pixels: NDArray[np.uint8]) -> bytes:
    """Pixels as a PNG of four bytes a pixel, which is what Matplotlib writes as well.

    Each line is stored as what it adds to the line above (filter 2), which in figures is mostly
    nothing. Pillow tries all filters on every line and takes twice as long.

    Args:
        pixels: [height, width, channel], channels red, green, blue and opacity.
    """
    height, width = pixels.shape[:2]
    lines = np.empty((height, 1 + 4 * width), np.uint8)
    lines[:, 0] = 2
    added = lines[:, 1:]
    colours = pixels.reshape(height, 4 * width)
    added[0] = colours[0]
    np.subtract(colours[1:], colours[:-1], out=added[1:])
    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines.data, 1)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
