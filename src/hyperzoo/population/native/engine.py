"""The native engine: one network a thread, trained by compiled kernels."""

import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hyperzoo.architectures import Architecture, varied
from hyperzoo.cores import usable_cores
from hyperzoo.errors import EngineError
from hyperzoo.images import ImageSet
from hyperzoo.plan import PlannedNetwork
from hyperzoo.population.engine import (
    Engine,
    EpochRecord,
    Parameters,
    Settings,
    TrainedNetwork,
    require_float32,
)
from hyperzoo.population.flat import by_name
from hyperzoo.population.native.description import describe
from hyperzoo.population.native.library import (
    Network,
    is_fast,
    reason_unavailable,
    variant,
)
from hyperzoo.population.stacks import both_targets, own_images
from hyperzoo.population.start import Start, given_starts, starting_weights
from hyperzoo.population.task import dropout_keys, image_order, one_of_each, own_architecture
from hyperzoo.population.workers import Event, run_on_threads

ARITHMETIC = "float32 2"
"""The version of the arithmetic: it changes whenever any kernel's bits do."""

PATIENCE = 0.25
"""Seconds that the kernels run before they look up to see whether to stop."""

EVALUATION_BATCH = 128
"""Images that a network has room for at least; bits do not depend on it."""


class NativeEngine(Engine):
    """Trains networks with hyperzoo's own kernels.

    A network's bits depend on nothing but its recipe: not on the cohort, the number of workers,
    or the vector width of the processor.

    Args:
        workers: threads; 0 for one a core.

    Raises:
        EngineError: the kernels were not built, or the processor can't run them.
    """

    name = "native"

    def __init__(self, *, workers: int = 0) -> None:
        variant()
        if workers < 0:
            raise EngineError(f"workers must be 0 (one a core) or more, got {workers}")
        self._workers = workers or usable_cores()

    @staticmethod
    def is_available() -> bool:
        """Whether the kernels were built and run on this processor."""
        return reason_unavailable() is None

    @staticmethod
    def unsupported(architecture: Architecture) -> str | None:
        """Why `auto` should not choose this engine for an architecture; None where it should."""
        reason = reason_unavailable()
        if reason is not None:
            return reason
        if not is_fast():
            return "the processor has no fused multiply-add, without which the kernels are slow"
        try:
            # Any activation will do where it is drawn: the kernels have them all.
            Network(describe(varied(architecture, activation="tanh")), 1)
        except EngineError as error:
            return str(error)
        return None

    @property
    def provenance(self) -> dict[str, str]:
        """The engine and the version of its arithmetic, on which alone bits depend."""
        return {"engine": self.name, "kernels": ARITHMETIC}

    @property
    def preferred_cohort(self) -> int:
        """A few networks for every worker."""
        return 4 * self._workers

    @classmethod
    def check(
        cls, architecture: Architecture, cohort: Sequence[PlannedNetwork], settings: Settings
    ) -> None:
        """See `Engine.check`."""
        require_float32(cls.name, settings)
        for network in one_of_each(cohort):
            description = describe(own_architecture(architecture, network))
            if cls.is_available():
                Network(description, 1)

    def train(
        self,
        architecture: Architecture,
        cohort: Sequence[PlannedNetwork],
        images: ImageSet,
        settings: Settings,
        start: Sequence[Parameters | None] | None = None,
    ) -> Generator[Event, None, None]:
        """See `Engine.train`."""
        self.check(architecture, cohort, settings)  # here, before any thread starts
        if tuple(architecture.input_shape) != images.image_shape:
            raise EngineError(
                f"'{architecture.name}' takes images of shape {architecture.input_shape}, got "
                f"'{images.name}' with {images.image_shape}"
            )
        starts = given_starts(architecture, cohort, start)
        own_ones = [own_architecture(architecture, network) for network in cohort]
        descriptions = {own: describe(own) for own in own_ones}
        batch = max([EVALUATION_BATCH, *(network.batch_size for network in cohort)])
        data = _Data(
            images, np.ascontiguousarray(images.train_images),
            np.ascontiguousarray(images.validation_images),
        )  # fmt: skip
        own = threading.local()

        def train_one(position: int, stopped: Callable[[], bool]) -> Iterator[Event]:
            mine = own_ones[position]
            if getattr(own, "architecture", None) != mine:
                own.architecture, own.network = mine, Network(descriptions[mine], batch)
            trainer = _Trainer(
                own.network, mine, cohort[position], position, data, settings,
                starts[position],
            )  # fmt: skip
            return trainer.train(stopped)

        yield from run_on_threads(train_one, len(cohort), self._workers)


@dataclass(frozen=True)
class _Data:
    """An image set, and its pixels as the kernels read them."""

    source: ImageSet
    train: NDArray[np.uint8]
    validation: NDArray[np.uint8]


class _Trainer:
    """Trains one network in a thread's memory."""

    def __init__(
        self,
        network: Network,
        architecture: Architecture,
        planned: PlannedNetwork,
        position: int,
        data: _Data,
        settings: Settings,
        start: Start,
    ) -> None:
        self._network, self._architecture, self._planned = network, architecture, planned
        self._position, self._data, self._settings = position, data, settings
        self._train_targets, self._targets = (
            np.ascontiguousarray(own, np.int64)
            for own in both_targets(planned, data.source, settings)
        )
        self._subset = own_images(planned, data.source, settings)
        network.use(
            planned.rule, momentum=planned.momentum, weight_decay=planned.weight_decay,
            l2=planned.l2,
        )  # fmt: skip
        network.load(starting_weights(architecture, planned, settings.seed, start))

    def train(self, stopped: Callable[[], bool]) -> Iterator[Event]:
        """Run all epochs; end early and silently when `stopped` says so."""
        settings, network = self._settings, self._network
        checkpoints = {0: network.save()} if 0 in settings.checkpoint_epochs else {}
        kept, best, kept_epoch = network.save(), np.nan, 0
        kept_logits = np.zeros((0, network.outputs), np.float32)
        for epoch in range(1, settings.epochs + 1):
            training = self._train_epoch(epoch, stopped)
            validation = self._evaluate(stopped) if training is not None else None
            if training is None or validation is None:
                return
            (loss, accuracy), logits = validation
            if epoch in settings.checkpoint_epochs:
                checkpoints[epoch] = network.save()
            if settings.keep == "last" or np.isnan(best) or loss < best:
                kept, kept_logits, kept_epoch, best = network.save(), logits, epoch, loss
            yield EpochRecord(
                networks=np.array([self._position]),
                epoch=epoch,
                training_loss=training[:1],
                training_accuracy=training[1:],
                validation_loss=np.array([loss]),
                validation_accuracy=np.array([accuracy]),
            )
        yield TrainedNetwork(
            network=self._position,
            epoch=kept_epoch,
            parameters=by_name(self._architecture, kept),
            logits=kept_logits,
            checkpoints={at: by_name(self._architecture, flat) for at, flat in checkpoints.items()},
        )

    def _train_epoch(self, epoch: int, stopped: Callable[[], bool]) -> NDArray[np.float64] | None:
        """One pass over the training images: mean loss and accuracy, [2]."""
        planned, sums, done = self._planned, np.zeros(2), 0
        rate = planned.learning_rate_in(epoch, self._settings.epochs)
        order = np.ascontiguousarray(
            image_order(planned, self._subset, self._settings.seed, epoch), np.int64
        )
        while done < len(order):
            if stopped():
                return None
            done = self._network.train(
                self._data.train, self._train_targets, order, done, planned.batch_size,
                rate, PATIENCE, sums, self._masks(epoch, done, len(order)),
            )  # fmt: skip
        return sums / len(order)

    def _masks(self, epoch: int, done: int, images: int) -> NDArray[np.uint8] | None:
        """What dropouts keep in the step that begins after `done` of an epoch's images."""
        if self._network.dropped == 0:
            return None
        planned, batch = self._planned, self._planned.batch_size
        keys, limits = dropout_keys(
            self._architecture, planned, self._settings.seed, epoch, done // batch
        )
        return self._network.draw_masks(keys, limits, min(batch, images - done))

    def _evaluate(
        self, stopped: Callable[[], bool]
    ) -> tuple[NDArray[np.float64], NDArray[np.float32]] | None:
        """Mean loss and accuracy on the validation split, [2], and all logits."""
        images, sums, done = self._data.validation, np.zeros(2), 0
        logits = np.empty((len(images), self._network.outputs), np.float32)
        while done < len(images):
            if stopped():
                return None
            done = self._network.evaluate(images, self._targets, done, PATIENCE, logits, sums)
        logits[np.isnan(logits)] = np.nan
        return sums / len(images), logits
