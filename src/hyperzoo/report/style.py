"""One look for all figures: colours, type, and how a drawing becomes SVG."""

import hashlib
import io
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hyperzoo.errors import MissingExtraError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure as Drawing

WIDTH = 7.2
"""Inches: two columns of a paper, and a page's text on a screen."""

INK, SOFT, FAINT = "#1c2733", "#5c6b7a", "#d5dce3"
BLUE, ORANGE = "#1f5f99", "#d9740b"

# Petroff, "Accessible color sequences for data visualization", 2021 (arXiv:2107.02270): ten
# colours that colour-blind readers tell apart.
PALETTE = (
    "#3f90da",
    "#ffa90e",
    "#bd1f01",
    "#94a4a2",
    "#832db6",
    "#a96b59",
    "#e76300",
    "#b9ac70",
    "#717581",
    "#92dadd",
)
DASHES = ("-", (0, (4, 1.5)), (0, (1, 1)), (0, (4, 1, 1, 1)))
MARKERS = "osD^v<>ph8HdPX"

_RC: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 7.5,
    "axes.titlesize": 8,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 7.5,
    "axes.edgecolor": SOFT,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": FAINT,
    "grid.linewidth": 0.5,
    "text.color": INK,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.minor.visible": False,
    "ytick.minor.visible": False,
    "legend.frameon": False,
    "legend.fontsize": 7,
    "lines.linewidth": 1.1,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "svg.fonttype": "path",
    "path.simplify": True,
}


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A finished drawing: an `<svg>` element, and the same as PNG where that was asked for."""

    svg: str
    png: bytes | None


def check_drawing() -> None:
    """Refuse early where figures can't be drawn.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(
            'figures need matplotlib, which is not installed: pip install "hyperzoo[report]"'
        ) from error


def draw(
    name: str, height: float, paint: Callable[["Drawing"], None], *, png: bool, width: float = WIDTH
) -> Picture:
    """Draw a figure.

    Args:
        name: the figure's name; its SVG's ids follow from it alone.
        height: in inches.
        paint: puts the content onto an empty matplotlib figure with constrained layout.
        png: whether a picture of 200 dots an inch is wanted as well.
        width: in inches.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    check_drawing()
    import matplotlib
    from matplotlib.figure import Figure as Drawing

    with matplotlib.rc_context(_RC | {"svg.hashsalt": name}), warnings.catch_warnings():
        # Letters that the font lacks are drawn as boxes; tables and page have them.
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from font", UserWarning)
        drawing = Drawing(figsize=(width, height), layout="constrained")
        paint(drawing)
        text = io.StringIO()
        drawing.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
        picture = io.BytesIO()
        if png:
            drawing.savefig(picture, format="png", dpi=200, metadata={"Software": None})
    return Picture(svg=clean_svg(text.getvalue(), name), png=picture.getvalue() or None)


def clean_svg(text: str, name: str) -> str:
    """Make matplotlib's SVG fit to stand in a page among others.

    The XML declaration, comments and metadata go; ids that nothing refers to go, the others become
    short and the figure's own; numbers keep two decimals (a hundredth of a point), scales all.
    """
    text = text[text.index("<svg") :]
    text = re.sub(r"<!--.*?-->|<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    # Short, because a figure's text is hundreds of references to glyphs.
    prefix = "f" + hashlib.sha256(name.encode()).hexdigest()[:6]
    used = dict.fromkeys(re.findall(r'(?:href="|url\()#([^")]+)', text))
    short = {found: f"{prefix}-{number}" for number, found in enumerate(used)}

    def renamed(match: re.Match[str]) -> str:
        return f' id="{short[match[1]]}"' if match[1] in short else ""

    text = re.sub(r'\s+id="([^"]+)"', renamed, text)
    text = re.sub(r'(href="|url\()#([^")]+)', lambda m: f"{m[1]}#{short[m[2]]}", text)
    text = re.sub(r"scale\([^)]*\)|\d+\.\d{3,}", _shorter, text)
    text = re.sub(r' d="([^"]+)"', lambda m: f' d="{_packed(m[1])}"', text)
    return re.sub(r"\n\s*", "\n", text).strip() + "\n"


def _shorter(match: re.Match[str]) -> str:
    # A glyph's scale is small, and a hundredth off would be seen.
    return match[0] if match[0].startswith("scale") else f"{float(match[0]):.2f}"


def _packed(path: str) -> str:
    """A path without the spaces that it does not need."""
    return re.sub(r"\s*([A-Za-z])\s*", r"\1", path).strip()


def class_style(place: int) -> dict[str, object]:
    """Colour and dashes of the class in a place, from 0: 40 classes differ in one or the other."""
    return {
        "color": PALETTE[place % len(PALETTE)],
        "linestyle": DASHES[place // len(PALETTE) % len(DASHES)],
    }


def sequential() -> "Colormap":
    """White to dark blue, for amounts from 0."""
    from matplotlib.colors import LinearSegmentedColormap

    colours = ["#ffffff", "#d3e3f1", "#8fb9da", "#3f83b8", "#12406b"]
    return LinearSegmentedColormap.from_list("hyperzoo", colours)


def legend_name(name: str) -> str:
    """A class's name as a label; of legends, matplotlib leaves out what begins with a "_"."""
    return f"\N{ZERO WIDTH SPACE}{name}" if name.startswith("_") else name


def heat_map(
    axes: "Axes",
    values: NDArray[np.float64],
    rows: list[str],
    columns: list[str],
    *,
    highest: float | None = None,
    text: Callable[[int, int], str] | None = None,
) -> None:
    """Draw a matrix of amounts from 0 with its names; NaN stays empty.

    Args:
        axes: where.
        values: [row, column].
        rows: names, from the top.
        columns: names, from the left.
        highest: the amount of the darkest colour; None for the greatest value.
        text: gives what is written into a cell.
    """
    top = highest or float(np.nanmax(values, initial=0.0)) or 1.0
    axes.imshow(values, cmap=sequential(), vmin=0, vmax=top, aspect="auto", interpolation="none")
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks(range(len(rows)), rows)
    axes.grid(False)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    if text is None:
        return
    for row, column in np.argwhere(np.isfinite(values)):
        light = values[row, column] > 0.55 * top
        axes.text(
            column,
            row,
            text(int(row), int(column)),
            ha="center",
            va="center",
            fontsize=6,
            color="white" if light else INK,
        )


def label_classes(drawing: "Drawing", axes: "Axes") -> None:
    """A legend right of all panels, in the order in which things were drawn.

    It has as many lines as there is height for; more would cover the panels.
    """
    handles, labels = axes.get_legend_handles_labels()
    lines = int(drawing.get_figheight() / 0.16)
    if len(labels) > lines:
        more = f"and {len(labels) - lines + 1} more"
        handles, labels = handles[: lines - 1], labels[: lines - 1]
        handles.append(axes.plot([], [], linestyle="none")[0])
        labels.append(more)
    drawing.legend(handles, labels, loc="outside right center", handlelength=1.6)


def logarithmic(axes: "Axes") -> None:
    """A logarithmic vertical axis with labels at powers of ten alone, where there are two.

    To be called when all has been drawn.
    """
    from matplotlib.ticker import LogLocator, NullFormatter, NullLocator, StrMethodFormatter

    axes.set_yscale("log")
    low, high = np.log10(axes.get_ylim())
    if np.floor(high) > np.ceil(low):
        axes.yaxis.set_major_locator(LogLocator(numticks=6))
    else:
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=6))
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_minor_formatter(NullFormatter())


def from_zero(axes: "Axes", room: float = 1.08) -> None:
    """Let the horizontal axis begin at 0 and end some way beyond what was drawn."""
    axes.set_xlim(0, room * axes.dataLim.x1 if axes.dataLim.x1 > 0 else 1)
