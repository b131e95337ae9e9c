"""A stack of networks of one architecture, forward and backward."""

import math
from collections.abc import Mapping

from torch import Tensor

from hyperzoo.architectures import Architecture
from hyperzoo.architectures.layers import Conv2d, Dense, GlobalAveragePool, Pool2d
from hyperzoo.errors import EngineError
from hyperzoo.population.engine import Precision
from hyperzoo.population.gpu.affine import Affine, Kernels
from hyperzoo.population.gpu.geometry import Geometry, geometry
from hyperzoo.population.gpu.memory import Memory
from hyperzoo.population.gpu.pooling import Average, Maximum
from hyperzoo.population.gpu.precision import COLUMNS, storage
from hyperzoo.population.gpu.products import Products

PIXEL_UNIT = 255
"""Pixels go in as whole numbers, exact in every precision; the first weights are divided by it."""


def check(architecture: Architecture) -> None:
    """Refuse what the engine can't run.

    Raises:
        EngineError: a layer is not known, or the last is not dense and linear.
    """
    known = (Conv2d, Dense, Pool2d, GlobalAveragePool)
    for number, layer in enumerate(architecture.layers, start=1):
        place = f"layer {number} of '{architecture.name}'"
        if not isinstance(layer, known):
            raise EngineError(
                f"{place}: the GPU engine has no {type(layer).__name__} (known: "
                f"{', '.join(kind.__name__ for kind in known)}); use engine 'torch'"
            )
        if isinstance(layer, Pool2d) and layer.step != layer.size:
            raise EngineError(
                f"{place}: the GPU engine pools over squares that do not overlap or leave gaps, "
                f"got size {layer.size} and stride {layer.step}; use engine 'torch'"
            )
        if isinstance(layer, Pool2d | GlobalAveragePool) and layer.activation != "linear":
            raise EngineError(
                f"{place}: the GPU engine has no activation after a pooling, got "
                f"'{layer.activation}'; use engine 'torch'"
            )
        if isinstance(layer, Conv2d | Dense) and not layer.bias:
            raise EngineError(
                f"{place}: the GPU engine has no layers without a bias; use engine 'torch'"
            )
        if isinstance(layer, Pool2d) and layer.size > 181:
            raise EngineError(f"{place}: the GPU engine pools over squares of at most 181")
        activation = getattr(layer, "activation", "linear")
        if activation not in ("tanh", "relu", "linear"):
            raise EngineError(
                f"{place}: the GPU engine has no activation '{activation}' "
                "(known: tanh, relu, linear); use engine 'torch'"
            )
    last = architecture.layers[-1] if architecture.layers else None
    if not isinstance(last, Dense) or last.activation != "linear":
        raise EngineError(
            f"'{architecture.name}': the last layer must be dense and linear; use engine 'torch'"
        )


def image_pads(architecture: Architecture) -> tuple[tuple[int, int], tuple[int, int]]:
    """Zeros (above, below), (left, right) that images must bring for the first layer."""
    first, (height, width, _) = architecture.layers[0], architecture.input_shape
    if isinstance(first, Conv2d):
        return first.pads(height), first.pads(width)
    return (0, 0), (0, 0)


class Network:
    """The layers of a stack.

    Args:
        architecture: what every network is.
        parameters: PyTorch name -> float32 [network, *shape], read in every step.
        gradients: the same, written by `backward`.
        images: images at once.
        memory: where its buffers come from.
        precision: of the products.
        fused: whether Triton's kernels compute the layers, and not the library's products.
    """

    def __init__(
        self,
        architecture: Architecture,
        parameters: Mapping[str, Tensor],
        gradients: Mapping[str, Tensor],
        images: int,
        memory: Memory,
        precision: Precision,
        fused: bool = False,
    ) -> None:
        networks = len(next(iter(parameters.values())))
        self.images = images
        dtype, count = storage(precision), len(architecture.layers)
        self._layers: list[Affine | Average | Maximum] = []
        unit, below = float(PIXEL_UNIT), False
        if not fused:
            _reserve(architecture, networks, images, memory, precision)

        def kernels(label: str, numbers: Geometry, below: bool) -> Kernels:
            room = (networks, images, memory, dtype, below)
            if not fused:
                return Products(label, numbers, *room)
            from hyperzoo.population.gpu.triton_affine import Fused

            return Fused(label, numbers, *room, precision)

        for number, (name, layer, shape) in enumerate(
            zip(architecture.layer_names, architecture.layers, architecture.shapes, strict=False)
        ):
            label = name or f"pool{number + 1}"
            match layer:
                case Conv2d() | Dense():
                    numbers = geometry(layer, shape, COLUMNS[precision])
                    self._layers.append(
                        Affine(
                            label, numbers, kernels(label, numbers, below),
                            (parameters[f"{name}.weight"], parameters[f"{name}.bias"]),
                            (gradients[f"{name}.weight"], gradients[f"{name}.bias"]),
                            images=images, memory=memory, dtype=dtype, unit=unit,
                            first=number == 0, below=below, last=number == count - 1,
                        )
                    )  # fmt: skip
                    unit, below = 1.0, True
                case Pool2d(kind="max"):
                    self._layers.append(
                        Maximum(label, layer, shape, networks, images, memory, dtype)
                    )
                case Pool2d() | GlobalAveragePool():
                    self._layers.append(
                        Average(label, layer, shape, networks, images, memory, dtype)
                    )

    def forward(self, pixels: Tensor) -> Tensor:
        """The logits.

        Args:
            pixels: uint8 [network, image, height, width, channel] with the zeros that the first
                layer wants (`image_pads`); one network's for all where all see the same images.

        Returns:
            float32 [network, image, output].
        """
        values = pixels
        for layer in self._layers:
            values = layer.forward(values)
        return values.flatten(2)

    def backward(self, gradient: Tensor) -> None:
        """Write the gradients of all parameters.

        Args:
            gradient: of the logits of the last `forward`, float32 [network, image, output].
        """
        passed: Tensor | None = gradient[:, :, None, None, :]
        for layer in reversed(self._layers):
            if passed is None:
                break
            passed = layer.backward(passed)


def _reserve(
    architecture: Architecture, networks: int, images: int, memory: Memory, precision: Precision
) -> None:
    """Allocate the buffer that all layers' input gradients pass through."""
    sizes, below = [0], False
    for layer, shape in zip(architecture.layers, architecture.shapes, strict=False):
        if isinstance(layer, Conv2d | Dense):
            numbers = geometry(layer, shape, COLUMNS[precision])
            sizes += [math.prod(numbers.positions) * numbers.terms] * below
            below = True
    memory.zeros("spread", (networks, images, max(sizes)), storage(precision))
