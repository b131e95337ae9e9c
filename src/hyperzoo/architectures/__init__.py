"""Declared networks. To add one: a file with a function of `outputs`, and a line in `_DECLARED`.

`forward` is not imported here because it needs PyTorch.
"""

from hyperzoo.architectures.architecture import Architecture, Parameter
from hyperzoo.architectures.initialisation import initial_parameters
from hyperzoo.architectures.lenet5 import lenet5
from hyperzoo.architectures.smallcnn import smallcnn
from hyperzoo.errors import ArchitectureError, did_you_mean

__all__ = [
    "Architecture",
    "Parameter",
    "architecture_names",
    "get_architecture",
    "initial_parameters",
    "lenet5",
    "smallcnn",
]

_DECLARED = {"lenet5": lenet5, "smallcnn": smallcnn}


def architecture_names() -> tuple[str, ...]:
    """The names that a recipe's `[architecture]` can have."""
    return tuple(_DECLARED)


def get_architecture(name: str, outputs: int) -> Architecture:
    """The declared architecture of that name.

    Args:
        name: as in a recipe's `[architecture]`.
        outputs: how many logits the network gives.

    Raises:
        ArchitectureError: there is none of that name.
    """
    if name not in _DECLARED:
        hint = did_you_mean(name, _DECLARED)
        raise ArchitectureError(f"no architecture '{name}'{hint} (known: {', '.join(_DECLARED)})")
    return _DECLARED[name](outputs)
