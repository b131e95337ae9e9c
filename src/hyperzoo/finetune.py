"""Trains networks on from weights that are there, and says how they do after every epoch."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hyperzoo.architectures import Architecture
from hyperzoo.errors import EngineError, ImageError
from hyperzoo.images import ImageSet
from hyperzoo.plan import ALL_CLASSES, PlannedNetwork, TaskKind, positives_of
from hyperzoo.population import (
    METRICS,
    Device,
    Engine,
    EngineName,
    Parameters,
    Settings,
    TrainedNetwork,
    evaluate,
    make_engine,
    metrics,
    targets,
)


@dataclass(frozen=True, kw_only=True, eq=False)
class FineTuned:
    """Networks after training, and how they did on the way.

    Attributes:
        metrics: name (those of `population.METRICS`) -> float64 [epoch, network] over the
            validation split, after 0, 1, 2, ... epochs; NaN where a metric is not defined.
        weights: PyTorch name -> float32 [network, *shape] after the last epoch.
    """

    metrics: Mapping[str, NDArray[np.float64]]
    weights: Mapping[str, NDArray[np.float32]]


def fine_tune(
    images: ImageSet,
    architecture: Architecture,
    weights: Mapping[str, NDArray[np.float32]] | None,
    class_names: Sequence[str],
    *,
    epochs: int,
    kind: TaskKind = "one-vs-all",
    learning_rate: float = 1e-3,
    batch_size: int = 64,
    positive_fraction: float | None = None,
    seed: int = 0,
    engine: EngineName | Engine = "auto",
    device: Device = "auto",
    workers: int = 0,
) -> FineTuned:
    """Train networks from given weights, or from scratch to compare with.

    Image orders (and initial weights, from scratch) follow from seed, class and how many networks
    of the class stand before, so runs with and without weights meet the same images in the same
    order. The optimiser starts anew: fine-tuning after k epochs is not training on.

    Args:
        images: training and validation images.
        architecture: what every network is.
        weights: PyTorch name -> [network, *shape], finite; None to start from scratch.
        class_names: the class of every network, or its subset ("church+tench"); "all" for
            multi-class networks.
        epochs: passes over the training images, 1 or more.
        kind: the task's kind.
        learning_rate: Adam's, above 0.
        batch_size: images a step, 1 or more.
        positive_fraction: share of positive images among those trained on; None for all images.
        seed: what chance follows from.
        engine: an engine or its name.
        device: where a named engine computes.
        workers: threads of a named engine on a CPU; 0 for one a core.

    Raises:
        EngineError: a number is out of range, a class is not there, the weights do not fit the
            architecture or the classes, or the engine can't do the work.
        ImageError: the images do not fit the architecture.
    """
    _check(images, architecture, class_names, kind, epochs, learning_rate, batch_size)
    cohort = _cohort(class_names, learning_rate, batch_size)
    start = None if weights is None else _rows(weights, len(cohort))
    settings = Settings(
        seed=seed,
        kind=kind,
        positive_fraction=positive_fraction,
        epochs=epochs,
        keep="last",
        checkpoint_epochs=tuple(range(epochs + 1)),
    )
    if not isinstance(engine, Engine):
        engine = make_engine(engine, architecture, device, workers)
    values = {name: np.full((epochs + 1, len(cohort)), np.nan) for name in METRICS}
    finished = {
        p.name: np.empty((len(cohort), *p.shape), np.float32) for p in architecture.parameters
    }
    met: list[tuple[int, int]] = []

    def states(trained: Iterator[TrainedNetwork]) -> Iterator[Parameters]:
        """The checkpoints of networks as they are finished; `met` says whose they are."""
        for network in trained:
            for name, tensor in network.parameters.items():
                finished[name][network.network] = tensor
            for epoch in range(epochs + 1):
                met.append((epoch, network.network))
                yield network.checkpoints[epoch]

    with closing(engine.train(architecture, cohort, images, settings, start)) as events:
        trained = (event for event in events if isinstance(event, TrainedNetwork))
        logits = evaluate(architecture, states(trained), images.validation_images)
        for at, said in enumerate(logits):
            epoch, row = met[at]
            own = targets(cohort[row], kind, images.validation_labels, images.class_names)
            for name, value in metrics(said, own).items():
                values[name][epoch, row] = np.nan if value is None else value
    return FineTuned(metrics=values, weights=finished)


def _cohort(
    class_names: Sequence[str], learning_rate: float, batch_size: int
) -> list[PlannedNetwork]:
    """The networks; each one's index counts those of its class before it."""
    seen: Counter[str] = Counter()
    cohort = []
    for name in class_names:
        cohort.append(
            PlannedNetwork(
                class_name=name,
                index=seen[name],
                learning_rate=learning_rate,
                batch_size=batch_size,
            )
        )
        seen[name] += 1
    return cohort


def _rows(weights: Mapping[str, NDArray[np.float32]], networks: int) -> list[Parameters]:
    """The weights network by network; the engine checks their names, shapes and numbers."""
    for name, tensor in weights.items():
        if np.shape(tensor)[:1] != (networks,):
            raise EngineError(
                f"{name}: expected the weights of {networks} networks, one for each class name, "
                f"along the first axis, got shape {np.shape(tensor)}"
            )
    return [{name: tensor[row] for name, tensor in weights.items()} for row in range(networks)]


def _check(
    images: ImageSet,
    architecture: Architecture,
    class_names: Sequence[str],
    kind: str,
    epochs: int,
    learning_rate: float,
    batch_size: int,
) -> None:
    if epochs < 1 or batch_size < 1:
        raise EngineError(
            f"epochs and batch_size must be 1 or more, got epochs {epochs}, batch_size {batch_size}"
        )
    if not (math.isfinite(learning_rate) and learning_rate > 0):
        raise EngineError(f"learning_rate must be finite and above 0, got {learning_rate}")
    known = (ALL_CLASSES,) if kind == "multi-class" else images.class_names
    asked = {name for own in class_names for name in positives_of(own)}
    unknown = sorted(asked - set(known))
    if unknown:
        raise EngineError(
            f"no class '{unknown[0]}' for {kind} networks of '{images.name}'; there are: "
            f"{', '.join(known)}"
        )
    outputs = len(images.class_names) if kind == "multi-class" else 1
    if architecture.outputs != outputs:
        raise EngineError(
            f"{kind} networks of '{images.name}' have {outputs} outputs, got '{architecture.name}' "
            f"with {architecture.outputs}"
        )
    if tuple(architecture.input_shape) != images.image_shape:
        raise ImageError(
            f"architecture '{architecture.name}' takes images of shape {architecture.input_shape} "
            f"(height, width, channels), got '{images.name}' with {images.image_shape}"
        )
