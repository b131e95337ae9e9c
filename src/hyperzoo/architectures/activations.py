"""The activations, in PyTorch: as functions, and as modules."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from hyperzoo.architectures.layers import LEAK, Activation

FUNCTIONS: dict[Activation, Callable[[Tensor], Tensor]] = {
    "linear": lambda sums: sums,
    "tanh": torch.tanh,
    "relu": torch.relu,
    "sigmoid": torch.sigmoid,
    "gelu": functional.gelu,
    "silu": functional.silu,
    "leaky_relu": lambda sums: functional.leaky_relu(sums, LEAK),
}

MODULES: dict[Activation, Callable[[], nn.Module]] = {
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "sigmoid": nn.Sigmoid,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "leaky_relu": lambda: nn.LeakyReLU(LEAK),
}
