"""Other people's zoos, made of random numbers in full size: seconds, memory and size of each step.

    python benchmarks/zoos.py --folder FOLDER [--runs 30000] [--trials 1000]
        [--their-python PYTHON --their-code ModelZooDataset/code]

A Small CNN Zoo of 9 checkpoints a run (30,000 runs: 270,000 rows, 5.4 GB) is made and imported,
and shown, predicted and reported on as the zoo that it has become; then a folder of the ModelZoos'
trials, each with 6 checkpoints, is imported. Every step is a process of its own, so that a peak of
memory is its own. Last, 1,000 networks are loaded as the users of either zoo do and as hyperzoo
does (zoo_loaders.py); the ModelZoos' own loader runs in an environment of its own, with the
versions of their environment.yml. The folder needs three times the room of the matrix; what was
made is removed. docs/zoos.md has a result.
"""

import argparse
import csv
import gzip
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from zoo_loaders import model_dataset_base, own_process, time_step

EPOCHS = (0, 1, 2, 3, 20, 40, 60, 80, 86)
VARIABLES = (
    ("conv2d/bias", (16,)), ("conv2d/kernel", (3, 3, 1, 16)), ("conv2d_1/bias", (16,)),
    ("conv2d_1/kernel", (3, 3, 16, 16)), ("conv2d_2/bias", (16,)),
    ("conv2d_2/kernel", (3, 3, 16, 16)), ("dense/bias", (10,)), ("dense/kernel", (16, 10)),
)  # fmt: skip
BLOCK = 9_000
"""Rows that are made at once."""

NETWORKS = 1_000
"""That are loaded in several ways."""

LAST = ("--epochs", "last")
LOADED = (
    "| way | s | processor s | peak MB | networks, sum of weights, of accuracies |\n"
    "|---|---|---|---|---|"
)


def make_small_cnn_zoo(folder: Path, runs: int) -> None:
    """Weights whose size follows from the run's settings, and accuracies that follow from both."""
    folder.mkdir(parents=True)
    begin = 0
    with (folder / "layout.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["varname", "start_idx", "end_idx", "size", "shape"])
        for name, shape in VARIABLES:
            size = int(np.prod(shape))
            writer.writerow([f"sequential/{name}:0", begin, begin + size, size, shape])
            begin += size
    generator = np.random.default_rng(0)
    scales = np.exp(generator.uniform(np.log(0.02), np.log(0.5), runs))
    growth = 0.5 + np.sqrt(np.array(EPOCHS) / 86)
    rows = runs * len(EPOCHS)
    matrix = np.lib.format.open_memmap(
        folder / "weights.npy", "w+", dtype="<f4", shape=(rows, begin)
    )
    plain = generator.normal(0, 1, (BLOCK, begin)).astype(np.float32)
    factors = (scales[:, None] * growth).ravel().astype(np.float32)
    for first in range(0, rows, BLOCK):
        own = factors[first : first + BLOCK, None]
        np.multiply(np.roll(plain, first // BLOCK, axis=1)[: len(own)], own,
                    out=matrix[first : first + BLOCK])  # fmt: skip
    del matrix
    names = ["modeldir", "step", "activation", "b_init", "dataset", "dropout", "epochs", "init_std",
             "l2reg", "learning_rate", "optimizer", "random_seed", "train_fraction",
             "w_init"]  # fmt: skip
    header = [*names[:2], *(f"config.{name}" for name in names[2:])]
    figures = ["test_accuracy", "test_loss", "train_accuracy", "train_loss"]
    with gzip.open(folder / "metrics.csv.gz", "wt", compresslevel=1, newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*header, *figures])
        for run in range(runs):
            own = generator.random(4)
            settings = [
                ("relu", "tanh")[run % 2], "zeros", "cifar10", 0.7 * own[0], 86, scales[run],
                1e-8 * 10 ** (6 * own[1]), 5e-4 * 100 ** own[2],
                ("sgd", "adam", "rmsprop")[run % 3], 42, (0.1, 0.25, 0.5, 1.0)[run % 4],
                ("RandomNormal", "glorot_normal", "he_normal")[run % 3],
            ]  # fmt: skip
            for place, epoch in enumerate(EPOCHS):
                accuracy = 0.1 + 0.4 * (1 - np.exp(-4 * scales[run] * growth[place]))
                told = [accuracy, 2.3 - accuracy, accuracy + 0.05, 2.2 - accuracy]
                writer.writerow([f"/zoo/{run:05}", epoch, *settings, *told])


def make_trials(folder: Path, trials: int) -> None:
    """Trials of the CNN of 2,464 parameters, with a checkpoint every tenth epoch."""
    import torch

    shapes = [(8, 1, 5, 5), (8,), (6, 8, 5, 5), (6,), (4, 6, 2, 2), (4,), (20, 36), (20,),
              (10, 20), (10,)]  # fmt: skip
    names = [f"module_list.{n}.{kind}" for n in (0, 3, 6, 9, 11) for kind in ("weight", "bias")]
    for number in range(trials):
        trial = folder / f"NN_tune_trainable_ab12c_{number:05}_{number}_seed={number}_2021-10-04"
        trial.mkdir(parents=True)
        config = {
            "model::type": "CNN", "model::channels_in": 1, "model::o_dim": 10,
            "model::nlin": "tanh", "model::dropout": 0.0, "model::init_type": "uniform",
            "optim::optimizer": "adam", "optim::lr": 3e-4, "optim::wd": 1e-3,
            "optim::momentum": 0.9, "training::batchsize": 10, "seed": number,
        }  # fmt: skip
        (trial / "params.json").write_text(json.dumps(config))
        with (trial / "result.json").open("w") as file:
            for epoch in range(51):
                told = {"train_loss": 1.0, "train_acc": 0.5, "test_loss": 1.0,
                        "test_acc": epoch / 60, "training_iteration": epoch,
                        "config": config}  # fmt: skip
                file.write(json.dumps(told) + "\n")
        for epoch in range(0, 51, 10):
            generator = torch.Generator().manual_seed(100 * number + epoch)
            place = trial / f"checkpoint_{epoch:06}"
            place.mkdir()
            state = {
                n: torch.randn(shape, generator=generator)
                for n, shape in zip(names, shapes, strict=True)
            }
            torch.save(state, place / "checkpoints")


def step(what: str, *arguments: object) -> None:
    """Run hyperzoo, and print seconds and peak memory."""
    begin = time.perf_counter()
    program = "from hyperzoo.cli import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)], stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = status
    seconds = time.perf_counter() - begin
    processor = usage.ru_utime + usage.ru_stime
    done = "" if status == 0 else f" FAILED with status {status}"
    print(f"| {what} | {seconds:.1f} | {processor:.1f} | {usage.ru_maxrss / 1000:.0f} |{done}",
          flush=True)  # fmt: skip


def in_own_process(make: Callable[[Path, int], None], *arguments: object) -> None:
    """So that this process stays small: Linux counts its memory to the peak of its children."""
    process = multiprocessing.get_context("spawn").Process(target=make, args=arguments)
    process.start()
    process.join()
    assert process.exitcode == 0


def size_of(folder: Path) -> str:
    files = [file.stat().st_size for file in folder.rglob("*") if file.is_file()]
    return f"{sum(files) / 1e9:.2f} GB in {len(files):,} files"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--runs", type=int, default=30_000)
    parser.add_argument("--trials", type=int, default=1_000)
    parser.add_argument("--their-python", type=Path, help="has the ModelZoos' environment")
    parser.add_argument("--their-code", type=Path, help="the folder `code` of ModelZooDataset")
    chosen = parser.parse_args()
    chosen.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=chosen.folder) as work:
        small_cnn_zoo(Path(work), chosen.runs)
        if chosen.runs > NETWORKS:
            source, zoo = Path(work, "few"), Path(work, "zoo")
            in_own_process(make_small_cnn_zoo, source, NETWORKS)
            step(f"import of {NETWORKS} runs, last", "import", source, "--out", zoo, *LAST)
            load_small_cnn_zoo(source, zoo)
            shutil.rmtree(zoo)
        modelzoos(Path(work), chosen.trials, chosen.their_python, chosen.their_code)


def small_cnn_zoo(work: Path, runs: int) -> None:
    source, zoo = work / "small-cnn-zoo", work / "zoo"
    in_own_process(make_small_cnn_zoo, source, runs)
    print(f"{runs} runs, {size_of(source)}; load {os.getloadavg()[0]:.1f}")
    print("| step | s | processor s | peak MB |\n|---|---|---|---|", flush=True)
    step("import, all checkpoints", "import", source, "--out", zoo)
    print(f"zoo: {size_of(zoo)}", flush=True)
    step("show", "show", zoo)
    predict(zoo)
    step("report", "report", zoo, "--out", work / "report.html")
    shutil.rmtree(zoo)
    step("import --epochs last", "import", source, "--out", zoo, *LAST)
    print(f"zoo: {size_of(zoo)}", flush=True)
    predict(zoo)
    load_small_cnn_zoo(source, zoo)
    shutil.rmtree(zoo)
    shutil.rmtree(source)


def predict(zoo: Path) -> None:
    step("predict accuracy, statistics, 1 split", "predict", zoo, "--target", "accuracy",
         "--methods", "statistics", "--splits", 1)  # fmt: skip


def load_small_cnn_zoo(source: Path, zoo: Path) -> None:
    """The last weights and accuracies of the first networks, from a file and from a zoo."""
    print(f"{NETWORKS} networks of {size_of(source)}\n{LOADED}", flush=True)
    time_step("all of the matrix, shuffled, then cut", own_process("nfn", source, NETWORKS))
    time_step("their rows of the mapped matrix", own_process("mapped", source, NETWORKS))
    time_step("hyperzoo, imported", own_process("hyperzoo", zoo, NETWORKS))


def modelzoos(work: Path, trials: int, python: Path | None, code: Path | None) -> None:
    source, zoo = work / "tune_zoo_mnist", work / "zoo"
    in_own_process(make_trials, source, trials)
    print(f"{trials} trials, {size_of(source)}")
    step("import trials, all checkpoints", "import", source, "--out", zoo)
    shutil.rmtree(zoo)
    step("import trials --epochs last", "import", source, "--out", zoo, *LAST)
    print(f"{trials} networks\n{LOADED}", flush=True)
    if python is not None and code is not None:
        time_step("ModelDatasetBase", model_dataset_base(python, code, source, 50))
    time_step("torch.load in a loop", own_process("torch", source, 50))
    time_step("hyperzoo, imported", own_process("hyperzoo", zoo, trials))
    shutil.rmtree(zoo)


if __name__ == "__main__":
    main()
