"""What a report is made of: figures and the sections that hold them."""

from dataclasses import dataclass

import pyarrow as pa

from hyperzoo.words import counted


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One figure or table of a report.

    Attributes:
        name: file-name stem, unique in a report: "divergence-fc2". Lower-case letters, digits
            and "-" alone.
        title: heading, plain text.
        caption: what is shown, how to read it, units; plain text.
        alt: text alternative for those who can't see the figure.
        svg: the drawing, on a white card: an `<svg>` element without XML declaration, without
            references to the outside, with ids that no other figure of the report has; below
            100 kB. None for a table that is no drawing.
        table: the data of the figure, saved as CSV.
        png: the same drawing as a picture, where it was asked for.
    """

    name: str
    title: str
    caption: str
    alt: str
    svg: str | None
    table: pa.Table
    png: bytes | None = None


@dataclass(frozen=True, kw_only=True)
class Section:
    """One study of a zoo in a report.

    Attributes:
        title: heading, plain text.
        text: what was found, and how; plain text, paragraphs apart by an empty line.
        figures: what shows it; empty where there is nothing to show.
        missing: why there is nothing, or less than usual ("the zoo has no training history");
            None when nothing is missing.
    """

    title: str
    text: str
    figures: tuple[Figure, ...]
    missing: str | None


def networks(count: int) -> str:
    """So many networks, in words."""
    return counted(count, "network")
