"""Exporting and importing 1,000 LeNet-5 networks in every format: seconds, size, memory.

    python benchmarks/formats.py [--networks 1000] [--formats NAME ...] [--images PATH]
        [--folder FOLDER]

The networks have random initial weights and made-up metrics and histories. Every export and import
runs in a process of its own, so that a peak of memory is its own. Reading means `import_zoo`: it
writes a zoo as well. With images, every network's ROC curve is drawn, for which it is asked about
all validation images. docs/formats.md has a result.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

import hyperzoo as hz
from hyperzoo.architectures import initial_parameters, lenet5
from hyperzoo.exchange.registry import FORMATS
from hyperzoo.population.machine import processor_name
from hyperzoo.zoo import FinishedNetwork, ZooWriter, layout

CLASSES = tuple(f"class_{letter}" for letter in "abcdefghij")


def make_zoo(folder: Path, networks: int, images: hz.ImageSet | None) -> None:
    recipe = hz.load_recipe("imagenette-lenet5").with_changes(
        networks_per_class=networks // len(CLASSES)
    )
    epochs = recipe.training.epochs
    generator = np.random.default_rng(0)
    with ZooWriter(
        folder,
        recipe,
        image_classes=images.class_names if images else CLASSES,
        image_fingerprint=images.fingerprint if images else "0" * 64,
        images_name=images.name if images else "none",
        architecture=lenet5(1),
        provenance={},
    ) as writer:
        for part, planned in writer.missing_parts.items():
            finished = [
                FinishedNetwork(
                    network=network,
                    status="ok",
                    epoch=epochs,
                    metrics=dict.fromkeys(layout.METRICS, 0.5),
                    history={name: generator.random(epochs) for name in layout.HISTORY_COLUMNS},
                    parameters=initial_parameters(lenet5(1), 0, network.class_name, network.index),
                )
                for network in planned
            ]
            writer.write_part(part, finished)


def step(code: str, *arguments: object) -> tuple[float, float]:
    """Seconds and peak memory in MB of a few lines in a process of their own."""
    program = (
        f"import sys, time, resource; import hyperzoo as hz; begin = time.perf_counter()\n{code}\n"
    )
    program += (
        "print(time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=True,
    )
    seconds, peak = done.stdout.split()[-2:]
    return float(seconds), float(peak) / 1000


EXPORT = """
images = hz.load_images("imagenette", path=sys.argv[4]) if len(sys.argv) > 4 else None
hz.export_zoo(hz.open_zoo(sys.argv[1]), sys.argv[2], sys.argv[3], images=images)
"""
IMPORT = "hz.import_zoo(sys.argv[1], sys.argv[2])"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", type=int, default=1000)
    parser.add_argument("--formats", nargs="+", default=[n for n, f in FORMATS.items() if f.writes])
    parser.add_argument("--images", help="images to draw ROC curves with, imagenette-32.npz")
    parser.add_argument("--folder", type=Path, help="where to work; a temporary one by default")
    chosen = parser.parse_args()
    print(f"{processor_name()}, {chosen.networks} networks, Python {sys.version.split()[0]}")
    with tempfile.TemporaryDirectory(dir=chosen.folder) as work:
        zoo = Path(work, "zoo")
        make_zoo(
            zoo,
            chosen.networks,
            hz.load_images("imagenette", path=chosen.images) if chosen.images else None,
        )
        print("| format | write s | networks/s | peak MB | size MB | read s | peak MB |")
        print("|---|---|---|---|---|---|---|")
        for name in chosen.formats:
            report(name, zoo, Path(work), chosen.networks, chosen.images)


def report(name: str, zoo: Path, work: Path, networks: int, images: str | None) -> None:
    out, back = work / name, work / f"{name}-back"
    seconds, peak = step(EXPORT, zoo, name, out, *([images] if images else []))
    size = sum(file.stat().st_size for file in out.rglob("*") if file.is_file()) / 1e6
    row = f"| {name} | {seconds:.1f} | {networks / seconds:.0f} | {peak:.0f} | {size:.0f} |"
    if FORMATS[name].reads:
        seconds, peak = step(IMPORT, out, back)
        row += f" {seconds:.1f} | {peak:.0f} |"
    print(row, flush=True)
    subprocess.run(["rm", "-rf", out, back], check=True)


if __name__ == "__main__":
    main()
