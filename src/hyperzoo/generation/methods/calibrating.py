"""How far the codes of a distilled network reach, how strong its noise is, and where it aims.

Networks are made with a distilled network, and it is compared what they answer with what training
networks answer. Three things are mended, a few times over: each code's reach, the noise, and
corrections of the mean.

What is wanted is not what training networks show, but what networks beside them would. Principal
components of a few networks fit these too well: others differ less along the first components, and
more beside all of them. So both are measured on training networks that were left out of the
components (`variety`). Trial networks have codes that are white to the last digit, so that a code's
reach is told from the noise, and few networks suffice.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hyperzoo.generation.methods.distilled import is_of_codes

TRIALS, ROUNDS = 32, 3
"""Networks made in a round, at least, and rounds."""

FOLDS = 5
"""Parts of the training networks that are left out in turn."""

FIRST_NOISE, LEAST_NOISE, MOST_NOISE = 0.1, 0.01, 0.8
"""Noise to begin with and its limits, in parts of a tensor's root mean square."""

MOST_CHANGE = 1.7
"""A code's reach is changed by this factor at most in a round."""

_TINY = np.finfo(np.float64).tiny

Array = NDArray[np.float64]

Ask = Callable[[Mapping[str, Tensor], NDArray[np.float32]], NDArray[np.float32]]
"""Of what is learned, and codes [network, way]: what the networks say to all images looked at."""


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
    learned: Mapping[str, Tensor],
    wanted: Variety,
    references: NDArray[np.int64],
    shown: NDArray[np.int64],
    ask: Ask,
    generator: np.random.Generator,
) -> dict[str, Tensor]:
    """Mend reach, noise and corrections until networks differ as they should.

    Args:
        learned: of a class, as `learned_shapes` says.
        wanted: of its training networks' answers to images.
        references: which of the images networks are given their function at.
        shown: which of them the networks are compared on.
        ask: makes networks, and asks them about the references and then about those that are
            shown: [network, image, output].
        generator: draws the codes.

    Returns:
        What is learned, with codes of the right reach, and "noise" and "corrections" beside it.
    """
    ways = wanted.ways[:, shown].reshape(len(wanted.ways), -1).astype(np.float64)
    codes = _white(generator, max(TRIALS, 2 * len(ways)), len(ways))
    aimed_at = torch.from_numpy(wanted.mean[references])
    now = dict(learned)
    now["noise"] = torch.tensor(FIRST_NOISE)
    now["corrections"] = torch.zeros_like(aimed_at)
    for _ in range(ROUNDS):
        said = ask(now, codes)
        at_references, elsewhere = np.split(said, [len(references)], axis=1)
        apart = (elsewhere - elsewhere.mean(axis=0)).reshape(len(codes), -1).astype(np.float64)
        moves = codes.T.astype(np.float64) @ apart / (len(codes) - 1)  # what a code of 1 does
        reach = (moves * ways).sum(axis=1) / np.maximum((ways**2).sum(axis=1), _TINY)
        rest = float(((apart - codes @ moves) ** 2).sum(axis=0).mean())
        rest /= max(1, len(codes) - 1 - len(ways))
        mended = _mended(now, reach, rest, wanted)
        missed = aimed_at - torch.from_numpy(at_references.mean(axis=0))
        now = mended | {"corrections": now["corrections"] + missed}
    return now


def _mended(
    now: Mapping[str, Tensor], reach: Array, rest: float, wanted: Variety
) -> dict[str, Tensor]:
    """Codes and noise, made larger or smaller by what they are off."""
    factor = np.divide(wanted.reach, reach, out=np.full_like(reach, MOST_CHANGE), where=reach > 0)
    factor = np.clip(factor, 1 / MOST_CHANGE, MOST_CHANGE)
    noise = float(now["noise"]) * np.sqrt(wanted.rest / max(rest, _TINY))
    moved = torch.from_numpy(factor.astype(np.float32))
    return {
        name: tensor * moved.view(-1, *(1,) * (tensor.ndim - 1)) if is_of_codes(name) else tensor
        for name, tensor in now.items()
    } | {"noise": torch.tensor(float(np.clip(noise, LEAST_NOISE, MOST_NOISE)))}


def _white(generator: np.random.Generator, count: int, ways: int) -> NDArray[np.float32]:
    """Codes of mean 0 that are uncorrelated and of variance 1, exactly: [network, way]."""
    drawn = generator.standard_normal((count, ways))
    axes, _ = np.linalg.qr(drawn - drawn.mean(axis=0))
    white: NDArray[np.float32] = (axes * np.sqrt(count - 1)).astype(np.float32)
    return white
