"""Saves sections as files: tables as CSV, figures as SVG and PNG, an index of them all."""

import io
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.csv

from hyperzoo.errors import ReportWriteError, ZooWriteError
from hyperzoo.report.figure import Figure, Section
from hyperzoo.words import in_markdown
from hyperzoo.zoo.files import write_file

INDEX_FILE = "README.md"

_MARK = "<!-- Written by hyperzoo, which replaces this file when it writes here again. -->"


def save_sections(found: Iterable[Section], folder: str | Path, heading: str) -> list[Path]:
    """Save the tables and figures of sections, as each is made, and an index.

    Files of the same names are replaced, each at once; other files are left alone.

    Args:
        found: the sections.
        folder: where to; made if it is not there.
        heading: of the index.

    Returns:
        The files, the index last.

    Raises:
        ReportWriteError: the system refused, or the folder has an index that is not hyperzoo's.
    """
    folder = Path(folder)
    _check_index(folder / INDEX_FILE)
    files: list[Path] = []
    lines = [_MARK, "", f"# {in_markdown(heading)}"]
    try:
        for section in found:
            lines += ["", f"## {in_markdown(section.title)}"]
            lines += [
                line
                for text in (section.text, section.missing)
                if text
                for line in ("", in_markdown(text))
            ]
            for figure in section.figures:
                names = _save(figure, folder)
                files += [folder / name for name in names]
                lines += _entry(figure, names)
        files.append(folder / INDEX_FILE)
        write_file(files[-1], ("\n".join(lines) + "\n").encode())
    except ZooWriteError as error:
        raise ReportWriteError(
            f"can't write to {folder}: {error.__cause__ or error}; make room or mend the cause, "
            "or give another folder"
        ) from error
    return files


def _check_index(path: Path) -> None:
    """Refuse to replace somebody's own README: a project's, or a zoo's card."""
    try:
        with path.open("rb") as file:
            own = file.read(len(_MARK)) == _MARK.encode()
    except OSError:
        return  # there is none; or writing will tell
    if not own:
        raise ReportWriteError(
            f"can't write to {path.parent}: its {path.name} is not of an analysis and would be "
            "replaced; give a folder of its own, say analysis"
        )


def to_csv(table: pa.Table) -> bytes:
    """A table as CSV with a header: UTF-8, numbers in full, nothing where a value is null."""
    text = io.BytesIO()
    pa.csv.write_csv(table, text, pa.csv.WriteOptions(quoting_style="needed"))
    return text.getvalue()


def _save(figure: Figure, folder: Path) -> list[str]:
    contents = {"csv": to_csv(figure.table)}
    if figure.svg is not None:
        declaration = '<?xml version="1.0" encoding="utf-8"?>\n'
        contents["svg"] = (declaration + figure.svg).encode()
    if figure.png is not None:
        contents["png"] = figure.png
    for ending, content in contents.items():
        write_file(folder / f"{figure.name}.{ending}", content)
    return [f"{figure.name}.{ending}" for ending in contents]


def _entry(figure: Figure, names: list[str]) -> list[str]:
    links = ", ".join(f"[{name}]({name})" for name in names)
    pictures = [name for name in names if name.endswith((".png", ".svg"))]
    shown = [f"![{in_markdown(figure.alt)}]({pictures[-1]})", ""] if pictures else []
    return [
        "",
        f"### {in_markdown(figure.title)}",
        "",
        *shown,
        in_markdown(figure.caption),
        "",
        links,
    ]
