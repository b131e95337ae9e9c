"""A Wasserstein GAN whose critic sees nothing that depends on the order of hidden units.

Arjovsky et al., "Wasserstein GAN", 2017, with the gradient penalty of Gulrajani et al., "Improved
training of Wasserstein GANs", 2017; the critic sees networks in pairs of one class, against
collapse (Lin et al., "PacGAN", 2018). It sees what networks answer to some training images, what
their linear parts answer, and how long their layers' singular values are.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from hyperzoo.architectures import Architecture
from hyperzoo.architectures.forward import forward
from hyperzoo.cores import one_thread
from hyperzoo.features.linear_response import linear_layer
from hyperzoo.generation.aligned import aligned_training
from hyperzoo.generation.behaviour import pixels, split_row
from hyperzoo.generation.decoder import Decoder, check, decoded, linear
from hyperzoo.generation.draw import Draw
from hyperzoo.generation.registry import Meter, State
from hyperzoo.generation.span import span_of
from hyperzoo.generation.training_set import TrainingSet

__all__ = ["check", "fit", "make", "refusal"]

CODES, HIDDEN, DIRECTIONS = 16, 64, 8
STEPS, CRITIC_STEPS, PAIRS, PROBES = 150, 5, 8, 48
"""Of the generator; of the critic for each; pairs of networks in a step; images shown."""

_RATE, _BETAS, _PENALTY = 1e-4, (0.0, 0.9), 10.0
_CRITIC = 128


def refusal(data: TrainingSet) -> str | None:
    """Nothing is in the way."""
    return None


def fit(data: TrainingSet, seed: int, meter: Meter) -> State:
    """Trains generator and critic in turn; the generator alone is kept."""
    assert data.images is not None
    aligned = aligned_training(data)
    span = span_of(aligned.rows, data.labels, DIRECTIONS)
    random = torch.Generator().manual_seed(seed)
    shown = torch.randperm(len(data.images), generator=random)[:PROBES]
    features = _Features.of(data, pixels(data.images)[shown], torch.from_numpy(aligned.rows))
    decoder = Decoder(span, CODES, HIDDEN, random)
    real, labels = features(torch.from_numpy(aligned.rows)).detach(), torch.tensor(data.labels)
    critic = nn.Sequential(
        linear(2 * real.shape[1] + len(data.classes), _CRITIC, random),
        nn.LeakyReLU(0.2),
        linear(_CRITIC, _CRITIC, random),
        nn.LeakyReLU(0.2),
        linear(_CRITIC, 1, random),
    )
    of_class = [torch.nonzero(labels == label)[:, 0] for label in range(len(data.classes))]
    trained = torch.optim.Adam(critic.parameters(), _RATE, _BETAS)
    # Directions are as long as training networks deviate; a step must move their shares visibly.
    made = torch.optim.Adam(decoder.groups(10 * _RATE, _RATE), _RATE, _BETAS)

    def drawn_classes() -> Tensor:
        return torch.randint(len(of_class), (PAIRS,), generator=random)

    def fakes(classes: Tensor) -> Tensor:
        codes = torch.randn((2 * PAIRS, CODES), generator=random)
        return _paired(features(decoder(codes, classes.repeat_interleave(2))))

    with one_thread():
        for step in range(STEPS):
            for _ in range(CRITIC_STEPS):
                classes = drawn_classes()
                pairs = [_pair(of_class[int(label)], random) for label in classes]
                with torch.no_grad():
                    fake = fakes(classes)
                loss = _critic_loss(
                    critic, _paired(real[torch.cat(pairs)]), fake, _known(classes, of_class), random
                )
                trained.zero_grad()
                loss.backward()
                trained.step()
            classes = drawn_classes()
            loss = -critic(torch.cat([fakes(classes), _known(classes, of_class)], dim=1)).mean()
            made.zero_grad()
            loss.backward()
            made.step()
            meter(step + 1, STEPS)
    return decoder.state()


@dataclass(frozen=True)
class _Features:
    """What the critic sees of rows of weights, scaled by what training networks have."""

    architecture: Architecture
    linear: Architecture
    probes: Tensor
    centre: Tensor
    scale: Tensor

    @staticmethod
    def of(data: TrainingSet, probes: Tensor, rows: Tensor) -> "_Features":
        """Features scaled on rows."""
        given = data.architecture
        plain = replace(given, layers=tuple(map(linear_layer, given.layers)))
        whole = _Features(given, plain, probes, torch.zeros(1), torch.ones(1))
        with one_thread(), torch.no_grad():
            raw = whole(rows)
        # Every feature counts alike, but one that hardly varies is not blown up.
        scale = raw.std(dim=0)
        return replace(whole, centre=raw.mean(dim=0), scale=scale + 0.1 * scale.mean() + 1e-6)

    def __call__(self, rows: Tensor) -> Tensor:
        """[network, feature]."""
        raw = torch.stack([self._raw(split_row(self.architecture, row)) for row in rows])
        return (raw - self.centre) / self.scale

    def _raw(self, network: Mapping[str, Tensor]) -> Tensor:
        logits = forward(self.architecture, network, self.probes)
        unbiased = {
            name: torch.zeros_like(tensor) if name.endswith(".bias") else tensor
            for name, tensor in network.items()
        }
        answers = forward(self.linear, unbiased, self.probes)
        moments = [_moments(tensor) for name, tensor in network.items() if tensor.ndim > 1]
        return torch.cat([logits.flatten(), answers.flatten(), *moments])


def _moments(weight: Tensor) -> Tensor:
    """The sums of the second and fourth powers of singular values, their roots: [2]."""
    rows = weight.flatten(1)
    gram = rows @ rows.T if len(rows) <= rows.shape[1] else rows.T @ rows
    return torch.stack([gram.trace().sqrt(), gram.square().sum().sqrt().sqrt()])


def _pair(rows: Tensor, random: torch.Generator) -> Tensor:
    return rows[torch.randperm(len(rows), generator=random)[:2]]


def _paired(features: Tensor) -> Tensor:
    """Two networks after each other as one: [pair, 2 x feature]."""
    return features.reshape(len(features) // 2, -1)


def _known(classes: Tensor, of_class: list[Tensor]) -> Tensor:
    return functional.one_hot(classes, len(of_class)).to(torch.float32)


def _critic_loss(
    critic: nn.Module, real: Tensor, fake: Tensor, known: Tensor, random: torch.Generator
) -> Tensor:
    """How much more the critic gives to generated networks, plus the gradient penalty."""
    shares = torch.rand((len(real), 1), generator=random)
    between = (real + shares * (fake - real)).requires_grad_()
    value = critic(torch.cat([between, known], dim=1)).sum()
    (slope,) = torch.autograd.grad(value, between, create_graph=True)
    penalty = (slope.norm(dim=1) - 1).square().mean()
    gap = critic(torch.cat([fake, known], dim=1)) - critic(torch.cat([real, known], dim=1))
    loss: Tensor = gap.mean() + _PENALTY * penalty
    return loss


def make(
    state: State, architecture: Architecture, classes: tuple[str, ...], draw: Draw
) -> dict[str, NDArray[np.float32]]:
    """The network of a code of normal numbers."""
    code = draw.normals("code", int(state.settings["codes"]))
    return decoded(state, architecture, classes, draw.class_name, code)
