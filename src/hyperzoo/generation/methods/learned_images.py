"""Fresh initialisation, a learned template, and a few steps of gradient descent on learned images.

A trained network is mostly the randomness that it started from. So a generated one starts from
fresh initial weights too: their hidden units are brought into the order of the class's *template*,
the template is added, and a few steps of gradient descent on a few learned images, with learned
answers and learned step sizes, adapt the sum to the very numbers that were drawn. Template,
images, answers and step sizes are found by back-propagation through those steps, so that the
logits of what comes out are the mean logits of the class's training networks, on images as
networks meet them that were not trained on them: training images moved by a pixel or two and, where
the networks take a mirrored image for nearly the same, mirrored.

Networks that all aim at the mean would agree too much. So each aims beside it: the answers are
moved along random combinations of the ways in which training networks differ from their mean, as
far as brings the correlation of two generated networks to that of two training networks.

After dataset distillation (Wang et al., "Dataset distillation", 2018), matched to a zoo as in
Cazenavette et al., "Dataset distillation by matching training trajectories", 2022, but to its
functions; the learned start is that of Finn et al., "Model-agnostic meta-learning", 2017.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from hyperzoo.analysis.alignment import align
from hyperzoo.architectures import Architecture
from hyperzoo.architectures.forward import forward
from hyperzoo.architectures.layers import BatchNorm
from hyperzoo.errors import GenerationError
from hyperzoo.generation.draw import Draw
from hyperzoo.generation.methods.by_class import fit_by_class
from hyperzoo.generation.methods.unit_order import in_random_order
from hyperzoo.generation.projecting.unseen import (
    Answers,
    Batches,
    agreement,
    evenly,
    unseen_answers,
)
from hyperzoo.generation.registry import Meter, State, require_setting, require_tensors
from hyperzoo.generation.training_set import TrainingSet

FIT_STEPS = 150
"""Steps in which a class's template and images are learned."""

STEPS, IMAGES, GRID = 4, 64, 16
"""Steps of gradient descent that make a network, on how many images, learned on which grid."""

BATCH = 128
"""Images in a step of the fit."""

DIRECTIONS = 16
"""Ways in which training networks differ from their mean, at most."""

STRENGTHS = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
"""How far networks aim beside the mean: the values that are tried, in standard deviations."""

TRIALS = 12
"""Networks that are made to choose among these."""


def refusal(data: TrainingSet) -> str | None:
    """Why it can't be fitted: batches of learned images have no statistics to normalise by."""
    if any(isinstance(step.layer, BatchNorm) for step in data.architecture.steps):
        return (
            "its networks have batch normalisation, and the few learned images of a step have not "
            "the statistics of a batch; take another, such as --method flow-matching"
        )
    return None


def fit(data: TrainingSet, seed: int, meter: Meter) -> State:
    """Fit the classes one by one, side by side on all cores."""
    answers = unseen_answers(data, seed)

    def fitted(label: int, tell: Callable[[], None]) -> dict[str, NDArray[Any]]:
        return _fit_class(data, answers, label, seed, tell)

    return State(
        tensors=fit_by_class(data, FIT_STEPS, meter, fitted),
        settings={"steps": STEPS, "images": IMAGES, "grid": GRID},
    )


def check(state: State, architecture: Architecture, classes: tuple[str, ...]) -> None:
    """Tensors of the shapes that follow from three settings."""
    height, width, channels = architecture.input_shape
    steps = require_setting(state, "steps", 1, 1000)
    images = require_setting(state, "images", 1, 100_000)
    grid = require_setting(state, "grid", 1, max(height, width))
    directions = state.tensors.get("directions", np.zeros((1, 1, 1, 1), np.float32)).shape
    if len(directions) != 4:
        raise GenerationError(f"tensor 'directions': expected four axes, got {directions}")
    table = architecture.parameters
    expected: dict[str, tuple[int, ...]] = {
        "images": (channels, grid, grid),
        "answers": (architecture.outputs,),
        "rates": (steps, len(table)),
        "scales": (len(table),),
        **{f"template.{p.name}": p.shape for p in table},
    }
    shapes = {
        name: (len(classes), *((images,) if name in ("images", "answers") else ()), *shape)
        for name, shape in expected.items()
    }
    shapes["directions"] = (len(classes), directions[1], images, architecture.outputs)
    require_tensors(state, shapes)


def make(
    state: State, architecture: Architecture, classes: tuple[str, ...], draw: Draw
) -> dict[str, NDArray[np.float32]]:
    """Start afresh, take the learned steps, and leave the hidden units in an order by chance."""
    row = classes.index(draw.class_name)
    learned = {
        name: torch.from_numpy(np.array(tensor[row])) for name, tensor in state.tensors.items()
    }
    with torch.no_grad():
        found = _made(architecture, learned, draw, keep_graph=False)
    weights = {name: tensor.detach().numpy() for name, tensor in found.items()}
    return in_random_order(architecture, weights, draw)


def _made(
    architecture: Architecture, learned: dict[str, Tensor], draw: Draw, *, keep_graph: bool
) -> dict[str, Tensor]:
    """One network: PyTorch name -> tensor; differentiable in what is learned, if so asked."""
    weights = _start(architecture, learned, draw)
    height, width, _ = architecture.input_shape
    images = functional.interpolate(
        learned["images"], size=(height, width), mode="bilinear", align_corners=False
    )
    codes = torch.from_numpy(draw.normals("directions", len(learned["directions"])))
    answers = learned["answers"] + torch.einsum(
        "d,dio->io", codes.to(torch.float32), learned["directions"]
    )
    names = list(weights)
    for rates in learned["rates"]:
        with torch.enable_grad():
            if not keep_graph:
                weights = {
                    name: tensor.detach().requires_grad_() for name, tensor in weights.items()
                }
            miss = forward(architecture, weights, images) - answers
            loss = 0.5 * miss.square().mean()
            gradients = torch.autograd.grad(
                loss, [weights[name] for name in names], create_graph=keep_graph
            )
        steps = zip(names, rates.exp(), gradients, strict=True)
        weights = {name: weights[name] - rate * gradient for name, rate, gradient in steps}
    return weights


def _start(architecture: Architecture, learned: dict[str, Tensor], draw: Draw) -> dict[str, Tensor]:
    """Fresh initial weights in the order of the template, and the template."""
    template = {p.name: learned[f"template.{p.name}"] for p in architecture.parameters}
    fresh = draw.initial_parameters(architecture)
    for place, parameter in enumerate(architecture.parameters):
        if parameter.is_bias:  # training starts biases at zero, and leaves them all different
            fresh[parameter.name] = draw.normals(parameter.name, parameter.size).astype(np.float32)
        fresh[parameter.name] = fresh[parameter.name] * float(learned["scales"][place])
    ordered = align(
        {name: tensor[None] for name, tensor in fresh.items()},
        {name: tensor.detach().numpy() for name, tensor in template.items()},
        architecture=architecture,
    ).weights
    return {name: tensor + torch.from_numpy(ordered[name][0]) for name, tensor in template.items()}


def _fit_class(
    data: TrainingSet, answers: Answers, label: int, seed: int, tell: Callable[[], None]
) -> dict[str, NDArray[np.float32]]:
    """What is learned for one class: name -> float32 array."""
    generator = np.random.default_rng([seed, label])
    own, norms = data.of_class(label), data.square_lengths(label)
    targets = answers.of_class(data, label)  # [network, image, output]
    mean = torch.from_numpy(targets.mean(axis=0))
    every = np.arange(len(answers.images))
    batches = Batches(data, answers.sources, label, every, generator)
    chosen = batches.rows(IMAGES)
    learned = {
        "images": functional.adaptive_avg_pool2d(answers.pixels(chosen), GRID),
        "answers": mean[chosen].clone(),
        "rates": torch.full((STEPS, len(data.architecture.parameters)), float(np.log(0.01))),
        **_first_template(data.architecture, own, norms),
    }
    fixed = {
        "scales": _scales(data.architecture, own, norms),
        "directions": torch.zeros(1, IMAGES, data.architecture.outputs),
    }
    for tensor in learned.values():
        tensor.requires_grad_()
    optimizer = torch.optim.Adam(_groups(learned))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, FIT_STEPS)
    for step in range(FIT_STEPS):
        # Draws of the fit have a class name that no sample can have.
        draw = Draw(seed, f"fit of {data.classes[label]}", step)
        batch = batches.rows(BATCH)
        made = _made(data.architecture, {**learned, **fixed}, draw, keep_graph=True)
        miss = forward(data.architecture, made, answers.pixels(batch)) - mean[batch]
        excess = sum(
            (made[name].square().sum() / norm - 1).relu() for name, norm in norms.items() if norm
        )
        optimizer.zero_grad()
        (miss.square().mean() + excess).backward()
        torch.nn.utils.clip_grad_norm_(learned.values(), 5.0)
        optimizer.step()
        schedule.step()
        tell()
    found = {name: tensor.detach() for name, tensor in (learned | fixed).items()}
    found["directions"] = _directions(data, answers, label, found, seed)
    return {name: tensor.numpy().astype(np.float32) for name, tensor in found.items()}


def _groups(learned: dict[str, Tensor]) -> list[dict[str, object]]:
    """Adam's groups: images, answers and step sizes learn faster than weights do."""
    speeds = {"images": 3e-3, "answers": 2e-2, "rates": 2e-2}
    return [{"params": [tensor], "lr": speeds.get(name, 1e-3)} for name, tensor in learned.items()]


def _expected(parameter_shape: tuple[int, ...], fan_in: int, fan_out: int) -> float:
    """The squared length that a fresh initial weight has on average."""
    return 2.0 / (fan_in + fan_out) * float(np.prod(parameter_shape))


def _scales(
    architecture: Architecture, own: dict[str, NDArray[np.float32]], norms: dict[str, float]
) -> Tensor:
    """What fresh initial weights are multiplied by, a number a tensor.

    1, or less where training makes weights so small that nothing would be left for the template.
    Biases, which start at zero, vary as those of training networks do from one to another.
    """
    scales = []
    for p in architecture.parameters:
        if p.is_bias:
            scales.append(float(own[p.name].std(axis=0).mean()))
        else:
            fresh = _expected(p.shape, p.fan_in, p.fan_out)
            scales.append(min(1.0, float(np.sqrt(0.9 * norms[p.name] / fresh))))
    return torch.tensor(scales)


def _first_template(
    architecture: Architecture, own: dict[str, NDArray[np.float32]], norms: dict[str, float]
) -> dict[str, Tensor]:
    """The first training network, scaled so that with fresh weights added it keeps its length."""
    template = {}
    for p in architecture.parameters:
        norm = norms[p.name]
        fresh = 0.0 if p.is_bias else min(0.9 * norm, _expected(p.shape, p.fan_in, p.fan_out))
        share = np.sqrt(max(norm - fresh, 0.0) / norm) if norm else 1.0
        template[f"template.{p.name}"] = torch.from_numpy(own[p.name][0] * np.float32(share))
    return template


def _directions(
    data: TrainingSet, answers: Answers, label: int, learned: dict[str, Tensor], seed: int
) -> Tensor:
    """How networks aim beside the mean: [direction, image, output], scaled.

    The strength is the one with which two generated networks correlate as two training networks
    do, on the images that the fit has seen.
    """
    height, width, _ = data.architecture.input_shape
    images = functional.interpolate(
        learned["images"], size=(height, width), mode="bilinear", align_corners=False
    )
    own = data.of_class(label)
    count = len(next(iter(own.values())))
    said = torch.stack(
        [
            forward(data.architecture, {n: torch.from_numpy(t[k]) for n, t in own.items()}, images)
            for k in range(count)
        ]
    )
    deviations = (said - said.mean(dim=0)).flatten(1)
    _, spread, axes = torch.linalg.svd(deviations, full_matrices=False)
    kept = min(DIRECTIONS, count - 1)
    directions = axes[:kept] * (spread[:kept, None] / np.sqrt(count - 1))
    directions = directions.reshape(kept, *said.shape[1:])
    rows = evenly(np.arange(len(answers.images)), 1000)
    shown = answers.pixels(rows)
    wanted = agreement(answers.of_class(data, label)[:TRIALS, rows])

    def agreement_at(strength: float) -> float:
        state = learned | {"directions": directions * strength}
        said = []
        with torch.no_grad():
            for index in range(TRIALS):
                draw = Draw(seed, f"choice of {data.classes[label]}", index)
                made = _made(data.architecture, state, draw, keep_graph=False)
                said.append(forward(data.architecture, made, shown).numpy())
        return agreement(np.stack(said))

    found = {strength: agreement_at(strength) for strength in STRENGTHS}
    best = min(found, key=lambda strength: abs(found[strength] - wanted))
    chosen: Tensor = directions * best
    return chosen
