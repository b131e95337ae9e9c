"""Makes a zoo of generated networks, and makes one of its networks again."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import tee
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from hyperzoo.architectures import Architecture
from hyperzoo.cores import one_thread, usable_cores
from hyperzoo.errors import GenerationError, VerificationError
from hyperzoo.generation.generator import Generator
from hyperzoo.generation.registry import Meter
from hyperzoo.generation.stored import FittedOn, whole_number
from hyperzoo.images import ImageSet
from hyperzoo.plan import PlannedNetwork, TaskKind
from hyperzoo.population import evaluate, metrics, targets
from hyperzoo.population.machine import processor_name
from hyperzoo.words import counted
from hyperzoo.zoo import (
    FinishedNetwork,
    FittedZoo,
    Generated,
    Given,
    Zoo,
    ZooWriter,
    layout,
    open_zoo,
)
from hyperzoo.zoo.write import check_target, wanted_zoo

Weights = Mapping[str, NDArray[np.float32]]


class Maker(Protocol):
    """What makes networks of classes: a generator, or one to which images were given."""

    @property
    def method(self) -> str:
        """The method's name."""

    @property
    def seed(self) -> int:
        """Of the fit."""

    @property
    def architecture(self) -> Architecture:
        """Of the networks."""

    @property
    def kind(self) -> TaskKind:
        """Their task."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes that it makes networks of."""

    @property
    def fitted_on(self) -> FittedOn:
        """The zoo that it was fitted on."""

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the generator's file."""

    @property
    def given(self) -> Given | None:
        """The images that it was given."""

    def make(self, class_name: str, index: int, *, seed: int = 0) -> dict[str, NDArray[np.float32]]:
        """Make one network: PyTorch name -> float32 [*shape]."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Asked:
    """What a zoo says of the images that its networks were evaluated on.

    Attributes:
        images: the images; None where there are none to evaluate on.
        name: what they are, for people.
        classes: in label order, those of the networks among them.
    """

    images: ImageSet | None
    name: str
    classes: tuple[str, ...]


def asked(images: ImageSet) -> Asked:
    """Of an image set that has all classes."""
    return Asked(images=images, name=images.name, classes=images.class_names)


def generate_zoo(
    generator: Generator,
    folder: str | Path,
    *,
    networks_per_class: int,
    images: ImageSet,
    seed: int = 0,
    meter: Meter | None = None,
    workers: int = 0,
) -> Zoo:
    """Make a zoo of networks that were never trained.

    Parts that the folder already holds are kept: an interrupted run is resumed, and more networks
    a class grow the zoo. The result does not depend on interruptions or the number of workers.

    Args:
        generator: what makes the networks.
        folder: the zoo's folder; made if it is not there.
        networks_per_class: how many networks of every class.
        images: the images of the zoo that the generator was fitted on; the networks are evaluated
            on their validation split. Where that zoo's images are not known, those of its classes
            and shape are taken.
        seed: of the sample.
        meter: is told of progress: networks on disk, and networks of the complete zoo.
        workers: threads that make networks; 0 for one a core.

    Returns:
        The complete zoo, opened.

    Raises:
        GenerationError: the images are not those of the zoo that the generator was fitted on, or
            a number is out of bounds.
        ZooMismatchError: the folder holds something else.
        ZooLockedError: another run writes to the folder.
        ZooWriteError: the disk refused; finished parts are kept.
    """
    check_shown(generator, images)
    return write_generated(
        generator,
        folder,
        networks_per_class=networks_per_class,
        on=asked(images),
        seed=seed,
        meter=meter,
        workers=workers,
    )


def write_generated(
    maker: Maker,
    folder: str | Path,
    *,
    networks_per_class: int,
    on: Asked,
    seed: int,
    meter: Meter | None,
    workers: int,
) -> Zoo:
    """Write a generated zoo, as `generate_zoo` says, of whatever makes the networks.

    Args:
        maker: what makes the networks.
        folder: the zoo's folder.
        networks_per_class: how many networks of every class.
        on: the images that they are evaluated on.
        seed: of the sample.
        meter: is told of progress.
        workers: threads that make networks; 0 for one a core.

    Raises:
        GenerationError: a number is out of bounds.
    """
    seed, workers = whole_number("seed", seed), whole_number("workers", workers)
    described = _described(maker, on, networks_per_class)
    with ZooWriter(folder, origin_of(maker, seed), provenance=_provenance(), **described) as writer:
        missing = dict(writer.missing_parts)
        planned = sum(map(len, writer.parts))
        done = planned - sum(map(len, missing.values()))
        if meter is not None:
            meter(done, planned)
        networks = [network for part in missing.values() for network in part]
        finished = _finished(maker, networks, on.images, seed, workers or usable_cores())
        for number, part in missing.items():
            writer.write_part(number, [next(finished) for _ in part])
            done += len(part)
            if meter is not None:
                meter(done, planned)
    return open_zoo(folder)


def check_place(
    maker: Maker, folder: str | Path, *, networks_per_class: int, on: Asked, seed: int
) -> None:
    """Refuse before a fit what `write_generated` would refuse after it; nothing is written.

    Args:
        maker: what will make the networks; what it learns is not looked at.
        folder: the zoo's folder.
        networks_per_class: how many networks of every class.
        on: the images that they will be evaluated on.
        seed: of the sample.

    Raises:
        GenerationError: a number is out of bounds.
        ZooError: the folder holds something else, or can't be written to.
    """
    origin = replace(origin_of(maker, whole_number("seed", seed)), generator_digest="")
    check_target(Path(folder), wanted_zoo(origin, **_described(maker, on, networks_per_class)))


def _described(maker: Maker, on: Asked, networks_per_class: int) -> dict[str, Any]:
    """What a zoo says of networks and images, as `ZooWriter` takes it."""
    images = on.images
    return {
        "image_classes": on.classes,
        "image_fingerprint": "" if images is None else images.fingerprint,
        "images_name": on.name,
        "image_counts": None
        if images is None
        else (len(images.train_images), len(images.validation_images)),
        "architecture": maker.architecture,
        "networks_per_class": whole_number("networks_per_class", networks_per_class, 1),
    }


def origin_of(generator: Maker, seed: int) -> Generated:
    """What a zoo says of the generator that made its networks."""
    source = generator.fitted_on
    return Generated(
        method=generator.method,
        fit_seed=generator.seed,
        seed=seed,
        generator_digest=generator.digest,
        network_classes=generator.classes,
        fitted_on=FittedZoo(
            name=source.name,
            recipe_digest=source.recipe_digest,
            image_fingerprint=source.image_fingerprint,
            images_name=source.images_name,
            training=source.split.training,
            held_out=source.split.held_out,
            fresh=source.split.fresh,
        ),
        given=generator.given,
    )


def check_shown(generator: Generator, images: ImageSet) -> None:
    """Check that images are those of the zoo that a generator was fitted on.

    Where the zoo's images are not known, shape and classes are all that can be checked.

    Raises:
        GenerationError: they are not.
    """
    source = generator.fitted_on
    if source.image_fingerprint and images.fingerprint != source.image_fingerprint:
        raise GenerationError(
            f"the generator was fitted on a zoo of the images '{source.images_name}' with "
            f"fingerprint {source.image_fingerprint[:16]}, not '{images.name}' with fingerprint "
            f"{images.fingerprint[:16]}; give the same images"
        )
    expected = generator.architecture.input_shape
    if images.image_shape != expected or images.class_names != generator.image_classes:
        raise GenerationError(
            f"the generator makes networks for images of shape {expected} and the classes "
            f"{', '.join(generator.image_classes)}; '{images.name}' has {images.image_shape} and "
            f"{', '.join(images.class_names)}; give the images of the zoo that it was fitted on"
        )


def _provenance() -> dict[str, str]:
    """What the bits of a generated network may depend on."""
    import torch

    return {
        "engine": "generator",
        "torch": str(torch.__version__),
        "processor": processor_name(),
    }


def _finished(
    maker: Maker,
    networks: list[PlannedNetwork],
    images: ImageSet | None,
    seed: int,
    workers: int,
) -> Iterator[FinishedNetwork]:
    """Make and evaluate networks, in their order."""
    made, given = tee(_made(maker, networks, seed, workers))
    for network, weights, found in zip(
        networks, made, _figures(maker, networks, given, images), strict=True
    ):
        finite = all(np.isfinite(tensor).all() for tensor in weights.values())
        yield FinishedNetwork(
            network=network,
            status="ok" if finite else "failed",
            epoch=None,
            metrics=found,
            history={name: np.empty(0) for name in layout.HISTORY_COLUMNS},
            parameters=weights,
        )


def _figures(
    maker: Maker,
    networks: list[PlannedNetwork],
    weights: Iterator[Weights],
    images: ImageSet | None,
) -> Iterator[dict[str, float | None]]:
    """The metrics of networks on validation images; none where there are no images."""
    if images is None:
        yield from (dict.fromkeys(layout.METRICS) for _ in weights)
        return
    said = evaluate(maker.architecture, weights, images.validation_images)
    for network, logits in zip(networks, said, strict=True):
        wanted = targets(network, maker.kind, images.validation_labels, images.class_names)
        yield metrics(logits, wanted)


def _made(
    maker: Maker, networks: Iterable[PlannedNetwork], seed: int, workers: int
) -> Iterator[Weights]:
    """The networks' weights in order, made on several threads a few networks ahead."""
    waiting: deque[Future[dict[str, NDArray[np.float32]]]] = deque()
    # Set around all threads: PyTorch's number of threads is one for the process, and what one
    # network puts back while another is made would change that one's bits.
    with one_thread(), ThreadPoolExecutor(workers) as threads:
        try:
            for network in networks:
                waiting.append(
                    threads.submit(maker.make, network.class_name, network.index, seed=seed)
                )
                if len(waiting) > 2 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            threads.shutdown(cancel_futures=True)


@dataclass(frozen=True, kw_only=True)
class Regenerated:
    """How a network made again compares with the stored one.

    Attributes:
        id: the network.
        differing: how many weights differ in a bit.
        weights: how many weights were compared.
        largest_difference: largest absolute difference.
        circumstances: what bits may depend on and differs: name -> (then, now).
    """

    id: str
    differing: int
    weights: int
    largest_difference: float
    circumstances: dict[str, tuple[str, str]]


def regenerate_network(zoo: Zoo, id: str, generator: Maker) -> Regenerated:
    """Make a network of a generated zoo again and compare every bit.

    Args:
        zoo: the zoo.
        id: the network's id.
        generator: the zoo's generator, or a `Conditioned` one: with the images given to it.

    Raises:
        NetworkNotFoundError: the zoo has no such network.
        VerificationError: the zoo was not generated, or by another generator, or from other images.
    """
    then, origin = zoo.provenance_of(id), zoo.generated
    if origin is None:
        raise VerificationError(
            f"{id} was not generated: only networks of a generated zoo can be made again by a "
            "generator"
        )
    if origin.generator_digest != generator.digest:
        raise VerificationError(
            f"{zoo.path} was made by a generator with digest {origin.generator_digest[:16]}, this "
            f"one has {generator.digest[:16]}; give the same generator"
        )
    _check_given(zoo, origin.given, generator.given)
    row = zoo.ids.index(id)
    class_name, _, index = id.rpartition("_")
    again = generator.make(class_name, int(index), seed=origin.seed)
    stored = np.concatenate([np.ravel(zoo.weights(name)[row]) for name in again])
    made = np.concatenate([np.ravel(tensor) for tensor in again.values()])
    # Bits, not values: 0.0 and -0.0 differ, and a NaN equals itself.
    unequal = stored.view(np.uint32) != made.view(np.uint32)
    differences = np.abs(stored[unequal].astype(np.float64) - made[unequal])
    now = _provenance()
    return Regenerated(
        id=id,
        differing=int(np.count_nonzero(unequal)),
        weights=len(stored),
        largest_difference=float(differences.max()) if len(differences) else 0.0,
        circumstances={
            name: (then.get(name, "unknown"), value)
            for name, value in now.items()
            if then.get(name) != value
        },
    )


def _check_given(zoo: Zoo, then: Given | None, now: Given | None) -> None:
    """Check that images are those that a zoo's networks were made from."""
    if then is None or now is None:
        if then != now:
            raise VerificationError(
                f"{zoo.path}: its networks were made from "
                f"{'images, which a generator alone has not' if now is None else 'no images'}"
            )
    elif then.fingerprint != now.fingerprint:
        raise VerificationError(
            f"{zoo.path}: its networks were made from {counted(sum(then.counts), 'image')} with "
            f"fingerprint {then.fingerprint[:16]}, those given now are {sum(now.counts):,} with "
            f"fingerprint {now.fingerprint[:16]}; give the same images"
        )
