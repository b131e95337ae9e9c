"""A functional autodecoder: a code for every training network, decoded to what it *answers*.

There is no encoder: codes are learned together with the decoder (Park et al., "DeepSDF", 2019),
here so that the decoded network's logits equal those of the training network. Weights count for
little, so the decoder may choose its own way to the same function. Codes are drawn anew from a
Gaussian of the class's codes.
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
from hyperzoo.generation.decoder import Decoder, decoded, expected
from hyperzoo.generation.draw import Draw
from hyperzoo.generation.registry import Meter, State, require_tensors
from hyperzoo.generation.span import span_of
from hyperzoo.generation.training_set import TrainingSet

__all__ = ["check", "fit", "make", "refusal"]

CODES, HIDDEN, DIRECTIONS = 16, 64, 8
STEPS, NETWORKS, IMAGES = 800, 6, 48
COVARIANCE = 1.0
"""The weight of the error in how networks of a class covary in their logits."""


def refusal(data: TrainingSet) -> str | None:
    """Nothing is in the way."""
    return None


def fit(data: TrainingSet, seed: int, meter: Meter) -> State:
    """Trains codes and decoder, then takes the Gaussian of each class's codes."""
    assert data.images is not None
    aligned = aligned_training(data)
    span = span_of(aligned.rows, data.labels, DIRECTIONS)
    answers = torch.from_numpy(network_logits(data))
    images, labels = pixels(data.images), torch.from_numpy(data.labels)
    random = torch.Generator().manual_seed(seed)
    decoder = Decoder(span, CODES, HIDDEN, random)
    codes = torch.tensor(_first_codes(answers.numpy(), data.labels)).requires_grad_()
    groups = decoder.groups(2e-3, 3e-4)
    optimizer = torch.optim.Adam([*groups, {"params": [codes], "lr": 1e-2}])
    # Networks may all be alike: nothing is divided by zero.
    spread = answers.var().clamp(min=1e-12)
    of_class = [
        torch.from_numpy(np.flatnonzero(data.labels == c)) for c in range(len(data.classes))
    ]
    with one_thread():
        for step in range(STEPS):
            # Networks of one class, whose covariance is to be matched.
            own = of_class[step % len(of_class)]
            drawn = own[torch.randperm(len(own), generator=random)[:NETWORKS]]
            shown = torch.randint(len(images), (IMAGES,), generator=random)
            rows = decoder(codes[drawn], labels[drawn])
            logits = row_logits(data.architecture, rows, images[shown])
            wanted = answers[drawn][:, shown]
            loss = functional.mse_loss(logits, wanted) / spread
            covariance = functional.mse_loss(_products(logits), _products(wanted))
            scale = _products(wanted).square().mean().clamp(min=1e-12)
            loss = loss + COVARIANCE * covariance / scale
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            meter(step + 1, STEPS)
    means, roots = _gaussians(codes.detach().numpy(), data.labels)
    return decoder.state(code_means=means, code_roots=roots)


def _first_codes(answers: NDArray[np.float32], labels: NDArray[np.int64]) -> NDArray[np.float32]:
    """The leading principal components of logits within classes: [network, code]."""
    flat = answers.reshape(len(answers), -1).astype(np.float64)
    codes = np.zeros((len(flat), CODES), np.float32)
    for label in range(labels.max() + 1):
        own = flat[labels == label]
        centred = own - own.mean(axis=0)
        vectors = np.linalg.eigh(centred @ centred.T)[1][:, ::-1][:, :CODES]
        codes[labels == label, : vectors.shape[1]] = vectors * np.sqrt(len(own))
    return codes


def _products(logits: Tensor) -> Tensor:
    """Mean products of networks' deviations from their mean: [network, network]."""
    flat = (logits - logits.mean(dim=0)).flatten(1)
    return flat @ flat.T / flat.shape[1]


def _gaussians(
    codes: NDArray[np.float32], labels: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The mean of each class's codes, and a root of their covariance."""
    means, roots = [], []
    for label in range(labels.max() + 1):
        own = codes[labels == label].astype(np.float64)
        values, vectors = np.linalg.eigh(np.cov(own.T))
        means.append(own.mean(axis=0))
        roots.append(vectors * np.sqrt(np.maximum(values, 0)))
    return np.stack(means).astype(np.float32), np.stack(roots).astype(np.float32)


def check(state: State, architecture: Architecture, classes: tuple[str, ...]) -> None:
    """The decoder's tensors, and a Gaussian of codes for every class."""
    shapes = expected(state, architecture, classes)
    codes, count = int(state.settings["codes"]), len(classes)
    shapes |= {"code_means": (count, codes), "code_roots": (count, codes, codes)}
    require_tensors(state, shapes)


def make(
    state: State, architecture: Architecture, classes: tuple[str, ...], draw: Draw
) -> dict[str, NDArray[np.float32]]:
    """The network of a code from the class's Gaussian."""
    label = classes.index(draw.class_name)
    normals = draw.normals("code", int(state.settings["codes"]))
    code = state.tensors["code_means"][label] + state.tensors["code_roots"][label] @ normals
    return decoded(state, architecture, classes, draw.class_name, code)
