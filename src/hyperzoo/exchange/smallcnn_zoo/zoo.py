"""The Small CNN Zoo as it is downloaded: `weights.npy`, `layout.csv`, `metrics.csv.gz`.

Unterthiner et al., "Predicting neural network accuracy from weights", 2020 (google-research,
dnn_predict_accuracy). Rows of the matrix are checkpoints; `modeldir` tells which are of one run.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hyperzoo.architectures import Architecture, architecture_facts, architecture_from
from hyperzoo.architectures.layers import ACTIVATIONS
from hyperzoo.errors import ForeignFileError
from hyperzoo.exchange.content import TEXTS, Content, check_content
from hyperzoo.exchange.runs.foreign_zoo import Block, ForeignZoo, check_epochs, settle, some
from hyperzoo.exchange.smallcnn_zoo.layout import Layout, read_layout
from hyperzoo.exchange.smallcnn_zoo.metrics import LAST_EPOCH, Table, number_in, read_metrics
from hyperzoo.plan import Value
from hyperzoo.words import counted
from hyperzoo.zoo.origin import OWN_COLUMN

NAME = "small-cnn-zoo"
WEIGHTS, LAYOUT, TABLES = "weights.npy", "layout.csv", ("metrics.csv.gz", "metrics.csv")
BATCH = 512
"""Images a step, which the table does not tell: the default of the script that made the zoo."""

ASSUMED = (
    f"pixels are taken to be scaled to values from -1 to 1, and batches to have {BATCH} images, as "
    "by the script that made the published zoo: its files tell neither"
)

_SIZES = {"mnist": 28, "fashion_mnist": 28, "cifar10": 32, "svhn_cropped": 32}
"""`config.dataset` -> pixels a side; the script takes images as they are, whatever their size."""

_SIZE = 32
"""Of images that the table does not tell."""

SIZE_ASSUMED = (
    f"images are taken to have {_SIZE}x{_SIZE} pixels: config.dataset tells none of "
    f"{', '.join(_SIZES)} for all networks"
)

_COLOURED = ("cifar10", "svhn_cropped")
GREY = (
    "these networks were tested on images whose grey is the mean of the colours; --images in "
    "colours are made grey by their brightness, which moves accuracies by about .01 and so may "
    "look as if they were others: give images that are grey by the mean (docs/zoos.md tells how)"
)

_NUMBERS = {
    "learning_rate": "learning_rate",
    "l2reg": "l2",
    "init_std": "initialisation_scale",
    "train_fraction": "train_fraction",
    "dropout": "dropout",
}
_WORDS = {
    "optimizer": "optimizer",
    "w_init": "initialisation",
    "b_init": "bias_initialisation",
    "activation": "activation",
}
_ACTIVATIONS = tuple(own for own in ACTIVATIONS if own != "leaky_relu")
"""That are computed here; TensorFlow's leaky_relu has another slope."""

_AS_KERNELS = "as_kernels"
_SCHEMES = {
    "randomnormal": "normal",
    "truncatednormal": "truncated_normal",
    "glorotnormal": "glorot_normal",
    "glorotuniform": "glorot_uniform",
    "henormal": "he_normal",
    "heuniform": "he_uniform",
    "lecunnormal": "lecun_normal",
    "lecununiform": "lecun_uniform",
    "orthogonal": "orthogonal",
    "zero": "constant",
    "zeros": "constant",
}
_DROPOUT = 0.5
"""In declared layers; the rate is each network's own."""


def recognises(folder: Path) -> bool:
    """Whether a folder holds the three files."""
    return (
        (folder / WEIGHTS).is_file()
        and (folder / LAYOUT).is_file()
        and any((folder / name).is_file() for name in TABLES)
    )


def read_zoo(folder: Path) -> ForeignZoo:
    """Read the tables of a Small CNN Zoo; its weights are mapped when they are asked for.

    Raises:
        ForeignFileError: a file is damaged, the files do not fit together, or no network can be
            computed here.
    """
    path = next(folder / name for name in TABLES if (folder / name).is_file())
    check_content(folder / WEIGHTS, "a matrix of NumPy (npy)", (Content.NPY,))
    check_content(folder / LAYOUT, "a table (csv)", TEXTS)
    check_content(path, "a table (csv, compressed by gzip)", (Content.GZIP, *TEXTS))
    layout = read_layout(folder / LAYOUT)
    matrix = _Matrix(folder / WEIGHTS, layout)
    table = read_metrics(path, matrix.rows)
    runs, left = _known_runs(table, path)
    notes = [ASSUMED, *left]
    last_epoch = _last_epoch(table, path)
    check_epochs(last_epoch, str(path))
    epochs = table.epochs if table.has_epochs else np.full(len(table.epochs), last_epoch)
    if not table.has_epochs:
        notes.append(
            f"the table has no column 'step': every row counts as a network after {last_epoch} "
            "epochs"
        )
    rows, all_epochs = _rows_by_run(table, epochs, path)
    rows = rows[runs]
    last_place = _last_place(rows)
    on_the_way = np.array(
        [(rows[last_place > place, place] >= 0).any() for place in range(len(all_epochs))]
    )
    checkpoints = [place for place in np.flatnonzero(on_the_way) if all_epochs[place] < last_epoch]
    history = np.where((rows >= 0)[:, :, None], table.figures[rows], np.nan)
    told, own = _columns(table, runs, path)
    images_name = _common(table, "dataset", runs)
    dataset = images_name.strip().lower()
    if dataset in _COLOURED:
        notes.append(GREY)
    if dataset not in _SIZES:
        notes.append(SIZE_ASSUMED)
    architecture = _architecture(layout.architecture, _SIZES.get(dataset, _SIZE))
    settled = settle(architecture, told, always=tuple(told))
    last_rows = rows[np.arange(len(runs)), last_place]
    lost = table.figures[last_rows][:, table.told]
    return ForeignZoo(
        format=NAME,
        images_name=images_name or "images that are not known",
        architecture=settled.architecture,
        indices=[int(run) for run in runs],
        epochs=last_epoch,
        checkpoint_epochs=tuple(int(all_epochs[place]) for place in checkpoints),
        there=rows[:, checkpoints] >= 0,
        last=all_epochs[last_place],
        diverged=np.any(~np.isfinite(lost), axis=1),
        history_epochs=tuple(map(int, all_epochs)),
        history=history,
        columns=settled.columns,
        shared=settled.shared | _shared(table, runs),
        own_columns=own,
        weights=_weights(matrix, rows, last_rows, {int(e): n for n, e in enumerate(all_epochs)}),
        notes=tuple(notes),
    )


class _Matrix:
    """The matrix on disk, of which only the rows that are asked for are ever in memory."""

    def __init__(self, path: Path, layout: Layout) -> None:
        self._path, self._layout = path, layout
        matrix = self._mapped()
        expected = f"a matrix [network, {layout.width}] of float32"
        if matrix.dtype != np.dtype("<f4") or matrix.shape[1:] != (layout.width,):
            raise ForeignFileError(
                f"{path}: expected {expected}, as layout.csv says, got {list(matrix.shape)} of "
                f"{matrix.dtype}"
            )
        self.rows = len(matrix)
        if not self.rows:
            raise ForeignFileError(f"{path}: expected {expected}, got one without rows")

    def _mapped(self) -> NDArray[np.float32]:
        try:
            matrix: NDArray[np.float32] = np.lib.format.open_memmap(self._path, mode="r")
        except Exception as error:
            # NumPy's own parser, Python's for literals and the system's mapping each have theirs.
            raise ForeignFileError(
                f"{self._path}: not a matrix that NumPy wrote, or cut short: {error}"
            ) from error
        return matrix

    def tensors(self, rows: NDArray[np.int64]) -> Block:
        """The tensors of some rows; NaN for rows below 0.

        The file is mapped for this call alone: its pages are given back with it.
        """
        block = np.full((len(rows), self._layout.width), np.nan, np.float32)
        block[rows >= 0] = self._mapped()[rows[rows >= 0]]
        return self._layout.tensors(block)


def _weights(
    matrix: _Matrix,
    rows: NDArray[np.int64],
    last_rows: NDArray[np.int64],
    places: dict[int, int],
) -> Callable[[Sequence[int], int | None], Block]:
    def weights(networks: Sequence[int], epoch: int | None) -> Block:
        own = np.array(networks, np.int64)
        return matrix.tensors(last_rows[own] if epoch is None else rows[own, places[epoch]])

    return weights


def _known_runs(table: Table, path: Path) -> tuple[NDArray[np.int64], list[str]]:
    """The runs whose activation is known here, and a note on the others."""
    words = [word.strip().lower() for word in table.settings["activation"]]
    runs = np.array([run for run, word in enumerate(words) if word in _ACTIVATIONS], np.int64)
    strange = sorted({word[:40] for word in words} - set(_ACTIVATIONS))
    if not len(runs):
        raise ForeignFileError(
            f"{path}: no network has an activation that is known here ({', '.join(_ACTIVATIONS)}), "
            f"but {', '.join(strange) or 'none'}"
        )
    left = [f"all_{run}" for run, word in enumerate(words) if word not in _ACTIVATIONS]
    if not left:
        return runs, []
    return runs, [
        f"{counted(len(left), 'network')} passed over, whose activation is not known here "
        f"({some(strange)}): {some(left)}"
    ]


def _last_epoch(table: Table, path: Path) -> int:
    """After how many epochs training ended, for all runs."""
    told = {text.strip() for text in table.settings.get("epochs", [])}
    if not told:
        return int(table.epochs.max()) if table.has_epochs else LAST_EPOCH
    numbers = {number_in(text, f"{path}, config.epochs") for text in told}
    if len(numbers) > 1 or not all(0 < own < np.inf and own == int(own) for own in numbers):
        raise ForeignFileError(
            f"{path}: expected one number of epochs for all runs, got {some(sorted(told))}"
        )
    last = int(numbers.pop())
    if table.has_epochs and table.epochs.max() > last:
        raise ForeignFileError(
            f"{path}: a row has step {table.epochs.max()}, though config.epochs is {last}"
        )
    return last


def _rows_by_run(
    table: Table, epochs: NDArray[np.int64], path: Path
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row of the matrix [run, epoch], -1 where there is none; and the epochs."""
    known, places = np.unique(epochs, return_inverse=True)
    rows = np.full((len(table.keys), len(known)), -1, np.int64)
    rows[table.runs, places] = np.arange(len(table.runs))
    # Where two rows are of one place, only the later is found again.
    lost = np.flatnonzero(rows[table.runs, places] != np.arange(len(table.runs)))
    if len(lost):
        row = int(lost[0])
        raise ForeignFileError(
            f"{path}: {counted(len(lost), 'row')} of a run and an epoch that are there already, "
            f"the first of {table.keys[table.runs[row]][:80]!r} after epoch {epochs[row]}"
        )
    return rows, known


def _last_place(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Place of every run's last epoch."""
    from_the_end: NDArray[np.int64] = np.argmax(rows[:, ::-1] >= 0, axis=1)
    places: NDArray[np.int64] = rows.shape[1] - 1 - from_the_end
    return places


def _columns(
    table: Table, runs: NDArray[np.int64], path: Path
) -> tuple[dict[str, list[Value | None]], dict[tuple[str, str], list[Value | None]]]:
    """Hyper-parameters by hyperzoo's names, and what it has no names for."""
    told: dict[str, list[Value | None]] = {"batch_size": [BATCH] * len(runs)}
    told["learning_rate"] = [None] * len(runs)
    for name, own in _NUMBERS.items():
        if name in table.settings:
            place = f"{path}, config.{name}"
            told[own] = [_number(table.settings[name][run], place) for run in runs]
    for name, own in _WORDS.items():
        if name in table.settings:
            told[own] = [_word(table.settings[name][run]) for run in runs]
    if "bias_initialisation" in told and "initialisation" in told:
        pairs = zip(told["bias_initialisation"], told["initialisation"], strict=True)
        told["bias_initialisation"] = [
            _AS_KERNELS if biases == kernels else biases for biases, kernels in pairs
        ]
    others: dict[tuple[str, str], list[Value | None]] = {
        ("key", "string"): [table.keys[run] for run in runs]
    }
    for name, cells in table.settings.items():
        own_cells = [cells[run] for run in runs]
        strange = name not in _NUMBERS and name not in _WORDS and len(set(own_cells)) > 1
        if strange and OWN_COLUMN.fullmatch(f"config.{name}"):
            others[f"config.{name}", "string"] = list(own_cells)
    return told, others


def _number(cell: str, place: str) -> float | None:
    value = number_in(cell, place) if cell.strip() else None
    return value if value is not None and np.isfinite(value) else None


def _word(cell: str) -> str:
    word = cell.strip().lower()
    return _SCHEMES.get(word.replace("_", ""), word)


def _shared(table: Table, runs: NDArray[np.int64]) -> dict[str, Value]:
    """Settings that all networks have, of which hyperzoo has no name."""
    known = (*_NUMBERS, *_WORDS)
    found = {name: _common(table, name, runs) for name in table.settings if name not in known}
    return {f"config.{name}": value for name, value in found.items() if value}


def _common(table: Table, name: str, runs: NDArray[np.int64]) -> str:
    """The cell of all runs; "" where they differ, or there is no such column."""
    cells = {table.settings[name][run] for run in runs} if name in table.settings else set()
    return cells.pop() if len(cells) == 1 else ""


def _architecture(plain: Architecture, size: int) -> Architecture:
    """The built-in network for images of a size, with its scaling of images and its dropouts."""
    facts = architecture_facts(plain)
    layers: list[dict[str, object]] = [{"normalize": "inputs", "mean": 0.5, "std": 0.5}]
    for layer in facts["layers"]:
        layers.append(layer)
        if "conv" in layer:
            layers.append({"dropout": _DROPOUT})
    own = {"name": "smallcnn-dropout", "input_shape": [size, size, 1], "layers": layers}
    return architecture_from(facts | own)
