"""Training by workers beside training by one process, on the same cores.

    python benchmarks/cluster_train.py imagenette-32.npz [--epochs 25] [--parts 2] [--rounds 3]

Two cores train parts of imagenette-lenet5 in three ways: `train`, one worker with both cores (a
node of two), and two workers with a core each (two nodes of one). A part has `--size` networks of
each of ten classes: 1 by default, where a zoo that was not grown step by step has 5, so whatever a
part costs beside its training weighs five times as much here. Whether it works at all is seen in
minutes with `--epochs 3 --rounds 1`.

The ways take turns within each round, each round in another order, so that what else the machine
does falls upon all of them; what is compared is compared within a round. Core-seconds are user and
system time of all processes of a way, their start and the reading of the images included. At the
end stand the overhead of a worker beside `train` (in core-seconds), and the parallel efficiency of
two nodes of one core beside one of two (in core-seconds, and by the clock), as median and range
over the rounds. docs/cluster.md has a result.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from hyperzoo.cores import usable_cores
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


TRAIN, ONE, TWO = "train", "one worker of two cores", "two workers of one core"
SUBMIT = "submit, all but the submission"


def prepare(folder: Path, recipe: list[str], sizes: range, cores: list[int]) -> list[Took]:
    """Make a zoo ready in a folder; each size that it has had begins a part."""
    took = []
    for size in sizes:
        submit = ["submit", *recipe, "--networks-per-class", str(size), "--tasks", "1"]
        took.append(timed([[*submit, "--dry-run", "--out", str(folder)]], [set(cores)]))
    return took


def train_in(way: str, folder: Path, recipe: list[str], size: int, cores: list[int]) -> Took:
    """Train a zoo that was made ready."""
    work = ["work", str(folder), "--workers"]
    if way == TRAIN:
        sized = [*recipe, "--networks-per-class", str(size)]
        return timed([["train", *sized, "--out", str(folder), "--workers", "2"]], [set(cores)])
    if way == ONE:
        return timed([[*work, "2"]], [set(cores)])
    shards = [[*work, "1", "--shard", f"{number}/2"] for number in (0, 1)]
    return timed(shards, [{core} for core in cores])


def spread(values: list[float], form: str) -> str:
    """Median and range."""
    shown = [format(value, form) for value in (statistics.median(values), min(values), max(values))]
    return f"{shown[0]:>8} ({shown[1]} to {shown[2]})"


def report(steps: dict[str, list[Took]]) -> None:
    """Print median and range of each way, and what is compared within rounds."""
    print(f"{'median (range) of rounds':34} {'core-seconds':>28} {'seconds by the clock':>28}")
    for step, all_took in steps.items():
        clock, used = ([took[column] for took in all_took] for column in (0, 1))
        print(f"{step:34} {spread(used, '.1f'):>28} {spread(clock, '.1f'):>28}")
    train, one, two = steps[TRAIN], steps[ONE], steps[TWO]
    for what, ratios in (
        (
            "overhead of a worker, core-seconds",
            [b[1] / a[1] - 1 for a, b in zip(train, one, strict=True)],
        ),
        ("efficiency of two, core-seconds", [a[1] / b[1] for a, b in zip(one, two, strict=True)]),
        ("efficiency of two, by the clock", [a[0] / b[0] for a, b in zip(one, two, strict=True)]),
    ):
        print(f"{what:34} {spread(ratios, '.1%'):>28}")


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
    if usable_cores() < 2 or not hasattr(os, "sched_setaffinity"):
        raise SystemExit("expected two cores, on Linux, which binds processes to them")
    cores = sorted(os.sched_getaffinity(0))[:2]  # which ones, not how many
    steps: dict[str, list[Took]] = {TRAIN: [], ONE: [], TWO: [], SUBMIT: []}
    ways = [TRAIN, ONE, TWO]
    for number in range(chosen.rounds):
        with tempfile.TemporaryDirectory() as name:
            for way in ways[number % 3 :] + ways[: number % 3]:
                folder = Path(name) / way.replace(" ", "-")
                steps[SUBMIT] += prepare(folder, recipe, sizes, cores)
                took = train_in(way, folder, recipe, sizes[-1], cores)
                steps[way].append(took)
                print(f"round {number + 1}: {way}: {took[1]:.1f} core-seconds, {took[0]:.1f} s")
    print(f"{processor_name()}, hyperzoo {VERSION}, load {os.getloadavg()[1]:.1f}")
    networks, epochs = 10 * chosen.size, chosen.epochs
    print(f"{chosen.parts} parts of {networks} networks, {epochs} epochs; {chosen.rounds} rounds")
    report(steps)


if __name__ == "__main__":
    main()
