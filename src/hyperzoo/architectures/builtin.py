"""The built-in networks. To add one: a file with a function of `outputs`, and its name here."""

from hyperzoo.architectures.architecture import Architecture
from hyperzoo.architectures.lenet5 import lenet5
from hyperzoo.architectures.resnet import resnet8, resnet20
from hyperzoo.architectures.smallcnn import smallcnn
from hyperzoo.errors import ArchitectureError, did_you_mean

_BUILT_IN = {"lenet5": lenet5, "smallcnn": smallcnn, "resnet8": resnet8, "resnet20": resnet20}


def architecture_names() -> tuple[str, ...]:
    """The names that a recipe's `[architecture]` can have without layers of its own."""
    return tuple(_BUILT_IN)


def get_architecture(name: str, outputs: int) -> Architecture:
    """The built-in architecture of that name.

    Args:
        name: as in a recipe's `[architecture]`.
        outputs: how many logits the network gives.

    Raises:
        ArchitectureError: there is none of that name.
    """
    if name not in _BUILT_IN:
        hint = did_you_mean(name, _BUILT_IN)
        raise ArchitectureError(
            f"no architecture '{name}'{hint} (known: {', '.join(_BUILT_IN)}; or give layers of "
            "your own, see docs/architectures.md)"
        )
    return _BUILT_IN[name](outputs)


def known_as(architecture: Architecture) -> Architecture:
    """The built-in network that computes the same under another name; else the network itself."""
    for make in _BUILT_IN.values():
        known = make(architecture.outputs)
        if known.input_shape == architecture.input_shape and known.steps == architecture.steps:
            return known
    return architecture
