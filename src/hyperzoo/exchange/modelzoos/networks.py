"""The networks of the ModelZoos, by the `model::type` of their settings.

Convolution, then pooling, then activation, as ModelZooDataset's def_net.py has them. Their modules
are numbered (`module_list.N`), dropouts included, so that N says nothing but the order.
"""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyperzoo.architectures import Architecture, declared_architecture
from hyperzoo.errors import ForeignFileError

ACTIVATIONS = {
    "tanh": "tanh",
    "relu": "relu",
    "sigmoid": "sigmoid",
    "gelu": "gelu",
    "silu": "silu",
    "leakyrelu": "leaky_relu",
}
"""`model::nlin` -> what it is called here."""

_MNIST = (0.1307, 0.3081)
_HALF = (0.5, 0.5)
_SCALES = (
    (r"f_?mnist|fashion", "Fashion-MNIST", _HALF),
    (r"mnist", "MNIST", _MNIST),
    (r"usps", "USPS", _MNIST),
    # The grids' script names .1307 and .3081, but as it stands it can't make these images (SVHN has
    # no `train=`, and three channels): it takes those that the seed zoo's script left there.
    (r"svhn", "SVHN", _HALF),
    (r"cifar-?10(?!0)|cifar(?![-_]?100)", "CIFAR-10", _HALF),
    (r"stl", "STL-10", _HALF),
)
"""Words in names of folders, which images they tell of, and their mean and standard deviation."""

_SHAPES = {"CNN": (28, (8, 5), (6, 5), (4, 2)), "CNN2": (28, (6, 5), (9, 5), (6, 2)),
           "CNN3": (32, (16, 3), (32, 3), (15, 3))}  # fmt: skip
_NAMES = {"CNN": "cnn-s", "CNN2": "cnn-s2", "CNN3": "cnn-m"}
_NAME = re.compile(r"(?:.*\.)?module_list\.(?P<number>[0-9]{1,6})\.(?P<kind>weight|bias)")
_DROPOUT = 0.5
"""In declared layers; the rate is each network's own."""


def image_set_of(words: str) -> tuple[str, tuple[float, float] | None]:
    """Which images networks were trained on, and the mean and standard deviation that scaled them.

    Args:
        words: names of folders that may tell.

    Returns:
        "" and None where nothing tells.
    """
    for pattern, name, scale in _SCALES:
        if re.search(pattern, words.lower()):
            return name, scale
    return "", None


def network_of(
    kind: str, channels: int, outputs: int, scale: tuple[float, float] | None, source: str
) -> Architecture:
    """The architecture of a `model::type`, with dropouts, which `settle` takes away again.

    Args:
        kind: CNN, CNN2 or CNN3.
        channels: of the images.
        outputs: how many logits there are.
        scale: mean and standard deviation of the images.
        source: the settings' file, for messages.

    Raises:
        ForeignFileError: it is another.
    """
    if kind not in _SHAPES:
        raise ForeignFileError(
            f"{source}: its network is a {kind[:40]!r}; of the ModelZoos' networks "
            f"{', '.join(_SHAPES)} are read here"
        )
    size, *convolutions = _SHAPES[kind]
    layers: list[dict[str, Any]] = []
    if scale is not None:
        layers.append({"normalize": "inputs", "mean": scale[0], "std": scale[1]})
    for number, (filters, kernel) in enumerate(convolutions):
        layer: dict[str, Any] = {"conv": filters, "kernel": kernel}
        is_last = number == len(convolutions) - 1
        if is_last and kind != "CNN3":
            layers.append(layer | {"activation": "relu"})
            continue
        layers += [layer, {"pool": "max", "activation": "relu"}, {"dropout": _DROPOUT}]
    layers += [{"dense": 20, "activation": "relu"}, {"dropout": _DROPOUT}, {"dense": "outputs"}]
    return declared_architecture(_NAMES[kind], layers, (size, size, channels), outputs)


def in_place(
    tensors: Mapping[str, NDArray[np.float32]], architecture: Architecture, source: str
) -> dict[str, NDArray[np.float32]]:
    """The tensors of a state_dict by the architecture's names.

    Args:
        tensors: name in the file -> tensor.
        architecture: the network's.
        source: the file, for messages.

    Raises:
        ForeignFileError: names or shapes are others.
    """
    matches = {name: _NAME.fullmatch(name) for name in tensors}
    if strange := [name for name, match in matches.items() if match is None]:
        raise ForeignFileError(
            f"{source}: expected names such as module_list.0.weight, got {strange[0][:80]!r}"
        )
    order = sorted(
        tensors,
        key=lambda name: (int(matches[name]["number"]), matches[name]["kind"] == "bias"),  # type: ignore[index]
    )
    table = architecture.parameters
    found = [tensors[name].shape for name in order]
    if found != [own.shape for own in table]:
        told = ", ".join(f"{n[:40]} {'x'.join(map(str, tensors[n].shape))}" for n in order[:20])
        wanted = ", ".join("x".join(map(str, own.shape)) for own in table)
        raise ForeignFileError(
            f"{source}: its tensors are not those of '{architecture.name}'\n  expected {wanted}\n"
            f"  found    {told or 'none'}"
        )
    return {own.name: tensors[name] for own, name in zip(table, order, strict=True)}
