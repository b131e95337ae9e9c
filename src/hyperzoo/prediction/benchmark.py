"""The benchmark: every method on the same splits of a zoo, with its controls."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from hyperzoo.cores import one_thread, usable_cores
from hyperzoo.errors import PredictionError
from hyperzoo.images import ImageSet
from hyperzoo.prediction.condition import parse_condition
from hyperzoo.prediction.networks import Networks, networks_of
from hyperzoo.prediction.registry import Method, choose_methods
from hyperzoo.prediction.results import Benchmark, about, tables
from hyperzoo.prediction.splits import check_seed, splits_of
from hyperzoo.prediction.target import CLASS, kind_of
from hyperzoo.prediction.trial import Trial
from hyperzoo.zoo import Zoo

Meter = Callable[[int, int | None], None]
"""Is told how many methods are done, and of how many."""

MOST_WORKERS = 4
"""Processes by default: each takes up to 1.5 GB for 600 LeNet-5 networks."""


def run(
    zoo: Zoo,
    methods: Sequence[str] | None = None,
    *,
    target: str = CLASS,
    from_epoch: int | None = None,
    hold_out: str | None = None,
    track: str | None = None,
    seed: int = 0,
    splits: int = 5,
    images: ImageSet | None = None,
    workers: int | None = None,
    meter: Meter | None = None,
) -> Benchmark:
    """Predict a property of networks by every method, on networks that the method has not seen.

    Every transform is fitted on training networks only. Beside the scores: a control whose
    training labels are shuffled, which must come out at chance; each layer alone, for methods
    that take any weights; and for the studied methods the learning curve, and the score when one
    layer of every test network is another network's.

    Args:
        zoo: networks that differ in the target; those that failed are left out.
        methods: names in `METHODS`; None for all of the track that predict such a target, but for
            those of which a fit takes minutes.
        target: a column of `zoo.models`: words are told apart, numbers regressed, as logarithms
            where they are positive and span more than two powers of ten. For "epoch" the weights
            of each network are those of one of its checkpoints, where the zoo keeps some.
        from_epoch: one of the recipe's `checkpoint_epochs`: weights after that epoch; what is
            predicted stays that of the network's last weights.
        hold_out: which networks are for neither training nor test but tried by themselves, to see
            whether methods transfer: "activation=tanh", "learning_rate>0.01".
        track: "0" (no weights), "A" (weights alone), "B" (and inputs of the method's own making)
            or "C" (and real images); None for any.
        seed: of the splits and of what methods draw, 0 to 2**32 - 1.
        splits: how often to split.
        images: track C: images whose validation split the method may see. Without them, track C
            is left out, unless it was asked for.
        workers: processes that fit slow methods; None for one a core, at most `MOST_WORKERS`. The
            results do not depend on it, but for the seconds.
        meter: told how many methods are done.

    Raises:
        PredictionError: an unknown target, method, track, checkpoint or condition, a method that
            predicts no such target or needs one activation for all, a wrong seed, nothing to
            predict, too few networks, weights that are not finite, or no images for a method that
            needs some.
    """
    check_seed(seed)
    if splits < 1:
        raise PredictionError(f"splits: expected at least 1, got {splits}")
    if workers is not None and workers < 1:
        raise PredictionError(f"workers: expected at least 1, got {workers}")
    kind = kind_of(zoo, target)
    early, drawn = from_epoch is not None, zoo.architecture.is_drawn
    chosen = choose_methods(methods, track, kind, early=early, drawn=drawn)
    if images is None and methods is None and track is None:
        chosen = [method for method in chosen if method.track != "C"]
    condition = None if hold_out is None else parse_condition(hold_out)
    networks = networks_of(zoo, target, from_epoch=from_epoch, hold_out=condition)
    cuts = splits_of(networks, seed, splits)
    shown = _images_by_class(chosen, networks, images)
    workers = workers or min(MOST_WORKERS, usable_cores())
    trial = Trial(networks, cuts, seed, workers)
    with one_thread():
        for done, method in enumerate(chosen):
            if meter is not None:
                meter(done, len(chosen))
            trial.judge(method, shown)
    if meter is not None:
        meter(len(chosen), len(chosen))
    asked = {"from_epoch": from_epoch, "hold_out": None if condition is None else str(condition)}
    return Benchmark(
        about=about(zoo, networks, cuts, seed, chosen, **asked),
        **tables(trial.records, networks, cuts),
    )


def _images_by_class(
    chosen: Sequence[Method], networks: Networks, images: ImageSet | None
) -> list[NDArray[np.uint8]] | None:
    """For track C the validation images of each class."""
    needing = [method.name for method in chosen if method.track == "C"]
    if not needing:
        return None
    if images is None:
        raise PredictionError(
            f"method '{needing[0]}' needs real images: give `images`, e.g. "
            "hz.load_images('digits') (on the command line --images)"
        )
    height, width, channels = networks.architecture.input_shape
    if images.image_shape != (height, width, channels):
        raise PredictionError(
            f"the networks take images of shape {(height, width, channels)}, got "
            f"{images.image_shape}"
        )
    return [
        images.validation_images[images.validation_labels == label]
        for label in range(len(images.class_names))
    ]
