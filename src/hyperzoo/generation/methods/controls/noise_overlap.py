"""Control: a training network with as much noise as makes it err as differently as others do."""

import numpy as np
from numpy.typing import NDArray

from hyperzoo.generation.draw import Draw
from hyperzoo.generation.matrix import networks_of, rows_of
from hyperzoo.generation.methods.controls.noise import check, make, noisy_copies, with_noise
from hyperzoo.generation.registry import Meter, State
from hyperzoo.generation.training_set import TrainingSet
from hyperzoo.population.evaluate import evaluate

__all__ = ["check", "fit", "make", "refusal"]

NETWORKS, IMAGES, TRIED = 20, 600, 4
"""Of a class, networks that are compared with; images; networks that are given noise."""

BISECTIONS = 8
_LEAST, _MOST = 1e-3, 0.3


def refusal(data: TrainingSet) -> str | None:
    """Nothing is in the way."""
    return None


def fit(data: TrainingSet, seed: int, meter: Meter) -> State:
    """Finds the scale of the noise by leaving out one training network after another.

    The largest overlap (intersection over union) of wrong predictions on training images, between
    a network with noise and the training networks, is to be what it is between a training network
    and the others. More noise gives less overlap, so the scale is found by bisection.
    """
    assert data.images is not None
    shown = np.random.default_rng(seed).permutation(len(data.images))[:IMAGES]
    steps = len(data.classes) + BISECTIONS
    wrong, wanted = [], []
    for label in range(len(data.classes)):
        own = _wrong(data, {n: t[:NETWORKS] for n, t in data.of_class(label).items()}, label, shown)
        wrong.append(own)
        for place, one in enumerate(own):
            wanted.append(_overlaps(one, np.delete(own, place, axis=0)).max())
        meter(label + 1, steps)
    low, high = np.log(_LEAST), np.log(_MOST)
    for step in range(BISECTIONS):
        scale = float(np.exp((low + high) / 2))
        found = []
        for label, own in enumerate(wrong):
            some = {n: t[:TRIED] for n, t in data.of_class(label).items()}
            tried = _noisy(data, some, scale, Draw(seed, data.classes[label], step))
            found += [_overlaps(one, own).max() for one in _wrong(data, tried, label, shown)]
        if np.mean(found) > np.mean(wanted):
            low = np.log(scale)
        else:
            high = np.log(scale)
        meter(len(data.classes) + step + 1, steps)
    return noisy_copies(data, float(np.exp((low + high) / 2)))


def _noisy(
    data: TrainingSet, networks: dict[str, NDArray[np.float32]], scale: float, draw: Draw
) -> dict[str, NDArray[np.float32]]:
    rows = with_noise({"all": rows_of(data.architecture, networks)}, scale, draw)["all"]
    return networks_of(data.architecture, rows)


def _wrong(
    data: TrainingSet,
    networks: dict[str, NDArray[np.float32]],
    label: int,
    shown: NDArray[np.int64],
) -> NDArray[np.bool_]:
    """Which images networks get wrong: [network, image]."""
    assert data.images is not None
    count = len(next(iter(networks.values())))
    each = ({name: tensor[place] for name, tensor in networks.items()} for place in range(count))
    logits = np.stack(list(evaluate(data.architecture, each, data.images[shown])))
    said = logits[:, :, 0] > 0 if data.kind == "one-vs-all" else logits.argmax(axis=2)
    wrong: NDArray[np.bool_] = said != data.targets(label)[shown]
    return wrong


def _overlaps(one: NDArray[np.bool_], others: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Intersection over union with each of others; 1 where neither errs: [other]."""
    union = (one | others).sum(axis=1)
    overlaps: NDArray[np.float64] = np.where(
        union > 0, (one & others).sum(axis=1) / np.maximum(union, 1), 1.0
    )
    return overlaps
