"""Analysing a zoo of 10,610 LeNet-5 networks (3.9 GB), beside one numpy sum over the same files.

    python benchmarks/analyze.py [--networks-per-class 1061] [--keep FOLDER] [--trials 3]

The zoo is synthetic: normal weights, a slightly different scale for each class and layer, and a
history and metrics of made-up numbers. It is written into a temporary folder, which is removed at
the end unless `--keep` names one to use and keep. Every study runs in a process of its own, so that
its peak memory is its own. docs/analysis.md has a result.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import hyperzoo as hz
from hyperzoo.architectures import get_architecture
from hyperzoo.plan import PlannedNetwork
from hyperzoo.population.machine import processor_name
from hyperzoo.zoo import FinishedNetwork, ZooWriter, layout

CLASSES = (
    "tench english_springer cassette_player chain_saw church french_horn garbage_truck gas_pump "
    "golf_ball parachute"
).split()


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
    network: PlannedNetwork, architecture: object, random: np.random.Generator
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
