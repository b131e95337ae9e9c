"""Trains one network of a zoo again and compares the weights bit by bit."""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import cast, get_args

import numpy as np

from hyperzoo.architectures import Architecture
from hyperzoo.errors import ImageError, VerificationError, ZooMismatchError
from hyperzoo.images import ImageSet, load_images
from hyperzoo.images.remember import remembered_place
from hyperzoo.population import (
    Device,
    Engine,
    EngineName,
    Precision,
    TrainedNetwork,
    make_engine,
)
from hyperzoo.recipe import Recipe
from hyperzoo.train import images_of_task, recipe_images, recipe_settings
from hyperzoo.zoo import Generated, Imported, Trained, Zoo


@dataclass(frozen=True, kw_only=True)
class Retrained:
    """How a network trained again compares with the stored one.

    Attributes:
        id: the network.
        identical: whether every bit of every weight, checkpoints included, is the same.
        differing: how many weights differ.
        weights: how many weights were compared.
        largest_difference: largest absolute difference; NaN when only one of the two is finite.
        circumstances: what bits may depend on and differs between the stored run and this one:
            name -> (then, now). Empty when both were made in the same way.
    """

    id: str
    identical: bool
    differing: int
    weights: int
    largest_difference: float
    circumstances: dict[str, tuple[str, str]]


def retrain_network(
    zoo: Zoo,
    id: str,
    *,
    images: ImageSet | str | Path | None = None,
    engine: EngineName | Engine | None = None,
    device: Device = "auto",
) -> Retrained:
    """Train a network of a zoo again from the recipe and compare.

    Args:
        zoo: the zoo.
        id: the network's id.
        images: image set, or a place to read it from (see `load_images_at`); None for where this
            machine read the zoo's images last, or else for the recipe's own.
        engine: an engine or its name; None for the one that trained the network.
        device: where a named engine computes; "auto" for the device that trained the network.

    Raises:
        NetworkNotFoundError: the zoo has no such network.
        ZooMismatchError: the images are not those that the zoo was trained on.
        VerificationError: the network was imported or generated, or not trained by an engine of
            hyperzoo's.
    """
    then = zoo.provenance_of(id)
    recipe = _recipe(zoo, id)
    image_set = _own_images(zoo, recipe) if images is None else recipe_images(recipe, images)
    if image_set.fingerprint != zoo.image_fingerprint:
        raise ZooMismatchError(
            f"the zoo was trained on images with fingerprint {zoo.image_fingerprint[:16]}, these "
            f"('{image_set.name}') have {image_set.fingerprint[:16]}; give the same images"
        )
    if not isinstance(engine, Engine):
        engine = _engine(then, engine, device, zoo.architecture, recipe.training.precision)
    network = next(n for part in zoo.plan for n in part if n.id == id)
    with closing(
        engine.train(zoo.architecture, [network], image_set, recipe_settings(recipe))
    ) as events:
        trained = next(event for event in events if isinstance(event, TrainedNetwork))
    now = engine.provenance
    return _compare(
        zoo,
        id,
        trained,
        {
            name: (then.get(name, "unknown"), now.get(name, "unknown"))
            for name in sorted(now)
            if then.get(name) != now.get(name)
        },
    )


def _own_images(zoo: Zoo, recipe: Recipe) -> ImageSet:
    """The images that the zoo was trained on: where this machine saw them, or the recipe's."""
    remembered = remembered_place(zoo.image_fingerprint)
    choice = recipe.images
    if remembered is None:
        if choice.source not in ("digits", "imagenette") and choice.path is None:
            raise ImageError(
                f"the images that the zoo was trained on ('{zoo.images_name}') have not been read "
                "on this machine, and a zoo does not tell where its maker's images lie; say where "
                "they lie with --images (in Python: images=)"
            )
        return recipe_images(recipe)
    source, path = remembered
    try:
        images = load_images(source, size=choice.size, channels=choice.channels, path=path)
        return images_of_task(recipe, images)
    except ImageError as error:
        raise ImageError(
            f"the images that the zoo was trained on can't be read any more: {error}; say where "
            "they lie with --images (in Python: images=)"
        ) from error


def _recipe(zoo: Zoo, id: str) -> Recipe:
    match zoo.origin:
        case Trained(recipe):
            return recipe
        case Imported():
            raise VerificationError(
                f"{id} was imported: without a recipe it can't be trained again"
            )
        case Generated(method=method, given=given):
            images = "" if given is None else " --images-of FOLDER"
            raise VerificationError(
                f"{id} was generated by '{method}' and never trained, so it can't be trained "
                f"again; `hyperzoo verify ZOO --regenerate ID --with GENERATOR{images}` makes it "
                "again"
            )


def _engine(
    then: Mapping[str, str],
    name: EngineName | None,
    device: Device,
    architecture: Architecture,
    precision: Precision,
) -> Engine:
    """The engine that was asked for, by default like the one that trained the network."""
    if name is None:
        stored = then.get("engine")
        if stored not in get_args(EngineName):
            raise VerificationError(
                f"the zoo says that it was trained by '{stored}', which is no engine of this "
                f"version ({', '.join(get_args(EngineName))}); name the engine to train with"
            )
        name = cast(EngineName, stored)
        if device == "auto" and then.get("device") in get_args(Device):
            device = cast(Device, then["device"])
    return make_engine(name, architecture, device, workers=1, precision=precision)


def _compare(
    zoo: Zoo, network_id: str, trained: TrainedNetwork, circumstances: dict[str, tuple[str, str]]
) -> Retrained:
    row = zoo.ids.index(network_id)
    pairs = [(zoo.weights(name)[row], tensor) for name, tensor in trained.parameters.items()]
    for epoch, parameters in trained.checkpoints.items():
        pairs += [(zoo.weights(name, epoch=epoch)[row], t) for name, t in parameters.items()]
    stored = np.concatenate([np.ravel(pair[0]) for pair in pairs])
    again = np.concatenate([np.ravel(pair[1]) for pair in pairs])
    # Bits, not values: 0.0 and -0.0 differ, and a NaN equals itself.
    unequal = stored.view(np.uint32) != again.view(np.uint32)
    differing = int(np.count_nonzero(unequal))
    differences = np.abs(stored[unequal].astype(np.float64) - again[unequal])
    return Retrained(
        id=network_id,
        identical=differing == 0,
        differing=differing,
        weights=len(stored),
        largest_difference=float(differences.max()) if differing else 0.0,
        circumstances=circumstances,
    )
