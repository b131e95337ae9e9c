"""A decoder of low rank: from a code and a class to a network.

A network is the class's mean plus a combination of a few directions, which a small perceptron
makes of the code. Directions, means and perceptron are learned together. Low rank, because a
generator that holds more numbers than its networks differ in learns them by heart.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from hyperzoo.architectures import Architecture
from hyperzoo.generation.matrix import network_of
from hyperzoo.generation.registry import Setting, State, require_setting, require_tensors
from hyperzoo.generation.span import Span

_MOST = 4096


class Decoder(nn.Module):
    """Code and class -> a row of weights.

    Attributes:
        means: [class, weight].
        directions: [direction, weight].
        inward: from code and class (one-hot) to hidden units.
        outward: from hidden units to shares of the directions.
    """

    def __init__(self, span: Span, codes: int, hidden: int, random: torch.Generator) -> None:
        super().__init__()
        classes, kept = len(span.means), len(span.directions)
        self.means = nn.Parameter(torch.tensor(span.means))
        self.directions = nn.Parameter(torch.tensor(span.directions))
        self.inward = linear(codes + classes, hidden, random)
        self.outward = linear(hidden, kept, random)

    def forward(self, codes: Tensor, labels: Tensor) -> Tensor:
        """Rows of weights: [network, weight]."""
        known = functional.one_hot(labels, len(self.means)).to(codes.dtype)
        hidden = torch.tanh(self.inward(torch.cat([codes, known], dim=1)))
        rows: Tensor = self.means[labels] + self.outward(hidden) @ self.directions
        return rows

    def groups(self, rate: float, weights_rate: float) -> list[dict[str, object]]:
        """Parameters for an optimiser: weights of networks are smaller than a perceptron's."""
        perceptron = [*self.inward.parameters(), *self.outward.parameters()]
        return [
            {"params": perceptron, "lr": rate},
            {"params": [self.means, self.directions], "lr": weights_rate},
        ]

    def state(
        self, settings: dict[str, Setting] | None = None, **more: NDArray[np.float32]
    ) -> State:
        """What a generator keeps."""
        tensors = {name: p.detach().numpy().copy() for name, p in self.named_parameters()}
        sizes: dict[str, Setting] = {
            "codes": self.inward.in_features - len(self.means),
            "hidden": self.inward.out_features,
            "directions": len(self.directions),
        }
        return State(tensors={**tensors, **more}, settings={**sizes, **(settings or {})})


def linear(inputs: int, outputs: int, random: torch.Generator) -> nn.Linear:
    """A linear layer whose first weights come from a generator of one's own."""
    # On "meta" no weights are drawn, so the global generator stays as it is.
    layer = nn.Linear(inputs, outputs, device="meta").to_empty(device="cpu")
    limit = inputs**-0.5
    for parameter in layer.parameters():
        nn.init.uniform_(parameter, -limit, limit, generator=random)
    return layer


def expected(
    state: State, architecture: Architecture, classes: tuple[str, ...]
) -> dict[str, tuple[int, ...]]:
    """The tensors that a decoder's state has, by its settings.

    Raises:
        GenerationError: a setting is missing or out of bounds.
    """
    sizes = [require_setting(state, name, 1, _MOST) for name in ("codes", "hidden", "directions")]
    codes, hidden, directions = sizes
    return {
        "means": (len(classes), architecture.parameter_count),
        "directions": (directions, architecture.parameter_count),
        "inward.weight": (hidden, codes + len(classes)),
        "inward.bias": (hidden,),
        "outward.weight": (directions, hidden),
        "outward.bias": (directions,),
    }


def check(state: State, architecture: Architecture, classes: tuple[str, ...]) -> None:
    """The decoder's tensors, and no others."""
    require_tensors(state, expected(state, architecture, classes))


def decoded(
    state: State,
    architecture: Architecture,
    classes: tuple[str, ...],
    class_name: str,
    code: NDArray[np.float64],
) -> dict[str, NDArray[np.float32]]:
    """The network of a code: PyTorch name -> float32 [*shape]."""
    label, tensors = classes.index(class_name), state.tensors
    known = np.zeros(len(classes))
    known[label] = 1.0
    inputs = np.concatenate([code, known])
    hidden = np.tanh(tensors["inward.weight"] @ inputs + tensors["inward.bias"])
    shares = tensors["outward.weight"] @ hidden + tensors["outward.bias"]
    row = tensors["means"][label] + shares.astype(np.float32) @ tensors["directions"]
    return network_of(architecture, row)
