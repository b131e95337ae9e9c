"""An architecture as the list of integers that the C++ side reads (`kernels/plan.hpp`)."""

import numpy as np
from numpy.typing import NDArray

from hyperzoo.architectures import Architecture
from hyperzoo.architectures.layers import Conv2d, Dense, GlobalAveragePool, Pool2d
from hyperzoo.errors import EngineError

_ACTIVATIONS = {"linear": 0, "tanh": 1, "relu": 2}
_POOLS = {"average": 2, "max": 3}


def describe(architecture: Architecture) -> NDArray[np.int64]:
    """Describe an architecture: its input's shape, the number of layers, six fields a layer.

    Raises:
        EngineError: it has a layer or an activation that the kernels do not know.
    """
    fields: list[int] = [*architecture.input_shape, len(architecture.layers)]
    for number, layer in enumerate(architecture.layers, start=1):
        activation = getattr(layer, "activation", "linear")
        if activation not in _ACTIVATIONS:
            raise EngineError(
                f"layer {number} of '{architecture.name}': the native engine has no activation "
                f"'{activation}' (known: {', '.join(_ACTIVATIONS)}); use engine 'torch'"
            )
        code = _ACTIVATIONS[activation]
        match layer:
            case Conv2d():
                same = int(layer.padding == "same")
                fields += [1, layer.kernel, layer.filters, layer.stride, same, code]
            case Pool2d():
                fields += [_POOLS[layer.kind], layer.size, 0, 0, 0, 0]
            case GlobalAveragePool():
                fields += [4, 0, 0, 0, 0, 0]
            case Dense():
                fields += [5, 0, layer.units, 0, 0, code]
            case _:
                raise EngineError(
                    f"layer {number} of '{architecture.name}': the native engine has no "
                    f"{type(layer).__name__}; use engine 'torch'"
                )
    return np.array(fields, dtype=np.int64)
