"""Images that part networks by a number: an exam whose questions are of several grades.

Every image has an output, and a grade: a quantile of the training networks' numbers. It is learned
so that networks above the grade answer with that output and those below do not, as the items of a
test part those who know more from those who know less (Lord, "Applications of item response
theory", 1980). No real image is needed: what accurate networks agree on, and poor ones miss, is
found in their weights. The answers stand beside what the ensemble is made of.
"""

from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.pipeline import FeatureUnion, Pipeline
from torch import Tensor

from hyperzoo.architectures import Architecture
from hyperzoo.features.answers import readings, right, told_apart
from hyperzoo.features.matrix import tensors_of
from hyperzoo.features.pattern import SignalsAndPattern
from hyperzoo.features.probes import logits_of, spread
from hyperzoo.prediction.methods.ensemble import stacked
from hyperzoo.prediction.target import Kind

_GRADES = np.linspace(0.15, 0.95, 8)
"""Quantiles of the training networks' numbers."""

_MARGIN = 0.1
"""In deviations of the numbers: of networks as near to a grade an image is not told the side."""

_AT_ONCE = 8
"""Networks that answer together: more would be slower, for what their layers hold is large."""

_LEAST = 1e-4
"""Chances are kept as far from 0 and 1, so that no network alone pulls an image far."""

_LOWEST = -8.0
"""Logarithms of chances below this are this."""


def build(architecture: Architecture, seed: int, kind: Kind) -> Pipeline:
    """The ensemble, with the answers to 160 learned images."""
    own, graded = SignalsAndPattern(architecture), GradedProbes(architecture, seed=seed)
    answers, pattern = graded.answers, own.pattern_columns
    return stacked(
        FeatureUnion([("graded", graded), ("own", own)]),
        seed,
        sizes=slice(answers, -pattern),
        patterns=[slice(0, answers), slice(-pattern, None)],
    )


class GradedProbes(TransformerMixin, BaseEstimator):
    """Features: all answers, in the first columns, then what they say together.

    Where the activation is drawn, a network is taken for the one of `readings` that is more often
    right.

    Attributes:
        architecture: of the networks.
        probes: how many images.
        patches: height and width of the grid on which an image is learned.
        steps: of Adam, in each of which so many networks answer:
        batch: networks.
        seed: of the first images and of the order of networks.
        images_: learned, float32 [image, channel, height, width] in [0, 1].
    """

    learning_rate = 0.2

    def __init__(
        self,
        architecture: Architecture,
        probes: int = 160,
        patches: int = 8,
        steps: int = 500,
        batch: int = 24,
        seed: int = 0,
    ) -> None:
        self.architecture = architecture
        self.probes = probes
        self.patches = patches
        self.steps = steps
        self.batch = batch
        self.seed = seed

    @property
    def labels(self) -> Tensor:
        """Of every image the output that is right; of one logit no (0) or yes (1)."""
        return torch.arange(self.probes) % max(2, self.architecture.outputs)

    @property
    def grades(self) -> Tensor:
        """Of every image its place in the grades: each output has images of all."""
        return torch.arange(self.probes) // max(2, self.architecture.outputs) % len(_GRADES)

    @property
    def answers(self) -> int:
        """How many columns the answers are: logarithms of the chances of every output.

        Of one logit that of what is right alone, for the other follows from it.
        """
        return self.probes * self.architecture.outputs

    def fit(self, networks: NDArray[Any], wanted: NDArray[Any]) -> Self:
        """Learn the images from weights [network, parameter] and numbers [network]."""
        numbers = torch.from_numpy(np.asarray(wanted, np.float32))
        grades = torch.quantile(numbers, torch.from_numpy(_GRADES).float())[self.grades]
        margin = _MARGIN * numbers.std(correction=0)
        height, width, channels = self.architecture.input_shape
        first = torch.Generator().manual_seed(self.seed)
        shape = (self.probes, channels, self.patches, self.patches)
        coarse = torch.randn(shape, generator=first).requires_grad_()
        optimizer = torch.optim.Adam([coarse], lr=self.learning_rate)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=self.steps)
        order = np.random.default_rng(self.seed)
        for _ in range(self.steps):
            rows = order.choice(len(networks), min(self.batch, len(networks)), replace=False)
            optimizer.zero_grad()
            for few in np.array_split(rows, -(-len(rows) // _AT_ONCE)):
                images = spread(coarse.sigmoid(), height, width)
                chances = self._chances(self._answers(networks[few], images))
                chances = chances.clamp(_LEAST, 1 - _LEAST)
                above = numbers[few][:, None] - grades
                parted = torch.where(above > 0, chances, 1 - chances).log()
                loss = -(parted * (above.abs() > margin)).sum() / len(rows)
                loss.backward()
            optimizer.step()
            schedule.step()
        self.images_ = spread(coarse.detach().sigmoid(), height, width).numpy()
        return self

    def transform(self, networks: NDArray[Any]) -> NDArray[np.float32]:
        """Features [network, feature] of weights [network, parameter]."""
        images, found = torch.from_numpy(self.images_), []
        with torch.no_grad():
            for begin in range(0, len(networks), _AT_ONCE):
                logits = self._answers(networks[begin : begin + _AT_ONCE], images).double()
                chances = self._chances(logits)
                of_grades = [chances[:, self.grades == grade] for grade in range(len(_GRADES))]
                by_grade = torch.stack([own.mean(dim=1) for own in of_grades], dim=1)
                single = logits.shape[2] == 1
                answers = chances.log() if single else logits.log_softmax(dim=2).flatten(1)
                together = [told_apart(logits), right(logits, self.labels), by_grade]
                found.append(torch.cat([answers.clamp_min(_LOWEST), *together], dim=1).numpy())
        return np.concatenate(found).astype(np.float32)

    def _answers(self, networks: NDArray[Any], images: Tensor) -> Tensor:
        """Logits [network, image, output] of the better reading of each network."""
        tensors = tensors_of(self.architecture, networks)
        read = [logits_of(own, tensors, images) for own in readings(self.architecture)]
        if len(read) == 1:
            return read[0]
        every = torch.stack(read)
        better = torch.stack([self._chances(own).mean(dim=1) for own in read]).argmax(dim=0)
        return every[better, torch.arange(len(networks))]

    def _chances(self, logits: Tensor) -> Tensor:
        """The chance of what is right, [network, image]."""
        labels = self.labels
        if logits.shape[2] == 1:
            yes = logits[:, :, 0].sigmoid()
            return torch.where(labels == 1, yes, 1 - yes)
        return logits.softmax(dim=2)[:, torch.arange(len(labels)), labels]
