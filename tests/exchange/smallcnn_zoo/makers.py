"""Small CNN Zoos as they are published, made of numbers of the tests' own."""

import csv
import gzip
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

VARIABLES = (
    ("sequential/conv2d/bias:0", (16,)),
    ("sequential/conv2d/kernel:0", (3, 3, 1, 16)),
    ("sequential/conv2d_1/bias:0", (16,)),
    ("sequential/conv2d_1/kernel:0", (3, 3, 16, 16)),
    ("sequential/conv2d_2/bias:0", (16,)),
    ("sequential/conv2d_2/kernel:0", (3, 3, 16, 16)),
    ("sequential/dense/bias:0", (10,)),
    ("sequential/dense/kernel:0", (16, 10)),
)
EPOCHS = (0, 1, 2, 3, 20, 40, 60, 80, 86)
ACTIVATIONS = ("relu", "tanh", "sigmoid")
FUNCTIONS = {"relu": torch.relu, "tanh": torch.tanh, "sigmoid": torch.sigmoid}

Row = dict[str, Any]


def layout_text() -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["varname", "start_idx", "end_idx", "size", "shape"])
    begin = 0
    for name, shape in VARIABLES:
        size = int(np.prod(shape))
        writer.writerow([name, begin, begin + size, size, str(shape)])
        begin += size
    return text.getvalue()


def rows_of(runs: int, epochs: Sequence[int] = EPOCHS) -> list[Row]:
    """A row for each epoch of each run, with settings that differ from run to run."""
    return [
        {
            "modeldir": f"/cns/zoo/{run:05}",
            "step": epoch,
            "config.activation": ACTIVATIONS[run % 3],
            "config.b_init": "zeros",
            "config.dataset": "cifar10",
            "config.dnn_architecture": "cnn",
            "config.dropout": round(0.01 * run, 3),
            "config.epochs": 86,
            "config.init_std": 0.001 * (run + 1),
            "config.l2reg": 1e-6 * (run + 1),
            "config.learning_rate": 1e-3 * (run + 1),
            "config.optimizer": ("sgd", "adam", "rmsprop")[run % 3],
            "config.random_seed": 42,
            "config.train_fraction": (0.1, 0.25, 0.5, 1.0)[run % 4],
            "config.w_init": ("RandomNormal", "glorot_normal", "TruncatedNormal")[run % 3],
            "test_accuracy": 0.1 + 0.005 * run + 0.001 * epoch,
            "test_loss": 2.3 - 0.01 * epoch,
            "train_accuracy": 0.1 + 0.005 * run + 0.002 * epoch,
            "train_loss": 2.2 - 0.01 * epoch,
        }
        for run in range(runs)
        for epoch in epochs
    ]


def make_zoo(folder: Path, rows: list[Row], weights: np.ndarray | None = None) -> np.ndarray:
    """Write the three files; returns the matrix."""
    folder.mkdir(parents=True, exist_ok=True)
    if weights is None:
        generator = np.random.default_rng(len(rows))
        weights = generator.normal(0, 0.2, (len(rows), 4970)).astype(np.float32)
    np.save(folder / "weights.npy", weights)
    (folder / "layout.csv").write_text(layout_text())
    write_metrics(folder, rows)
    return weights


def write_metrics(folder: Path, rows: list[Row]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    (folder / "metrics.csv.gz").write_bytes(gzip.compress(text.getvalue().encode(), mtime=0))


def answers(row: np.ndarray, activation: str, images: np.ndarray) -> np.ndarray:
    """The logits of one row of the matrix, by the definition of the network.

    Args:
        row: float32 [4970].
        activation: its name.
        images: uint8 [image, height, width, 1].
    """
    pieces, begin = {}, 0
    for name, shape in VARIABLES:
        end = begin + int(np.prod(shape))
        pieces[name.split("/", 1)[1]] = torch.from_numpy(row[begin:end].reshape(shape))
        begin = end
    values = torch.from_numpy(images).float().permute(0, 3, 1, 2) / 255 * 2 - 1
    for layer in ("conv2d", "conv2d_1", "conv2d_2"):
        kernel = pieces[f"{layer}/kernel:0"].permute(3, 2, 0, 1)
        sums = functional.conv2d(values, kernel, pieces[f"{layer}/bias:0"], stride=2)
        values = FUNCTIONS[activation](sums)
    pooled = values.mean(dim=(2, 3))
    return (pooled @ pieces["dense/kernel:0"] + pieces["dense/bias:0"]).numpy()
