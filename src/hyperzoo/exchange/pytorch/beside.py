"""Tensors of a state_dict that are not the network's: of losses, metrics, counters and scalings."""

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from hyperzoo.errors import ForeignFileError

_OF_TRAINING = re.compile(
    r"(?:.*_)?(?:criterion|loss(?:_?fn|_func)?|losses|metrics?|acc|accuracy|f1|auc|auroc|roc|recall"
    r"|precision|specificity|confusion_matrix|confmat)(?:_.*)?",
    re.IGNORECASE,
)
_COUNTS = re.compile(
    r"(?:.*_)?(?:decay|momentum|lr|learning_rate|epochs?|steps?|iter(?:ation)?s?|updates|averaged"
    r"|counter|count|total|best|patience)(?:_.*)?",
    re.IGNORECASE,
)
_SCALING = re.compile(r"(?:.*_)?(?:normali[sz]er?|normali[sz]ation|preprocess(?:ing)?|transforms?)",
                      re.IGNORECASE)  # fmt: skip
_SCALE = re.compile(
    r"_*(?:(?:pixel|image|img|input|data|norm|channel|rgb)s?_)?(?P<kind>mean|std)s?", re.IGNORECASE
)
_SCALES = {"mean": 0.0, "std": 1.0}
_MOST_CHANNELS = 4

Shapes = Mapping[str, tuple[int, ...]]


def without_beside(
    tensors: Mapping[str, Any], fits: Callable[[Mapping[str, Any]], bool]
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The tensors that may be a network's, and the names of those that are clearly not.

    These are the tensors of losses and metrics, by their modules' names, where the network is
    whole without them; whole numbers and numbers of training, which count or mark something; and
    scalings by nothing.

    Args:
        tensors: name -> tensor of torch, or array of NumPy.
        fits: whether some of them are a network, and all of it.

    Returns:
        The rest, in its order, and the names of what was left out. Tensors that may be layers
        stay, so that they are refused by name.
    """
    kept: dict[str, Any] = {}
    # f1 may be a metric or a layer: what is needed to make the network whole is a layer.
    for of_training in (_never, _is_no_layer, _is_of_training):
        kept = {
            name: tensor
            for name, tensor in tensors.items()
            if not _is_beside(name, tensor) and not of_training(name)
        }
        if fits(kept):
            break
    return kept, tuple(name for name in tensors if name not in kept)


def check_function(shapes: Shapes, source: str) -> None:
    """Refuse a network with a scaling before it, or a number that may be a part of its function.

    Args:
        shapes: name -> shape.
        source: the file, for messages.

    Raises:
        ForeignFileError: with the names of these tensors.
    """
    if scaling := [name for name, shape in shapes.items() if _is_scaling(name, shape)]:
        raise ForeignFileError(
            f"{source}: {', '.join(scaling)[:200]} scale the pixels before the network, which is "
            "given pixels from 0 to 1 here and would answer otherwise; fold the scaling into the "
            "first convolution, or save the network by itself, without it"
        )
    if alone := [name for name, shape in shapes.items() if shape == ()]:
        raise ForeignFileError(
            f"{source}: {', '.join(alone)[:200]}: a number by itself may be a part of what the "
            "network computes, such as a temperature, and no known architecture has one; fold it "
            "into the last layer, or, if it changes no answer, save the state_dict without it"
        )


def _is_beside(name: str, tensor: Any) -> bool:
    last = name.rpartition(".")[2]
    if _is_scaling(name, tuple(tensor.shape)):
        kind = match["kind"].lower() if (match := _SCALE.fullmatch(last)) else ""
        return kind in _SCALES and bool((tensor == _SCALES[kind]).all())
    if not _is_floating(tensor):
        return last not in ("weight", "bias")
    is_of_training = _COUNTS.fullmatch(last) or _OF_TRAINING.fullmatch(last)
    return len(tensor.shape) == 0 and is_of_training is not None


def _never(name: str) -> bool:
    return False


def _is_of_training(name: str) -> bool:
    *modules, _ = name.split(".")
    return any(_OF_TRAINING.fullmatch(module) for module in modules)


def _is_no_layer(name: str) -> bool:
    return _is_of_training(name) and name.rpartition(".")[2] not in ("weight", "bias")


def _is_floating(tensor: Any) -> bool:
    return "float" in str(tensor.dtype)


def _is_scaling(name: str, shape: tuple[int, ...]) -> bool:
    """Whether a tensor has a mean or deviation of pixels, by its name and its size."""
    *modules, last = name.split(".")
    if _is_of_training(name) or _SCALE.fullmatch(last) is None:
        return False
    is_named = any(_SCALING.fullmatch(module) for module in modules)
    return is_named or math.prod(shape) <= _MOST_CHANNELS
