"""An equivariant graph network over the weights.

The graph is the network itself: units are nodes, weights are edges, biases are features of nodes.
Messages pass from the output to the input, along kernels where a layer is a convolution. Every
node holds some channels; a layer of nodes is updated as

    state <- tanh(mix @ state / rms(state) + bias / rms(bias) * shift)

with `mix` and `shift` learned for each layer. Reordering hidden units reorders their states, and
flipping a unit's sign flips its state, because tanh is odd: what arrives at the pixels, which have
an order of their own, is invariant. Where a residual block adds, states go both ways. After Zhou
et al., "Permutation equivariant neural functionals", 2023, and Kofinas et al., "Graph neural
networks for learning equivariant representations of neural networks", 2024. No input is shown to
a network.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from hyperzoo.architectures import Architecture
from hyperzoo.architectures.forward import forward
from hyperzoo.architectures.layers import Add, Conv2d, Dense
from hyperzoo.architectures.steps import Step
from hyperzoo.features.linear_response import linear_layer
from hyperzoo.features.matrix import tensors_of
from hyperzoo.prediction.methods.gradient import Learned
from hyperzoo.prediction.target import Kind

_GRID = 8  # height and width to which the states of the pixels are averaged


def build(architecture: Architecture, seed: int, kind: Kind) -> "MessagePassing":
    """Nothing is searched."""
    return MessagePassing(architecture, kind, seed=seed)


class MessagePassing(Learned):
    """Messages from output to input, and a linear map of what arrives at the pixels.

    Attributes:
        channels: numbers that a node holds.
    """

    learning_rate = 0.02

    def __init__(
        self,
        architecture: Architecture,
        kind: Kind = "category",
        channels: int = 4,
        epochs: int = 4,
        seed: int = 0,
    ) -> None:
        super().__init__(architecture, kind, epochs, seed)
        self.channels = channels

    def _start(self, networks: NDArray[Any], outputs: int) -> dict[str, Tensor]:
        """Initial values: mixing near the identity, so that messages pass from the beginning."""
        generator = torch.Generator().manual_seed(self.seed)

        def noise(*shape: int) -> Tensor:
            return torch.randn(*shape, generator=generator)

        start = {"embedding": noise(self.channels, self.architecture.outputs)}
        for name in self._hidden_layers():
            start[f"{name}.mix"] = torch.eye(self.channels) + 0.2 * noise(
                self.channels, self.channels
            )
            start[f"{name}.shift"] = 0.2 * noise(self.channels)
        height, width, colours = self.architecture.input_shape
        arrivals = self.channels * colours * min(_GRID, height) * min(_GRID, width)
        start["weight"] = torch.zeros(arrivals, outputs)
        start["bias"] = torch.zeros(outputs)
        return start

    def _hidden_layers(self) -> list[str]:
        steps = self.architecture.steps
        return [step.name for step in steps if isinstance(step.layer, Conv2d | Dense)][:-1]

    def _outputs(self, learned: dict[str, Tensor], networks: NDArray[Any]) -> Tensor:
        tensors = {
            name: torch.as_tensor(np.ascontiguousarray(tensor))
            for name, tensor in tensors_of(self.architecture, networks).items()
        }
        arrived: Tensor = torch.func.vmap(lambda own: self._pass(learned, own))(tensors)
        height, width, _ = self.architecture.input_shape
        grid = (min(_GRID, height), min(_GRID, width))
        coarse = functional.adaptive_avg_pool2d(arrived.flatten(0, 1), grid)
        flat = coarse.reshape(len(arrived), -1)
        scaled = flat / (flat.square().mean(dim=1, keepdim=True) + 1e-12).sqrt()
        return scaled @ learned["weight"] + learned["bias"]

    def _pass(self, learned: dict[str, Tensor], own: dict[str, Tensor]) -> Tensor:
        """Pass messages through one network: states of the pixels [channel, *image]."""
        states = {len(self.architecture.steps): learned["embedding"]}
        for position in reversed(range(len(self.architecture.steps))):
            step, state = self.architecture.steps[position], states.pop(position + 1)
            if f"{step.name}.mix" in learned:
                state = self._update(step, learned, own, state)
            earlier = state if isinstance(step.layer, Add) else self._back(step, own, state)
            for place in step.inputs:
                states[place] = states[place] + earlier if place in states else earlier
        return states[0]

    def _update(
        self, step: Step, learned: dict[str, Tensor], own: dict[str, Tensor], state: Tensor
    ) -> Tensor:
        """Update the states of a layer's units, [channel, *shape]."""
        mixed = torch.einsum("cd,d...->c...", learned[f"{step.name}.mix"], _unit_rms(state))
        if f"{step.name}.bias" in own:
            bias = _unit_rms(own[f"{step.name}.bias"])
            shift = learned[f"{step.name}.shift"][:, None] * bias
            mixed = mixed + shift.reshape(*shift.shape, *(1,) * (state.ndim - 2))
        return torch.tanh(mixed)

    def _back(self, step: Step, own: dict[str, Tensor], state: Tensor) -> Tensor:
        """Pass states of a layer's outputs to its inputs, by the transposed linear map."""
        assert not isinstance(step.layer, Add)  # which has two inputs
        alone = Architecture(
            name=step.name, input_shape=step.shape, layers=(linear_layer(step.layer),)
        )
        weights = {}
        for parameter in alone.parameters:
            kind = parameter.name.rpartition(".")[2]
            tensor = own[f"{step.name}.{kind}"]
            constant = kind in ("bias", "running_mean")
            weights[parameter.name] = torch.zeros_like(tensor) if constant else tensor
        height, width, channels = step.shape
        anywhere = torch.zeros(self.channels, channels, height, width)
        outputs, transposed = torch.func.vjp(  # type: ignore[misc]  # 3 with has_aux only
            lambda values: forward(alone, weights, values), anywhere
        )
        earlier: Tensor = transposed(state.reshape(outputs.shape))[0]
        return earlier


def _unit_rms(values: Tensor) -> Tensor:
    return values / (values.square().mean() + 1e-12).sqrt()
