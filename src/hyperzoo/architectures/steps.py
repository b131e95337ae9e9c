"""An architecture unrolled: one operation after another, each with the values that it takes.

On a straight line every step takes what the step before gave. A residual block becomes the steps
of its layers, those of its shortcut, and an addition.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from hyperzoo.architectures.layers import (
    Add,
    BatchNorm,
    Conv2d,
    Dense,
    Dropout,
    Flatten,
    GlobalAveragePool,
    Layer,
    Normalize,
    PlainLayer,
    Pool2d,
    Residual,
    Shape,
)
from hyperzoo.errors import ArchitectureError

_NAMES: dict[type, str] = {
    Normalize: "normalize",
    Conv2d: "conv",
    Dense: "fc",
    BatchNorm: "bn",
    Pool2d: "pool",
    GlobalAveragePool: "pool",
    Dropout: "dropout",
    Flatten: "flatten",
    Add: "add",
}


@dataclass(frozen=True, kw_only=True)
class Step:
    """One operation.

    Attributes:
        name: PyTorch's name, counted by kind in the order of steps: "conv1", "bn1", "pool1".
        layer: what is computed; never a `Residual`.
        inputs: which values it takes: 0 for the image, n for what the n-th step gave.
        shape: (height, width, channels) of what it takes.
        output_shape: the same of what it gives.
        image: the shape that what it takes had before a `Flatten` or `Dense` laid it side by side;
            None where nothing of an image's height and width lies in its channels.
        flat: whether it takes values side by side, for which Keras has no height and width.
    """

    name: str
    layer: PlainLayer | Add
    inputs: tuple[int, ...]
    shape: Shape
    output_shape: Shape
    image: Shape | None
    flat: bool


class LayerError(ArchitectureError):
    """A layer does not fit what arrives at it.

    Attributes:
        place: its number, 1 for the first; within a residual block a second number.
    """

    def __init__(self, place: tuple[int, ...], message: str) -> None:
        super().__init__(message)
        self.place = place


def unroll(layers: Sequence[Layer], input_shape: Shape) -> tuple[Step, ...]:
    """The steps of a list of layers.

    Raises:
        LayerError: a layer does not fit its input.
    """
    unrolled = _Unrolled(input_shape)
    for number, layer in enumerate(layers, start=1):
        unrolled.append(layer, (number,))
    return tuple(unrolled.steps)


class _Unrolled:
    """The steps so far, and what the last of them gave."""

    def __init__(self, input_shape: Shape) -> None:
        self.steps: list[Step] = []
        self.shape, self.image, self.flat = input_shape, None, False  # of the present value
        self.value = 0
        self._counts: Counter[str] = Counter()

    shape: Shape
    image: Shape | None
    flat: bool

    def append(self, layer: Layer, place: tuple[int, ...]) -> None:
        if self.flat and isinstance(layer, Conv2d | Pool2d | GlobalAveragePool | Residual):
            raise LayerError(
                place,
                f"it needs an image, but {self.shape[2]} values side by side arrive; put it before "
                "the first dense layer, flatten or global pooling",
            )
        if isinstance(layer, Normalize) and self.steps:
            raise LayerError(place, "it scales the images; put it before all other layers")
        if isinstance(layer, Residual):
            self._append_block(layer, place)
        else:
            self._step(layer, (self.value,), _fitted(layer, self.shape, place))

    def _append_block(self, block: Residual, place: tuple[int, ...]) -> None:
        start, shape = self.value, self.shape
        for number, layer in enumerate(block.layers, start=1):
            self.append(layer, (*place, number))
        body = self.value
        self.value, self.shape = start, shape
        for number, layer in enumerate(block.shortcut, start=1):
            self.append(layer, (*place, number))
        self.shape = _fitted(block, shape, place)
        self._step(Add(activation=block.activation), (body, self.value), self.shape)

    def _step(
        self,
        layer: PlainLayer | Add,
        inputs: tuple[int, ...],
        output: Shape,
    ) -> None:
        kind = _NAMES[type(layer)]
        self._counts[kind] += 1
        spread = self.shape[0] * self.shape[1] > 1
        image = self.shape if isinstance(layer, Dense) and spread else self.image
        self.steps.append(
            Step(
                name=f"{kind}{self._counts[kind]}",
                layer=layer,
                inputs=inputs,
                shape=self.shape,
                output_shape=output,
                image=image,
                flat=self.flat,
            )
        )
        match layer:
            case Flatten():
                self.image = self.shape if spread else self.image
            case Dense():
                self.image = None
        self.flat = self.flat or isinstance(layer, Flatten | Dense | GlobalAveragePool)
        self.shape, self.value = output, len(self.steps)


def _fitted(layer: Layer, shape: Shape, place: tuple[int, ...]) -> Shape:
    """What a layer gives when `shape` arrives."""
    try:
        return layer.output_shape(shape)
    except ArchitectureError as error:
        raise LayerError(place, str(error)) from error
