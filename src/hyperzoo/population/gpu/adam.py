"""Adam over the parameters of all networks of a stack at once."""

import torch
from torch import Tensor

from hyperzoo.population.gpu.memory import Memory
from hyperzoo.population.optimizers import BETA_1, BETA_2, EPSILON


class Adam:
    """Weights, gradients and moments, each float32 [network, parameter].

    Args:
        networks: how many.
        parameters: of each.
        memory: where the buffers come from.
    """

    def __init__(self, networks: int, parameters: int, memory: Memory) -> None:
        def buffer(name: str) -> Tensor:
            return memory.zeros(f"adam.{name}", (networks, parameters), torch.float32)

        self.flat, self.gradient = buffer("flat"), buffer("gradient")
        self._first_moment, self._second_moment = buffer("first"), buffer("second")
        self._rates = memory.zeros("adam.rates", (networks, 1), torch.float64)
        # On the device, so that a captured step counts on.
        self._steps = memory.zeros("adam.steps", (1,), torch.float64)

    def start(self, flat: Tensor) -> None:
        """Begin anew.

        Args:
            flat: the weights, float32 [network, parameter].
        """
        self.flat.copy_(flat)
        for state in (self._first_moment, self._second_moment, self._steps):
            state.zero_()

    def set_rates(self, rates: Tensor) -> None:
        """Set the learning rates, float64 [network]."""
        self._rates.copy_(rates[:, None])

    def step(self) -> None:
        """Take a step; `gradient` serves as scratch and is lost.

        Keras's form: epsilon is added to the root before bias correction (Kingma and Ba, "Adam: a
        method for stochastic optimization", 2015, end of section 2).
        """
        self._steps += 1
        # Python's powers of a tensor: float64, as the other engines compute them.
        first, second = 1 - BETA_1**self._steps, 1 - BETA_2**self._steps
        rate = (self._rates * (second.sqrt() / first)).to(torch.float32)
        gradient = self.gradient
        self._first_moment.lerp_(gradient, 1 - BETA_1)
        self._second_moment.lerp_(gradient.square_(), 1 - BETA_2)
        torch.sqrt(self._second_moment, out=gradient).add_(EPSILON)
        torch.div(self._first_moment, gradient, out=gradient)
        self.flat.sub_(gradient.mul_(rate))
