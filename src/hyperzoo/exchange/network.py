"""A network as it comes out of somebody else's file, and whose it is."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hyperzoo.architectures import Architecture, architecture_names, get_architecture
from hyperzoo.errors import ForeignFileError

_PUBLISHED = re.compile(r"binary_oneVall_(?P<id>.+?)(?:_best)?_model")
_ID = re.compile(r"(?P<class_name>[A-Za-z0-9_.-]*[A-Za-z0-9.-])_(?P<index>0|[1-9][0-9]{0,11})")

MAX_OUTPUTS = 10_000
"""More outputs than any known network has; a file that claims more is refused."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ForeignNetwork:
    """A network that was read from a file of another format.

    Attributes:
        class_name: the class it detects.
        index: its number within the class.
        architecture: what it is.
        weights: PyTorch name -> float32 tensor in PyTorch's axes.
        source: file, and place in it, for messages.
    """

    class_name: str
    index: int
    architecture: Architecture
    weights: Mapping[str, NDArray[np.float32]]
    source: str

    @property
    def id(self) -> str:
        """The network's name in a zoo, e.g. "church_649"."""
        return f"{self.class_name}_{self.index}"


def parse_id(text: str, source: str) -> tuple[str, int]:
    """Class and index from a network's id or from a file name.

    Args:
        text: "church_649", or a file's name without its endings, such as
            "binary_oneVall_church_649_model" or "binary_oneVall_church_649_best_model".
        source: for the message.

    Raises:
        ForeignFileError: it names no network.
    """
    published = _PUBLISHED.fullmatch(text)
    match = _ID.fullmatch(published["id"] if published else text)
    if match is None:
        raise ForeignFileError(
            f"{source}: expected a name such as church_649 or binary_oneVall_church_649_model "
            f"(class, then index), got {text[:80]!r}; rename it, because class and index are the "
            "network's identity"
        )
    return match["class_name"], int(match["index"])


def known_architectures(outputs: int) -> list[Architecture]:
    """All declared architectures with this many outputs."""
    return [get_architecture(name, outputs) for name in architecture_names()]


def architecture_of(shapes: Sequence[tuple[int, ...]], source: str, *, keras: bool) -> Architecture:
    """The declared architecture whose parameters have these shapes.

    Args:
        shapes: of all parameters in the order of the layers, the weight before the bias.
        source: for the message.
        keras: whether the axes are Keras's; PyTorch's otherwise.

    Raises:
        ForeignFileError: there is none; the message shows what each would have.
    """
    last = shapes[-1] if shapes else ()
    outputs = last[0] if len(last) == 1 and 1 <= last[0] <= MAX_OUTPUTS else 1
    candidates = known_architectures(outputs)
    for architecture in candidates:
        if list(shapes) == parameter_shapes(architecture, keras=keras):
            return architecture
    expected = "; ".join(
        f"{architecture.name} has {_shown(parameter_shapes(architecture, keras=keras))}"
        for architecture in candidates
    )
    raise ForeignFileError(
        f"{source}: no known architecture has parameters of these shapes: got "
        f"{_shown(list(shapes))}; expected one of: {expected}"
    )


def parameter_shapes(architecture: Architecture, *, keras: bool) -> list[tuple[int, ...]]:
    """Shapes of an architecture's parameters, in Keras's or PyTorch's axes."""
    return [p.keras_shape if keras else p.shape for p in architecture.parameters]


def from_keras(
    architecture: Architecture, tensors: Sequence[NDArray[np.float32]]
) -> dict[str, NDArray[np.float32]]:
    """Weights by PyTorch's names and axes.

    Args:
        architecture: what the network is.
        tensors: in Keras's axes, in the order of `architecture.parameters`.
    """
    return {
        parameter.name: np.ascontiguousarray(parameter.from_keras(tensor[None])[0])
        for parameter, tensor in zip(architecture.parameters, tensors, strict=True)
    }


def _shown(shapes: list[tuple[int, ...]]) -> str:
    texts = ["x".join(map(str, shape)) or "scalar" for shape in shapes[:16]]
    return ", ".join(texts) + ", ..." * (len(shapes) > 16) if texts else "none"
