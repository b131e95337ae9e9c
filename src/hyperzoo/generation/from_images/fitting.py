"""Fits a generator of networks from images on a zoo of tasks."""

from dataclasses import replace

import numpy as np
import torch

from hyperzoo.cores import one_thread
from hyperzoo.errors import GenerationError
from hyperzoo.generation.behaviour import pixels
from hyperzoo.generation.from_images import heads, steps
from hyperzoo.generation.from_images.generator import ImageGenerator, known_head
from hyperzoo.generation.from_images.heads import Seen, chosen_shrinkage, fitted_writer
from hyperzoo.generation.from_images.knowledge import (
    MOST_SEEN,
    MOST_TASKS,
    REFERENCES,
    Knowledge,
    check,
    has_last_bias,
    with_outputs,
)
from hyperzoo.generation.from_images.steps import fitted_stepper
from hyperzoo.generation.from_images.trunk import distil_trunk, features, trunk_steps
from hyperzoo.generation.projecting.looks import learned_looks
from hyperzoo.generation.projecting.unseen import moved
from hyperzoo.generation.registry import Meter, State
from hyperzoo.generation.split import Split, sound_rows
from hyperzoo.generation.stored import FittedOn, whole_number
from hyperzoo.generation.training_set import check_images
from hyperzoo.images import ImageSet
from hyperzoo.zoo import Trained, Zoo


def fit(
    zoo: Zoo,
    *,
    images: ImageSet,
    head: str = "boundary",
    seed: int = 0,
    meter: Meter | None = None,
) -> ImageGenerator:
    """Fit a generator of networks from images on a zoo of tasks.

    Networks whose training failed are passed over.

    Args:
        zoo: a zoo of kind "subset-vs-rest" or "one-vs-all" that a recipe trained.
        images: the zoo's images, without classes that it excludes.
        head: how last layers are had, one of `FROM_IMAGES`.
        seed: of what the fit draws.
        meter: is told of progress.

    Raises:
        GenerationError: the zoo has networks with several outputs, without a bias in the last
            layer, without a recipe or with an activation drawn, or none that did not fail; or the
            images are others, or the fit went astray.
    """
    blank = unfitted(zoo, images=images, head=head, seed=seed)
    with one_thread():
        knowledge = _learned(
            zoo, _tasks(zoo), images, blank.seed, meter or (lambda done, steps: None)
        )
    state = knowledge.state()
    try:
        check(state, zoo.architecture, len(zoo.image_classes))
    except GenerationError as error:
        raise GenerationError(
            f"{zoo.path}: the fit came to nothing that can be used: {error}; give another seed, or "
            "more networks"
        ) from error
    return replace(blank, state=state)


def unfitted(
    zoo: Zoo, *, images: ImageSet, head: str = "boundary", seed: int = 0
) -> ImageGenerator:
    """The generator that `fit` will give, but for what it learns.

    Raises:
        GenerationError: as of `fit`, but for a fit that goes astray.
    """
    known_head(head)
    seed = whole_number("seed", seed)
    check_images(zoo, images)
    tasks = _tasks(zoo)
    assert isinstance(zoo.origin, Trained)
    return ImageGenerator(
        method=head,
        seed=seed,
        architecture=zoo.architecture,
        kind="one-vs-all",
        classes=(),
        image_classes=zoo.image_classes,
        fitted_on=FittedOn(
            name=zoo.name,
            recipe_digest=zoo.origin.recipe.digest,
            image_fingerprint=images.fingerprint,
            images_name=zoo.images_name,
            split=Split(training=min(map(len, tasks.values())), held_out=0, fresh=0),
        ),
        state=State(tensors={}),
        left_out=zoo.origin.recipe.task.exclude,
    )


def _tasks(zoo: Zoo) -> dict[str, list[int]]:
    """Class of networks -> the rows of those that are sound, where there are any."""
    origin = zoo.origin
    if zoo.kind == "multi-class" or not isinstance(origin, Trained) or not len(zoo):
        raise GenerationError(
            f"{zoo.path}: networks from images are fitted on networks with one output that a "
            "recipe trained; give a zoo of kind subset-vs-rest"
        )
    if zoo.architecture.is_drawn or not has_last_bias(zoo.architecture):
        raise GenerationError(
            f"{zoo.path}: networks from images need one activation for all networks and a bias in "
            "the last layer; give another zoo"
        )
    tasks = {name: rows.tolist() for name, rows in sound_rows(zoo).items() if len(rows)}
    if not tasks or len(tasks) > MOST_TASKS:
        raise GenerationError(
            f"{zoo.path}: expected networks that did not fail, of 1 to {MOST_TASKS:,} tasks, got "
            f"{len(tasks):,} tasks"
        )
    return tasks


def _learned(
    zoo: Zoo, tasks: dict[str, list[int]], images: ImageSet, seed: int, meter: Meter
) -> Knowledge:
    architecture, wide = zoo.architecture, with_outputs(zoo.architecture, len(tasks))
    generator = np.random.default_rng(seed)
    count, done = trunk_steps(images) + heads.EPISODES + steps.EPISODES, 0

    def tell() -> None:
        nonlocal done
        done += 1
        meter(done, count)

    trunk = distil_trunk(zoo, tasks, wide, images, generator, tell)
    rows = sorted(row for own in tasks.values() for row in own)
    weights = {p.name: zoo.weights(p.name)[rows] for p in architecture.parameters}
    some = np.sort(generator.permutation(len(images.train_images))[:MOST_SEEN])
    shown = moved(images.train_images[some], generator, 1)
    seen = Seen(values=features(wide, trunk, pixels(shown)), labels=images.train_labels[some])
    return Knowledge(
        trunk=trunk,
        wide=wide,
        seen=seen,
        references=shown[generator.permutation(len(shown))[:REFERENCES]],
        lengths={
            p.name: float(np.square(weights[p.name], dtype=np.float64).sum() / len(rows))
            for p in architecture.parameters
        },
        kept_looks={key: torch.from_numpy(own) for key, own in learned_looks(weights).items()},
        shrinkage=chosen_shrinkage(seen, generator),
        writer=fitted_writer(seen, generator, tell),
        stepper=fitted_stepper(seen, generator, tell),
    )
