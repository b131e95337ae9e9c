"""Fresh initial weights, projected onto what the training networks of a class have in common.

A trained network is mostly the random numbers that it started from, and a function that all
networks of its class nearly share. So the two are kept apart. The *function* is distilled from the
training networks: one network of the class that answers by their mean logits, on images that they
were not trained on (`unseen.py`), and whose codes move it in the ways in which they differ
(`distilled.py`). The *random numbers* are a fresh initialisation, as training would have drawn it.
A generated network is those random numbers, changed layer by layer as little as gives them the
function of a code drawn at random (`solving.py`).

Codes hold only ways that the training networks show; each trained network has others of its own.
So the function aimed at is disturbed too: normal noise on the distilled weights, of the strength
with which two generated networks correlate as two training networks do. Noise makes logits smaller
on average, and every approximation is off by a little; so the last layer aims beside its aim by as
much as brings the mean logits back to where they should be.

Making a network takes no gradient and no steps: a linear system a layer.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hyperzoo.architectures import Architecture
from hyperzoo.architectures.forward import forward
from hyperzoo.errors import GenerationError
from hyperzoo.generation.behaviour import pixels
from hyperzoo.generation.draw import Draw
from hyperzoo.generation.methods.by_class import fit_by_class
from hyperzoo.generation.methods.distilled import (
    Targets,
    distil,
    learned_shapes,
    network_of,
    summing_steps,
)
from hyperzoo.generation.methods.solving import solve
from hyperzoo.generation.methods.unit_order import in_random_order
from hyperzoo.generation.methods.unseen import Answers, Batches, agreement, unseen_answers
from hyperzoo.generation.registry import Meter, State, require_setting, require_tensors
from hyperzoo.generation.training_set import TrainingSet

PASSES, BATCH = 16, 128
"""How often the fit sees every image, and how many at a time."""

CODES = 16
"""Ways in which training networks differ, at most."""

REFERENCES = 256
"""Images on which fresh weights are given their function."""

TRIALS, SHOWN, HALVINGS = 12, 1000, 5
"""Networks made and images shown to choose the noise, and steps of its search."""

CORRECTING = 40
"""Networks whose mean logits are brought back to where they should be."""

MOST_NOISE = 0.8
"""The strongest noise that is tried, in parts of a tensor's root mean square."""


def refusal(data: TrainingSet) -> str | None:
    """Any declared network can be had so."""
    return None


def fit(data: TrainingSet, seed: int, meter: Meter) -> State:
    """Fit the classes one by one, side by side on all cores."""
    assert data.images is not None  # the registry says that the method needs images
    answers = unseen_answers(data, seed)
    references = _references(data, answers, np.random.default_rng([seed, 1]))
    steps = -(-PASSES * len(answers.images) // BATCH)

    def fitted(label: int, tell: Callable[[], None]) -> dict[str, NDArray[Any]]:
        return _fit_class(data, answers, references, label, seed, steps, tell)

    tensors = fit_by_class(data, steps, meter, fitted)
    return State(
        tensors={**tensors, "references": answers.images[references]},
        settings={"codes": tensors["head"].shape[1]},
    )


def check(state: State, architecture: Architecture, classes: tuple[str, ...]) -> None:
    """Tensors of the shapes that follow from one setting."""
    codes = require_setting(state, "codes", 1, 10_000)
    learned = learned_shapes(architecture, codes)
    shapes = {name: (len(classes), *shape) for name, shape in learned.items()}
    shapes["lengths"] = (len(classes), len(architecture.parameters))
    shapes["noise"] = (len(classes),)
    count = len(state.tensors.get("references", ()))
    shapes["references"] = (count, *architecture.input_shape)
    shapes["corrections"] = (len(classes), count, architecture.outputs)
    kinds = dict.fromkeys(learned, "float16") | {"references": "uint8"}
    require_tensors(state, shapes, kinds)
    for name in ("lengths", "noise"):
        if (state.tensors[name] < 0).any():
            raise GenerationError(f"tensor '{name}': expected numbers from 0, got less")


def make(
    state: State, architecture: Architecture, classes: tuple[str, ...], draw: Draw
) -> dict[str, NDArray[np.float32]]:
    """Draw a code and a start, and give the start the code's function."""
    row = classes.index(draw.class_name)
    own = {
        name: torch.from_numpy(np.array(tensor[row], np.float32))
        for name, tensor in state.tensors.items()
        if name != "references"
    }
    with torch.no_grad():
        made = _made(architecture, own, pixels(state.tensors["references"]), draw)
    weights = {name: tensor.numpy() for name, tensor in made.items()}
    return in_random_order(architecture, weights, draw)


def _made(
    architecture: Architecture, own: dict[str, Tensor], references: Tensor, draw: Draw
) -> dict[str, Tensor]:
    """One network of a class: PyTorch name -> tensor."""
    code = torch.from_numpy(draw.normals("code", own["head"].shape[0]).astype(np.float32))
    aim = network_of(architecture, own, code)
    lengths = dict(
        zip((p.name for p in architecture.parameters), own["lengths"].tolist(), strict=True)
    )
    start = {}
    fresh = draw.initial_parameters(architecture)
    for p in architecture.parameters:
        if not p.is_trained:  # running statistics are no random numbers
            start[p.name] = aim[p.name]
            continue
        size = own["noise"] * own[f"network.{p.name}"].square().mean().sqrt()
        aim[p.name] = aim[p.name] + size * _normals(draw, f"noise/{p.name}", p.shape)
        if p.is_bias:  # training starts biases at zero, and leaves them all different
            start[p.name] = np.sqrt(lengths[p.name] / p.size) * _normals(draw, p.name, p.shape)
        else:
            start[p.name] = torch.from_numpy(fresh[p.name])
    return solve(architecture, start, aim, references, lengths, own["corrections"])


def _normals(draw: Draw, purpose: str, shape: tuple[int, ...]) -> Tensor:
    numbers = draw.normals(purpose, int(np.prod(shape))).astype(np.float32)
    return torch.from_numpy(numbers.reshape(shape))


def _fit_class(
    data: TrainingSet,
    answers: Answers,
    references: NDArray[np.int64],
    label: int,
    seed: int,
    steps: int,
    tell: Callable[[], None],
) -> dict[str, NDArray[Any]]:
    """What is learned of one class: name -> array."""
    architecture = data.architecture
    generator = np.random.default_rng([seed, 2, label])
    batches = Batches(data, answers, label, generator)
    said = answers.of_class(data, label)  # [network, image, output]
    lengths = data.square_lengths(label)
    summed = {
        f"{step.name}.{kind}" for step in summing_steps(architecture) for kind in ("weight", "bias")
    }
    targets = Targets(
        mean=torch.from_numpy(said.mean(axis=0)),
        ways=torch.from_numpy(_ways(said)),
        lengths={name: length for name, length in lengths.items() if name in summed},
    )

    def batch() -> tuple[NDArray[np.int64], Tensor]:
        rows = batches.rows(BATCH)
        return rows, answers.pixels(rows)

    # Draws of the fit have a class name that no sample can have.
    start = Draw(seed, f"fit of {data.classes[label]}", 0).initial_parameters(architecture)
    learned = distil(architecture, start, targets, batch, steps, generator, tell)
    kept = {name: tensor.numpy().astype(np.float16) for name, tensor in learned.items()}
    tensors = {name: torch.from_numpy(tensor.astype(np.float32)) for name, tensor in kept.items()}
    tensors["lengths"] = torch.tensor([lengths[p.name] for p in architecture.parameters])
    tensors |= _disturbed(data, answers, tensors, references, label, seed)
    for name in ("lengths", "noise", "corrections"):
        kept[name] = tensors[name].numpy()
    return kept


def _ways(said: NDArray[np.float32]) -> NDArray[np.float32]:
    """Principal components of networks' deviations: [way, image, output], with their lengths."""
    flat = (said - said.mean(axis=0)).reshape(len(said), -1)
    kept = max(1, min(CODES, len(said) - 1))
    # By the small matrix of networks: there are far more images than networks.
    _, axes = np.linalg.eigh(flat.astype(np.float64) @ flat.T.astype(np.float64))
    ways: NDArray[np.float64] = axes[:, ::-1][:, :kept].T @ flat / np.sqrt(max(1, len(said) - 1))
    return ways.astype(np.float32).reshape(kept, *said.shape[1:])


def _disturbed(
    data: TrainingSet,
    answers: Answers,
    tensors: dict[str, Tensor],
    references: NDArray[np.int64],
    label: int,
    seed: int,
) -> dict[str, Tensor]:
    """The noise with which two networks correlate as training networks do, and its corrections."""
    said = answers.of_class(data, label)
    shown = answers.spread(SHOWN)
    images, pixels_of = answers.pixels(shown), answers.pixels(references)
    wanted, mean = agreement(said[:, shown]), torch.from_numpy(said[:, references].mean(axis=0))

    def answered(state: dict[str, Tensor], purpose: str, count: int, to: Tensor) -> Tensor:
        draws = (Draw(seed, f"{purpose} of {data.classes[label]}", k) for k in range(count))
        made = (_made(data.architecture, state, pixels_of, draw) for draw in draws)
        with torch.no_grad():
            return torch.stack([forward(data.architecture, own, to) for own in made])

    def corrected(noise: float, count: int) -> dict[str, Tensor]:
        state = {"noise": torch.tensor(noise), "corrections": torch.zeros_like(mean)}
        off = mean - answered(tensors | state, "correction", count, pixels_of).mean(dim=0)
        return state | {"corrections": off}

    def too_alike(noise: float) -> bool:
        said = answered(tensors | corrected(noise, TRIALS), "choice", TRIALS, images)
        return agreement(said.numpy()) > wanted

    least, most = 0.0, MOST_NOISE
    if not too_alike(least):
        return corrected(least, CORRECTING)
    for _ in range(HALVINGS):
        middle = (least + most) / 2
        least, most = (middle, most) if too_alike(middle) else (least, middle)
    return corrected((least + most) / 2, CORRECTING)


def _references(
    data: TrainingSet, answers: Answers, generator: np.random.Generator
) -> NDArray[np.int64]:
    """As many images of every class as of others, where there are so many."""
    assert data.image_labels is not None
    labels = data.image_labels[answers.sources]
    order = generator.permutation(len(labels))
    nth = np.empty(len(order), np.int64)  # how many of its class come before an image
    for label in range(len(data.image_classes)):
        rows = order[labels[order] == label]
        nth[rows] = np.arange(len(rows))
    chosen = order[np.argsort(nth[order], kind="stable")][:REFERENCES]
    return np.sort(chosen)
