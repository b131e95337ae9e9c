"""Architectures beside each other: accuracy by epoch, and what a network costs.

    python benchmarks/architectures.py IMAGES [--names lenet5 resnet8] [--networks 2] [--epochs 25]
        [--schedule constant]

Multi-class networks with Adam (1e-3, batches of 128), which differ in their seeds alone, each on a
thread of its own. Every line is an epoch: validation accuracies of all networks, and seconds of the
processor a network so far, loading not counted; other work makes them but little longer.
"""

import argparse
import time
import tomllib
from pathlib import Path

import numpy as np

import hyperzoo as hz
from hyperzoo.plan import plan_parts
from hyperzoo.population import EpochRecord, make_engine
from hyperzoo.population.machine import processor_name
from hyperzoo.train import recipe_architecture, recipe_images, recipe_settings

RECIPE = """
name = "beside"
networks_per_class = {networks}
images = {{ source = "imagenette", size = 32 }}
task = {{ kind = "multi-class" }}
architecture = {{ name = "{name}" }}
training = {{ learning_rate = 1e-3, batch_size = 128, epochs = {epochs}, schedule = "{schedule}" }}
"""


def train(name: str, place: Path, networks: int, epochs: int, schedule: str) -> None:
    """Train networks of an architecture, and print every epoch once all of them are through it."""
    text = RECIPE.format(name=name, networks=networks, epochs=epochs, schedule=schedule)
    recipe = hz.parse_recipe(tomllib.loads(text))
    images = recipe_images(recipe, place)
    architecture = recipe_architecture(recipe, images)
    engine = make_engine("auto", architecture, workers=networks)
    cohort = [own for part in plan_parts(recipe, images.class_names, [networks]) for own in part]
    print(f"{name}: {architecture.parameter_count:,} parameters, engine {engine.name}", flush=True)
    accuracies: dict[int, list[float]] = {}
    began = time.process_time()
    for record in engine.train(architecture, cohort, images, recipe_settings(recipe)):
        if not isinstance(record, EpochRecord):
            continue
        own = accuracies.setdefault(record.epoch, [])
        own.extend(record.validation_accuracy.tolist())
        if len(own) == len(cohort):
            seconds = (time.process_time() - began) / len(cohort)
            shown = " ".join(f"{accuracy:.4f}" for accuracy in sorted(own))
            print(
                f"  epoch {record.epoch:2}: mean {np.mean(own):.4f} ({shown}), {seconds:.1f} s",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("images", type=Path)
    parser.add_argument("--names", nargs="+", default=["lenet5", "resnet8"])
    parser.add_argument("--networks", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=25)
    parser.add_argument("--schedule", choices=["constant", "cosine"], default="constant")
    chosen = parser.parse_args()
    print(processor_name())
    for name in chosen.names:
        train(name, chosen.images, chosen.networks, chosen.epochs, chosen.schedule)


if __name__ == "__main__":
    main()
