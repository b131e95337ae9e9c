"""How gradients become steps, in PyTorch: Adam, gradient descent with momentum, RMSprop.

All in Keras's forms, which docs/training.md gives. Weights are [network, parameter].
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from hyperzoo.architectures import Architecture
from hyperzoo.plan import PlannedNetwork

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-7
"""Adam's constants, as Keras sets them."""

RHO = 0.9
"""RMSprop's, as Keras sets it."""


class Optimizer:
    """The state of the optimizers of networks that share one rule.

    Args:
        architecture: what every network is.
        networks: the networks, of one `rule`.
        flat: their weights, float [network, parameter], which `step` changes.
    """

    def __init__(
        self, architecture: Architecture, networks: Sequence[PlannedNetwork], flat: Tensor
    ) -> None:
        self._networks, self._flat, self._rule = networks, flat, networks[0].rule
        self._first, self._second = torch.zeros_like(flat), torch.zeros_like(flat)
        self._momentum = self._column([network.momentum for network in networks])
        self._steps = 0
        table = architecture.parameters
        self._penalty = self._share([2 * own.l2 for own in networks], [p.is_kernel for p in table])
        self._decay = self._share(
            [own.weight_decay for own in networks], [p.is_trained for p in table]
        )
        if self._penalty is not None or self._decay is not None:
            sizes = torch.tensor([p.size for p in table])
            self._penalty, self._decay = (
                None if own is None else own.repeat_interleave(sizes.to(own.device), dim=1)
                for own in (self._penalty, self._decay)
            )

    def _column(self, values: Sequence[float]) -> Tensor:
        return torch.tensor(values, dtype=self._flat.dtype, device=self._flat.device)[:, None]

    def _share(self, values: Sequence[float], chosen: Sequence[bool]) -> Tensor | None:
        """[network, tensor]: the values, for some tensors; None where all are 0."""
        if not any(values):
            return None
        return self._column(values) * self._column([float(own) for own in chosen]).T

    @torch.no_grad()
    def step(self, gradient: Tensor, learning_rates: Sequence[float]) -> None:
        """Take a step.

        Args:
            gradient: of the mean loss, [network, parameter].
            learning_rates: [network].
        """
        self._steps += 1
        if self._penalty is not None:
            gradient = gradient + self._penalty * self._flat
        if self._decay is not None:
            self._flat -= self._flat * (self._decay * self._column(learning_rates))
        match self._rule:
            case "adam":
                self._adam(gradient, learning_rates)
            case "rmsprop":
                self._rmsprop(gradient, self._column(learning_rates))
            case _:
                self._descend(gradient, self._column(learning_rates))

    def _adam(self, gradient: Tensor, learning_rates: Sequence[float]) -> None:
        """Keras's form of Adam: epsilon is added to the root before bias correction.

        It is the form that Kingma and Ba, "Adam: a method for stochastic optimization", 2015,
        give at the end of section 2.
        """
        correction = (1 - BETA_2**self._steps) ** 0.5 / (1 - BETA_1**self._steps)
        rate = self._column([own * correction for own in learning_rates])
        self._first.lerp_(gradient, 1 - BETA_1)
        self._second.lerp_(gradient.square(), 1 - BETA_2)
        self._flat -= self._first * rate / (self._second.sqrt() + EPSILON)

    def _rmsprop(self, gradient: Tensor, rate: Tensor) -> None:
        """Tieleman and Hinton, "Neural networks for machine learning", lecture 6.5, 2012."""
        self._second.lerp_(gradient.square(), 1 - RHO)
        self._first.mul_(self._momentum).add_(gradient * rate / (self._second + EPSILON).sqrt())
        self._flat -= self._first

    def _descend(self, gradient: Tensor, rate: Tensor) -> None:
        """Gradient descent with momentum.

        After Sutskever et al., "On the importance of initialization and momentum in deep learning",
        2013.
        """
        back = gradient * rate
        self._first.mul_(self._momentum).sub_(back)
        if self._rule == "nesterov":
            self._flat += self._first * self._momentum - back
        else:
            self._flat += self._first
