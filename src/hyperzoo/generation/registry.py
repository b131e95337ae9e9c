"""The methods that there are. To add one: a file in `methods/`, and a line in `_METHODS`.

This module loads neither PyTorch nor SciPy; a method's file is imported when it is used.
"""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from hyperzoo.architectures import Architecture
from hyperzoo.errors import GenerationError, did_you_mean

if TYPE_CHECKING:
    from hyperzoo.generation.draw import Draw
    from hyperzoo.generation.training_set import TrainingSet

Meter = Callable[[int, int], None]
"""Is told of a fit's progress: steps done, and steps in all."""

Setting = int | float | str


@dataclass(frozen=True, kw_only=True, eq=False)
class State:
    """What a fitted method knows.

    Attributes:
        tensors: name -> float32, float16 or uint8 array without empty axes.
        settings: name -> whole number, number or text.
    """

    tensors: Mapping[str, NDArray[Any]]
    settings: Mapping[str, Setting] = field(default_factory=dict)


class Module(Protocol):
    """What a method's file has."""

    def refusal(self, data: "TrainingSet") -> str | None:
        """Why the method can't be fitted on these networks; None where it can."""

    def fit(self, data: "TrainingSet", seed: int, meter: Meter) -> State:
        """Fit the method. Deterministic; reads nothing but the training set."""

    def check(self, state: State, architecture: Architecture, classes: tuple[str, ...]) -> None:
        """Raise GenerationError where a state, read from a file, is not one that `fit` makes."""

    def make(
        self, state: State, architecture: Architecture, classes: tuple[str, ...], draw: "Draw"
    ) -> dict[str, NDArray[np.float32]]:
        """Make one network: PyTorch name -> float32 [*shape]; from the state and the draw alone."""


@dataclass(frozen=True, kw_only=True)
class Method:
    """One way to generate networks.

    Attributes:
        name: the name on the command line.
        about: one line for people.
        module: its file in `methods/`.
        control: it is no serious way, but what serious ones must be told from.
        needs_images: it is fitted with training images.
    """

    name: str
    about: str
    module: str
    control: bool = False
    needs_images: bool = False

    def load(self) -> Module:
        """The method's file, imported."""
        return cast(Module, importlib.import_module(f"hyperzoo.generation.methods.{self.module}"))


_METHODS = (
    Method(
        name="projection",
        about="fresh initialisation, given a distilled function layer by layer",
        module="projection",
        needs_images=True,
    ),
    Method(
        name="learned-images",
        about="fresh initialisation, a learned template, and steps on learned images",
        module="learned_images",
        needs_images=True,
    ),
    Method(
        name="copy",
        about="control: a training network, as it is",
        module="copy",
        control=True,
    ),
    Method(
        name="noise-overlap",
        about="control: a training network and noise, up to the overlap of errors of two networks",
        module="controls.noise_overlap",
        control=True,
        needs_images=True,
    ),
    Method(
        name="noise-distance",
        about="control: a training network and noise, up to the distance of two networks",
        module="controls.noise_distance",
        control=True,
    ),
    Method(
        name="average",
        about="control: the average of two aligned training networks",
        module="controls.average",
        control=True,
    ),
    Method(
        name="mean",
        about="control: the mean of the aligned training networks",
        module="controls.mean",
        control=True,
    ),
    Method(
        name="mean-rescaled",
        about="control: that mean with the tensors as long as trained ones",
        module="controls.mean_rescaled",
        control=True,
    ),
    Method(
        name="gaussian-weights",
        about="control: each aligned weight from a Gaussian of its own",
        module="controls.gaussian_weights",
        control=True,
    ),
    Method(
        name="gaussian-span",
        about="control: a Gaussian in the span of the aligned training networks",
        module="controls.gaussian_span",
        control=True,
    ),
    Method(
        name="update",
        about="fresh initial weights plus a multiple of the mean update of the class",
        module="update",
        needs_images=True,
    ),
    Method(
        name="learned-update",
        about="fresh initial weights plus one learned update of the class",
        module="learned_update",
        needs_images=True,
    ),
    Method(
        name="flow-matching",
        about="flow matching on aligned weights, with fresh initial weights outside of their span",
        module="flow_matching",
        needs_images=True,
    ),
    Method(
        name="autodecoder",
        about="functional autodecoder: codes decoded to what training networks answer",
        module="autodecoder",
        needs_images=True,
    ),
    Method(
        name="vae",
        about="variational autoencoder of aligned networks with a loss of behaviour",
        module="vae",
        needs_images=True,
    ),
    Method(
        name="wgan-gp",
        about="Wasserstein GAN; its critic sees nothing that the order of units changes",
        module="wgan",
        needs_images=True,
    ),
)

BEST = "projection"
"""The method that is fitted where none is named: the best of those that were judged."""

FROM_IMAGES = ("boundary", "density", "writer", "retrieval", "steps")
"""Methods of another kind, which are given images of a class: by what the last layer follows from
them (`from_images/heads.py`, `from_images/steps.py`). The first is fitted where none is named."""

LARGEST = 1e12
"""Of a generator's numbers: far from any that a fit gives, and squares of them are finite."""

METHODS: dict[str, Method] = {method.name: method for method in _METHODS}


def get_method(name: str) -> Method:
    """The method of that name.

    Raises:
        GenerationError: there is none.
    """
    if not isinstance(name, str) or name not in METHODS:
        hint = did_you_mean(str(name), METHODS)
        raise GenerationError(f"no method '{name}'{hint} (there are: {', '.join(METHODS)})")
    return METHODS[name]


def require_tensors(
    state: State, expected: Mapping[str, tuple[int, ...]], kinds: Mapping[str, str] = {}
) -> None:
    """Check the names, shapes and types of a state's tensors, and that they hold numbers.

    Args:
        state: the state.
        expected: name -> shape, of every tensor.
        kinds: name -> NumPy's name of its type, where it is not float32.

    Raises:
        GenerationError: with what is not as expected.
    """
    found = {name: tensor.shape for name, tensor in state.tensors.items()}
    if found != dict(expected):
        wrong = sorted(
            name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name)
        )
        name = wrong[0]
        raise GenerationError(
            f"tensor '{name}': expected {expected.get(name, 'none')}, got {found.get(name, 'none')}"
        )
    for name, tensor in state.tensors.items():
        kind = kinds.get(name, "float32")
        if tensor.dtype.name != kind:
            raise GenerationError(f"tensor '{name}': expected {kind}, got {tensor.dtype.name}")
        if not np.isfinite(tensor).all():
            raise GenerationError(f"tensor '{name}': numbers that are not finite")
        if tensor.size and float(np.abs(tensor).max()) > LARGEST:
            raise GenerationError(
                f"tensor '{name}': expected numbers up to {LARGEST:.0e}, got more"
            )


def require_setting(state: State, name: str, least: int, most: int) -> int:
    """A whole number among a state's settings.

    Raises:
        GenerationError: it is missing, of another type, or out of its bounds.
    """
    value = state.settings.get(name)
    if type(value) is not int or not least <= value <= most:
        raise GenerationError(
            f"setting '{name}': expected a whole number from {least} to {most}, got {value!r}"
        )
    return value
