"""Fits a method on a zoo."""

import hashlib
import json
import reprlib
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path

from hyperzoo.cores import one_thread
from hyperzoo.errors import GenerationError
from hyperzoo.generation.generator import Generator
from hyperzoo.generation.kept import Kept
from hyperzoo.generation.registry import Meter, State, get_method
from hyperzoo.generation.split import Split, check_split, default_split
from hyperzoo.generation.stored import FittedOn, whole_number
from hyperzoo.generation.training_set import TrainingSet, training_set
from hyperzoo.images import ImageSet
from hyperzoo.version import VERSION
from hyperzoo.zoo import Zoo


def fit(
    zoo: Zoo,
    method: str,
    *,
    images: ImageSet | None = None,
    split: Split | None = None,
    seed: int = 0,
    meter: Meter | None = None,
    keep_in: Path | None = None,
) -> Generator:
    """Fit a method on the training networks of a zoo.

    Args:
        zoo: the zoo.
        method: one of `METHODS`.
        images: the zoo's images, of which the method sees the training split; only methods that
            need none do without.
        split: which networks are for training; None for `default_split`.
        seed: for what the fit draws.
        meter: is told of progress.
        keep_in: a folder for what is done of the fit, so that an interrupted one goes on from
            there (methods that fit class by class); None for none. It is the caller's to remove.

    Raises:
        GenerationError: an unknown method or one that can't be fitted on this zoo, too few
            networks, other images than the zoo's, or a fit that went astray.
        ZooWriteError: the disk refused what was to be kept.
    """
    blank = unfitted(zoo, method, split=split, seed=seed)
    chosen, seed = get_method(method), blank.seed
    if chosen.needs_images and images is None:
        raise GenerationError(f"method '{method}' needs images; give the zoo's images")
    data = training_set(zoo, blank.fitted_on.split, images)
    if keep_in is not None:
        data = replace(data, kept=Kept(keep_in, _told_apart(data, method, seed, blank.fitted_on)))
    module = chosen.load()
    if (reason := module.refusal(data)) is not None:
        raise GenerationError(f"method '{method}' can't be fitted on {zoo.path}: {reason}")
    # The fit's bits are then the same on any number of cores.
    with one_thread():
        state = module.fit(data, seed, meter or (lambda done, steps: None))
    try:
        module.check(state, zoo.architecture, zoo.classes)
    except GenerationError as error:
        raise GenerationError(
            f"method '{method}' on {zoo.path}: the fit came to nothing that can be used: {error}; "
            "give another seed, or more training networks"
        ) from error
    return replace(blank, state=state)


def unfitted(zoo: Zoo, method: str, *, split: Split | None = None, seed: int = 0) -> Generator:
    """The generator that `fit` will give, but for what it learns.

    Raises:
        GenerationError: an unknown method, too few networks or a split that the zoo has not,
            networks that no method is fitted on, or a seed out of bounds.
    """
    get_method(method)
    seed = whole_number("seed", seed)
    if split is not None:
        split = _whole(split)
    if zoo.architecture.is_drawn:
        raise GenerationError(
            f"{zoo.path}: its networks have different activations, which weights alone do not "
            "tell; give a zoo of networks of one activation (of another's zoo, import a folder of "
            "those alone)"
        )
    split = default_split(zoo) if split is None else split
    check_split(zoo, split)
    return Generator(
        method=method,
        seed=seed,
        architecture=zoo.architecture,
        kind=zoo.kind,
        classes=zoo.classes,
        image_classes=zoo.image_classes,
        fitted_on=FittedOn(
            name=zoo.name,
            recipe_digest=zoo.origin.recipe_digest or "",
            image_fingerprint=zoo.image_fingerprint,
            images_name=zoo.images_name,
            split=split,
        ),
        state=State(tensors={}),
    )


def _whole(split: Split) -> Split:
    """A split of Python's own numbers."""
    if not isinstance(split, Split):
        raise GenerationError(
            "split: expected a Split(training=..., held_out=..., fresh=...), got "
            f"{reprlib.repr(split)}"
        )
    return Split(**{role: whole_number(f"split.{role}", n) for role, n in asdict(split).items()})


def _told_apart(
    data: TrainingSet, method: str, seed: int, fitted_on: FittedOn
) -> dict[str, str | int]:
    """What tells a fit from every other."""
    weights = hashlib.sha256()
    for name in sorted(data.weights):
        weights.update(data.weights[name].tobytes())
    return {
        "hyperzoo": VERSION,
        **{name: version(name) for name in ("torch", "numpy", "scipy")},
        "method": method,
        "seed": seed,
        "networks": " ".join(data.ids),
        "weights": weights.hexdigest(),
        "fitted_on": json.dumps(asdict(fitted_on), sort_keys=True),
    }
