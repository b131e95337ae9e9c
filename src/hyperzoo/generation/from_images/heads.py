"""Last layers for a class of which a few images are known, in the trunk's features.

Ways that share nothing but the features: by the boundary to seen images (`by_boundary`), by the
distribution of seen classes (`by_density`), by a network that was trained to write last layers
(`Writer`), and from the last layers that seen tasks have (`by_retrieval`). `steps.py` has another.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

Array = NDArray[np.float64]

EPISODES, SHOTS, ASKED, HIDDEN, RATE = 1500, (1, 5, 20, 100), 256, 64, 1e-3
"""Of the writer's fit: episodes, images of the class, images asked, hidden units, Adam's rate."""

MOST_POSITIVES = 3
"""Classes that are the positives of an episode, at most."""

STRENGTH, NEWTON_STEPS = 0.003, 8
"""Of the boundary: its ridge, and steps of its fit."""

LEAST_SCALE = 0.3
"""Of a feature, in parts of the mean of all."""

SHRINKAGES = (0.01, 0.03, 0.1, 0.3, 1.0)
"""Of the covariance towards a multiple of the identity; one is chosen on seen classes."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Seen:
    """Features of images of seen classes.

    Attributes:
        values: [image, feature].
        labels: int64 [image].
    """

    values: Array
    labels: NDArray[np.int64]

    def means(self) -> Array:
        """[class, feature]."""
        return np.stack([self.values[self.labels == own].mean(axis=0) for own in self.classes()])

    def classes(self) -> NDArray[np.int64]:
        """The labels that there are."""
        return np.unique(self.labels)

    def scales(self) -> Array:
        """Standard deviations: [feature], of none less than a share of their mean.

        A unit that is silent for seen images would get any weight, and what fresh weights are a
        little off by, any size.
        """
        spread = self.values.std(axis=0)
        found: Array = np.maximum(spread, LEAST_SCALE * spread.mean() + 1e-12)
        return found

    def covariance(self) -> Array:
        """Within classes, pooled: [feature, feature]."""
        left = self.values - self.means()[np.searchsorted(self.classes(), self.labels)]
        return left.T @ left / len(left)


def by_density(positives: Array, seen: Seen, shrinkage: float) -> Array:
    """Linear discriminant of the class against seen classes: [feature].

    The covariance is that within seen classes, which K images could never tell (Fisher, 1936;
    shrinkage after Friedman, "Regularized discriminant analysis", 1989).
    """
    covariance = seen.covariance()
    size = len(covariance)
    ridge = shrinkage * np.trace(covariance) / size + 1e-12
    away = positives.mean(axis=0) - seen.means().mean(axis=0)
    found: Array = np.linalg.solve(covariance + ridge * np.eye(size), away)
    return found


def by_boundary(positives: Array, seen: Seen) -> Array:
    """Logistic regression of the class against all seen images, both with half of the weight.

    By Newton's method, from zero, in a fixed number of steps; features are standardised by the
    seen images, and the ridge is STRENGTH of the total weight.

    Args:
        positives: [image, feature].
        seen: all others.

    Returns:
        [feature].
    """
    centre, scale = seen.values.mean(axis=0), seen.scales()
    columns = (np.concatenate([positives, seen.values]) - centre) / scale
    columns = np.column_stack([columns, np.ones(len(columns))])
    counts = (len(positives), len(seen.values))
    truth, weight = np.repeat([1.0, 0.0], counts), np.repeat(0.5 / np.array(counts), counts)
    ridge = np.diag(np.append(np.full(len(centre), STRENGTH), 1e-9))
    head = np.zeros(columns.shape[1])
    for _ in range(NEWTON_STEPS):
        said = 1 / (1 + np.exp(-np.clip(columns @ head, -30, 30)))
        slope = columns.T @ (weight * (said - truth)) + ridge @ head
        curve = (columns * (weight * said * (1 - said))[:, None]).T @ columns + ridge
        head = head - np.linalg.solve(curve, slope)
    found: Array = head[:-1] / scale
    return found


def chosen_shrinkage(seen: Seen, generator: np.random.Generator, shots: int = 20) -> float:
    """The shrinkage that tells seen classes from the others best, each being left out in turn."""
    scores = np.zeros(len(SHRINKAGES))
    for label in seen.classes():
        own = np.flatnonzero(seen.labels == label)
        others = Seen(
            values=seen.values[seen.labels != label], labels=seen.labels[seen.labels != label]
        )
        order = generator.permutation(own)
        given, asked = seen.values[order[:shots]], seen.values[order[shots:]]
        for place, shrinkage in enumerate(SHRINKAGES):
            head = by_density(given, others, shrinkage)
            scores[place] += _auc(asked @ head, others.values @ head)
    return SHRINKAGES[int(scores.argmax())]


def by_retrieval(positives: Array, heads: Array, biases: Array) -> Array:
    """A mixture of the seen tasks' last layers: [feature].

    Args:
        positives: [image, feature].
        heads: [task, feature].
        biases: [task].

    Returns:
        The tasks' last layers, added by how much each says yes to the images (softmax of the mean
        logits).
    """
    logits = (positives @ heads.T + biases).mean(axis=0)
    share = np.exp(logits - logits.max())
    mixed: Array = share / share.sum() @ heads
    return mixed


@dataclass(frozen=True, kw_only=True, eq=False)
class Writer:
    """A network that writes a last layer from the mean and the spread of a set of features.

    A set encoder without order (Zaheer et al., "Deep sets", 2017), trained in episodes (Vinyals et
    al., "Matching networks", 2016): a subset of seen classes is the positives, a few of its images
    are given, and the last layer is asked about others. What it writes is added to the prototype.

    Attributes:
        seen: features that others are measured by.
        layers: float64 [in, out] each.
        factor: float64 [1], of which the exponential multiplies the prototype.
    """

    seen: Seen
    layers: Sequence[Tensor]
    factor: Tensor

    def head(self, positives: Array) -> Array:
        """[feature], for positives [image, feature]."""
        with torch.no_grad():
            found = self.written(torch.from_numpy(self.standard(positives)))
        return np.asarray(found.numpy() / self._scale, np.float64)

    def standard(self, values: Array) -> Array:
        """Features, standardised by the seen images."""
        found: Array = (values - self._centre) / self._scale
        return found

    def written(self, given: Tensor) -> Tensor:
        """The last layer [feature] for standardised features [image, feature]."""
        mean = given.mean(dim=0)
        spread = given.std(dim=0, unbiased=False)
        hidden = torch.cat([mean, spread])
        for weights in self.layers[:-1]:
            hidden = functional.gelu(hidden @ weights)
        written: Tensor = mean * self.factor.exp() / len(mean) ** 0.5 + hidden @ self.layers[-1]
        return written

    @cached_property
    def _centre(self) -> Array:
        return np.asarray(self.seen.values.mean(axis=0))

    @cached_property
    def _scale(self) -> Array:
        return self.seen.scales()


def writer_shapes(features: int) -> tuple[tuple[int, int], ...]:
    """The shapes of a writer's layers."""
    return (2 * features, HIDDEN), (HIDDEN, HIDDEN), (HIDDEN, features)


def fitted_writer(
    seen: Seen, generator: np.random.Generator, tell: Callable[[], None] = lambda: None
) -> Writer:
    """Train a writer on subsets of seen classes.

    Its numbers are rounded to float32, as a file keeps them.

    Args:
        seen: what it is trained on.
        generator: draws.
        tell: is called after every episode.
    """
    writer = Writer(
        seen=seen,
        layers=[
            torch.from_numpy(generator.standard_normal(own) * gain / np.sqrt(own[0]))
            for own, gain in zip(writer_shapes(seen.values.shape[1]), (1.4, 1.4, 0.1), strict=True)
        ],
        factor=torch.zeros(1, dtype=torch.float64),
    )
    values = torch.from_numpy(writer.standard(seen.values))
    learned = [*writer.layers, writer.factor]
    for tensor in learned:
        tensor.requires_grad_()
    optimizer = torch.optim.Adam(learned, lr=RATE)
    for _ in range(EPISODES):
        own = drawn_episode(seen, generator)
        logits = values[own.asked] @ writer.written(values[own.given])
        loss = functional.binary_cross_entropy_with_logits(logits - logits.mean(), own.wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        tell()
    layers = [tensor.detach().float().double() for tensor in writer.layers]
    return Writer(seen=seen, layers=layers, factor=writer.factor.detach().float().double())


@dataclass(frozen=True, kw_only=True, eq=False)
class Episode:
    """A subset of seen classes that is taken for a class of which a few images are known.

    Attributes:
        given: int64 [image], rows of seen images that are given.
        others: int64 [image], rows of all images of other classes.
        asked: int64 [image], rows that are asked, half of them of the subset.
        wanted: float64 [image], 1 for those.
    """

    given: NDArray[np.int64]
    others: NDArray[np.int64]
    asked: NDArray[np.int64]
    wanted: Tensor


def drawn_episode(seen: Seen, generator: np.random.Generator) -> Episode:
    """An episode of a few classes and a few images."""
    known = seen.classes()
    most = min(MOST_POSITIVES, len(known) - 1)  # some class is a negative
    classes = generator.permutation(known)[: generator.integers(1, most + 1)]
    own = np.flatnonzero(np.isin(seen.labels, classes))
    order = generator.permutation(own)
    given = order[: generator.choice(SHOTS)]
    others = np.flatnonzero(~np.isin(seen.labels, classes))
    asked = np.concatenate(
        [generator.choice(own, ASKED // 2), generator.choice(others, ASKED // 2)]
    )
    wanted = torch.from_numpy(np.isin(seen.labels[asked], classes).astype(np.float64))
    return Episode(given=given, others=others, asked=asked, wanted=wanted)


def _auc(yes: Array, no: Array) -> float:
    from sklearn.metrics import roc_auc_score

    truth = np.repeat([1, 0], [len(yes), len(no)])
    return float(roc_auc_score(truth, np.concatenate([yes, no])))
