"""The activations, in PyTorch: as functions, and as modules."""

from collections.abc import Callable
from typing import NoReturn

import torch
from torch import Tensor, nn
from torch.nn import functional

from hyperzoo.architectures.layers import LEAK, Activation
from hyperzoo.errors import ArchitectureError


def _of_no_network(*_: object) -> NoReturn:
    raise ArchitectureError(
        "the activation differs from network to network of this zoo, so that weights alone compute "
        "nothing; take a network by itself, with zoo.network(id) or zoo.architecture_of(id)"
    )


FUNCTIONS: dict[Activation, Callable[[Tensor], Tensor]] = {
    "linear": lambda sums: sums,
    "tanh": torch.tanh,
    "relu": torch.relu,
    "sigmoid": torch.sigmoid,
    "gelu": functional.gelu,
    "silu": functional.silu,
    "leaky_relu": lambda sums: functional.leaky_relu(sums, LEAK),
    "drawn": _of_no_network,
}

MODULES: dict[Activation, Callable[[], nn.Module]] = {
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "sigmoid": nn.Sigmoid,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "leaky_relu": lambda: nn.LeakyReLU(LEAK),
    "drawn": _of_no_network,
}
