"""First-layer kernels of generated and trained networks, side by side."""

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from hyperzoo.features.matrix import tensors_of
from hyperzoo.generation.judging import Beside
from hyperzoo.report.figure import Figure
from hyperzoo.report.style import draw

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

CLASSES, NETWORKS, KERNELS = 4, 2, 16
"""Pictured at most: classes, networks of each origin and class, kernels of a network."""

Array = NDArray[np.float64]


def figure(beside: Beside, *, png: bool) -> Figure | None:
    """Kernels, aligned; None where they are no pictures of 1 or 3 channels."""
    first = beside.reference.architecture.parameters[0]
    if len(first.shape) != 4 or first.shape[1] not in (1, 3):
        return None
    groups = {name: beside.groups[name] for name in ("generated", "held-out")}
    classes = beside.reference.questions.classes[:CLASSES]
    strips, rows = {}, []
    for label, class_name in enumerate(classes):
        for group, own in groups.items():
            for place, row in enumerate(own.rows[label][:NETWORKS]):
                tensors = tensors_of(own.architecture, own.aligned[row : row + 1])
                kernels = tensors[first.name][0, :KERNELS].astype(np.float64)
                strips[class_name, group, place] = strip(kernels)
                rows += [
                    {
                        "class": class_name,
                        "networks": group,
                        "network": place,
                        "kernel": number,
                        "least": float(kernel.min()),
                        "greatest": float(kernel.max()),
                        "norm": float(np.linalg.norm(kernel)),
                    }
                    for number, kernel in enumerate(kernels)
                ]

    def paint(drawing: "Drawing") -> None:
        panels = drawing.subplots(len(classes) * NETWORKS, len(groups), squeeze=False)
        for axes in panels.ravel():
            axes.set_axis_off()
        for (class_name, group, place), picture in strips.items():
            line = classes.index(class_name) * NETWORKS + place
            axes = panels[line, list(groups).index(group)]
            axes.imshow(picture, interpolation="none")
            if place == 0:
                heading = f"{group}: {class_name}" if line == 0 else class_name
                axes.set_title(heading, fontweight="bold" if line == 0 else "normal")

    picture = draw("beside-kernels", 0.3 + 0.5 * NETWORKS * len(classes), paint, png=png)
    more = f" The first {KERNELS} kernels." * (first.shape[0] > KERNELS)
    return Figure(
        name="beside-kernels",
        title="First-layer kernels",
        caption=f"{first.name} of the first networks of some classes, a line a network: generated "
        "ones left, held-out ones right. Units are aligned to the class's mean training network, "
        "so kernels of a class in one column correspond; each is scaled by its own largest "
        f"weight, and grey is zero.{more} The data are the kernels' ranges and norms.",
        alt="Pictures of first-layer kernels of generated and trained networks.",
        svg=picture.svg,
        png=picture.png,
        table=pa.Table.from_pylist(rows),
    )


def strip(kernels: Array) -> Array:
    """Kernels in a line, a white pixel between them.

    Args:
        kernels: [kernel, channel, height, width] of 1 or 3 channels.

    Returns:
        [height, line, 3], 0 to 1.
    """
    largest = np.abs(kernels).max(axis=(1, 2, 3), keepdims=True)
    shades = 0.5 + 0.5 * kernels / np.where(largest > 0, largest, 1)
    pictures = np.broadcast_to(shades, (len(shades), 3, *shades.shape[2:])).transpose(0, 2, 3, 1)
    gap = np.ones((pictures.shape[1], 1, 3))
    line = [part for picture in pictures for part in (picture, gap)]
    return np.concatenate(line[:-1], axis=1)
