"""Fits every method on the same networks and judges what each makes: one table.

Every method's row is a file of its own, so a run that was stopped goes on where it was.
"""

import io
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import csv

from hyperzoo.errors import GenerationError, HyperzooError, ZooWriteError
from hyperzoo.generation.fitting import fit, unfitted
from hyperzoo.generation.generator import Generator
from hyperzoo.generation.judging import Cost, Judgement, Reference, judge, prepare_reference
from hyperzoo.generation.judging.judge import FAMILIES, trained_rows
from hyperzoo.generation.judging.verdicts import BARS
from hyperzoo.generation.registry import METHODS, get_method
from hyperzoo.generation.split import Split
from hyperzoo.generation.stored import whole_number
from hyperzoo.images import ImageSet
from hyperzoo.version import VERSION
from hyperzoo.zoo import Zoo
from hyperzoo.zoo.files import GO_ON, check_writable, write_file
from hyperzoo.zoo.hub import is_hub_address
from hyperzoo.zoo.layout import DOCUMENT_FILE

TABLE_FILE, RUN_FILE = "leaderboard.csv", "run.json"

Stage = Callable[[str, int, int], None]
"""Is told of progress: the method at work, methods done, and methods in all."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Leaderboard:
    """All methods beside each other.

    Attributes:
        table: a row a method, held-out and fresh networks first: name, the figure over all classes
            of each measure that has a verdict, bars passed and bars in all, faults, cost, and why
            a method could not be fitted.
    """

    table: pa.Table


def run(
    zoo: Zoo,
    folder: str | Path,
    *,
    images: ImageSet,
    methods: Sequence[str] | None = None,
    split: Split | None = None,
    networks_per_class: int = 20,
    seed: int = 0,
    meter: Stage | None = None,
) -> Leaderboard:
    """Fit methods, sample, judge; what a folder already holds of the same run is kept.

    Args:
        zoo: the zoo.
        folder: for the methods' generators, judgements and the table.
        images: the zoo's images.
        methods: names of `METHODS`; None for all.
        split: of the zoo; None for `default_split`.
        networks_per_class: how many to make and judge.
        seed: of fits and samples.
        meter: is told of progress.

    Raises:
        GenerationError: an unknown method, too few networks, other images, or a folder of another
            run. A method that can't be fitted on this zoo is a row that says why.
        ZooWriteError: the disk refused.
    """
    folder, names = Path(folder), list(dict.fromkeys(METHODS if methods is None else methods))
    for name in names:
        get_method(name)
    if not names:
        raise GenerationError(
            f"methods: expected one or more, got none; give all, or some of {', '.join(METHODS)}"
        )
    networks_per_class = whole_number("networks_per_class", networks_per_class, 2)
    seed = whole_number("seed", seed)
    # Any method does: what is checked of zoo, split and folder is alike for all.
    split = unfitted(zoo, names[0], split=split, seed=seed).fitted_on.split
    _check_folder(folder)
    reference = prepare_reference(zoo, images, split)
    _claim(folder, zoo, images, split, networks_per_class, seed)
    rows = [_trained(reference, group) for group in ("held-out", "fresh")]
    for done, name in enumerate(names):
        if meter:
            meter(name, done, len(names))
        file = folder / name / "row.json"
        if file.is_file():
            rows.append(_read(file))
            continue
        row = _row(zoo, name, reference, networks_per_class, seed, folder)
        write_file(file, (json.dumps(row) + "\n").encode(), otherwise=GO_ON)
        rows.append(row)
    if meter:
        meter("", len(names), len(names))
    table = _table(rows)
    text = io.BytesIO()
    csv.write_csv(table, text)
    write_file(folder / TABLE_FILE, text.getvalue())
    return Leaderboard(table=table)


def _row(
    zoo: Zoo, name: str, reference: Reference, count: int, seed: int, folder: Path
) -> dict[str, Any]:
    """Fit, sample and judge one method; the judgement's tables are in the method's folder."""
    began = time.perf_counter()
    try:
        generator = fit(zoo, name, images=reference.images, split=reference.split, seed=seed)
    except HyperzooError as error:
        return {"method": name, "refused": str(error)}
    fitted = time.perf_counter()
    made = {own: generator.sample(own, count, seed=seed) for own in generator.classes}
    cost = Cost(
        fit_seconds=fitted - began,
        network_seconds=(time.perf_counter() - fitted) / (count * len(made)),
        generator_bytes=len(generator.encoded),
        zoo_bytes=reference.training.matrix.nbytes,
    )
    judgement = judge(made, reference, cost=cost, name=name)
    _keep(generator, judgement, folder / name)
    verdicts = judgement.verdicts.to_pylist()
    return {
        "method": name,
        **{verdict["measure"]: verdict["generated"] for verdict in verdicts},
        "passed": sum(verdict["passed"] is True for verdict in verdicts),
        "bars": sum(verdict["passed"] is not None for verdict in verdicts),
        "faults": "; ".join(fault["fault"] for fault in judgement.faults.to_pylist()),
        **asdict(cost),
        "refused": None,
    }


def _keep(generator: Generator, judgement: Judgement, folder: Path) -> None:
    generator.save(folder / "generator.safetensors")
    judgement.write(folder)


def _trained(reference: Reference, group: str) -> dict[str, Any]:
    """The row of trained networks."""
    figures = {
        row["measure"]: row["value"]
        for family in FAMILIES
        for row in trained_rows(reference, family)
        if row["group"] == group and row["class"] == "all"
    }
    known = {bar.measure: figures[bar.measure] for bar in BARS if bar.measure in figures}
    return {"method": f"({group})", **known}


def _check_folder(folder: Path) -> None:
    """Refuse a folder that holds other than a leaderboard, or can't be written to.

    Raises:
        GenerationError: it holds a zoo or somebody's files, or is none.
        ZooWriteError: it can't be written to.
    """
    if is_hub_address(folder):
        raise GenerationError(
            f"can't write to {folder}: what is on the Hub is only read; give a folder"
        )
    try:
        if folder.exists() and not folder.is_dir():
            raise GenerationError(f"{folder} is a file; give a folder for the leaderboard")
        names = {file.name for file in folder.iterdir()} if folder.exists() else set()
        others = sorted(name for name in names if not name.startswith("."))
        if DOCUMENT_FILE in names:
            raise GenerationError(f"{folder} holds a zoo; give an empty or a new folder")
        if others and RUN_FILE not in names:
            raise GenerationError(
                f"{folder} holds no leaderboard but other files ({', '.join(others[:3])}"
                f"{', ...' * (len(others) > 3)}); give an empty or a new folder"
            )
        check_writable(folder)
    except OSError as error:
        raise ZooWriteError(
            f"can't write to {folder}: {error.strerror or error}; mend the cause, or give another "
            "folder"
        ) from error


def _claim(folder: Path, zoo: Zoo, images: ImageSet, split: Split, count: int, seed: int) -> None:
    """Write down what is run in a folder, or check that it is the same."""
    about = {
        "hyperzoo": VERSION,
        "zoo": zoo.name,
        "recipe_digest": zoo.origin.recipe_digest,
        "images": images.fingerprint,
        "split": asdict(split),
        "networks_per_class": count,
        "seed": seed,
    }
    file = folder / RUN_FILE
    if file.is_file():
        if _read(file) != about:
            raise GenerationError(
                f"{folder}: holds the leaderboard of another zoo, split, seed or version; give "
                "another folder"
            )
        return
    write_file(file, (json.dumps(about, indent=1) + "\n").encode())


def _read(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text())
    except (OSError, ValueError, RecursionError) as error:
        raise GenerationError(f"{file}: can't be read: {error}; remove it and run again") from None
    if not isinstance(content, dict):
        raise GenerationError(f"{file}: expected an object; remove it and run again")
    return content


def _table(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    measures = [bar.measure for bar in BARS if any(bar.measure in row for row in rows)]
    costs = list(asdict(Cost()))
    columns = ["method", *measures, "passed", "bars", "faults", *costs, "refused"]
    texts = ("method", "faults", "refused")
    schema = pa.schema([(c, pa.string() if c in texts else pa.float64()) for c in columns])
    try:
        return pa.Table.from_pylist([dict(row) for row in rows], schema=schema)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise GenerationError(f"a method's row.json is damaged ({error}); remove it") from None
