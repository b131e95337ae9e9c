"""How Keras 3 names the groups of a file of weights: by its layers' classes, with counts."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

CONTAINERS = ("layers", "_layer_checkpoint_dependencies")
"""The group of all layers: of Keras 3, and of TensorFlow 2.13."""


def named_groups(layers: Sequence[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], str]]:
    """Each layer of a model's config, and what its group is called.

    Args:
        layers: of one model; models within it count anew.
    """
    counts = Counter[str]()
    for layer in layers:
        base = _snake_case(layer["class_name"])
        yield layer, f"{base}_{counts[base]}" if counts[base] else base
        counts[base] += 1


def _snake_case(name: str) -> str:
    """As Keras names groups: GlobalAveragePooling2D -> global_average_pooling2d."""
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()
