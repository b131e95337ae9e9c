"""What a part costs beside its training: written by `train`, or delivered by workers and collected.

    python benchmarks/cluster_overhead.py

Parts of 50 LeNet-5 networks with made-up weights (18.3 MB each); medians of ten parts, all with
fsync. docs/cluster.md has a result.
"""

import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from hyperzoo.architectures import Architecture, initial_parameters, lenet5
from hyperzoo.plan import PlannedNetwork
from hyperzoo.population.machine import processor_name
from hyperzoo.recipe import Recipe, load_recipe
from hyperzoo.zoo import FinishedNetwork, ZooWriter, layout
from hyperzoo.zoo.bundle import deliver
from hyperzoo.zoo.part_bundle import part_bundle
from hyperzoo.zoo.write import collect_bundles, collector

PARTS = 10
CLASSES = tuple(f"class_{letter}" for letter in "abcdefghij")


def finished(network: PlannedNetwork, architecture: Architecture, epochs: int) -> FinishedNetwork:
    return FinishedNetwork(
        network=network,
        status="ok",
        epoch=epochs,
        metrics=dict.fromkeys(layout.METRICS, 0.5),
        history={name: np.linspace(1, 0, epochs) for name in layout.HISTORY_COLUMNS},
        parameters=initial_parameters(architecture, 0, network.class_name, network.index),
    )


def writer(folder: Path, recipe: Recipe, provenance: dict[str, str] | None) -> ZooWriter:
    return ZooWriter(
        folder,
        recipe,
        image_classes=CLASSES,
        image_fingerprint="0" * 64,
        images_name="none",
        architecture=lenet5(1),
        provenance=provenance,
    )


Steps = dict[str, list[tuple[float, float]]]


@contextmanager
def timed(steps: Steps, step: str, parts: int = 1) -> Iterator[None]:
    """Note seconds a part, by the clock and of this process's processor time."""
    started, used = time.perf_counter(), time.process_time()
    yield
    took = time.perf_counter() - started, time.process_time() - used
    steps.setdefault(step, []).append((took[0] / parts, took[1] / parts))


def measure(folder: Path) -> Steps:
    recipe = load_recipe("imagenette-lenet5").with_changes(networks_per_class=5 * PARTS)
    epochs, architecture = recipe.training.epochs, lenet5(1)
    steps: Steps = {}
    parts: dict[int, Any] = {}
    with writer(folder / "train", recipe, {}) as own:
        for part, planned in own.missing_parts.items():
            parts[part] = [finished(network, architecture, epochs) for network in planned]
            with timed(steps, "write, by train"):
                own.write_part(part, parts[part])
    for name in ("one by one", "together"):
        zoo = folder / name
        writer(zoo, recipe, None).close()
        with collector(zoo) as other:
            document, plan = other.document, other.parts
        for part, networks in parts.items():
            with timed(steps, "encode"):
                bundle = part_bundle(part, networks, plan[part], document, {})
            with timed(steps, "deliver"):
                deliver(bundle, zoo)
            if name == "one by one":
                with timed(steps, "collect, one by one"):
                    collect_bundles(zoo)
        if name == "together":
            with timed(steps, "collect, ten together", PARTS):
                collect_bundles(zoo)
    return steps


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        steps = measure(Path(folder))
    print(processor_name())
    for step, took in steps.items():
        wall, used = (1000 * statistics.median(column) for column in zip(*took, strict=True))
        print(f"{step:22} {wall:6.0f} ms a part, of which the processor {used:6.0f} ms")


if __name__ == "__main__":
    main()
