"""How far the codes of a distilled network reach, how strong its noise is, and where it aims.

Networks are made with a distilled network, and it is compared what they answer with what training
networks answer. Four things are mended, a few times over: each code's reach, the noise, the mean at
the references, and how far the mean reaches from its own mean at other images, where what is made
falls short of what it is at the references.

What is wanted is not what training networks show, but what networks beside them would. Principal
components of a few networks fit these too well: others differ less along the first components, and
more beside all of them. So both are measured on training networks that were left out of the
components (`variety`). A code also moves networks along other ways than its own, noise moves them
along all, and networks of several aims lie apart: so it is how far networks vary along a way,
whatever by, that a code's reach makes right. Trial networks have codes that are white to the last
digit, so that a code's reach is told from the rest, and few networks suffice.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hyperzoo.generation.projecting.distilled import is_of_codes

TRIALS, ROUNDS = 32, 4
"""Networks made in a round, at least, and rounds."""

FOLDS = 5
"""Parts of the training networks that are left out in turn."""

FIRST_NOISE, LEAST_NOISE, MOST_NOISE = 0.1, 0.01, 0.8
"""Noise to begin with and its limits, in parts of the standard deviation of a layer's sums."""

MOST_CHANGE = 1.7
"""A code's reach, and how far the mean reaches, are changed by this factor at most in a round."""

_TINY = np.finfo(np.float64).tiny

Array = NDArray[np.float64]

Ask = Callable[[int, Mapping[str, Tensor], NDArray[np.float32]], NDArray[np.float32]]
"""Of an aim's number, what is learned of it, and codes [network, way]: what the networks say to
all images looked at."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Variety:
    """How networks of a class differ.

    Attributes:
        mean: float32 [image, output], their mean logits.
        ways: float32 [way, image, output], principal components of their deviations, each as long
            as a standard deviation along it.
        reach: float64 [way], the standard deviation along a way of networks that the ways do not
            know, over that of those that they do.
        rest: their mean squared deviation in all other directions, of one logit.
    """

    mean: NDArray[np.float32]
    ways: NDArray[np.float32]
    reach: Array
    rest: float


def variety(said: NDArray[np.float32], most: int) -> Variety:
    """What networks have in common, and how they differ.

    Args:
        said: [network, image, output], their logits.
        most: ways at most.
    """
    count, shape = len(said), said.shape[1:]
    flat = said.reshape(count, -1).astype(np.float64)
    mean, lengths, axes = _components(flat, max(1, min(most, count - 1)))
    squares, left, seen = np.zeros(len(axes)), 0.0, np.zeros(len(axes))
    for fold in range(min(FOLDS, count)):
        out = np.arange(count) % FOLDS == fold
        if count - out.sum() < 2:  # of one network nothing can be said
            continue
        own_mean, own_lengths, own_axes = _components(flat[~out], len(axes))
        kept = (~out).sum()
        # A mean of few networks is itself off: without that, the deviation would be so long.
        apart = (flat[out] - own_mean) * np.sqrt(kept / (kept + 1))
        along = apart @ own_axes.T
        ways = len(own_axes)
        squares[:ways] += (along**2 / own_lengths**2).sum(axis=0)
        seen[:ways] += out.sum()
        left += float((apart**2).sum() - (along**2).sum()) / flat.shape[1]
    return Variety(
        mean=mean.astype(np.float32).reshape(shape),
        ways=(axes * lengths[:, None]).astype(np.float32).reshape(-1, *shape),
        reach=np.where(seen > 0, np.sqrt(squares / np.maximum(seen, 1)), 1.0),
        rest=left / max(seen[0], 1),
    )


def _components(flat: Array, most: int) -> tuple[Array, Array, Array]:
    """Of rows: the mean, standard deviations along principal axes, and these, of length 1."""
    mean = flat.mean(axis=0)
    apart = flat - mean
    # By the small matrix of rows: there are far more columns.
    values, vectors = np.linalg.eigh(apart @ apart.T)
    kept = min(most, len(flat) - 1)
    squares = np.maximum(values[::-1][:kept], _TINY)
    axes = vectors[:, ::-1][:, :kept].T @ apart / np.sqrt(squares)[:, None]
    return mean, np.sqrt(squares / (len(flat) - 1)), axes


def calibrated(
    aims: Sequence[Mapping[str, Tensor]],
    wanted: Variety,
    references: NDArray[np.int64],
    shown: NDArray[np.int64],
    ask: Ask,
    generator: np.random.Generator,
) -> list[dict[str, Tensor]]:
    """Mend reach, noise and the mean until networks differ as they should.

    Networks of several aims differ by the aims as well, so that noise, which is the same for all
    aims, makes up for what is missing when they are taken together.

    Args:
        aims: what is learned of a class, several times over, as `learned_shapes` says.
        wanted: of its training networks' answers to images.
        references: which of the images networks are given their function at.
        shown: which of them the networks are compared on; images that nothing was fitted to.
        ask: makes networks, and asks them about the references and then about those that are
            shown: [network, image, output].
        generator: draws the codes.

    Returns:
        What is learned, with codes of the right reach, and "noise" and "corrections" beside it.
    """
    ways = wanted.ways[:, shown].reshape(len(wanted.ways), -1).astype(np.float64)
    to_ways = np.linalg.pinv(ways).astype(np.float64)
    trials = max(-(-TRIALS // len(aims)), 2 * len(ways))
    codes = [_white(generator, trials, len(ways)) for _ in aims]
    aimed_at = wanted.mean[references]
    none = torch.zeros(aimed_at.shape)
    noise, now = FIRST_NOISE, [{**aim, "corrections": none} for aim in aims]
    stretches = np.ones(len(aims), np.float32)
    for _ in range(ROUNDS):
        found = []
        for number, aim in enumerate(now):
            said = ask(number, {**aim, "noise": torch.tensor(noise)}, codes[number])
            at_references, elsewhere = np.split(said, [len(references)], axis=1)
            found.append(_found(elsewhere.reshape(trials, -1), codes[number], ways, to_ways))
            stretches[number] /= _slope(wanted.mean[shown], elsewhere.mean(axis=0))
            centre = aimed_at.mean(axis=0)
            stretched = centre + stretches[number] * (aimed_at - centre)
            missed = torch.from_numpy(stretched - at_references.mean(axis=0))
            now[number] = {**aim, "corrections": aim["corrections"] + missed}
        between = np.var([one.mean @ to_ways for one in found], axis=0)
        factors = [_mended_reach(one, wanted.reach, one.along + between) for one in found]
        now = [_reaching(aim, factor) for aim, factor in zip(now, factors, strict=True)]
        noise = _mended_noise(noise, found, factors, wanted, ways)
    return [{**aim, "noise": torch.tensor(noise)} for aim in now]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Found:
    """How trial networks of one aim differ.

    Attributes:
        mean: [logit], of all.
        reach: [way], how far a code moves them along its way.
        along: [way], their variance along a way, whatever by.
        total: their mean squared deviation, of one logit.
        rest: the part of it that does not follow from the codes.
    """

    mean: Array
    reach: Array
    along: Array
    total: float
    rest: float


def _found(
    said: NDArray[np.float32], codes: NDArray[np.float32], ways: Array, to_ways: Array
) -> _Found:
    """Of logits [network, logit] of networks whose codes are white."""
    mean, freedom = said.mean(axis=0, dtype=np.float64), len(said) - 1
    apart = said - mean
    along = apart @ to_ways
    left = apart - codes @ (codes.T.astype(np.float64) @ apart / freedom)
    return _Found(
        mean=mean,
        # A code that does nothing, or the contrary, is made to do more.
        reach=np.maximum((codes * along).sum(axis=0) / freedom, _TINY),
        along=(along**2).sum(axis=0) / freedom,
        total=float((apart**2).sum(axis=0).mean()) / freedom,
        rest=float((left**2).sum(axis=0).mean()) / max(1, freedom - len(ways)),
    )


def _mended_reach(found: _Found, wanted: Array, along: Array) -> Array:
    """By what a code's reach is multiplied, so that networks vary along its way as they should."""
    by_others = along - found.reach**2
    factor = np.sqrt(np.maximum(wanted**2 - by_others, 0)) / found.reach
    return np.clip(factor, 1 / MOST_CHANGE, MOST_CHANGE)


def _reaching(aim: Mapping[str, Tensor], factor: Array) -> dict[str, Tensor]:
    """Codes, made to reach so many times as far."""
    moved = torch.from_numpy(factor.astype(np.float32))
    return {
        name: tensor * moved.view(-1, *(1,) * (tensor.ndim - 1)) if is_of_codes(name) else tensor
        for name, tensor in aim.items()
    }


def _mended_noise(
    noise: float,
    found: Sequence[_Found],
    factors: Sequence[Array],
    wanted: Variety,
    ways: Array,
) -> float:
    """Noise by which networks will vary as much in all as they should, once codes reach so far."""
    lengths = (ways**2).mean(axis=1)
    should = float(wanted.reach**2 @ lengths) + wanted.rest
    now = np.mean([one.total for one in found]) + np.var([one.mean for one in found], axis=0).mean()
    changed = [one.reach**2 * (by**2 - 1) @ lengths for one, by in zip(found, factors, strict=True)]
    rest = float(np.mean([one.rest for one in found]))
    missing = should - float(now + np.mean(changed))
    factor = np.sqrt(max(rest + missing, 0.0) / max(rest, _TINY))
    return float(np.clip(noise * factor, LEAST_NOISE, MOST_NOISE))


def _slope(wanted: NDArray[np.float32], found: NDArray[np.float32]) -> float:
    """How far mean logits [image, output] reach, in parts of what is wanted; not far from 1.

    What was given to few images reaches less far at others, as all regressions do.
    """
    own, other = (numbers - numbers.mean(axis=0) for numbers in (wanted, found))
    slope = float((own * other).sum()) / max(float((own * own).sum()), _TINY)
    return float(np.clip(slope, 1 / MOST_CHANGE, MOST_CHANGE))


def _white(generator: np.random.Generator, count: int, ways: int) -> NDArray[np.float32]:
    """Codes of mean 0 that are uncorrelated and of variance 1, exactly: [network, way]."""
    drawn = generator.standard_normal((count, ways))
    axes, _ = np.linalg.qr(drawn - drawn.mean(axis=0))
    white: NDArray[np.float32] = (axes * np.sqrt(count - 1)).astype(np.float32)
    return white
