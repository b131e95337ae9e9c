"""A variational autoencoder of aligned networks, with a loss of what they answer.

Kingma and Welling, "Auto-encoding variational Bayes", 2014; free bits: Kingma et al., "Improved
variational inference with inverse autoregressive flow", 2016, appendix C.8; a loss of behaviour:
Meynent et al., "Structure is not enough", 2025.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from hyperzoo.architectures import Architecture
from hyperzoo.cores import one_thread
from hyperzoo.generation.aligned import aligned_training
from hyperzoo.generation.behaviour import network_logits, pixels, row_logits
from hyperzoo.generation.decoder import Decoder, check, decoded, linear
from hyperzoo.generation.draw import Draw
from hyperzoo.generation.registry import Meter, State
from hyperzoo.generation.span import span_of
from hyperzoo.generation.training_set import TrainingSet

__all__ = ["check", "fit", "make", "refusal"]

CODES, HIDDEN, DIRECTIONS = 32, 64, 8
SEEN = 64
"""Principal components of a network that the encoder sees."""

STEPS, NETWORKS, IMAGES = 800, 6, 48
FREE_BITS, DIVERGENCE, WEIGHTS = 0.02, 0.01, 0.1
"""Nats of a code's number that cost nothing; the weights of divergence and of weights' error."""


def refusal(data: TrainingSet) -> str | None:
    """Nothing is in the way."""
    return None


def fit(data: TrainingSet, seed: int, meter: Meter) -> State:
    """Trains encoder and decoder; the decoder alone is kept."""
    assert data.images is not None
    aligned = aligned_training(data)
    span = span_of(aligned.rows, data.labels, DIRECTIONS)
    seen = torch.from_numpy(span_of(aligned.rows, data.labels, SEEN).coordinates)
    answers = torch.from_numpy(network_logits(data))
    images, labels = pixels(data.images), torch.from_numpy(data.labels)
    random = torch.Generator().manual_seed(seed)
    decoder = Decoder(span, CODES, HIDDEN, random)
    encoder = torch.nn.Sequential(
        linear(seen.shape[1], HIDDEN, random), torch.nn.Tanh(), linear(HIDDEN, 2 * CODES, random)
    )
    optimizer = torch.optim.Adam(
        [*decoder.groups(2e-3, 3e-4), {"params": encoder.parameters(), "lr": 2e-3}]
    )
    # Networks may all be alike: nothing is divided by zero.
    spread = answers.var().clamp(min=1e-12)
    wanted = torch.from_numpy(span.coordinates)
    lengths = decoder.directions.detach().square().sum(dim=1).clamp(min=1e-12)
    first = decoder.directions.detach().clone() / lengths[:, None]
    with one_thread():
        for step in range(STEPS):
            drawn = torch.randint(len(seen), (NETWORKS,), generator=random)
            shown = torch.randint(len(images), (IMAGES,), generator=random)
            centre, log_variance = encoder(seen[drawn]).chunk(2, dim=1)
            noise = torch.randn(centre.shape, generator=random)
            codes = centre + (log_variance / 2).exp() * noise
            rows = decoder(codes, labels[drawn])
            logits = row_logits(data.architecture, rows, images[shown])
            behaviour = functional.mse_loss(logits, answers[drawn][:, shown]) / spread
            places = (rows - decoder.means[labels[drawn]]) @ first.T
            weights = functional.mse_loss(places, wanted[drawn])
            loss = behaviour + WEIGHTS * weights + DIVERGENCE * _divergence(centre, log_variance)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            meter(step + 1, STEPS)
    return decoder.state()


def _divergence(centre: Tensor, log_variance: Tensor) -> Tensor:
    """Of the codes from a standard normal, in nats; a number's share of free bits is free."""
    per_number = (centre.square() + log_variance.exp() - 1 - log_variance) / 2
    return per_number.mean(dim=0).clamp(min=FREE_BITS).sum()


def make(
    state: State, architecture: Architecture, classes: tuple[str, ...], draw: Draw
) -> dict[str, NDArray[np.float32]]:
    """The network of a code of normal numbers."""
    code = draw.normals("code", int(state.settings["codes"]))
    return decoded(state, architecture, classes, draw.class_name, code)
