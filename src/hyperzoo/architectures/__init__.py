"""Declared networks. To add one: a file with a function of `outputs`, and a line in `_DECLARED`.

`forward` is not imported here because it needs PyTorch.
"""

from hyperzoo.architectures.architecture import Architecture
from hyperzoo.architectures.declared import (
    Problem,
    declared_architecture,
    layer_tables,
    parse_layers,
)
from hyperzoo.architectures.facts import architecture_facts, architecture_from
from hyperzoo.architectures.initialisation import initial_parameters
from hyperzoo.architectures.lenet5 import lenet5
from hyperzoo.architectures.parameters import Parameter
from hyperzoo.architectures.resnet import resnet8, resnet20
from hyperzoo.architectures.smallcnn import smallcnn
from hyperzoo.errors import ArchitectureError, did_you_mean

__all__ = [
    "Architecture",
    "Parameter",
    "Problem",
    "architecture_facts",
    "architecture_from",
    "architecture_names",
    "declared_architecture",
    "get_architecture",
    "initial_parameters",
    "layer_tables",
    "lenet5",
    "parse_layers",
    "resnet8",
    "resnet20",
    "smallcnn",
]

_DECLARED = {"lenet5": lenet5, "smallcnn": smallcnn, "resnet8": resnet8, "resnet20": resnet20}


def architecture_names() -> tuple[str, ...]:
    """The names that a recipe's `[architecture]` can have without layers of its own."""
    return tuple(_DECLARED)


def get_architecture(name: str, outputs: int) -> Architecture:
    """The built-in architecture of that name.

    Args:
        name: as in a recipe's `[architecture]`.
        outputs: how many logits the network gives.

    Raises:
        ArchitectureError: there is none of that name.
    """
    if name not in _DECLARED:
        hint = did_you_mean(name, _DECLARED)
        raise ArchitectureError(
            f"no architecture '{name}'{hint} (known: {', '.join(_DECLARED)}; or give layers of "
            "your own, see docs/architectures.md)"
        )
    return _DECLARED[name](outputs)
