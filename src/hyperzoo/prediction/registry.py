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
from hyperzoo.prediction.target import Kind

Track = Literal["0", "A", "B", "C"]
"""What a method may know: A the weights; B also inputs of its own making; C also real images.

0 is no weights at all: what is known of a network without them, which the others are to beat."""

TRACKS: dict[Track, str] = {
    "0": "no weights",
    "A": "weights alone",
    "B": "weights, and inputs that the method makes itself",
    "C": "weights, and real held-out images",
}


@dataclass(frozen=True, kw_only=True)
class Method:
    """One way to predict a property of networks.

    Attributes:
        name: the name on the command line.
        track: what it may know.
        about: one line for people.
        module: its file in `methods/`.
        function: in that file, what makes the estimator.
        flat: it takes any columns of the weights, so it can be tried on single layers.
        portable: fitted, it can be saved and used on networks elsewhere: a linear map or trees of
            features that follow from each network alone.
        studied: of which targets the learning curve and the importance of layers are computed.
        kinds: of the targets that it can predict.
        early: it needs networks whose weights are of an early epoch.
        asks: it shows images to all networks by one architecture, so that their activation may not
            be drawn.
        slow: a fit takes minutes, so it is tried only where it is named.
    """

    name: str
    track: Track
    about: str
    module: str
    function: str = "build"
    flat: bool = False
    portable: bool = False
    studied: tuple[Kind, ...] = ()
    kinds: tuple[Kind, ...] = ("category", "number")
    early: bool = False
    asks: bool = False
    slow: bool = False

    def build(
        self,
        architecture: Architecture,
        seed: int,
        images: Sequence[NDArray[np.uint8]] | None = None,
        kind: Kind = "category",
    ) -> Any:
        """A new scikit-learn estimator, not fitted.

        Args:
            architecture: of the networks.
            seed: for whatever the method draws.
            images: track C: for each class of the images uint8 [image, height, width, channel].
            kind: of the target.

        Returns:
            An estimator whose `fit` takes weights [network, parameter] in the order of
            `Zoo.matrix()`, or on track 0 what is known [network, feature], and words or numbers
            [network].
        """
        make = getattr(
            importlib.import_module(f"hyperzoo.prediction.methods.{self.module}"), self.function
        )
        if self.track == "C":
            return make(architecture, seed, kind, images)
        return make(architecture, seed, kind)


_METHODS = (
    Method(
        name="class-mean",
        track="0",
        about="mean of the training networks of the same class",
        module="without_weights",
        function="build_class_mean",
        kinds=("number",),
    ),
    Method(
        name="learning-curve",
        track="0",
        about="loss and accuracy up to the early epoch, gradient boosting",
        module="without_weights",
        function="build_learning_curve",
        kinds=("number",),
        early=True,
    ),
    Method(
        name="linear-response",
        track="A",
        about="product of all layers' linear maps, logistic or ridge regression",
        module="linear_response",
        portable=True,
        studied=("category", "number"),
    ),
    Method(
        name="invariants",
        track="A",
        about="features that no order or sign of units changes, logistic or ridge regression",
        module="invariants",
        portable=True,
    ),
    Method(
        name="statistics",
        track="A",
        about="moments and quantiles of every layer, gradient boosting",
        module="statistics",
        portable=True,
        studied=("number",),
    ),
    Method(
        name="ensemble",
        track="A",
        about="sizes of units, layers and their products, smooth models under boosted trees",
        module="ensemble",
        studied=("number",),
        kinds=("number",),
    ),
    Method(
        name="message-passing",
        track="A",
        about="equivariant graph network over the weights, from output to input",
        module="message_passing",
        kinds=("category",),
    ),
    Method(
        name="graph-network",
        track="A",
        about="equivariant graph network over units and weights, both ways",
        module="graph_network",
        kinds=("number",),
    ),
    Method(
        name="aligned-logistic",
        track="A",
        about="weights aligned to a mean, logistic regression",
        module="aligned",
        function="build_logistic",
        kinds=("category",),
    ),
    Method(
        name="aligned-perceptron",
        track="A",
        about="weights aligned to a mean, the perceptron",
        module="aligned",
        function="build_perceptron",
        kinds=("category",),
    ),
    Method(
        name="aligned-ridge",
        track="A",
        about="weights aligned to a mean, ridge regression",
        module="aligned",
        function="build_ridge",
        kinds=("number",),
    ),
    Method(
        name="naive-bayes",
        track="A",
        about="published: Gaussian naive Bayes on principal components",
        module="naive_bayes",
        flat=True,
        kinds=("category",),
    ),
    Method(
        name="random-forest",
        track="A",
        about="published: random forest on principal components",
        module="random_forest",
        flat=True,
        kinds=("category",),
    ),
    Method(
        name="svm",
        track="A",
        about="published: support vector machine on principal components",
        module="svm",
        flat=True,
        kinds=("category",),
    ),
    Method(
        name="boosting",
        track="A",
        about="published: gradient boosting on principal components",
        module="boosting",
        flat=True,
        kinds=("category",),
    ),
    Method(
        name="perceptron",
        track="A",
        about="published: 256-128-64 perceptron on all principal components",
        module="perceptron",
        flat=True,
        kinds=("category",),
    ),
    Method(
        name="logistic",
        track="A",
        about="logistic regression on scaled weights",
        module="logistic",
        flat=True,
        kinds=("category",),
    ),
    Method(
        name="ridge",
        track="A",
        about="ridge regression on scaled weights",
        module="ridge",
        flat=True,
        kinds=("number",),
    ),
    Method(
        name="smooth-probes",
        track="B",
        about="logits for 64 smooth random images, logistic regression or gradient boosting",
        module="smooth_probes",
        asks=True,
        portable=True,
        studied=("category",),
    ),
    Method(
        name="ensemble-probes",
        track="B",
        about="the ensemble, with how differently 64 smooth random images are answered",
        module="ensemble",
        function="build_with_probes",
        kinds=("number",),
    ),
    Method(
        name="graded-probes",
        track="B",
        about="the ensemble, with answers to 160 images learned to part networks by the number",
        module="graded_probes",
        kinds=("number",),
        slow=True,
    ),
    Method(
        name="learned-probes",
        track="B",
        about="logits for 8 images that are learned with the linear map of them",
        module="learned_probes",
        asks=True,
    ),
    Method(
        name="held-out-images",
        track="C",
        about="mean logit for real validation images of each class, logistic or ridge regression",
        module="held_out",
        asks=True,
        studied=("category", "number"),
    ),
    Method(
        name="asked-images",
        track="C",
        about="accuracy and loss on some real validation images, smooth models under boosted trees",
        module="ensemble",
        function="build_asked",
        kinds=("number",),
    ),
)

_KINDS: dict[Kind, str] = {"category": "words", "number": "numbers"}

METHODS: dict[str, Method] = {method.name: method for method in _METHODS}
"""Name -> method, in the order of tables."""


def choose_methods(
    names: Sequence[str] | None,
    track: str | None,
    kind: Kind = "category",
    *,
    early: bool = False,
    drawn: bool = False,
) -> list[Method]:
    """The methods of these names, or all that fit, of a track, or of any.

    Args:
        names: in `METHODS`; None for all but slow ones.
        track: None for any.
        kind: of the target.
        early: whether the weights are of an early epoch.
        drawn: whether the activation differs from network to network.

    Raises:
        PredictionError: an unknown name or track, no name, or a method of another track, that does
            not predict such a target, that needs early weights, or one activation.
    """
    if track is not None and track not in TRACKS:
        raise PredictionError(f"no track {track!r}; there are: {', '.join(TRACKS)}")
    fitting = [
        method
        for method in _METHODS
        if kind in method.kinds and (early or not method.early) and not (drawn and method.asks)
    ]
    if names is None:
        return [method for method in fitting if track in (None, method.track) and not method.slow]
    if isinstance(names, str):
        raise TypeError(f"methods: expected a sequence of names, got the text {names!r}")
    chosen = [get_method(name) for name in dict.fromkeys(names)]
    for method in chosen:
        if track not in (None, method.track):
            raise PredictionError(
                f"method '{method.name}' is of track {method.track} ({TRACKS[method.track]}), not "
                f"{track}; leave out the track, or choose another method"
            )
        if kind not in method.kinds:
            raise PredictionError(
                f"method '{method.name}' predicts {_KINDS[method.kinds[0]]}, but the target is of "
                f"{_KINDS[kind]}; methods for these: {', '.join(m.name for m in fitting)}"
            )
        if drawn and method.asks:
            raise PredictionError(
                f"method '{method.name}' shows images to all networks by one architecture, but "
                "their activation differs from network to network; leave it out"
            )
        if method not in fitting:
            raise PredictionError(
                f"method '{method.name}' needs weights of an early epoch: give from_epoch (on the "
                "command line --from-epoch)"
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
