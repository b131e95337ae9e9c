"""Flow matching on aligned weights.

Lipman et al., "Flow matching for generative modeling", 2023; with pairs of noise and data that are
matched within a batch (Tong et al., "Improving and generalizing flow-based generative models with
minibatch optimal transport", 2024). The flow lives on a few principal components, which hold what
training networks share. What no component holds is most of a network: it is taken from fresh
initial weights, aligned, where a flow on as many components as there are networks would give back
mixtures of training networks (as in Gupta et al., "DeepWeightFlow", 2026).
"""

import copy

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn
from torch.nn import functional

from hyperzoo.architectures import Architecture
from hyperzoo.cores import one_thread
from hyperzoo.errors import GenerationError
from hyperzoo.generation.aligned import Aligned, aligned_training, fresh_start, fresh_starts
from hyperzoo.generation.behaviour import pixels, row_logits
from hyperzoo.generation.decoder import linear
from hyperzoo.generation.draw import Draw
from hyperzoo.generation.matrix import network_of
from hyperzoo.generation.registry import Meter, State, require_setting, require_tensors
from hyperzoo.generation.span import Span, span_of
from hyperzoo.generation.training_set import TrainingSet

HIDDEN, STEPS, BATCH, PATIENCE = 128, 4000, 64, 10
"""Of the perceptron; of its training; validations without gain after which it ends."""

_EVERY, _VALIDATION, _AVERAGED = 100, 0.2, 0.99
INTEGRATED = 32
"""Steps of Heun's method from noise to coordinates."""

SHARES = (0.0, 0.125, 0.25, 0.375, 0.5, 0.75, 1.0)
"""Of the length of what lies outside of the span: tried on training images."""

_TRIED, _IMAGES = 4, 200
_KEPT = 0.9
_LONGEST = 1e6


def refusal(data: TrainingSet) -> str | None:
    """One direction at least must be left within a third of the networks."""
    if len(data.labels) < 6:
        return f"it needs 6 or more training networks, got {len(data.labels)}; train more"
    return None


def directions_of(networks: int, classes: int) -> int:
    """At most a third of the networks, and at most as many as keep the file small."""
    return max(1, min(networks // 3, networks // 25 - classes - 2))


def fit(data: TrainingSet, seed: int, meter: Meter) -> State:
    """Trains the flow, and chooses how much of a fresh start to add to its span."""
    assert data.images is not None
    aligned = aligned_training(data)
    kept = directions_of(len(data.labels), len(data.classes))
    span = span_of(aligned.rows, data.labels, kept)
    random = torch.Generator().manual_seed(seed)
    with one_thread():
        velocity = _trained(span, data.labels, random, meter)
        share = _share(data, aligned, span, seed)
    layers = {name: p.detach().numpy().copy() for name, p in velocity.named_parameters()}
    return State(
        tensors={
            "reference": aligned.reference,
            "means": span.means,
            "directions": span.directions,
            **layers,
        },
        settings={
            "directions": len(span.directions),
            "hidden": HIDDEN,
            "left": share * span.left,
        },
    )


class _Velocity(nn.Module):
    """Place, time and class -> the velocity of the flow."""

    def __init__(self, size: int, classes: int, random: torch.Generator) -> None:
        super().__init__()
        self.classes = classes
        self.first = linear(size + classes + 1, HIDDEN, random)
        self.second = linear(HIDDEN, HIDDEN, random)
        self.third = linear(HIDDEN, size, random)

    def forward(self, places: Tensor, times: Tensor, labels: Tensor) -> Tensor:
        known = functional.one_hot(labels, self.classes).to(places.dtype)
        hidden = torch.tanh(self.first(torch.cat([places, times[:, None], known], dim=1)))
        velocity: Tensor = self.third(torch.tanh(self.second(hidden)))
        return velocity


def _trained(
    span: Span, labels: NDArray[np.int64], random: torch.Generator, meter: Meter
) -> _Velocity:
    """The averaged velocity with the least loss on a share of the training networks."""
    ends, own = torch.from_numpy(span.coordinates), torch.from_numpy(labels)
    order = torch.randperm(len(ends), generator=random)
    count = max(1, int(_VALIDATION * len(ends)))
    aside, learned = order[:count], order[count:]
    velocity = _Velocity(ends.shape[1], len(span.means), random)
    averaged, best, least, since = copy.deepcopy(velocity), velocity, float("inf"), 0
    optimizer = torch.optim.Adam(velocity.parameters(), 1e-3)
    # The same noise and times at every validation, so that only the flow makes the difference.
    often = aside.repeat(16)
    noise = torch.randn(len(often), ends.shape[1], generator=random)
    times = torch.rand(len(often), generator=random)
    for step in range(STEPS):
        drawn = learned[torch.randint(len(learned), (BATCH,), generator=random)]
        begin = torch.randn(BATCH, ends.shape[1], generator=random)
        begin = begin[_matched(begin, ends[drawn], own[drawn])]
        when = torch.rand(BATCH, generator=random)
        loss = _loss(velocity, begin, ends[drawn], when, own[drawn])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            for mean, now in zip(averaged.parameters(), velocity.parameters(), strict=True):
                mean.lerp_(now, 1 - _AVERAGED)
            if step % _EVERY == _EVERY - 1:
                found = float(_loss(averaged, noise, ends[often], times, own[often]))
                since += 1
                if found < least:
                    best, least, since = copy.deepcopy(averaged), found, 0
                meter(step + 1, STEPS)
        if since >= PATIENCE:
            break
    return best


def _loss(velocity: _Velocity, begin: Tensor, end: Tensor, times: Tensor, labels: Tensor) -> Tensor:
    places = begin + times[:, None] * (end - begin)
    return functional.mse_loss(velocity(places, times, labels), end - begin)


def _matched(begin: Tensor, end: Tensor, labels: Tensor) -> Tensor:
    """For each network the noise that goes to it: the least squared way, within a class."""
    matched = torch.arange(len(begin))
    for label in labels.unique():
        own = torch.nonzero(labels == label)[:, 0]
        # Of the squared distances only the products depend on who goes to whom.
        gain = end[own] @ begin[own].T
        _, columns = linear_sum_assignment(gain.numpy(), maximize=True)
        matched[own] = own[torch.from_numpy(columns)]
    return matched


def _share(data: TrainingSet, aligned: Aligned, span: Span, seed: int) -> float:
    """How much of the length outside of the span fresh starts may bring.

    The largest share with which networks agree with the training images' targets hardly less than
    the mean of the class alone does.
    """
    assert data.images is not None
    starts = fresh_starts(data.architecture, aligned.reference, seed, _TRIED)
    shown = np.random.default_rng(seed).permutation(len(data.images))[:_IMAGES]
    images, found = pixels(data.images[shown]), np.zeros(len(SHARES))
    for label, mean in enumerate(span.means):
        targets = torch.tensor(data.targets(label)[shown]).expand(_TRIED, -1)
        for place, share in enumerate(SHARES):
            rows = np.stack(
                [
                    mean + outside(start, mean, span.directions, share * span.left)
                    for start in starts
                ]
            )
            with torch.no_grad():
                logits = row_logits(data.architecture, torch.from_numpy(rows), images)
            found[place] += _agreement(logits, targets)
    return max(
        share
        for share, now in zip(SHARES, found, strict=True)
        if now >= min(_KEPT * found[0], found[0])
    )


def _agreement(logits: Tensor, targets: Tensor) -> float:
    """Mean correlation of networks' logits with what they should say; their scale is no matter."""
    outputs = logits.shape[2]
    wanted = targets[:, :, None] if outputs == 1 else functional.one_hot(targets, outputs)
    said, right = (t.flatten(1).double() for t in (logits, wanted))
    said, right = said - said.mean(dim=1, keepdim=True), right - right.mean(dim=1, keepdim=True)
    return float(functional.cosine_similarity(said, right).mean())


def outside(
    start: NDArray[np.float32],
    mean: NDArray[np.float32],
    directions: NDArray[np.float32],
    length: float,
) -> NDArray[np.float32]:
    """What of a start neither a mean nor directions hold, of a given length: float32 [weight]."""
    rest = start.astype(np.float64)
    basis = np.linalg.qr(np.concatenate([directions, mean[None]]).T.astype(np.float64))[0]
    rest -= basis @ (basis.T @ rest)
    rest *= length / max(np.linalg.norm(rest), np.finfo(np.float64).tiny)
    return rest.astype(np.float32)


def check(state: State, architecture: Architecture, classes: tuple[str, ...]) -> None:
    """The span, the velocity's layers, and a length outside of the span of 0 or more."""
    kept = require_setting(state, "directions", 1, 4096)
    hidden = require_setting(state, "hidden", 1, 4096)
    count = architecture.parameter_count
    require_tensors(
        state,
        {
            "reference": (count,),
            "means": (len(classes), count),
            "directions": (kept, count),
            "first.weight": (hidden, kept + len(classes) + 1),
            "first.bias": (hidden,),
            "second.weight": (hidden, hidden),
            "second.bias": (hidden,),
            "third.weight": (kept, hidden),
            "third.bias": (kept,),
        },
    )
    left = state.settings.get("left")
    if not isinstance(left, float) or not 0 <= left <= _LONGEST:
        raise GenerationError(
            f"setting 'left': expected a number from 0 to {_LONGEST}, got {left!r}"
        )


def make(
    state: State, architecture: Architecture, classes: tuple[str, ...], draw: Draw
) -> dict[str, NDArray[np.float32]]:
    """Coordinates that the flow leads noise to, and a fresh start outside of the span."""
    label, tensors = classes.index(draw.class_name), state.tensors
    mean, directions = tensors["means"][label], tensors["directions"]
    known = np.zeros(len(classes))
    known[label] = 1.0

    def velocity(place: NDArray[np.float64], time: float) -> NDArray[np.float64]:
        inputs = np.concatenate([place, [time], known])
        first = np.tanh(tensors["first.weight"] @ inputs + tensors["first.bias"])
        second = np.tanh(tensors["second.weight"] @ first + tensors["second.bias"])
        result: NDArray[np.float64] = tensors["third.weight"] @ second + tensors["third.bias"]
        return result

    place = draw.normals("flow", int(state.settings["directions"]))
    for step in range(INTEGRATED):
        time, width = step / INTEGRATED, 1 / INTEGRATED
        slope = velocity(place, time)
        place = place + width * (slope + velocity(place + width * slope, time + width)) / 2
    row = mean + place.astype(np.float32) @ directions
    start = fresh_start(architecture, tensors["reference"], draw)
    return network_of(
        architecture, row + outside(start, mean, directions, float(state.settings["left"]))
    )
