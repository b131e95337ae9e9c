"""The methods that there are. To add one: a file in `methods/`, and a line in `_METHODS`.

This module loads neither scikit-learn nor PyTorch; a method's file is imported when it is built.
"""

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hyperzoo.architectures import Architecture
from hyperzoo.errors import PredictionError, did_you_mean

Track = Literal["A", "B", "C"]
"""What a method may know: A the weights; B also inputs of its own making; C also real images."""

TRACKS: dict[Track, str] = {
    "A": "weights alone",
    "B": "weights, and inputs that the method makes itself",
    "C": "weights, and real held-out images",
}


@dataclass(frozen=True, kw_only=True)
class Method:
    """One way to name a network's class.

    Attributes:
        name: the name on the command line.
        track: what it may know.
        about: one line for people.
        module: its file in `methods/`.
        function: in that file, what makes the estimator.
        flat: it takes any columns of the weights, so it can be tried on single layers.
        portable: fitted, it can be saved and name networks elsewhere: a linear classifier of
            features that follow from each network alone.
        studied: learning curve and importance of layers are computed by default.
    """

    name: str
    track: Track
    about: str
    module: str
    function: str = "build"
    flat: bool = False
    portable: bool = False
    studied: bool = False

    def build(
        self,
        architecture: Architecture,
        seed: int,
        images: Sequence[NDArray[np.uint8]] | None = None,
    ) -> Any:
        """A new scikit-learn estimator, not fitted.

        Args:
            architecture: of the networks.
            seed: for whatever the method draws.
            images: track C: for each class of the images uint8 [image, height, width, channel].

        Returns:
            An estimator whose `fit` takes weights [network, parameter] in the order of
            `Zoo.matrix()` and class names [network].
        """
        make = getattr(
            importlib.import_module(f"hyperzoo.prediction.methods.{self.module}"), self.function
        )
        return make(architecture, seed, images) if self.track == "C" else make(architecture, seed)


_METHODS = (
    Method(
        name="linear-response",
        track="A",
        about="product of all layers' linear maps, logistic regression",
        module="linear_response",
        portable=True,
        studied=True,
    ),
    Method(
        name="invariants",
        track="A",
        about="features that no order or sign of hidden units changes, logistic regression",
        module="invariants",
        portable=True,
    ),
    Method(
        name="statistics",
        track="A",
        about="moments and quantiles of every layer, gradient boosting",
        module="statistics",
    ),
    Method(
        name="message-passing",
        track="A",
        about="equivariant graph network over the weights, from output to input",
        module="message_passing",
    ),
    Method(
        name="aligned-logistic",
        track="A",
        about="weights aligned to a mean, logistic regression",
        module="aligned",
        function="build_logistic",
    ),
    Method(
        name="aligned-perceptron",
        track="A",
        about="weights aligned to a mean, the perceptron",
        module="aligned",
        function="build_perceptron",
    ),
    Method(
        name="naive-bayes",
        track="A",
        about="published: Gaussian naive Bayes on principal components",
        module="naive_bayes",
        flat=True,
    ),
    Method(
        name="random-forest",
        track="A",
        about="published: random forest on principal components",
        module="random_forest",
        flat=True,
    ),
    Method(
        name="svm",
        track="A",
        about="published: support vector machine on principal components",
        module="svm",
        flat=True,
    ),
    Method(
        name="boosting",
        track="A",
        about="published: gradient boosting on principal components",
        module="boosting",
        flat=True,
    ),
    Method(
        name="perceptron",
        track="A",
        about="published: 256-128-64 perceptron on all principal components",
        module="perceptron",
        flat=True,
    ),
    Method(
        name="logistic",
        track="A",
        about="logistic regression on scaled weights",
        module="logistic",
        flat=True,
    ),
    Method(
        name="smooth-probes",
        track="B",
        about="logits for 64 smooth random images, logistic regression",
        module="smooth_probes",
        portable=True,
        studied=True,
    ),
    Method(
        name="learned-probes",
        track="B",
        about="logits for 8 images that are learned with the classifier",
        module="learned_probes",
    ),
    Method(
        name="held-out-images",
        track="C",
        about="mean logit for real validation images of each class, logistic regression",
        module="held_out",
        studied=True,
    ),
)

METHODS: dict[str, Method] = {method.name: method for method in _METHODS}
"""Name -> method, in the order of tables."""


def choose_methods(names: Sequence[str] | None, track: str | None) -> list[Method]:
    """The methods of these names, or all, of a track, or of any.

    Raises:
        PredictionError: an unknown name or track, a method of another track, or no name.
    """
    if track is not None and track not in TRACKS:
        raise PredictionError(f"no track {track!r}; there are: {', '.join(TRACKS)}")
    if names is None:
        return [method for method in _METHODS if track in (None, method.track)]
    if isinstance(names, str):
        raise TypeError(f"methods: expected a sequence of names, got the text {names!r}")
    chosen = [get_method(name) for name in dict.fromkeys(names)]
    for method in chosen:
        if track not in (None, method.track):
            raise PredictionError(
                f"method '{method.name}' is of track {method.track} ({TRACKS[method.track]}), not "
                f"{track}; leave out the track, or choose another method"
            )
    if not chosen:
        raise PredictionError(f"no methods were named; there are: {', '.join(METHODS)}")
    return chosen


def get_method(name: str) -> Method:
    """The method of that name.

    Raises:
        PredictionError: there is none.
    """
    if name not in METHODS:
        hint = did_you_mean(name, METHODS)
        raise PredictionError(f"no method '{name}'{hint} (there are: {', '.join(METHODS)})")
    return METHODS[name]
