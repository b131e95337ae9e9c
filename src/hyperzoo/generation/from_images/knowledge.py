"""What a generator of networks from images knows, and how its file has it."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hyperzoo.architectures import Architecture, architecture_facts, architecture_from
from hyperzoo.errors import GenerationError
from hyperzoo.generation.from_images.heads import SHRINKAGES, Seen, Writer, writer_shapes
from hyperzoo.generation.from_images.steps import STEPS, Stepper
from hyperzoo.generation.projecting.distilled import summing_steps
from hyperzoo.generation.projecting.looks import Look, looks_of, shapes_of
from hyperzoo.generation.registry import State, require_setting, require_tensors

MOST_SEEN, REFERENCES = 4000, 256
"""Seen images whose features are kept, and images on which fresh weights are given their function;
fewer where there are fewer."""

MOST_TASKS = 10_000


@dataclass(frozen=True, kw_only=True, eq=False)
class Knowledge:
    """What was learned of a zoo of tasks.

    Attributes:
        trunk: PyTorch name -> tensor, of a network with an output for every seen task.
        wide: that network's architecture.
        seen: features of images of seen classes.
        references: uint8 [image, height, width, channel], some of these images.
        lengths: PyTorch name -> mean squared length in the zoo's networks.
        kept_looks: name -> tensor, what their weights look like, as `learned_looks` has it.
        shrinkage: of the density.
        writer: of last layers.
        stepper: to last layers.
    """

    trunk: Mapping[str, Tensor]
    wide: Architecture
    seen: Seen
    references: NDArray[np.uint8]
    lengths: Mapping[str, float]
    kept_looks: Mapping[str, Tensor]
    shrinkage: float
    writer: Writer
    stepper: Stepper

    def looks(self, architecture: Architecture) -> dict[str, Look]:
        """PyTorch name -> what weights look like."""
        return looks_of(architecture, self.kept_looks)

    def state(self) -> State:
        """The same as numbers for a file."""
        layers = {f"writer.{place}": own for place, own in enumerate(self.writer.layers)}
        tensors = {
            **{f"trunk.{name}": own for name, own in self.trunk.items()},
            **self.kept_looks,
            **layers,
            "writer.factor": self.writer.factor,
            "steps.start": self.stepper.start,
            "steps.lengths": self.stepper.lengths,
        }
        return State(
            tensors={
                **{name: own.numpy().astype(np.float32) for name, own in tensors.items()},
                "seen.features": self.seen.values.astype(np.float32),
                "seen.labels": self.seen.labels.astype(np.float32),
                "references": self.references,
            },
            settings={
                "tasks": self.wide.outputs,
                "seen": len(self.seen.labels),
                "references": len(self.references),
                "shrinkage": self.shrinkage,
                **{f"length.{name}": own for name, own in self.lengths.items()},
            },
        )


def with_outputs(architecture: Architecture, outputs: int) -> Architecture:
    """The same layers with other outputs."""
    return architecture_from(architecture_facts(architecture) | {"outputs": outputs})


def feature_count(architecture: Architecture) -> int:
    """How many numbers arrive at the last layer."""
    last = summing_steps(architecture)[-1].name
    return next(p.shape[1] for p in architecture.parameters if p.name == f"{last}.weight")


def has_last_bias(architecture: Architecture) -> bool:
    """Whether the last layer has a bias, which networks from images need."""
    last = summing_steps(architecture)[-1].name
    return f"{last}.bias" in {p.name for p in architecture.parameters}


def check(state: State, architecture: Architecture, classes: int) -> None:
    """Check that a state, read from a file, is one that a fit makes.

    Args:
        state: the state.
        architecture: of the networks.
        classes: of the images that were seen.

    Raises:
        GenerationError: it is not.
    """
    if architecture.outputs != 1 or architecture.is_drawn or not has_last_bias(architecture):
        raise GenerationError(
            "expected an architecture with one output, a bias in the last layer and one activation"
        )
    wide = with_outputs(architecture, require_setting(state, "tasks", 1, MOST_TASKS))
    seen = require_setting(state, "seen", 2, MOST_SEEN)
    size = feature_count(architecture)
    references = require_setting(state, "references", 1, REFERENCES)
    expected: dict[str, tuple[int, ...]] = {
        **{f"trunk.{p.name}": p.shape for p in wide.parameters},
        **shapes_of(architecture),
        **{f"writer.{place}": own for place, own in enumerate(writer_shapes(size))},
        "writer.factor": (1,),
        "steps.start": (size + 1,),
        "steps.lengths": (STEPS, size + 1),
        "seen.features": (seen, size),
        "seen.labels": (seen,),
        "references": (references, *architecture.input_shape),
    }
    require_tensors(state, expected, {"references": "uint8"})
    labels = np.unique(state.tensors["seen.labels"])
    if len(labels) < 2 or not np.isin(labels, np.arange(classes)).all():
        raise GenerationError(f"tensor 'seen.labels': expected two or more of 0 to {classes - 1}")
    lengths = {f"length.{p.name}" for p in architecture.parameters}
    if state.settings.keys() != {"tasks", "seen", "references", "shrinkage", *lengths}:
        raise GenerationError(
            "settings: expected tasks, seen, references, shrinkage and a length of each parameter, "
            f"got {len(state.settings)} settings"
        )
    for name in sorted(lengths):
        value = state.settings[name]
        if not isinstance(value, int | float) or not 0 <= value < float("inf"):
            raise GenerationError(f"setting '{name}': expected a number from 0 on, got {value!r}")
    if state.settings["shrinkage"] not in SHRINKAGES:
        raise GenerationError(
            f"setting 'shrinkage': expected one of {', '.join(map(str, SHRINKAGES))}, got "
            f"{state.settings['shrinkage']!r}"
        )


def knowledge_of(state: State, architecture: Architecture) -> Knowledge:
    """What a state that was checked tells."""
    tensors = {name: torch.from_numpy(own) for name, own in state.tensors.items()}
    wide = with_outputs(architecture, int(state.settings["tasks"]))
    seen = Seen(
        values=state.tensors["seen.features"].astype(np.float64),
        labels=state.tensors["seen.labels"].astype(np.int64),
    )
    layers = range(len(writer_shapes(0)))
    return Knowledge(
        trunk={p.name: tensors[f"trunk.{p.name}"] for p in wide.parameters},
        wide=wide,
        seen=seen,
        references=state.tensors["references"],
        lengths={p.name: float(state.settings[f"length.{p.name}"]) for p in wide.parameters},
        kept_looks={name: tensors[name] for name in shapes_of(architecture)},
        shrinkage=float(state.settings["shrinkage"]),
        writer=Writer(
            seen=seen,
            layers=[tensors[f"writer.{place}"].double() for place in layers],
            factor=tensors["writer.factor"].double(),
        ),
        stepper=Stepper(
            seen=seen,
            start=tensors["steps.start"].double(),
            lengths=tensors["steps.lengths"].double(),
        ),
    )
