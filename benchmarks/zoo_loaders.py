"""Loads networks of others' zoos as their users do, and as zoos of hyperzoo: a process a way.

`benchmarks/zoos.py` runs it. Whatever the way, what comes out are the tensors of every layer
[network, *shape] in PyTorch's axes after the last epoch, and the networks' test accuracies; their
sums are printed, so that it shows whether all ways give the same networks.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

Loaded = tuple[list[np.ndarray], np.ndarray]

MODEL_DATASET_BASE = """
import sys
from pathlib import Path
from checkpoints_to_datasets.dataset_base import ModelDatasetBase
data = ModelDatasetBase(
    [Path(sys.argv[1])], epoch_lst=int(sys.argv[2]), ds_split=[1.0, 0.0], num_threads=2,
    property_keys={"result_keys": ["test_acc", "training_iteration"], "config_keys": ["seed"]},
)
weights = data.__get_weights__()
accuracies = data.properties["test_acc"]
print("%d networks, %.3f, %.3f" % (len(data), weights.double().sum(), sum(accuracies)))
"""
"""The ModelZoos' own loader, for an environment of its own: it is no dependency."""


def as_nfn_does(folder: Path, count: int) -> Loaded:
    """All of the matrix, shuffled by a list, then the rows of the last epoch.

    After `ZooDataset` of AllanYangZhou/nfn (experiments/data_utils.py), which later papers follow.
    """
    import pandas as pd

    data = np.load(folder / "weights.npy")
    metrics = pd.read_csv(folder / "metrics.csv.gz")
    order = np.random.default_rng(0).permutation(len(data))
    data, metrics = data[order], metrics.iloc[order]
    last = (metrics["step"] == 86).to_numpy()
    data, metrics = data[last], metrics[last]
    assert np.isfinite(data).all()
    chosen = (metrics["modeldir"].rank() <= count).to_numpy()
    return _layers(folder, data[chosen]), metrics["test_accuracy"].to_numpy()[chosen]


def as_mapped(folder: Path, count: int) -> Loaded:
    """The few rows that are asked for, of the matrix on disk: the best that plain NumPy does."""
    import pandas as pd

    metrics = pd.read_csv(folder / "metrics.csv.gz", usecols=["modeldir", "step", "test_accuracy"])
    metrics = metrics[metrics["step"] == 86].sort_values("modeldir")[:count]
    matrix = np.load(folder / "weights.npy", mmap_mode="r")
    return _layers(folder, matrix[metrics.index]), metrics["test_accuracy"].to_numpy()


def _layers(folder: Path, rows: np.ndarray) -> list[np.ndarray]:
    """Rows cut up by the layout, kernels in PyTorch's axes."""
    import ast

    import pandas as pd

    layers = []
    for own in pd.read_csv(folder / "layout.csv").itertuples():
        tensor = rows[:, own.start_idx : own.end_idx]
        tensor = tensor.reshape(len(rows), *ast.literal_eval(own.shape))
        axes = {5: (0, 4, 3, 1, 2), 3: (0, 2, 1)}.get(tensor.ndim)
        layers.append(tensor if axes is None else tensor.transpose(axes))
    return layers


def as_torch_loads(folder: Path, epoch: int) -> Loaded:
    """A loop of `torch.load`, and the line of `result.json`."""
    import torch

    states, accuracies = [], []
    for trial in sorted(folder.iterdir()):
        path = trial / f"checkpoint_{epoch:06}" / "checkpoints"
        states.append(torch.load(path, map_location="cpu"))
        lines = [json.loads(line) for line in (trial / "result.json").open()]
        accuracies.append(lines[epoch]["test_acc"])
    layers = [torch.stack([own[name] for own in states]).numpy() for name in states[0]]
    return layers, np.array(accuracies)


def as_hyperzoo(folder: Path, count: int) -> Loaded:
    """Networks of a zoo that was imported once."""
    import hyperzoo as hz

    zoo = hz.open_zoo(folder)
    rows = [zoo.arrays(network) for network in zoo.ids[:count]]
    layers = [np.stack([own[name] for own in rows]) for name in rows[0]]
    return layers, zoo.models["accuracy"].to_numpy()[:count]


WAYS: dict[str, Callable[[Path, int], Loaded]] = {
    "nfn": as_nfn_does,
    "mapped": as_mapped,
    "torch": as_torch_loads,
    "hyperzoo": as_hyperzoo,
}


def model_dataset_base(python: Path, code: Path, folder: Path, epoch: int) -> list[str]:
    """The command that loads with the ModelZoos' own loader, whose workers import it by name."""
    told = [str(python), "-c", MODEL_DATASET_BASE, str(folder), str(epoch)]
    return ["env", f"PYTHONPATH={code.resolve()}", *told]


def own_process(way: str, folder: Path, count: int) -> list[str]:
    """The command that loads in a process of its own."""
    return [sys.executable, __file__, way, str(folder), str(count)]


def time_step(what: str, command: Sequence[str]) -> None:
    """Run a command, and print its seconds, its processors' seconds, its peak memory, its answer.

    All are those of the process and of all that it starts, looked at twenty times a second. Memory
    is what is theirs alone and their share of what they have in common (Linux: PSS).
    """
    begin, peak, used = time.perf_counter(), 0.0, dict[int, float]()
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    while process.poll() is None:
        own = _with_children(process.pid)
        used |= own
        peak = max(peak, sum(map(_megabytes, own)))
        time.sleep(0.05)
    seconds = time.perf_counter() - begin
    assert process.stdout is not None
    said = (process.stdout.read().splitlines() or [""])[-1] if process.returncode == 0 else "FAILED"
    figures = f"{seconds:.1f} | {sum(used.values()):.1f} | {peak:.0f}"
    print(f"| {what} | {figures} | {said[:60]} |", flush=True)


def _with_children(root: int) -> dict[int, float]:
    """A process and all that descend from it -> the processor's seconds that it has had."""
    parents, seconds = dict[int, int](), dict[int, float]()
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            after_name = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has ended
        parents[int(entry.name)] = int(after_name[1])
        ticks = int(after_name[11]) + int(after_name[12])
        seconds[int(entry.name)] = ticks / os.sysconf("SC_CLK_TCK")
    found = {root}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return {pid: seconds.get(pid, 0.0) for pid in found}


def _megabytes(pid: int) -> float:
    try:
        lines = Path("/proc", str(pid), "smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1000


def main() -> None:
    way, folder, count = sys.argv[1:]
    layers, accuracies = WAYS[way](Path(folder), int(count))
    total = sum(float(layer.sum(dtype=np.float64)) for layer in layers)
    print(f"{len(accuracies)} networks, {total:.3f}, {accuracies.sum():.3f}")


if __name__ == "__main__":
    main()
