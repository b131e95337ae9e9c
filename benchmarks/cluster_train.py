"""Training by workers beside training by one process, on the same cores.

    python benchmarks/cluster_train.py imagenette-32.npz [--epochs 2] [--parts 2] [--rounds 3]

Two cores train parts of 50 networks of imagenette-lenet5 in three ways: `train`, one worker with
both cores (a node of two), and two workers with a core each (two nodes of one). The ways take
turns, so that what else the machine does falls upon all of them. Core-seconds are those of all
processes of a way, their start included. docs/cluster.md has a result.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from hyperzoo.population.machine import processor_name
from hyperzoo.version import VERSION

NETWORKS_A_PART = 50
CLASSES = 10
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


def one_round(folder: Path, recipe: list[str], cores: list[int]) -> dict[str, Took]:
    both, each = [set(cores)], [{core} for core in cores]
    took = {}
    took["train"] = timed([["train", *recipe, "--out", f"{folder}/train", "--workers", "2"]], both)
    prepare = ["submit", *recipe, "--tasks", "2", "--dry-run", "--out"]
    took["submit, all but the submission"] = timed([[*prepare, f"{folder}/one"]], both)
    timed([[*prepare, f"{folder}/two"]], both)
    took["one worker of two cores"] = timed([["work", f"{folder}/one", "--workers", "2"]], both)
    took["two workers of one core"] = timed(
        [["work", f"{folder}/two", "--workers", "1", "--shard", f"{n}/2"] for n in (0, 1)], each
    )
    return took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("images", type=Path)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--parts", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    networks = chosen.parts * NETWORKS_A_PART // CLASSES
    recipe = ["imagenette-lenet5", "--images", str(chosen.images)]
    recipe += ["--networks-per-class", str(networks), "--epochs", str(chosen.epochs)]
    cores = sorted(os.sched_getaffinity(0))[:2]
    steps: dict[str, list[Took]] = {}
    for number in range(chosen.rounds):
        with tempfile.TemporaryDirectory() as folder:
            for step, took in one_round(Path(folder), recipe, cores).items():
                steps.setdefault(step, []).append(took)
                print(f"round {number + 1}: {step}: {took[0]:.1f} s, {took[1]:.1f} core-seconds")
    print(f"{processor_name()}, hyperzoo {VERSION}, load {os.getloadavg()[1]:.1f}")
    print(
        f"{chosen.parts} parts, {chosen.epochs} epochs: least and median of {chosen.rounds} rounds"
    )
    for step, all_took in steps.items():
        columns = zip(*all_took, strict=True)
        for what, column in zip(("s by the clock", "core-seconds"), columns, strict=True):
            print(f"{step:32} {min(column):7.1f} {statistics.median(column):7.1f} {what}")


if __name__ == "__main__":
    main()
