"""`layout.csv`: which columns of the matrix are which variable of the network."""

import csv
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hyperzoo.architectures import Architecture, get_architecture
from hyperzoo.architectures.parameters import Parameter
from hyperzoo.errors import ForeignFileError
from hyperzoo.exchange.content import decoded

COLUMNS = ("varname", "start_idx", "end_idx", "size", "shape")
_MAX_BYTES = 64 * 1024
_NUMBER = re.compile(r"[0-9]{1,9}")
_SHAPE = re.compile(r"[\(\[]\s*(?P<sizes>[0-9]{1,9}(?:\s*,\s*[0-9]{1,9}){0,3})\s*,?\s*[\)\]]")
_NAME = re.compile(
    r"(?:.*/)?(?P<layer>conv2d|dense)(?:_(?P<number>[0-9]{1,9}))?/(?P<kind>kernel|bias)(?::[0-9]+)?"
)


@dataclass(frozen=True)
class Variable:
    """A variable of a TensorFlow network, and where it lies in a row of the matrix.

    Attributes:
        name: e.g. "sequential/conv2d_1/kernel:0".
        begin: its first column.
        end: the column after its last.
        shape: in Keras's axes.
    """

    name: str
    begin: int
    end: int
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Layout:
    """How a row of the matrix is cut up.

    Attributes:
        width: how many columns there are.
        architecture: `smallcnn`, whose parameters they are.
        places: each of its parameters, with its first column and the one after its last.
    """

    width: int
    architecture: Architecture
    places: tuple[tuple[Parameter, int, int], ...]

    def tensors(self, rows: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        """The tensors of rows [network, column]: PyTorch's name -> [network, *shape]."""
        return {
            own.name: own.from_keras(rows[:, begin:end].reshape(len(rows), *own.keras_shape))
            for own, begin, end in self.places
        }


def read_layout(path: Path) -> Layout:
    """Read the layout of a Small CNN Zoo.

    Raises:
        ForeignFileError: it is damaged, its variables overlap or leave a hole, or they are not
            those of the Small CNN Zoo's network.
    """
    size = path.stat().st_size
    if size > _MAX_BYTES:
        raise ForeignFileError(f"{path}: expected at most {_MAX_BYTES} bytes, got {size}")
    try:
        variables = parse_layout(decoded(path.read_bytes()))
    except (UnicodeDecodeError, csv.Error) as error:
        raise ForeignFileError(f"{path}: not a table as UTF-8 text: {error}") from error
    except ValueError as error:
        raise ForeignFileError(f"{path}: {error}") from error
    return _fitted(variables, path)


def parse_layout(text: str) -> list[Variable]:
    """The variables of a layout, in the order of their columns.

    Raises:
        ValueError: a row is damaged, or variables overlap or leave a hole.
        csv.Error: the text is no table.
    """
    rows = csv.DictReader(text.splitlines(), strict=True, skipinitialspace=True)
    missing = sorted(set(COLUMNS) - set(rows.fieldnames or ()))
    if missing:
        raise ValueError(
            f"expected the columns {', '.join(COLUMNS)}; missing: {', '.join(missing)}"
        )
    found = sorted(_variables(rows), key=lambda own: own.begin)
    position = 0
    for own in found:
        if own.begin != position:
            what = "overlap" if own.begin < position else "leave a hole"
            raise ValueError(
                f"variables {what} at column {min(position, own.begin)}: {own.name[:80]!r} begins "
                f"with column {own.begin}, expected {position}"
            )
        position = own.end
    if len({own.name for own in found}) < len(found):
        raise ValueError("a variable is there twice")
    if not found:
        raise ValueError("expected a row for each variable, got none")
    return found


def _variables(rows: "csv.DictReader[str]") -> Iterator[Variable]:
    for row in rows:
        cells = {key: (row.get(key) or "").strip() for key in COLUMNS}
        numbers = [cells[key] for key in ("start_idx", "end_idx", "size")]
        shape = _SHAPE.fullmatch(cells["shape"])
        if shape is None or not all(_NUMBER.fullmatch(number) for number in numbers):
            raise ValueError(
                f"line {rows.line_num}: expected whole numbers and a shape such as (3, 3, 1, 16), "
                f"got {', '.join(cells.values())[:200]}; is the file cut short?"
            )
        begin, end, size = map(int, numbers)
        sizes = tuple(int(own) for own in shape["sizes"].split(","))
        if end - begin != size or math.prod(sizes) != size or not size:
            raise ValueError(
                f"line {rows.line_num}: {cells['varname'][:80]!r} has {end - begin} columns, size "
                f"{size} and shape {sizes}, which do not agree"
            )
        yield Variable(cells["varname"], begin, end, sizes)


def _fitted(variables: list[Variable], path: Path) -> Layout:
    """The layout, if its variables are those of the network."""
    named = _keras_names(variables)
    outputs = next((own.shape[0] for key, own in named.items() if key == ("dense", "bias")), 1)
    architecture = get_architecture("smallcnn", outputs)
    expected = {(p.keras_layer, p.keras_name): p.keras_shape for p in architecture.parameters}
    found = {key: own.shape for key, own in named.items()}
    if found != expected or len(named) < len(variables):
        told = ", ".join(f"{own.name[:60]} {_by(own.shape)}" for own in variables[:20])
        wanted = ", ".join(f"{'/'.join(key)} {_by(shape)}" for key, shape in expected.items())
        raise ForeignFileError(
            f"{path}: its variables are not those of the Small CNN Zoo's network\n"
            f"  expected {wanted}\n  found    {told}"
        )
    places = []
    for parameter in architecture.parameters:
        own = named[parameter.keras_layer, parameter.keras_name]
        places.append((parameter, own.begin, own.end))
    return Layout(variables[-1].end, architecture, tuple(places))


def _keras_names(variables: list[Variable]) -> Mapping[tuple[str, str], Variable]:
    """(layer, kind) as a fresh model calls it -> variable.

    Keras counts layers through a whole process, so that the first of a model may be conv2d_12.
    """
    matches = [(own, match) for own in variables if (match := _NAME.fullmatch(own.name))]
    numbers: dict[str, set[int]] = {}
    for _, match in matches:
        numbers.setdefault(match["layer"], set()).add(int(match["number"] or 0))
    found: dict[tuple[str, str], Variable] = {}
    for own, match in matches:
        place = sorted(numbers[match["layer"]]).index(int(match["number"] or 0))
        found[match["layer"] + f"_{place}" * (place > 0), match["kind"]] = own
    return found


def _by(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
