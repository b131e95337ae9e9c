"""Last layers by a few gradient steps from a start, both of which are learned.

Whoever is to learn from few images should begin where a few steps suffice (Finn et al.,
"Model-agnostic meta-learning", 2017), and step as far along each weight as has proved good (Li et
al., "Meta-SGD", 2017). Steps are those of logistic regression of the class against seen images, as
`by_boundary` solves to its end; these stop early, and where they begin and how they go is what
episodes of seen classes have taught.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from hyperzoo.generation.from_images.heads import Array, Seen, drawn_episode

EPISODES, STEPS, OTHERS, RATE, FIRST_RATE = 500, 5, 512, 1e-2, 1.0
"""Of the fit: episodes, steps of a last layer, seen images that are given beside the class's,
Adam's rate, and the length of a step before any is learned."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Stepper:
    """A start of last layers, and the lengths of steps from it, in standardised features.

    Attributes:
        seen: features of images of seen classes.
        start: float64 [feature + 1], of weights, and then of the bias.
        lengths: float64 [step, feature + 1], logarithms.
    """

    seen: Seen
    start: Tensor
    lengths: Tensor

    def head(self, positives: Array) -> Array:
        """[feature], for positives [image, feature], against all seen images."""
        scale = self.seen.scales()
        with torch.no_grad():
            found = self.stepped(
                torch.from_numpy(self.standard(positives)),
                torch.from_numpy(self.standard(self.seen.values)),
            )
        return np.asarray(found[:-1].numpy() / scale, np.float64)

    def standard(self, values: Array) -> Array:
        """Features as the start has them: standardised by the seen images, and a 1 for the bias."""
        columns = (values - self.seen.values.mean(axis=0)) / self.seen.scales()
        return np.column_stack([columns, np.ones(len(columns))])

    def stepped(self, given: Tensor, others: Tensor) -> Tensor:
        """The last layer [feature + 1] after all steps.

        Args:
            given: [image, feature + 1], of the class; half of the weight is theirs.
            others: [image, feature + 1].
        """
        head = self.start
        for lengths in self.lengths:
            # The gradient of the balanced cross-entropy, so that what is learned goes through it.
            yes = given.T @ (torch.sigmoid(given @ head) - 1) / len(given)
            no = others.T @ torch.sigmoid(others @ head) / len(others)
            head = head - lengths.exp() * (yes + no) / 2
        return head


def fitted_stepper(
    seen: Seen, generator: np.random.Generator, tell: Callable[[], None] = lambda: None
) -> Stepper:
    """Learn the start and the steps on subsets of seen classes.

    Numbers are rounded to float32, as a file keeps them.

    Args:
        seen: what they are learned on.
        generator: draws.
        tell: is called after every episode.
    """
    size = seen.values.shape[1] + 1
    lengths = torch.full((STEPS, size), float(np.log(FIRST_RATE)), dtype=torch.float64)
    stepper = Stepper(seen=seen, start=torch.zeros(size, dtype=torch.float64), lengths=lengths)
    values = torch.from_numpy(stepper.standard(seen.values))
    learned = [stepper.start, stepper.lengths]
    for tensor in learned:
        tensor.requires_grad_()
    optimizer = torch.optim.Adam(learned, lr=RATE)
    for _ in range(EPISODES):
        own = drawn_episode(seen, generator)
        others = generator.choice(own.others, OTHERS)
        logits = values[own.asked] @ stepper.stepped(values[own.given], values[others])
        loss = functional.binary_cross_entropy_with_logits(logits, own.wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        tell()
    return Stepper(
        seen=seen,
        start=stepper.start.detach().float().double(),
        lengths=stepper.lengths.detach().float().double(),
    )
