"""The ModelZoos as they are downloaded and unpacked: a folder a trial of Ray Tune.

Schürholt et al., "Model zoos: a dataset of diverse populations of neural network models", 2022
(ModelZoos/ModelZooDataset).
"""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyperzoo.architectures import Architecture
from hyperzoo.errors import ForeignFileError
from hyperzoo.exchange.modelzoos.networks import (
    ACTIVATIONS,
    image_set_of,
    in_place,
    network_of,
)
from hyperzoo.exchange.modelzoos.trials import (
    FIGURES,
    PARAMS,
    RESULT,
    TYPE,
    Trial,
    folders_of_checkpoints,
    number_of,
    read_trial,
    trial_folders,
)
from hyperzoo.exchange.pytorch.load import load_torch, numbers
from hyperzoo.exchange.runs.foreign_zoo import Block, ForeignZoo, check_epochs, settle, some
from hyperzoo.plan import Value
from hyperzoo.words import counted, printable
from hyperzoo.zoo.origin import OWN_COLUMN

NAME = "modelzoos"
_SCHEMES = {
    "kaiming_uniform": "he_uniform",
    "kaiming_normal": "he_normal",
    "xavier_uniform": "glorot_uniform",
    "xavier_normal": "glorot_normal",
    "normal": "normal",
    "uniform": "uniform_0_1",
}
"""`model::init_type` -> what it is called here; torch's "uniform" is from 0 to 1."""

_OPTIMIZERS = {"rms_prop": "rmsprop"}
_KNOWN = {
    "model::nlin", "model::dropout", "model::init_type", "optim::optimizer", "optim::lr",
    "optim::wd", "optim::momentum", "training::batchsize", "seed",
}  # fmt: skip
_NUMBER = re.compile(r"(?:.*_)?(?P<number>[0-9]{5})(?:_.*)?", re.DOTALL)


def recognises(folder: Path) -> bool:
    """Whether a folder holds a trial with a network of this kind, itself or below."""
    return folder.is_dir() and next(trial_folders(folder), None) is not None


def read_zoo(root: Path) -> ForeignZoo:
    """Read settings and figures of all trials; their checkpoints are read when asked for.

    Raises:
        ForeignFileError: a trial is damaged, or the trials do not fit together.
    """
    trials, notes = _trials(root)
    indices, numbered = _indices(trials)
    trials = [trials[place] for place in np.argsort(indices)]
    if not numbered:
        notes.append("trials are numbered by the order of their folders' names")
    architecture, images, more = _architecture(trials, root)
    told, own, some_notes = _columns(trials)
    settled = settle(architecture, told)
    epochs = max(max(trial.checkpoints) for trial in trials)
    check_epochs(epochs, str(root))
    all_epochs = sorted({epoch for trial in trials for epoch in trial.checkpoints})
    checkpoints = tuple(epoch for epoch in all_epochs if epoch != epochs)
    history_epochs = tuple(
        epoch
        for epoch in sorted({epoch for trial in trials for epoch in trial.figures})
        if epoch <= epochs
    )
    told_figures = _history(trials, history_epochs)
    done: set[str] = set()
    return ForeignZoo(
        format=NAME,
        images_name=images or "images that are not known",
        architecture=settled.architecture,
        indices=sorted(indices),
        epochs=epochs,
        checkpoint_epochs=checkpoints,
        there=np.array(
            [[epoch in trial.checkpoints for epoch in checkpoints] for trial in trials], bool
        ).reshape(len(trials), len(checkpoints)),
        last=np.array([max(trial.checkpoints) for trial in trials]),
        diverged=np.any(np.isinf(told_figures), axis=(1, 2)),
        history_epochs=history_epochs,
        history=told_figures,
        columns=settled.columns,
        shared=settled.shared,
        own_columns=own,
        weights=_weights(trials, settled.architecture, done),
        notes=(*notes, *more, *some_notes),
        done=done,
    )


def _trials(root: Path) -> tuple[list[Trial], list[str]]:
    """The trials that have checkpoints and a known activation, and notes on the others."""
    read = [read_trial(folder, root) for folder in trial_folders(root)]
    empty = [trial.key for trial in read if not trial.checkpoints]
    strange = [
        trial.key
        for trial in read
        if trial.checkpoints and trial.config.get("model::nlin") not in ACTIVATIONS
    ]
    left = {*empty, *strange}
    kept = [trial for trial in read if trial.key not in left]
    notes = []
    if empty:
        notes.append(
            f"{counted(len(empty), 'trial')} without a checkpoint passed over: {some(empty)}"
        )
    known = {trial.folder for trial in read}
    untold = [own for own in folders_of_checkpoints(root) if own not in known]
    if untold:
        names = [printable(own.relative_to(root).as_posix()) for own in untold]
        notes.append(
            f"{counted(len(names), 'folder')} with checkpoints passed over, where neither "
            f"{PARAMS} nor {RESULT} tells {TYPE}: {some(names)}"
        )
    if strange:
        notes.append(
            f"{counted(len(strange), 'trial')} passed over, whose model::nlin is not known here "
            f"({', '.join(ACTIVATIONS)}): {some(strange)}"
        )
    if bare := [trial.key for trial in kept if not trial.figures]:
        notes.append(
            f"{counted(len(bare), 'trial')} without {RESULT}, whose accuracy is not known: "
            f"{some(bare)}"
        )
    if cut := [trial.key for trial in kept if trial.cut]:
        notes.append(
            f"{counted(len(cut), 'trial')} whose result.json ends within a line, of which those "
            f"before count: {some(cut)}"
        )
    if not kept:
        raise ForeignFileError(
            f"{root} holds no trial that can be read: {'; '.join(notes) or 'none is there'}"
        )
    return kept, notes


def _indices(trials: Sequence[Trial]) -> tuple[list[int], bool]:
    """The number of each trial: that in its folder's name where these differ, else in order."""
    found = [_NUMBER.fullmatch(trial.folder.name) for trial in trials]
    told = [int(match["number"]) for match in found if match is not None]
    if len(set(told)) == len(trials):
        return told, True
    return list(range(len(trials))), False


def _architecture(trials: Sequence[Trial], root: Path) -> tuple[Architecture, str, list[str]]:
    """The architecture of all trials, the name of the images, and notes."""
    first = trials[0]
    kinds = {_kind(trial): trial for trial in reversed(trials)}
    if len(kinds) > 1:
        told = ", ".join(f"{kind[0]} ({own.key})" for kind, own in list(kinds.items())[:4])
        raise ForeignFileError(
            f"{root}: its trials have different networks: {told}; a zoo has one architecture, so "
            "import them apart"
        )
    ((kind, channels, outputs),) = kinds
    images, scale = _images_of_all(trials, root)
    architecture = network_of(kind, channels, outputs, scale, str(first.folder))
    if scale is None:
        note = (
            "no name of a folder tells the images, so that pixels are taken to be given as they "
            "are, from 0 to 1; check with --images"
        )
    else:
        note = (
            f"the images are taken to be {images}, scaled by the mean {scale[0]} and the standard "
            f"deviation {scale[1]}, by the names of folders; check with --images"
        )
    return architecture, images, [note]


def _images_of_all(trials: Sequence[Trial], root: Path) -> tuple[str, tuple[float, float] | None]:
    """What all trials were trained on, as `image_set_of` tells it.

    Raises:
        ForeignFileError: some were trained on other images than others.
    """
    found: dict[tuple[str, tuple[float, float] | None], Trial] = {}
    for trial in trials:
        found.setdefault(_images(trial, root), trial)
    if len(found) > 1:
        told = ", ".join(
            f"{images or 'images that are not known'} ({own.key})"
            for (images, _), own in list(found.items())[:4]
        )
        raise ForeignFileError(
            f"{root}: its trials were trained on different images: {told}; a zoo has one scaling "
            "of images, so import them apart"
        )
    return next(iter(found))


def _images(trial: Trial, root: Path) -> tuple[str, tuple[float, float] | None]:
    """What a trial was trained on: as its settings tell it, else as its folders' names do."""
    paths = [trial.config.get(key) for key in ("dataset::dump", "training::data_path")]
    folders = " ".join(path[:1000] for path in paths if isinstance(path, str))
    images, scale = image_set_of(folders)
    return (images, scale) if scale else image_set_of(f"{root.absolute().name}/{trial.key}")


def _kind(trial: Trial) -> tuple[str, int, int]:
    """Type, channels and outputs of a trial's network."""
    config, source = trial.config, str(trial.folder)
    channels, outputs = config.get("model::channels_in", 1), config.get("model::o_dim", 10)
    if not isinstance(config.get(TYPE), str) or type(channels) is not int or channels not in (1, 3):
        raise ForeignFileError(
            f"{source}: expected {TYPE} and model::channels_in of 1 or 3 in its settings, got "
            f"{config.get(TYPE)!r:.60} and {channels!r:.60}"
        )
    # Its classes have ten outputs, whatever the settings of some zoos say.
    return config[TYPE], channels, 10 if outputs != 10 else outputs


def _columns(
    trials: Sequence[Trial],
) -> tuple[dict[str, list[Value | None]], dict[tuple[str, str], list[Value | None]], list[str]]:
    """Hyper-parameters by hyperzoo's names, what it has no names for, and notes."""

    def told(name: str) -> list[Any]:
        return [trial.config.get(name) for trial in trials]

    decay = [_number(value) for value in told("optim::wd")]
    columns: dict[str, list[Value | None]] = {
        "learning_rate": [_number(value) for value in told("optim::lr")],
        "batch_size": [
            value if type(value) is int and 0 < value < 2**31 else None
            for value in told("training::batchsize")
        ],
        "optimizer": [_word(value, _OPTIMIZERS) for value in told("optim::optimizer")],
        "momentum": [_number(value) for value in told("optim::momentum")],
        "l2": [None if value is None else value / 2 for value in decay],
        "initialisation": [_word(value, _SCHEMES) for value in told("model::init_type")],
        "activation": [ACTIVATIONS[value] for value in told("model::nlin")],
        "dropout": [_number(value) or 0.0 for value in told("model::dropout")],
    }
    notes = []
    if any(decay):
        notes.append(
            "weight decay of PyTorch's optimizers is told as l2, of which it is twice the factor; "
            "theirs decays biases too"
        )
    own: dict[tuple[str, str], list[Value | None]] = {
        ("key", "string"): [trial.key for trial in trials],
        ("seed", "int64"): [
            value if type(value) is int and abs(value) < 2**63 else None for value in told("seed")
        ],
    }
    names = sorted({name for trial in trials for name in trial.config} - _KNOWN)
    for name in names:
        plain = name.replace("::", ".")
        cells = [None if value is None else printable(str(value)[:200]) for value in told(name)]
        if len(set(cells)) > 1 and OWN_COLUMN.fullmatch(plain) and plain not in ("key", "seed"):
            own[f"config.{plain}"[:100], "string"] = list(cells)
    return columns, own, notes


def _number(value: object) -> float | None:
    number = number_of(value)
    return number if number is not None and np.isfinite(number) else None


def _word(value: object, names: Mapping[str, str]) -> str | None:
    return names.get(value, printable(value[:100])) if isinstance(value, str) else None


def _history(trials: Sequence[Trial], epochs: Sequence[int]) -> NDArray[np.float64]:
    """float64 [trial, epoch, figure]."""
    unknown = (np.nan,) * len(FIGURES)
    rows = [[trial.figures.get(epoch, unknown) for epoch in epochs] for trial in trials]
    return np.array(rows, np.float64).reshape(len(trials), len(epochs), len(FIGURES))


def _weights(
    trials: Sequence[Trial], architecture: Architecture, done: set[str]
) -> Callable[[Sequence[int], int | None], Block]:
    def weights(networks: Sequence[int], epoch: int | None) -> Block:
        block = {
            own.name: np.full((len(networks), *own.shape), np.nan, np.float32)
            for own in architecture.parameters
        }
        for row, place in enumerate(networks):
            files = trials[place].checkpoints
            file = files[max(files)] if epoch is None else files.get(epoch)
            if file is not None:
                for name, tensor in _checkpoint(file, architecture, done).items():
                    block[name][row] = tensor
        return block

    return weights


def _checkpoint(
    path: Path, architecture: Architecture, done: set[str]
) -> dict[str, NDArray[np.float32]]:
    """The tensors of a checkpoint, none of which is executed; what was done to them is added."""
    content = load_torch(path)
    if not isinstance(content, Mapping) or not all(
        isinstance(name, str) and hasattr(value, "layout") for name, value in content.items()
    ):
        raise ForeignFileError(f"{path}: expected a state_dict, got {type(content).__name__}")
    found = {name: numbers(value, f"{path}: {name}") for name, value in content.items()}
    done |= {note for _, note in found.values() if note}
    return in_place({name: own for name, (own, _) in found.items()}, architecture, str(path))
