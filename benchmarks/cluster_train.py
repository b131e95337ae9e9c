"""Training by workers beside training by one process, on the same cores.

    python benchmarks/cluster_train.py imagenette-32.npz [--epochs 25] [--parts 2] [--rounds 3]

Two cores train parts of imagenette-lenet5 in three ways: `train`, one worker with both cores (a
node of two), and two workers with a core each (two nodes of one). A part has `--size` networks of
each of ten classes: 1 by default, where a zoo that was not grown step by step has 5, so whatever a
part costs beside its training weighs five times as much here. The ways take turns, so that what
else the machine does falls upon all of them. Core-seconds are those of all processes of a way,
their start included.
docs/cluster.md has a result.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from hyperzoo.population.machine import processor_name
from hyperzoo.version import VERSION

HYPERZOO = [sys.executable, "-c", "from hyperzoo.cli import main; main()"]

Took = tuple[float, float]


def timed(commands: list[list[str]], cores: list[set[int]]) -> Took:
    """Run commands side by side, each bound to cores; seconds by the clock and of processors."""
    started = time.perf_counter()
    running = []
    for command, own in zip(commands, cores, strict=True):
        process = subprocess.Popen(HYPERZOO + command, stdout=subprocess.DEVNULL)
        os.sched_setaffinity(process.pid, own)
        running.append(process)
    used = 0.0
    for process in running:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"{process.args} ended with {process.returncode}")
        used += usage.ru_utime + usage.ru_stime
    return time.perf_counter() - started, used


def one_round(
    folder: Path, recipe: list[str], sizes: range, cores: list[int]
) -> Iterator[tuple[str, Took]]:
    both, each = [set(cores)], [{core} for core in cores]
    for way in ("train", "one", "two"):
        for size in sizes:  # each size that a zoo has had begins a part
            prepare = ["submit", *recipe, "--networks-per-class", str(size), "--tasks", "1"]
            prepare += ["--dry-run", "--out", f"{folder}/{way}"]
            yield "submit, all but the submission", timed([prepare], both)
    train = ["train", *recipe, "--networks-per-class", str(sizes[-1]), "--out", f"{folder}/train"]
    yield "train", timed([[*train, "--workers", "2"]], both)
    yield "one worker of two cores", timed([["work", f"{folder}/one", "--workers", "2"]], both)
    shards = [
        ["work", f"{folder}/two", "--workers", "1", "--shard", f"{number}/2"] for number in (0, 1)
    ]
    yield "two workers of one core", timed(shards, each)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("images", type=Path)
    parser.add_argument("--epochs", type=int, default=25)
    parser.add_argument("--parts", type=int, default=2)
    parser.add_argument("--size", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    recipe = ["imagenette-lenet5", "--images", str(chosen.images), "--epochs", str(chosen.epochs)]
    sizes = range(chosen.size, chosen.parts * chosen.size + 1, chosen.size)
    cores = sorted(os.sched_getaffinity(0))[:2]
    steps: dict[str, list[Took]] = {}
    for number in range(chosen.rounds):
        with tempfile.TemporaryDirectory() as folder:
            took_turns = one_round(Path(folder), recipe, sizes, cores)
            for step, took in took_turns:
                steps.setdefault(step, []).append(took)
                print(f"round {number + 1}: {step}: {took[0]:.1f} s, {took[1]:.1f} core-seconds")
    print(f"{processor_name()}, hyperzoo {VERSION}, load {os.getloadavg()[1]:.1f}")
    networks, epochs = 10 * chosen.size, chosen.epochs
    print(f"{chosen.parts} parts of {networks} networks, {epochs} epochs; {chosen.rounds} rounds")
    print("least and median")
    for step, all_took in steps.items():
        columns = zip(*all_took, strict=True)
        for what, column in zip(("s by the clock", "core-seconds"), columns, strict=True):
            print(f"{step:32} {min(column):7.1f} {statistics.median(column):7.1f} {what}")


if __name__ == "__main__":
    main()
