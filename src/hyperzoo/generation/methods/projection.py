"""Fresh initial weights, projected onto what the training networks of a class have in common.

A trained network is mostly the random numbers that it started from, and a function that all
networks of its class nearly share. So the two are kept apart. The *function* is distilled from the
training networks: one network of the class that answers by their mean logits, on images that they
were not trained on (`unseen.py`), and codes that move it in the ways in which they differ
(`distilled.py`). The *random numbers* are a fresh initialisation, as training would have drawn it.
A generated network is those random numbers, changed layer by layer as little as gives them the
function of a code drawn at random (`solving.py`).

Codes hold only ways that the training networks show; each trained network has others of its own.
So what layers sum up is disturbed too, by weights drawn at random. How far codes reach, how strong
this noise is, and where the last layer aims so that the mean logits are right, is measured on
networks made for that (`calibrating.py`), by images that nothing was distilled from.

No distilled network is without errors of its own, and all that is made from one would share them.
So several are distilled, each from a start of its own, and a generated network takes one of them.

Making a network takes no gradient and no steps: some linear systems a layer.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hyperzoo.architectures import Architecture
from hyperzoo.errors import GenerationError
from hyperzoo.generation.behaviour import pixels
from hyperzoo.generation.draw import Draw
from hyperzoo.generation.methods.by_class import fit_by_class
from hyperzoo.generation.methods.unit_order import in_random_order
from hyperzoo.generation.projecting.calibrating import Variety, calibrated, variety
from hyperzoo.generation.projecting.distilled import (
    RATE,
    Targets,
    is_of_codes,
    learned_shapes,
    network_of,
    summing_steps,
    with_codes,
)
from hyperzoo.generation.projecting.lessons import Lessons, lessons
from hyperzoo.generation.projecting.looks import Look, drawn, learned_looks, looks_of, shapes_of
from hyperzoo.generation.projecting.solving import Noise, solve
from hyperzoo.generation.projecting.unseen import Answers, Batches, evenly, unseen_answers
from hyperzoo.generation.registry import Meter, State, require_setting, require_tensors
from hyperzoo.generation.training_set import TrainingSet
from hyperzoo.population import evaluate
from hyperzoo.population.imitate import imitate

AIMS, PASSES, CODE_PASSES, BATCH = 2, 14, 6, 64
"""Networks distilled for a class, how often each and its codes see every image of theirs, and how
many at a time."""

CODES = 16
"""Ways in which training networks differ, at most."""

REFERENCES, SHOWN = 256, 1000
"""Images on which fresh weights are given their function, and others on which it is looked at."""

RIDGE = 0.03
"""Of the linear systems: wide, so that linear responses vary as trained ones' do; what it takes
from the function the corrections of the last layer give back."""

KEPT_BACK = 10
"""Every so many of a class's training images is kept from what is distilled, to be looked at."""


@dataclass(frozen=True, eq=False)
class _Rows:
    """Of moved training images, which serve for what: int64 arrays.

    Attributes:
        references: on these fresh weights are given their function.
        learned: to these networks are distilled; the references are some of them.
        shown: on these, of images that no network was distilled to, what was made is looked at.
    """

    references: NDArray[np.int64]
    learned: NDArray[np.int64]
    shown: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class _Known:
    """What classes are fitted to.

    Attributes:
        data: the training set.
        answers: to moved images.
        rows: what each of them serves for.
        lessons: what networks are distilled from.
        seed: of the fit.
    """

    data: TrainingSet
    answers: Answers
    rows: _Rows
    lessons: Lessons
    seed: int

    @property
    def steps(self) -> int:
        """Of the distillation of one network."""
        return -(-PASSES * len(self.lessons.images) // BATCH)

    @property
    def code_steps(self) -> int:
        """Of the fit of its codes."""
        return -(-CODE_PASSES * len(self.answers.images) // BATCH)


def refusal(data: TrainingSet) -> str | None:
    """Any declared network can be had so."""
    return None


def fit(data: TrainingSet, seed: int, meter: Meter) -> State:
    """Fit the classes one by one, side by side on all cores."""
    assert data.images is not None  # the registry says that the method needs images
    answers = unseen_answers(data, seed)
    rows = _rows(data, answers, np.random.default_rng([seed, 1]))
    taught = lessons(data, answers, rows.learned, np.random.default_rng([seed, 3]))
    known = _Known(data, answers, rows, taught, seed)
    steps = AIMS * (known.steps + known.code_steps)

    def fitted(label: int, tell: Callable[[], None]) -> dict[str, NDArray[Any]]:
        return _fit_class(known, label, tell)

    tensors = fit_by_class(data, steps, meter, fitted)
    return State(
        tensors={**tensors, "references": answers.images[rows.references]},
        settings={"codes": tensors["head"].shape[2], "aims": AIMS},
    )


def check(state: State, architecture: Architecture, classes: tuple[str, ...]) -> None:
    """Tensors of the shapes that follow from two settings."""
    codes = require_setting(state, "codes", 1, 10_000)
    aims = require_setting(state, "aims", 1, 1_000)
    learned = learned_shapes(architecture, codes)
    count = len(state.tensors.get("references", ()))
    of_aims = learned | {
        "low": (len(architecture.parameters),),
        "high": (len(architecture.parameters),),
        "noise": (),
        "corrections": (count, architecture.outputs),
    }
    shapes = {name: (len(classes), aims, *shape) for name, shape in of_aims.items()}
    shapes |= {name: (len(classes), *shape) for name, shape in shapes_of(architecture).items()}
    shapes["references"] = (count, *architecture.input_shape)
    kinds = {name: "float16" if is_of_codes(name) else "uint8" for name in learned}
    require_tensors(state, shapes, kinds | {"references": "uint8"})
    if (state.tensors["noise"] < 0).any():
        raise GenerationError("tensor 'noise': expected numbers from 0, got less")


def make(
    state: State, architecture: Architecture, classes: tuple[str, ...], draw: Draw
) -> dict[str, NDArray[np.float32]]:
    """Draw a code and a start, and give the start the code's function."""
    row, aim = classes.index(draw.class_name), draw.choice("aim", int(state.settings["aims"]))
    looks, own = {}, {}
    for name, tensor in state.tensors.items():
        if name.startswith(("look.", "spectrum.")):
            looks[name] = torch.from_numpy(np.array(tensor[row], np.float32))
        elif name != "references":
            own[name] = torch.from_numpy(np.array(tensor[row, aim], np.float32))
    aimed = _Aim(architecture, _unpacked(architecture, own), looks_of(architecture, looks))
    code = draw.normals("code", own["head"].shape[0]).astype(np.float32)
    with torch.no_grad():
        made = aimed.made(pixels(state.tensors["references"]), draw, code)
    weights = {name: tensor.numpy() for name, tensor in made.items()}
    return in_random_order(architecture, weights, draw)


@dataclass(frozen=True)
class _Aim:
    """What networks are made of: a distilled network, and what trained ones look like."""

    architecture: Architecture
    own: Mapping[str, Tensor]
    looks: Mapping[str, Look]

    def made(self, references: Tensor, draw: Draw, code: NDArray[np.float32]) -> dict[str, Tensor]:
        """One network: PyTorch name -> tensor."""
        aim = network_of(self.architecture, self.own, torch.from_numpy(code))
        start, lengths = {}, {}
        fresh = draw.initial_parameters(self.architecture)
        for p in self.architecture.parameters:
            if not p.is_trained:  # running statistics are no random numbers
                continue
            look = self.looks[p.name]
            stretch = np.exp(look.spread * draw.normals(f"length/{p.name}", 1)[0])
            lengths[p.name] = float(p.size * (look.length * stretch) ** 2)
            if p.is_bias:  # training starts biases at zero, and leaves them all different
                start[p.name] = drawn(look, draw.uniforms(p.name, p.size)).view(p.shape)
            else:
                start[p.name] = torch.from_numpy(fresh[p.name])
        return solve(
            self.architecture,
            start,
            aim,
            references,
            lengths,
            self.looks,
            self.own["corrections"],
            Noise(float(self.own["noise"]), partial(_normals, draw)),
            RIDGE,
        )


def _normals(draw: Draw, purpose: str, shape: tuple[int, ...]) -> Tensor:
    numbers = draw.normals(purpose, int(np.prod(shape))).astype(np.float32)
    return torch.from_numpy(numbers.reshape(shape))


def _fit_class(known: _Known, label: int, tell: Callable[[], None]) -> dict[str, NDArray[Any]]:
    """What is learned of one class: name -> array."""
    data, answers, rows, seed = known.data, known.answers, known.rows, known.seed
    architecture = data.architecture
    varied = variety(answers.of_class(data, label), CODES)
    looks = learned_looks(data.of_class(label))
    generator = np.random.default_rng([seed, 2, label])
    distilled = [_distilled(known, label, varied, aim, generator, tell) for aim in range(AIMS)]
    seen = looks_of(architecture, {name: torch.from_numpy(look) for name, look in looks.items()})
    references = answers.pixels(rows.references)
    looked_at = answers.images[np.concatenate([rows.references, rows.shown])]

    def asked(
        number: int, now: Mapping[str, Tensor], codes: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        aim, name = _Aim(architecture, now, seen), f"trial {number} of {data.classes[label]}"
        with torch.no_grad():
            made = [aim.made(references, Draw(seed, name, k), code) for k, code in enumerate(codes)]
        networks = ({name: tensor.numpy() for name, tensor in one.items()} for one in made)
        return np.stack(list(evaluate(architecture, networks, looked_at)))

    ready = calibrated(distilled, varied, rows.references, rows.shown, asked, generator)
    aims = [_packed(architecture, aim) for aim in ready]
    return looks | {name: np.stack([aim[name] for aim in aims]) for name in aims[0]}


def _distilled(
    known: _Known,
    label: int,
    varied: Variety,
    aim: int,
    generator: np.random.Generator,
    tell: Callable[[], None],
) -> dict[str, Tensor]:
    """One distilled network of a class, and its codes; `aim` is its number."""
    data, answers, taught = known.data, known.answers, known.lessons
    architecture = data.architecture
    summed = {
        f"{step.name}.{kind}" for step in summing_steps(architecture) for kind in ("weight", "bias")
    }
    lengths = {
        name: length for name, length in data.square_lengths(label).items() if name in summed
    }

    # Draws of the fit have class names that no sample can have.
    start = Draw(known.seed, f"fit of {data.classes[label]}", aim).initial_parameters(architecture)
    every = np.arange(len(taught.images))
    network = imitate(
        architecture, start, taught.images, taught.means[label],
        Batches(data, taught.sources, label, every, generator).drawn(BATCH),
        steps=known.steps, rate=RATE, longest=lengths, tell=tell,
    )  # fmt: skip
    targets = Targets(
        mean=torch.from_numpy(varied.mean), ways=torch.from_numpy(varied.ways), lengths=lengths
    )
    return with_codes(
        architecture, network, targets, answers.images,
        Batches(data, answers.sources, label, known.rows.learned, generator).drawn(BATCH),
        known.code_steps, generator, tell,
    )  # fmt: skip


def _packed(architecture: Architecture, aim: Mapping[str, Tensor]) -> dict[str, NDArray[Any]]:
    """As it is kept: weights in 256 even steps, what codes do in half precision."""
    kept: dict[str, NDArray[Any]] = {}
    ends = []
    for name, tensor in aim.items():
        kept[name] = tensor.numpy().astype(np.float16 if is_of_codes(name) else np.float32)
    for p in architecture.parameters:
        numbers = kept[f"network.{p.name}"]
        low, high = numbers.min(), numbers.max()
        step = (high - low) / 255 or 1
        kept[f"network.{p.name}"] = np.rint((numbers - low) / step).astype(np.uint8)
        ends.append((low, high))
    kept["low"], kept["high"] = np.array(ends, np.float32).T
    return kept


def _unpacked(architecture: Architecture, kept: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What `_packed` has packed."""
    aim = dict(kept)
    for p, low, high in zip(architecture.parameters, kept["low"], kept["high"], strict=True):
        aim[f"network.{p.name}"] = low + (high - low) / 255 * kept[f"network.{p.name}"]
    return aim


def _rows(data: TrainingSet, answers: Answers, generator: np.random.Generator) -> _Rows:
    """References are as many of every class as of others, where there are so many."""
    assert data.image_labels is not None
    order = generator.permutation(len(data.image_labels))
    nth = np.empty(len(order), np.int64)  # how many of its class come before an image
    for label in range(len(data.image_classes)):
        own = order[data.image_labels[order] == label]
        nth[own] = np.arange(len(own))
    kept_back = nth % KEPT_BACK == KEPT_BACK - 1
    learned = np.flatnonzero(~kept_back[answers.sources])
    shown = np.flatnonzero(kept_back[answers.sources])
    if not len(shown):  # fewer images of each class than that: better seen ones than none
        shown = learned
    chosen = learned[np.argsort(nth[answers.sources[learned]], kind="stable")][:REFERENCES]
    return _Rows(np.sort(chosen), learned, evenly(shown, SHOWN))
