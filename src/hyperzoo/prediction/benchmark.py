"""The benchmark: every method on the same splits of a zoo, with its controls."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from hyperzoo.cores import usable_cores
from hyperzoo.errors import PredictionError
from hyperzoo.images import ImageSet
from hyperzoo.prediction.networks import Networks, networks_of
from hyperzoo.prediction.registry import Method, choose_methods
from hyperzoo.prediction.results import Benchmark, about, tables
from hyperzoo.prediction.splits import check_classes, check_seed, split_networks
from hyperzoo.prediction.trial import Trial, one_thread
from hyperzoo.zoo import Zoo

Meter = Callable[[int, int | None], None]
"""Is told how many methods are done, and of how many."""

MOST_WORKERS = 4
"""Processes by default: each takes up to 1.5 GB for 600 LeNet-5 networks."""


def run(
    zoo: Zoo,
    methods: Sequence[str] | None = None,
    *,
    track: str | None = None,
    seed: int = 0,
    splits: int = 5,
    images: ImageSet | None = None,
    workers: int | None = None,
    meter: Meter | None = None,
) -> Benchmark:
    """Name the class of networks by every method, on networks that the method has not seen.

    Every transform is fitted on training networks only. Beside the scores: a control whose
    training labels are shuffled, which must come out at chance; each layer alone, for methods
    that take any weights; and for the studied method of each track (of the methods that were
    named, where those are among them) the learning curve, and the accuracy when one layer of
    every test network is another network's.

    Args:
        zoo: networks of at least two classes; those that failed are left out.
        methods: names in `METHODS`; None for all of the track.
        track: "A" (weights alone), "B" (and inputs of the method's own making) or "C" (and real
            images); None for any.
        seed: of the splits and of what methods draw, 0 to 2**32 - 1.
        splits: how often to split.
        images: track C: images whose validation split the method may see. Without them, track C
            is left out, unless it was asked for.
        workers: processes that fit slow methods; None for one a core, at most `MOST_WORKERS`. The
            results do not depend on it, but for the seconds.
        meter: told how many methods are done.

    Raises:
        PredictionError: an unknown method or track, a wrong seed, one class only, too few
            networks, weights that are not finite, or no images for a method that needs some.
    """
    check_seed(seed)
    if splits < 1:
        raise PredictionError(f"splits: expected at least 1, got {splits}")
    if workers is not None and workers < 1:
        raise PredictionError(f"workers: expected at least 1, got {workers}")
    chosen = choose_methods(methods, track)
    if images is None and methods is None and track is None:
        chosen = [method for method in chosen if method.track != "C"]
    networks = networks_of(zoo)
    check_classes(list(networks.labels))
    shown = _images_by_class(chosen, networks, images)
    cuts = [
        split_networks(networks.ids, list(networks.labels), seed, repeat)
        for repeat in range(splits)
    ]
    workers = workers or min(MOST_WORKERS, usable_cores())
    trial = Trial(networks, cuts, seed, workers)
    with one_thread():
        for done, method in enumerate(chosen):
            if meter is not None:
                meter(done, len(chosen))
            trial.judge(method, shown)
    return Benchmark(
        about=about(zoo, networks, cuts, seed, chosen), **tables(trial.records, trial.classes)
    )


def _images_by_class(
    chosen: Sequence[Method], networks: Networks, images: ImageSet | None
) -> list[NDArray[np.uint8]] | None:
    """For track C the validation images of each class, of those that networks are named by."""
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
