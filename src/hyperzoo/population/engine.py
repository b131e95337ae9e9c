"""What an engine is: the one interface behind which networks are trained."""

from abc import ABC, abstractmethod
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hyperzoo.architectures import Architecture
from hyperzoo.errors import EngineError
from hyperzoo.images import ImageSet
from hyperzoo.plan import PlannedNetwork, TaskKind

Parameters = Mapping[str, NDArray[np.float32]]
"""PyTorch name -> tensor in PyTorch's axes, of one network."""


Precision = Literal["float32", "tf32", "bfloat16"]
"""What matrix products multiply; they add, and weights are kept, in float32 always."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What all networks of a cohort share; the fields mean what they mean in a recipe.

    `epochs` counts passes over a network's training images; `checkpoint_epochs` may hold 0, the
    weights before training.
    """

    seed: int
    kind: TaskKind
    positive_fraction: float | None
    epochs: int
    keep: Literal["last", "best"]
    checkpoint_epochs: tuple[int, ...] = ()
    precision: Precision = "float32"


@dataclass(frozen=True, kw_only=True, eq=False)
class EpochRecord:
    """How some networks of a cohort did in one epoch.

    Training values are means over the epoch's images as they were met, so with the weights of
    that moment (as Keras reports them); validation values are over the whole validation split
    after the epoch. Losses are in nats; accuracies in [0, 1].

    Attributes:
        networks: [record] positions within the cohort.
        epoch: 1 for the first.
        training_loss: float64 [record].
        training_accuracy: float64 [record].
        validation_loss: float64 [record].
        validation_accuracy: float64 [record].
    """

    networks: NDArray[np.int64]
    epoch: int
    training_loss: NDArray[np.float64]
    training_accuracy: NDArray[np.float64]
    validation_loss: NDArray[np.float64]
    validation_accuracy: NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainedNetwork:
    """A network that is finished.

    Attributes:
        network: its position within the cohort.
        epoch: the epoch whose weights were kept.
        parameters: the kept weights.
        logits: float32 [validation_image, output] that the kept weights give.
        checkpoints: epoch -> weights after that epoch.
    """

    network: int
    epoch: int
    parameters: Parameters
    logits: NDArray[np.float32]
    checkpoints: Mapping[int, Parameters] = field(default_factory=dict)


class Engine(ABC):
    """Trains and evaluates cohorts of networks.

    Every engine draws initial weights, image orders and negatives from the functions that all
    engines share (`initial_parameters`, `population.task`), so engines differ in rounding only.
    On one machine an engine gives a network the same bits whatever else is in its cohort, unless
    the engine's documentation says otherwise.
    """

    name: str

    @property
    @abstractmethod
    def provenance(self) -> dict[str, str]:
        """What the bits of a result may depend on: engine, device, versions, processor.

        Not the number of workers or the cohort's size, on which they must not depend.
        """

    @property
    @abstractmethod
    def preferred_cohort(self) -> int:
        """How many networks at once keep the machine busy; a hint, any number works."""

    @classmethod
    @abstractmethod
    def check(
        cls, architecture: Architecture, cohort: Sequence[PlannedNetwork], settings: Settings
    ) -> None:
        """Refuse what the engine can't train, on whatever machine; `train` does so too.

        It is asked before a zoo is begun, so that a refusal leaves nothing behind.

        Raises:
            EngineError: the engine can't run this architecture, or not in this precision, or has
                not the optimizer of a network.
        """

    @abstractmethod
    def train(
        self,
        architecture: Architecture,
        cohort: Sequence[PlannedNetwork],
        images: ImageSet,
        settings: Settings,
        start: Sequence[Parameters | None] | None = None,
    ) -> Generator[EpochRecord | TrainedNetwork, None, None]:
        """Train a cohort.

        A network whose loss stops being finite is trained on like any other and disturbs none.
        Closing the iterator, or an exception in the thread that runs it, ends the work within
        about a second.

        Args:
            architecture: the declared network; its input shape is the images'.
            cohort: the networks, in any number.
            images: the training and validation images.
            settings: what the networks share.
            start: for every network the finite float32 weights that it starts from, or None for
                its own initial weights; without it all networks start from their own. Given
                weights change nothing else: epochs count from 1, image orders and negatives still
                follow from seed, class and index, and checkpoint 0 is the given weights. Adam's
                moments and step count start anew, so k epochs and then more from the weights
                that they gave are not the bits of training on.

        Yields:
            One record an epoch for every network (alone or together with others, in the order of
            epochs), and every network once, after its last record.

        Raises:
            EngineError: the engine can't run this architecture, or not in this precision; or
                `start` does not fit the networks.
        """


def require_float32(engine: str, settings: Settings) -> None:
    """Refuse another precision, in the name of an engine that has none.

    Raises:
        EngineError: the networks are to be trained in another precision than float32.
    """
    if settings.precision != "float32":
        raise EngineError(
            f"the {engine} engine trains in precision 'float32' only, got "
            f"'{settings.precision}'; use engine 'gpu'"
        )
