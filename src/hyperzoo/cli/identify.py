"""`hyperzoo identify`: class or property of networks of any origin, by a fitted method."""

import itertools
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from hyperzoo.cli.console import err
from hyperzoo.errors import ForeignFileError, PredictionError, TooLargeError
from hyperzoo.exchange import ForeignNetwork
from hyperzoo.prediction import FittedMethod, load_method
from hyperzoo.words import counted, printable, some_of
from hyperzoo.zoo import open_zoo
from hyperzoo.zoo.layout import DOCUMENT_FILE
from hyperzoo.zoo.tensors import TensorFile, open_tensors

_AT_ONCE = 256
"""Networks of foreign files that are named together: as many as are in memory."""

Named = tuple[str, dict[str, Any]]
"""A network's name, and PyTorch name -> its weights."""


def identify(
    file: Annotated[
        Path,
        typer.Argument(
            help="A zoo's folder, or a file or folder of any format that `import` reads: Keras, "
            "pickles, PyTorch.",
            show_default=False,
        ),
    ],
    method: Annotated[
        Path,
        typer.Option(
            "--with", help="A fitted method that `classify` or `predict` wrote.", show_default=False
        ),
    ],
    network: Annotated[
        str | None, typer.Option(help="Only this network.", show_default=False)
    ] = None,
) -> None:
    """Predict of networks, one line each: network, class, probability; or network, number."""
    fitted = load_method(method)
    found, too_large = 0, []
    networks = (
        _of_zoo(file, network) if (file / DOCUMENT_FILE).exists() else _of_files(file, network)
    )
    while batch := list(itertools.islice(networks, _AT_ONCE)):
        for (name, _), found_here in zip(batch, _predicted(fitted, batch), strict=True):
            if found_here is None:
                too_large.append(name)
                continue
            # A file's name may hold tabs, or what a terminal takes for commands.
            shown = "".join(c if c.isprintable() else "?" for c in name)
            # Not through the console, which turns tabs into spaces.
            print(f"{shown}\t{found_here}")
        found += len(batch)
    if too_large:
        err.print(
            f"left out: {counted(len(too_large), 'network')} whose weights are too large for "
            f"method '{fitted.method}': {printable(some_of(too_large))}",
            markup=False,
        )
    if not found:
        raise PredictionError(
            f"{file} holds no network"
            + (f" {network!r}" if network else "")
            + "; give a zoo, or a file or folder that `hyperzoo import` reads"
        )


def _predicted(fitted: FittedMethod, batch: list[Named]) -> Sequence[str | None]:
    """What is said of some networks, None of those too large; an error names the network."""
    first = batch[0][1]
    if all(own.keys() == first.keys() for _, own in batch):
        shapes = {name: {np.shape(own[name]) for _, own in batch} for name in first}
        if all(len(found) == 1 for found in shapes.values()):
            stacked = {name: np.stack([own[name] for _, own in batch]) for name in first}
            if all(np.isfinite(tensor).all() for tensor in stacked.values()):
                with suppress(TooLargeError):  # then each by itself
                    return _said(fitted, stacked)
    said: list[str | None] = []
    for name, weights in batch:
        try:
            said += _said(fitted, weights)
        except TooLargeError:
            said.append(None)
        except PredictionError as error:
            raise PredictionError(f"{name}: {error}") from error
    return said


def _said(fitted: FittedMethod, weights: dict[str, Any]) -> list[str]:
    """A class and its probability, or a number, of each network."""
    if fitted.target.kind == "number":
        return [f"{number:.6g}" for number in fitted.numbers(weights)]
    likely = fitted.probabilities(weights)
    return [f"{fitted.classes[row.argmax()]}\t{row.max():.3f}" for row in likely]


def _of_zoo(folder: Path, network: str | None) -> Iterator[Named]:
    zoo = open_zoo(folder)
    if network is not None:
        yield network, dict(zoo.arrays(network))
        return
    statuses = zoo.models["status"].to_pylist()
    for name, status in zip(zoo.ids, statuses, strict=True):
        if status != "failed":
            yield name, dict(zoo.arrays(name))
    if failed := statuses.count("failed"):
        err.print(f"left out: {counted(failed, 'network')} whose training failed")


def _of_files(path: Path, network: str | None) -> Iterator[Named]:
    """The networks of foreign files, and of a safetensors file of stacked ones."""
    from hyperzoo.exchange.finding import find_foreign

    if path.suffix == ".safetensors" and path.is_file():
        yield from (own for own in _of_tensors(open_tensors(path)) if network in (None, own[0]))
        return
    for file, format in find_foreign(path).networks:
        for found in format.read(file):
            name = _name(found)
            if network in (None, name):
                yield name, dict(found.weights)


def _name(found: ForeignNetwork) -> str:
    """The network's id; where its file's name tells no class, which is to be found, that name."""
    try:
        return found.id
    except ForeignFileError:
        return found.name


def _of_tensors(file: TensorFile) -> Iterator[Named]:
    """One network under its PyTorch names, or several, stacked along a first axis."""
    weights = {name: np.array(file.tensor(name)) for name in file.places}
    biases = {t.ndim for name, t in weights.items() if name.endswith(".bias")}
    counts = {len(tensor) for tensor in weights.values() if tensor.ndim}
    if biases != {2} or len(counts) != 1:
        yield file.path.stem, weights
        return
    for row in range(counts.pop()):
        yield f"{file.path.stem}:{row}", {name: tensor[row] for name, tensor in weights.items()}
