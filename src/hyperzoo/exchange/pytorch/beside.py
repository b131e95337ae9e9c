"""Tensors of a state_dict that are not the network's: of losses, metrics, counters and scalings."""

import re
from collections.abc import Mapping
from typing import Any

from hyperzoo.errors import ForeignFileError

_OF_TRAINING = re.compile(
    r"(?:.*_)?(?:criterion|loss(?:_?fn|_func)?|losses|metrics?|acc|accuracy|f1|auc|auroc|roc|recall"
    r"|precision|specificity|confusion_matrix|confmat)(?:_.*)?",
    re.IGNORECASE,
)
_SCALING = re.compile(r"(?:.*_)?(?:normali[sz]er?|normali[sz]ation|preprocess(?:ing)?|transforms?)",
                      re.IGNORECASE)  # fmt: skip
_SCALES = {"mean": 0.0, "std": 1.0}


def without_beside(tensors: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The tensors that may be a network's, and the names of those that are clearly not.

    These are the tensors of losses and metrics, by their modules' names; numbers by themselves
    and whole numbers, which count or mark something; and scalings by nothing.

    Args:
        tensors: name -> tensor of torch, or array of NumPy.

    Returns:
        The rest, in its order, and the names of what was left out. Tensors that may be layers
        stay, so that they are refused by name.
    """
    beside = tuple(name for name, tensor in tensors.items() if _is_beside(name, tensor))
    return {name: tensor for name, tensor in tensors.items() if name not in beside}, beside


def check_scaling(names: Mapping[str, Any], source: str) -> None:
    """Refuse a network with a scaling of its pixels before it.

    Raises:
        ForeignFileError: with the names of the scaling's tensors.
    """
    if scaling := [name for name in names if _is_scaling(name)]:
        raise ForeignFileError(
            f"{source}: {', '.join(scaling)[:200]} scale the pixels before the network, which is "
            "given pixels from 0 to 1 here and would answer otherwise; fold the scaling into the "
            "first convolution, or save the network by itself, without it"
        )


def _is_beside(name: str, tensor: Any) -> bool:
    *modules, _ = name.split(".")
    if any(_OF_TRAINING.fullmatch(module) for module in modules):
        return True
    if len(tensor.shape) == 0 or not _is_floating(tensor):
        return name.rpartition(".")[2] not in ("weight", "bias")
    if _is_scaling(name):
        wanted = _SCALES[name.rpartition(".")[2].lstrip("_").lower()]
        return bool((tensor == wanted).all())
    return False


def _is_floating(tensor: Any) -> bool:
    return "float" in str(tensor.dtype)


def _is_scaling(name: str) -> bool:
    *modules, last = name.split(".")
    return last.lstrip("_").lower() in _SCALES and (
        not modules or any(_SCALING.fullmatch(module) for module in modules)
    )
