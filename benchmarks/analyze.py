"""Analysing a zoo of 10,610 LeNet-5 networks (3.9 GB), beside one NumPy sum over the same files.

    python benchmarks/analyze.py [--networks-per-class 1061] [--trials 3] [--keep FOLDER]

The zoo is synthetic: normal weights with a slightly different scale for each class and layer, and a
history and metrics of made-up numbers. It is written into a temporary folder, which is removed at
the end; `--keep` names one to use and leave. The sum and the analysis take turns, each in a process
of its own, so that a peak of memory is its own. The analysis of weights and all sections with
their figures are timed apart: drawing takes the same time for any zoo. docs/analysis.md has a
result.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

import hyperzoo as hz
from hyperzoo.architectures import Architecture, get_architecture
from hyperzoo.cores import usable_cores
from hyperzoo.plan import PlannedNetwork
from hyperzoo.population.machine import processor_name
from hyperzoo.zoo import FinishedNetwork, ZooWriter, layout

CLASSES = tuple(f"class_{letter}" for letter in "abcdefghij")

# Each prints seconds of wall and processor time, and the peak of memory in MB.
START = """
import json, resource, sys, time
import hyperzoo as hz
zoo = hz.open_zoo(sys.argv[1])
zoo.ids
wall, processor = time.perf_counter(), time.process_time()
"""
END = """
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
wall, processor = time.perf_counter() - wall, time.process_time() - processor
print(json.dumps([wall, processor, peak]))
"""
WORK = {
    "numpy sum": """
for part in zoo.parts_complete:
    for tensor in zoo.part_weights(part).values():
        tensor.sum()
""",
    "studies of the weights": """
from hyperzoo.analysis.common import common_weights
from hyperzoo.analysis.distributions import moments_table
from hyperzoo.analysis.divergence import divergence
from hyperzoo.analysis.weights import read_weights
weights = read_weights(zoo)
moments_table(weights), common_weights(weights), divergence(weights)
""",
    "all sections and figures": """
from hyperzoo.report.sections import sections
assert len(list(sections(zoo))) == 6
""",
}


def make_zoo(folder: Path, networks_per_class: int) -> None:
    recipe = hz.load_recipe("imagenette-lenet5").with_changes(networks_per_class=networks_per_class)
    architecture = get_architecture(recipe.architecture.name, 1)
    with ZooWriter(
        folder,
        recipe,
        image_classes=CLASSES,
        image_fingerprint="0" * 64,
        images_name="no images: synthetic weights",
        architecture=architecture,
        provenance={"engine": "none"},
    ) as writer:
        for part, networks in writer.missing_parts.items():
            random = np.random.default_rng(part)
            writer.write_part(part, [synthetic(n, architecture, random) for n in networks])


def synthetic(
    network: PlannedNetwork, architecture: Architecture, random: np.random.Generator
) -> FinishedNetwork:
    number = CLASSES.index(network.class_name)
    weights = {}
    for place, parameter in enumerate(architecture.parameters):
        scale = 0.1 / (1 + place) * (1 + 0.01 * number * (place % 3)) + 0.01
        weights[parameter.name] = scale * random.standard_normal(parameter.shape, np.float32)
    curve = 0.3 + 0.4 / np.arange(1, 26) + 0.01 * random.standard_normal(25)
    return FinishedNetwork(
        network=network,
        status="ok",
        epoch=25,
        metrics=dict.fromkeys(layout.METRICS, 0.5 + 0.1 * float(random.random())),
        history=dict.fromkeys(layout.HISTORY_COLUMNS, curve),
        parameters=weights,
    )


def run(work: str, folder: Path) -> list[float]:
    """Wall seconds, processor seconds, MB."""
    command = [sys.executable, "-c", START + WORK[work] + END, str(folder)]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks-per-class", type=int, default=1061)
    parser.add_argument("--trials", type=int, default=3)
    parser.add_argument("--keep", type=Path)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = chosen.keep or Path(temporary, "zoo")
        make_zoo(folder, chosen.networks_per_class)
        report(folder, chosen.trials)


def report(folder: Path, trials: int) -> None:
    run("numpy sum", folder)  # brings the files into the page cache
    found: dict[str, list[list[float]]] = {work: [] for work in WORK}
    for _ in range(trials):
        for work in WORK:
            found[work].append(run(work, folder))
    cores = usable_cores()
    print(
        f"{processor_name()}, {cores} cores, NumPy {np.__version__}, {len(hz.open_zoo(folder)):,} "
        f"networks; the least of {trials} trials\n"
    )
    print("| | wall s | processor s | wall, times the sum | peak MB |\n|---|---|---|---|---|")
    base = min(wall for wall, _, _ in found["numpy sum"])
    for work, rows in found.items():
        wall, processor, peak = np.min(rows, axis=0)
        print(f"| {work} | {wall:.2f} | {processor:.2f} | {wall / base:.1f} | {peak:.0f} |")


if __name__ == "__main__":
    main()
