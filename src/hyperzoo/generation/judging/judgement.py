"""What the judge found: tables, verdicts and faults, and their files."""

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import csv

from hyperzoo.words import in_markdown
from hyperzoo.zoo.files import write_file

VERDICT_FILE = "verdict.json"
TEXT_FILE = "verdict.md"


@dataclass(frozen=True, kw_only=True, eq=False)
class Judgement:
    """Generated networks beside trained ones.

    The tables of figures have the columns measure, group ("generated", "held-out", "fresh",
    "scratch"), class ("all" for the mean of all), value, and low and high of the 95 % interval;
    null where a figure has none.

    Attributes:
        about: what was judged against what.
        quality: how well networks do.
        diversity: how alike two of a class are.
        novelty: how near they are to training networks.
        detection: how well they are told from held-out ones.
        coverage: whether they lie where held-out ones lie.
        use: barriers, and training on from them.
        cost: seconds and bytes.
        verdicts: a row a measure: family, measure, generated, held_out, fresh, bar, passed (null
            where there is no bar), sentence.
        faults: a row a fault that was found: fault, sentence.
    """

    about: dict[str, Any]
    quality: pa.Table
    diversity: pa.Table
    novelty: pa.Table
    detection: pa.Table
    coverage: pa.Table
    use: pa.Table
    cost: pa.Table
    verdicts: pa.Table
    faults: pa.Table

    def tables(self) -> dict[str, pa.Table]:
        """All tables by name."""
        names = ("quality", "diversity", "novelty", "detection", "coverage", "use", "cost")
        return {name: getattr(self, name) for name in (*names, "verdicts", "faults")}

    @property
    def text(self) -> str:
        """The verdicts as a list in Markdown."""
        name, zoo = (in_markdown(self.about[key]) for key in ("name", "zoo"))
        lines = [f"# {name} against {zoo}", ""]
        for row in self.verdicts.to_pylist():
            none = "not told" if row["bar"] else "no bar"
            mark = {True: "pass", False: "miss", None: none}[row["passed"]]
            lines.append(f"- {mark}: {row['sentence']}")
        lines += ["", "Faults:", ""]
        lines += [f"- {row['fault']}: {row['sentence']}" for row in self.faults.to_pylist()]
        lines += [] if len(self.faults) else ["- none was found"]
        return "\n".join(lines) + "\n"

    def write(self, folder: str | Path) -> list[Path]:
        """Write every table as <name>.csv, and the verdicts as verdict.json and verdict.md.

        Args:
            folder: made if it is not there; files of these names are replaced.

        Raises:
            ZooWriteError: the disk refused.
        """
        contents = {}
        for name, table in self.tables().items():
            text = io.BytesIO()
            csv.write_csv(table, text)
            contents[f"{name}.csv"] = text.getvalue()
        document = {
            "about": self.about,
            "verdicts": self.verdicts.to_pylist(),
            "faults": self.faults.to_pylist(),
        }
        contents[TEXT_FILE] = self.text.encode()
        contents[VERDICT_FILE] = (json.dumps(document, indent=1) + "\n").encode()
        written = []
        for name, content in contents.items():
            written.append(Path(folder) / name)
            write_file(written[-1], content)
        return written


_TEXTS = ("measure", "group", "class", "family", "bar", "sentence", "fault")


def table_of(rows: list[dict[str, Any]], columns: tuple[str, ...]) -> pa.Table:
    """A table with these columns, whether there are rows or not."""
    types = {"passed": pa.bool_()} | dict.fromkeys(_TEXTS, pa.string())
    schema = pa.schema([(name, types.get(name, pa.float64())) for name in columns])
    return pa.Table.from_pylist(rows, schema=schema)
