"""A graph network over units and weights, to which the order of hidden units is nothing.

The graph is the network itself: units are nodes with their bias, the weights between two units
(all places of a kernel) are one edge. In every round a unit takes the mean over its edges of

    relu(edge @ A + neighbour @ B)

from the layers that it takes in and, with other matrices, from those that take it in; from both and
its own state a small perceptron makes its new state. The means and deviations of all layers'
states, with the logarithm of the size of every tensor, go through another one to the answer. After
Kofinas et al., "Graph neural networks for learning equivariant representations of neural networks",
2024, and Lim et al., "Graph metanetworks for processing diverse neural architectures", 2024. Hidden
units share what is learned for their layer; inputs and outputs, which have an order, do not. No
input is shown to a network.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hyperzoo.architectures import Architecture
from hyperzoo.architectures.layers import Add, BatchNorm, Conv2d, Dense
from hyperzoo.features.matrix import tensors_of
from hyperzoo.prediction.methods.gradient import Learned
from hyperzoo.prediction.target import Kind


def build(architecture: Architecture, seed: int, kind: Kind) -> "GraphNetwork":
    """Nothing is searched."""
    return GraphNetwork(architecture, kind, seed=seed)


@dataclass(frozen=True, kw_only=True)
class Edges:
    """The weights between two sets of units.

    Attributes:
        name: of their tensor.
        source: the set that is taken in; 0 is the image's channels.
        target: the set that takes it in.
        places: weights of one edge.
    """

    name: str
    source: int
    target: int
    places: int


@dataclass(frozen=True, kw_only=True)
class UnitGraph:
    """The units of an architecture and what joins them.

    Attributes:
        units: how many each set has.
        edges: in the order of the layers.
        vectors: of every set, the tensors that have a number or several for each unit.
    """

    units: tuple[int, ...]
    edges: tuple[Edges, ...]
    vectors: tuple[tuple[str, ...], ...]


def unit_graph(architecture: Architecture) -> UnitGraph:
    """The graph of a network. Units that a residual block adds to each other are one set."""
    sizes = {parameter.name: parameter.size for parameter in architecture.parameters}
    sets = [_UnitSet(architecture.input_shape[2])]
    values, edges = [sets[0]], []
    for step in architecture.steps:
        taken = values[step.inputs[0]]
        match step.layer:
            case Conv2d() | Dense():
                made = _UnitSet(step.output_shape[2], [f"{step.name}.bias"])
                edges.append((f"{step.name}.weight", taken, made))
                sets.append(made)
                taken = made
            case BatchNorm():
                kinds = ("weight", "bias", "running_mean", "running_var")
                taken.vectors += [f"{step.name}.{kind}" for kind in kinds]
            case Add() if (other := values[step.inputs[1]]) is not taken:
                # The shortcut's units were there first: the block adds to them.
                other.vectors += taken.vectors
                sets.remove(taken)
                values = [other if value is taken else value for value in values]
                edges = [
                    (name, other if u is taken else u, other if v is taken else v)
                    for name, u, v in edges
                ]
                taken = other
        values.append(taken)
    return UnitGraph(
        units=tuple(own.units for own in sets),
        edges=tuple(
            Edges(
                name=name,
                source=sets.index(source),
                target=sets.index(target),
                places=sizes[name] // (source.units * target.units),
            )
            for name, source, target in edges
        ),
        vectors=tuple(tuple(name for name in own.vectors if name in sizes) for own in sets),
    )


class _UnitSet:
    """A set of units while the steps are gone through; equal to none but itself."""

    def __init__(self, units: int, vectors: Sequence[str] = ()) -> None:
        self.units = units
        self.vectors = list(vectors)


class GraphNetwork(Learned):
    """Messages both ways, and a perceptron on what the layers' units hold in the end.

    Attributes:
        channels: numbers that a node holds.
        rounds: of messages.
    """

    learning_rate = 0.01

    def __init__(
        self,
        architecture: Architecture,
        kind: Kind = "category",
        channels: int = 8,
        rounds: int = 2,
        epochs: int = 40,
        seed: int = 0,
    ) -> None:
        super().__init__(architecture, kind, epochs, seed)
        self.channels = channels
        self.rounds = rounds

    def _start(self, networks: NDArray[Any], outputs: int) -> dict[str, Tensor]:
        """Initial values, and the sizes of tensors in the training networks, which stay."""
        generator = torch.Generator().manual_seed(self.seed)
        graph, wide = unit_graph(self.architecture), self.channels

        def noise(fans: int, *shape: int) -> Tensor:
            drawn: Tensor = torch.randn(*shape, generator=generator) / fans**0.5
            return drawn

        start = {}
        for place, (units, vectors) in enumerate(zip(graph.units, graph.vectors, strict=True)):
            ordered = place in (0, len(graph.units) - 1)
            start[f"set{place}"] = noise(1, units if ordered else 1, wide)
            start[f"set{place}.bias"] = noise(1, max(1, len(vectors)), wide)
        for edges in graph.edges:
            start[f"{edges.name}.embed"] = noise(edges.places, edges.places, wide)
        for step in range(self.rounds):
            for way in ("on", "back"):
                start[f"{step}.{way}.edge"] = noise(wide, wide, wide)
                start[f"{step}.{way}.node"] = noise(wide, wide, wide)
            start[f"{step}.hidden"] = noise(3 * wide, 3 * wide, 2 * wide)
            start[f"{step}.out"] = noise(2 * wide, 2 * wide, wide)
        tensors = tensors_of(self.architecture, networks)
        sizes = self._sizes({name: torch.as_tensor(t.copy()) for name, t in tensors.items()})
        self.size_mean_ = sizes.mean(dim=0)
        self.size_scale_ = sizes.std(dim=0, correction=0).clamp_min(1e-3)
        read = 2 * wide * len(graph.units) + sizes.shape[1]
        start["read"], start["read.bias"] = noise(read, read, 32), torch.zeros(32)
        start["weight"], start["bias"] = torch.zeros(32, outputs), torch.zeros(outputs)
        return start

    def _sizes(self, tensors: dict[str, Tensor]) -> Tensor:
        """Logarithm of the root mean square of every tensor: [network, tensor]."""
        squares = [tensor.flatten(1).square().mean(dim=1) for tensor in tensors.values()]
        sizes: Tensor = (torch.stack(squares, dim=1) + 1e-12).sqrt().log()
        return sizes

    def _outputs(self, learned: dict[str, Tensor], networks: NDArray[Any]) -> Tensor:
        graph = unit_graph(self.architecture)
        tensors = {
            name: torch.as_tensor(np.ascontiguousarray(tensor))
            for name, tensor in tensors_of(self.architecture, networks).items()
        }
        sizes = self._sizes(tensors)
        # In units of what training networks have, so that numbers are neither tiny nor huge.
        usual = dict(zip(tensors, self.size_mean_.exp().tolist(), strict=True))
        scaled = {name: tensor / usual[name] for name, tensor in tensors.items()}
        states = self._begin(learned, graph, scaled)
        edges = {
            own.name: self._edges(learned, graph, own, scaled[own.name]) for own in graph.edges
        }
        for step in range(self.rounds):
            states = self._round(learned, graph, edges, states, step)
        held = [part for state in states for part in (state.mean(dim=1), _deviation(state))]
        relative = (sizes - self.size_mean_) / self.size_scale_
        read = torch.cat([*held, relative], dim=1) @ learned["read"] + learned["read.bias"]
        return torch.relu(read) @ learned["weight"] + learned["bias"]

    def _begin(
        self, learned: dict[str, Tensor], graph: UnitGraph, scaled: dict[str, Tensor]
    ) -> list[Tensor]:
        """First states of every set, [network, unit, channel]."""
        networks = len(next(iter(scaled.values())))
        states = []
        for place, (units, vectors) in enumerate(zip(graph.units, graph.vectors, strict=True)):
            state = learned[f"set{place}"].expand(networks, units, self.channels)
            if vectors:
                # Of several places of a unit (after a flatten) the mean.
                held = [scaled[name].reshape(networks, units, -1).mean(dim=2) for name in vectors]
                state = state + torch.stack(held, dim=2) @ learned[f"set{place}.bias"]
            states.append(state)
        return states

    def _edges(
        self, learned: dict[str, Tensor], graph: UnitGraph, own: Edges, scaled: Tensor
    ) -> Tensor:
        """An edge's weights as channels, [network, target, source, channel]."""
        shape = (len(scaled), graph.units[own.target], graph.units[own.source], own.places)
        embedded: Tensor = scaled.reshape(shape) @ learned[f"{own.name}.embed"]
        return embedded

    def _round(
        self,
        learned: dict[str, Tensor],
        graph: UnitGraph,
        edges: dict[str, Tensor],
        states: list[Tensor],
        step: int,
    ) -> list[Tensor]:
        """One round of messages, all at once."""
        taken = [[torch.zeros_like(state) for _ in range(2)] for state in states]
        for own in graph.edges:
            edge, source, target = edges[own.name], states[own.source], states[own.target]
            on = edge @ learned[f"{step}.on.edge"] + (source @ learned[f"{step}.on.node"])[:, None]
            taken[own.target][0] = taken[own.target][0] + torch.relu(on).mean(dim=2)
            back = target @ learned[f"{step}.back.node"]
            back = edge @ learned[f"{step}.back.edge"] + back[:, :, None]
            taken[own.source][1] = taken[own.source][1] + torch.relu(back).mean(dim=1)
        new = []
        for state, (before, behind) in zip(states, taken, strict=True):
            hidden = torch.cat([state, before, behind], dim=2) @ learned[f"{step}.hidden"]
            new.append(state + torch.relu(hidden) @ learned[f"{step}.out"])
        return new


def _deviation(state: Tensor) -> Tensor:
    """Over the units of a set, [network, channel]."""
    return (state.var(dim=1, correction=0) + 1e-6).sqrt()
