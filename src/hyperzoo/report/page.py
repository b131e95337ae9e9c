"""The report of a zoo: one HTML page that needs nothing else."""

import base64
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hyperzoo.analysis.stream import Meter
from hyperzoo.errors import AnalysisError, MissingExtraError, ReportWriteError, ZooWriteError
from hyperzoo.generation.judging import Beside
from hyperzoo.prediction import Benchmark
from hyperzoo.report import facts
from hyperzoo.report.explorer import Explorer, explorer
from hyperzoo.report.figure import Figure, Section
from hyperzoo.report.packing import compress
from hyperzoo.report.save import to_csv
from hyperzoo.report.sections import sections as studies
from hyperzoo.report.style import WIDTH
from hyperzoo.zoo import Zoo
from hyperzoo.zoo.files import temporary_for, write_file

if TYPE_CHECKING:
    from jinja2 import Template

PAGE_BYTES = 5_000_000
"""What a page of 10,610 networks must stay below."""

UNFOLDED_ROWS = 66
"""Drawings with a longer table have it as CSV alone."""

SHOWN_ROWS = 200
"""Of a longer table that is no drawing only so many rows are shown."""

_SPARE = 20_000  # for the notes of the explorer, written after it has been packed
_SCRIPTS = ("page.js", "explorer.js", "card.js")


def write_report(
    zoo: Zoo,
    path: str | Path,
    sections: Iterable[Section] | None = None,
    *,
    seed: int = 0,
    meter: Meter | None = None,
    benchmarks: Sequence[Benchmark] = (),
    beside: Beside | None = None,
) -> Path:
    """Write a zoo's report: one HTML file that loads nothing from anywhere.

    It holds the headline numbers, the performance table, the studies with their figures and data,
    how to use the zoo, its recipe and provenance, and an explorer of the networks. Except for the
    date, the same zoo gives the same page (SOURCE_DATE_EPOCH sets the date).

    Args:
        zoo: the zoo, with one network or more.
        path: the file; one that is there is replaced.
        sections: the studies to show; None for all that hyperzoo knows.
        seed: of the random draws of those.
        meter: is told of progress in reading weights: how many of how many parts are done.
        benchmarks: results of `hyperzoo.prediction.run` on this zoo, shown as well.
        beside: the zoo beside the one that it was generated from, shown first.

    Returns:
        The file.

    Raises:
        AnalysisError: the zoo has no networks yet, or a benchmark or the comparison is another
            zoo's.
        MissingExtraError: matplotlib or jinja2 is not installed.
        ZooFormatError: a file of the zoo is missing or damaged.
        ReportWriteError: the file can't be written; one that was there is still there.
    """
    path = Path(path)
    template = _template()
    if not len(zoo):
        raise AnalysisError(
            f"{zoo.path} has no networks yet: none of its {len(zoo.plan)} parts is complete; "
            "train it first"
        )
    _check_target(path)
    if sections is None:
        sections = studies(zoo, seed=seed, meter=meter, benchmarks=benchmarks, beside=beside)
    page = _render(template, zoo, tuple(sections)).encode()
    try:
        write_file(path, page)
    except ZooWriteError as error:
        raise _refused(path, error.__cause__ or error) from error
    return path


def _check_target(path: Path) -> None:
    """Refuse a file that can't be written, before the work that leads up to it."""
    if path.is_dir():
        raise ReportWriteError(f"can't write {path}: it is a folder; give a file, say report.html")
    probe = temporary_for(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise _refused(path, error) from error


def _refused(path: Path, error: BaseException) -> ReportWriteError:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else error
    return ReportWriteError(
        f"can't write {path}: {reason}; make room or mend the cause, or give another file"
    )


def _template() -> "Template":
    """The page's template."""
    try:
        import jinja2
    except ImportError as error:
        raise MissingExtraError(
            'the report needs jinja2, which is not installed: pip install "hyperzoo[report]"'
        ) from error
    # Everything is escaped unless the template says otherwise, which it does for our own files.
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"cell": _cell, "metric": _metric, "paragraphs": _paragraphs}
    return environment.from_string(_text("page.html.j2"))


def _text(name: str) -> str:
    return (resources.files("hyperzoo.report") / "templates" / name).read_text("utf-8")


def _render(template: "Template", zoo: Zoo, sections: tuple[Section, ...]) -> str:
    script = "\n".join(map(_text, _SCRIPTS))
    content: dict[str, Any] = {
        "title": facts.title(zoo),
        "summary": facts.summary(zoo),
        "zoo": zoo,
        "headlines": facts.headlines(zoo),
        "performance": facts.performance_rows(zoo),
        "sections": [_shown(section) for section in sections],
        "usage": facts.usage(zoo),
        **facts.recipe(zoo),
        "provenance": facts.provenance(zoo),
        "style": _text("style.css"),
        "script": script,
        "script_hash": base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    }
    nothing = Explorer(table="", curves=None, kernels=None, notes=())
    bare = len(template.render(content, explorer=nothing).encode())
    return template.render(content, explorer=explorer(zoo, PAGE_BYTES - bare - _SPARE))


@dataclass(frozen=True, kw_only=True)
class _ShownFigure:
    """A figure as the template wants it; `share` is its width in text widths, 1 at most."""

    figure: Figure
    source: str | None
    share: float
    csv: str
    rows: list[dict[str, Any]] | None


def _shown(section: Section) -> dict[str, Any]:
    figures = [
        _ShownFigure(
            figure=figure,
            source=None if figure.svg is None else svg_address(figure.svg),
            share=_share(figure.svg or ""),
            csv=compress(to_csv(figure.table)),
            rows=_rows(figure),
        )
        for figure in section.figures
    ]
    return {"section": section, "anchor": _anchor(section.title), "figures": figures}


def svg_address(svg: str) -> str:
    """A drawing as the address of a picture, fit for a double-quoted attribute as it is.

    As a picture it can neither run scripts nor load anything, and its ids and styles are its own.
    """
    # Line ends vanish from addresses. Spelling out no more than need be keeps it small.
    svg = svg.replace("\n", " ")
    if "'" not in svg:
        svg = svg.replace('"', "'")
    for character in '%#"&':
        svg = svg.replace(character, f"%{ord(character):02X}")
    return "data:image/svg+xml," + svg


def _rows(figure: Figure) -> list[dict[str, Any]] | None:
    if figure.svg is None:
        rows: list[dict[str, Any]] = figure.table.slice(0, SHOWN_ROWS).to_pylist()
        return rows
    return figure.table.to_pylist() if len(figure.table) <= UNFOLDED_ROWS else None


def _share(svg: str) -> float:
    # So that the letters of narrow figures are as large as those of wide ones.
    width = re.match(r'<svg[^>]* width="([\d.]+)pt"', svg)
    return round(min(float(width[1]) / (72 * WIDTH), 1.0), 3) if width else 1.0


def _anchor(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _cell(value: object) -> str:
    """A value of a figure's table."""
    if value is None:
        return "\N{EN DASH}"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def _metric(value: float | None) -> str:
    return "\N{EN DASH}" if value is None else f"{value:.3f}"


def _paragraphs(text: str) -> list[str]:
    return [paragraph for paragraph in re.split(r"\n\s*\n", text.strip()) if paragraph]
