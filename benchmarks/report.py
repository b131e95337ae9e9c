"""Size and time of the report of a zoo of 10,610 LeNet-5 networks with 25 epochs (3.9 GB).

    python benchmarks/report.py [--networks-per-class 1061] [--keep FOLDER]

The zoo is synthetic, and hard on purpose: normal weights, metrics from random counts of answers,
curves with noise of their own in every epoch, so that nothing packs better than it does in a real
zoo. It is written into a temporary folder, which is removed at the end unless `--keep` names one to
use and keep. docs/report.md has a result.
"""

import argparse
import re
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from analyze import CLASSES, synthetic

import hyperzoo as hz
from hyperzoo.architectures import get_architecture
from hyperzoo.population.machine import processor_name
from hyperzoo.report.page import write_report
from hyperzoo.report.sections import sections
from hyperzoo.zoo import FinishedNetwork, ZooWriter, layout

IMAGES, POSITIVES = 3925, 390


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
            made = [noisy(synthetic(n, architecture, random), random) for n in networks]
            writer.write_part(part, made)


def noisy(network: FinishedNetwork, random: np.random.Generator) -> FinishedNetwork:
    found = int(random.integers(20, 270))
    rejected = IMAGES - POSITIVES - int(random.integers(20, 200))
    said = found + IMAGES - POSITIVES - rejected
    falling = 0.1 + 0.25 / np.arange(1, 26) ** 0.5
    losses = {"training_loss": falling, "validation_loss": falling + 0.05}
    accuracies = {"training_accuracy": 1 - falling / 3, "validation_accuracy": 0.95 - falling / 6}
    return replace(
        network,
        metrics={
            "loss": float(random.uniform(0.1, 0.3)),
            "accuracy": (found + rejected) / IMAGES,
            "precision": found / said,
            "recall": found / POSITIVES,
            "specificity": rejected / (IMAGES - POSITIVES),
            "f1": 2 * found / (said + POSITIVES),
            "auc": float(random.uniform(0.7, 0.95)),
        },
        history={
            name: (losses | accuracies)[name] + 0.005 * random.standard_normal(25)
            for name in layout.HISTORY_COLUMNS
        },
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks-per-class", type=int, default=1061)
    parser.add_argument("--keep", type=Path)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = chosen.keep or Path(temporary, "zoo")
        make_zoo(folder, chosen.networks_per_class)
        measure(hz.open_zoo(folder), Path(temporary, "report.html"))


def measure(zoo: hz.Zoo, target: Path) -> None:
    print(f"{processor_name()}, {len(zoo):,} networks\n\n| | wall s | processor s |\n|---|---|---|")
    started = (time.perf_counter(), time.process_time())

    def lap(what: str) -> None:
        nonlocal started
        now = (time.perf_counter(), time.process_time())
        wall, processor = (end - begin for begin, end in zip(started, now, strict=True))
        print(f"| {what} | {wall:.1f} | {processor:.1f} |")
        started = now

    found = list(sections(zoo))
    lap("the studies")
    write_report(zoo, target, found)
    lap("the page")
    print(f"\nthe page: {target.stat().st_size:,} bytes, of which:")
    page = target.read_text()
    for name in ("table", "curves", "kernels"):
        data = re.search(rf'id="data-{name}">([^<]*)<', page)
        print(f"  {name}: {len(data[1]) if data else 0:,}")
    for name, address in (("drawings", "image/svg"), ("tables as CSV", "application/gzip")):
        found_there = re.findall(rf'data:{address}[^"]*', page)
        print(f"  {name}: {sum(map(len, found_there)):,}")
    for note in re.findall(r"<li>([^<]+)</li>", page):
        print(f"- {note}")


if __name__ == "__main__":
    main()
