"""Made-up sections and zoos, so that pages are tested without hundreds of drawings."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from hyperzoo.recipe import Recipe
from hyperzoo.report.figure import Figure, Section
from hyperzoo.zoo import FinishedNetwork, Zoo, open_zoo
from tests.analysis.makers import random_weights
from tests.zoo.makers import CLASSES, finished, recipe, writer

IMAGES, POSITIVES = 100, {"cat": 10, "dog": 15, "owl": 20, "rat": 25, "yak": 30}
SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 20">\n'
    '<style>path { fill: #1f5f99 }</style>\n<path d="M0 0h40v20h-40z"/>\n</svg>\n'
)


def section(**changes: Any) -> Section:
    """A section with one small drawing."""
    table = pa.table({"class": ["cat", "dog"], "value": [0.25, None]})
    figure = Figure(
        name="drawing",
        title="A drawing",
        caption="How to read it.",
        alt="A bar.",
        svg=SVG,
        table=table,
    )
    given = {"title": "A study", "text": "First.\n\nSecond.", "figures": (figure,), "missing": None}
    return Section(**(given | changes))


def counted(network: FinishedNetwork) -> FinishedNetwork:
    """A network whose metrics follow from counts of right and wrong answers."""
    planned = network.network
    yes = POSITIVES[planned.class_name]
    no = IMAGES - yes
    found, rejected = (3 + planned.index) % yes, no - (1 + planned.index) % 7
    said = found + no - rejected
    return replace(
        network,
        metrics={
            "loss": 0.1 + planned.index / 10,
            "accuracy": (found + rejected) / IMAGES,
            "precision": found / said if said else 0.0,
            "recall": found / yes,
            "specificity": rejected / no,
            "f1": 2 * found / (said + yes),
            "auc": 0.9 - planned.index / 100,
        },
    )


def failed(network: FinishedNetwork) -> FinishedNetwork:
    """The same network, failed: no metrics, nothing finite."""
    return replace(
        network,
        status="failed",
        metrics=dict.fromkeys(network.metrics),
        history={name: np.full_like(curve, np.nan) for name, curve in network.history.items()},
        parameters={name: np.full_like(w, np.nan) for name, w in network.parameters.items()},
    )


def always_no(network: FinishedNetwork) -> FinishedNetwork:
    """The same network, but it never says yes."""
    changes = {"precision": 0.0, "recall": 0.0, "specificity": 1.0, "f1": 0.0}
    accuracy = 1 - POSITIVES[network.network.class_name] / IMAGES
    return replace(network, metrics={**network.metrics, **changes, "accuracy": accuracy})


def page_zoo(folder: Path, chosen: Recipe | None = None, **changes: Any) -> Zoo:
    """A zoo with real counts; dog_1 failed, and owl_1 always says no."""
    chosen = chosen or recipe(networks_per_class=4)
    with writer(folder, chosen, **changes) as open_writer:
        for part, planned in open_writer.missing_parts.items():
            open_writer.write_part(part, [_made(n, chosen) for n in finished(planned, chosen)])
    return open_zoo(folder)


def _made(network: FinishedNetwork, chosen: Recipe) -> FinishedNetwork:
    weights = random_weights(network.network, dict(network.parameters))
    network = replace(network, parameters=weights)
    if network.network.class_name not in CLASSES:
        return network
    network = counted(network)
    change = {"dog_1": failed, "owl_1": always_no}.get(network.network.id)
    return change(network) if change else network
