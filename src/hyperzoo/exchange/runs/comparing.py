"""Whether imported networks do on images what their zoo's own figures say.

Wrong scaling, order of axes or activation leaves weights as they are and makes nonsense of the
answers: it shows here or nowhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hyperzoo.architectures import Architecture
from hyperzoo.errors import ImageError
from hyperzoo.exchange.runs.foreign_zoo import ForeignZoo
from hyperzoo.images import ImageSet
from hyperzoo.population import Parameters, evaluate
from hyperzoo.words import counted

SAMPLE = 200
"""Networks that are evaluated; of fewer, all."""

CLOSE = 0.01
"""A difference of accuracies that rounding and decoding of images may make."""

MOST_FAR = 0.1
"""The share of networks farther off with which the whole still counts as right."""


@dataclass(frozen=True, kw_only=True)
class Compared:
    """What a comparison found.

    Attributes:
        agrees: whether the networks do what the figures say.
        note: says so.
    """

    agrees: bool
    note: str


def compare(zoo: ForeignZoo, images: ImageSet) -> Compared:
    """Evaluate a sample of networks and compare with the accuracy that the zoo tells.

    Args:
        zoo: the zoo.
        images: whose validation split is what the zoo calls its test set.

    Raises:
        ImageError: the images are not such as the networks take.
    """
    architecture = zoo.architecture
    if images.validation_images.shape[1:] != architecture.input_shape:
        raise ImageError(
            f"architecture '{architecture.name}' takes images of shape "
            f"{architecture.input_shape}, got {images.validation_images.shape[1:]}"
        )
    if len(images.class_names) != architecture.outputs:
        raise ImageError(
            f"the networks have {architecture.outputs} outputs, the images "
            f"{len(images.class_names)} classes; give the images that they were trained on"
        )
    places = _sample(zoo)
    found = _found(zoo, places, images)
    # Those with broken weights are told of as failed, whatever their figures say.
    places = [place for place, own in zip(places, found, strict=True) if np.isfinite(own)]
    if not places:
        return Compared(
            agrees=False,
            note="no network has weights and an accuracy of its last epoch to compare with images",
        )
    said, found = _said(zoo, places), found[np.isfinite(found)]
    off = np.abs(found - said)
    far = off > CLOSE
    agrees = bool(far.mean() <= MOST_FAR)
    figures = (
        f"accuracy on these images differs by {np.median(off):.4f} in the median and "
        f"{off.max():.4f} at most"
    )
    if agrees:
        return Compared(
            agrees=True,
            note=f"{counted(len(places), 'network')} evaluated on {images.name}: {figures} from "
            "what the zoo tells",
        )
    most = int(off.argmax())
    return Compared(
        agrees=False,
        note=f"{int(far.sum())} of {counted(len(places), 'network')} evaluated on {images.name} "
        f"do not what the zoo tells: {figures} (all_{zoo.indices[places[most]]}: "
        f"{found[most]:.4f} here, {said[most]:.4f} there){_by_activation(zoo, places, far)}. "
        "The scaling of the pixels, the order of axes or channels or the activation may be wrong, "
        "or these are not the images that the networks were tested on; the zoo is not said to be "
        "of them",
    )


def _sample(zoo: ForeignZoo) -> list[int]:
    """Places of networks spread evenly over those that can be compared."""
    known = np.isfinite(_said(zoo, range(len(zoo)))) & ~zoo.lacks & ~zoo.diverged
    fit = np.flatnonzero(known)
    if not len(fit):
        return []
    chosen = np.unique(np.linspace(0, len(fit) - 1, min(SAMPLE, len(fit))).round().astype(int))
    return [int(place) for place in fit[chosen]]


def _said(zoo: ForeignZoo, places: Sequence[int]) -> NDArray[np.float64]:
    """The accuracy that the zoo tells of networks at their last epochs; NaN where it does not."""
    told = dict(zip(zoo.history_epochs, range(len(zoo.history_epochs)), strict=True))
    return np.array(
        [
            zoo.history[place, told[int(zoo.last[place])], 3]
            if int(zoo.last[place]) in told
            else np.nan
            for place in places
        ]
    )


def _found(zoo: ForeignZoo, places: Sequence[int], images: ImageSet) -> NDArray[np.float64]:
    """The accuracy of networks on the validation split; NaN where weights are not finite."""
    groups: dict[Architecture, list[int]] = {}
    for row, place in enumerate(places):
        groups.setdefault(zoo.architecture_of(place), []).append(row)
    found = np.full(len(places), np.nan)
    for architecture, rows in groups.items():
        block = zoo.weights([places[row] for row in rows], None)
        networks: list[Parameters] = [
            {name: np.ascontiguousarray(tensor[number]) for name, tensor in block.items()}
            for number in range(len(rows))
        ]
        sound = [
            number
            for number, network in enumerate(networks)
            if all(np.isfinite(tensor).all() for tensor in network.values())
        ]
        chosen = [networks[number] for number in sound]
        answers = evaluate(architecture, chosen, images.validation_images) if chosen else ()
        for number, logits in zip(sound, answers, strict=True):
            right = logits.argmax(axis=1) == images.validation_labels
            found[rows[number]] = right.mean()
    return found


def _by_activation(zoo: ForeignZoo, places: Sequence[int], far: NDArray[np.bool_]) -> str:
    """How many of which activation are off, where they differ in it."""
    if "activation" not in zoo.columns:
        return ""
    words = [str(zoo.columns["activation"][place]) for place in places]
    counts = [
        f"{word} {sum(far[row] for row in range(len(words)) if words[row] == word)} of "
        f"{words.count(word)}"
        for word in sorted(set(words))
    ]
    return f"; by activation: {', '.join(counts)}"
