"""A network read from somebody else's file: its identity, its architecture, its weights."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hyperzoo.architectures import Architecture, architecture_names, get_architecture
from hyperzoo.errors import ForeignFileError
from hyperzoo.exchange.names import parse_id

Shapes = Sequence[tuple[int, ...]]

OTHER_LAYERS = (
    "networks of other layers are read as whole Keras models (.keras, .h5), and from what hyperzoo "
    "exports as keras-h5 or pytorch; docs/formats.md has all that is read"
)
"""What to say of files of weights alone that are no built-in network's."""

_COUNTED = re.compile(r"(?P<stem>.*?)(?:_(?P<count>[0-9]{1,6}))?", re.DOTALL)
"""A part of a layer's path; Keras counts those of one name from the second on."""
_DIGITS = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True, kw_only=True, eq=False)
class ForeignNetwork:
    """One network as a file of another format gives it.

    Attributes:
        name: its id or the name of its file, which need not tell class and index.
        architecture: which of the known architectures it has.
        weights: PyTorch name -> float32 tensor in PyTorch's axes, for every parameter.
        source: the file, and the place in it, for messages.
        notes: what was assumed, left out or changed, each such that "3 networks: " may precede it.
        by_shapes: whether shapes alone told the architecture: the file says nothing of layers.
        is_preferred: whether its file holds others too, of which it is the one that is preferred.
    """

    name: str
    architecture: Architecture
    weights: Mapping[str, NDArray[np.float32]]
    source: str
    notes: tuple[str, ...] = ()
    by_shapes: bool = False
    is_preferred: bool = False

    @property
    def class_name(self) -> str:
        """Its class; an error as of `parse_id` where the name does not tell."""
        return parse_id(self.name)[0]

    @property
    def index(self) -> int:
        """Its index within the class, 0 or more; an error as of `parse_id` as well."""
        return parse_id(self.name)[1]

    @property
    def id(self) -> str:
        """The network's name in a zoo, e.g. "church_649"; an error as of `parse_id` as well."""
        return f"{self.class_name}_{self.index}"


def match_architecture(
    shapes: Shapes, *, source: str, axes: Literal["keras", "torch"] = "keras"
) -> Architecture:
    """The known architecture that has these tensors.

    Args:
        shapes: kernel, then bias, of every layer in the model's order.
        source: the file, for messages.
        axes: whose axes the shapes have.

    Raises:
        ForeignFileError: none has; the message shows what was expected and what was found.
    """
    found = list(shapes)
    outputs = found[-1][-1] if found and found[-1] and found[-1][-1] > 0 else 1
    candidates = known_networks([outputs])
    for architecture in candidates:
        if _table(architecture, axes) == found:
            return architecture
    raise ForeignFileError(_mismatch(source, found, candidates, axes))


def match_layers(
    layers: Mapping[str, tuple[tuple[int, ...], tuple[int, ...]]],
    *,
    source: str,
    numbered: bool = False,
) -> tuple[Architecture, tuple[str, ...]]:
    """The known architecture that these layers make, where their order is not known.

    Args:
        layers: name -> shapes of kernel and bias, in Keras's axes.
        source: the file, for messages.
        numbered: whether layers of the same shapes may be told by the numbers in their names.

    Returns:
        The architecture, and the names in the order of its layers.

    Raises:
        ForeignFileError: no architecture has such layers, or they fit in more than one way.
    """
    biases = {bias[0] for _, bias in layers.values() if len(bias) == 1 and bias[0] > 0}
    candidates = known_networks(sorted(biases))
    for architecture in candidates:
        table = _table(architecture, "keras")
        if {p.keras_name for p in architecture.parameters} != {"kernel", "bias"}:
            continue  # its layers are no pairs
        wanted = list(zip(table[::2], table[1::2], strict=True))
        if sorted(wanted) != sorted(layers.values()):
            continue
        queues = {
            shapes: _in_order([n for n in layers if layers[n] == shapes], numbered=numbered)
            for shapes in wanted
        }
        is_told, has_alike = all(queues.values()), len(queues) < len(wanted)
        order = tuple(queues[shapes].pop(0) for shapes in wanted) if is_told else ()
        # Numbers that are in another order than shapes say nothing of those of the same shapes.
        if not is_told or (has_alike and not _rises(order)):
            raise ForeignFileError(
                f"{source}: the order of its layers is not known: {', '.join(sorted(layers))} fit "
                f"the architecture '{architecture.name}' in more than one way, as several have "
                "the same shapes; give a file that keeps the order, such as a whole model"
            )
        return architecture, order
    found = [shape for name in sorted(layers) for shape in layers[name]]
    raise ForeignFileError(_mismatch(source, found, candidates, "keras"))


def _in_order(names: list[str], *, numbered: bool) -> list[str]:
    """Layers of the same shapes in order; none where their names do not tell it.

    They must be the same but for numbers: conv1 and conv2, conv2d and conv2d_1.
    """
    if len(names) == 1:
        return names
    numbers = {name: _numbers(name)[1] for name in names}
    patterns = {_numbers(name)[0] for name in names}
    ordered = sorted(names, key=lambda name: numbers[name])
    is_told = len(patterns) == 1 and all(
        numbers[one] != numbers[other] for one, other in pairwise(ordered)
    )
    return ordered if numbered and is_told else []


def _numbers(name: str) -> tuple[tuple[str, ...], list[tuple[list[int], int]]]:
    """A layer's name without its numbers, and these: each part's own, and its count."""
    found = [match for part in name.split("/") if (match := _COUNTED.fullmatch(part))]
    stems = [match["stem"] for match in found]
    own = [list(map(int, _DIGITS.findall(stem))) for stem in stems]
    counts = [int(match["count"] or 0) for match in found]
    return tuple(_DIGITS.sub("#", stem) for stem in stems), list(zip(own, counts, strict=True))


def _rises(names: Sequence[str]) -> bool:
    """Whether the numbers of names that are the same but for numbers rise."""
    last: dict[tuple[str, ...], list[tuple[list[int], int]]] = {}
    for pattern, numbers in map(_numbers, names):
        if numbers < last.get(pattern, []):
            return False
        last[pattern] = numbers
    return True


def torch_weights(
    architecture: Architecture, tensors: Iterable[NDArray[np.float32]]
) -> dict[str, NDArray[np.float32]]:
    """A network's weights in PyTorch's names and axes.

    Args:
        architecture: the network's architecture.
        tensors: kernel, then bias, of every layer in the model's order, in Keras's axes.

    Returns:
        PyTorch name -> contiguous float32 tensor.
    """
    pairs = zip(architecture.parameters, tensors, strict=True)
    return {p.name: np.ascontiguousarray(p.from_keras(t[np.newaxis])[0]) for p, t in pairs}


def known_networks(outputs: Iterable[int]) -> list[Architecture]:
    """Every built-in architecture, with each of these numbers of outputs."""
    return [get_architecture(name, count) for name in architecture_names() for count in outputs]


def _table(architecture: Architecture, axes: Literal["keras", "torch"]) -> list[tuple[int, ...]]:
    """Kernel and bias of every layer in order."""
    if axes == "torch":
        return [parameter.shape for parameter in architecture.parameters]
    return [parameter.keras_shape for parameter in architecture.parameters]


def _mismatch(
    source: str,
    found: Shapes,
    candidates: Sequence[Architecture],
    axes: Literal["keras", "torch"],
) -> str:
    expected = "; ".join(
        f"{architecture.name}: {_shown(_table(architecture, axes))}" for architecture in candidates
    )
    return (
        f"{source}: no known architecture has its tensors\n  expected {expected or 'layers'}\n"
        f"  found    {_shown(found)}\n{OTHER_LAYERS}"
    )


def _shown(shapes: Shapes) -> str:
    more = f" and {len(shapes) - 24} more" if len(shapes) > 24 else ""
    return (", ".join("x".join(map(str, shape)) or "()" for shape in shapes[:24]) or "none") + more
