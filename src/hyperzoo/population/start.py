"""The weights with which the networks of a cohort start: their own, or some that are given."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hyperzoo.architectures import Architecture, Initialisation, initial_parameters
from hyperzoo.errors import EngineError
from hyperzoo.plan import PlannedNetwork
from hyperzoo.population.engine import Parameters

Start = NDArray[np.float32] | None
"""[parameter], in the order of the architecture's table; None for a network's own weights."""


def given_starts(
    architecture: Architecture,
    cohort: Sequence[PlannedNetwork],
    start: Sequence[Parameters | None] | None,
) -> list[Start]:
    """Check and copy the weights that `Engine.train` is given.

    Args:
        architecture: what every network is.
        cohort: the networks.
        start: as `Engine.train` takes it.

    Returns:
        One entry for every network of the cohort.

    Raises:
        EngineError: there are more or fewer entries than networks, or an entry has other names,
            shapes or numbers than float32, or a number that is not finite.
    """
    if start is None:
        return [None] * len(cohort)
    if len(start) != len(cohort):
        raise EngineError(
            f"start needs one entry for each of the {len(cohort)} networks (None for a network's "
            f"own initial weights), got {len(start)}"
        )
    return [
        None if given is None else _flat(architecture, network.id, given)
        for network, given in zip(cohort, start, strict=True)
    ]


def starting_weights(
    architecture: Architecture, network: PlannedNetwork, seed: int, given: Start
) -> NDArray[np.float32]:
    """float32 [parameter]: those given, else the network's own initial weights."""
    if given is not None:
        return given
    own = own_start(architecture, network, seed)
    return np.concatenate([tensor.ravel() for tensor in own.values()])


def own_start(
    architecture: Architecture, network: PlannedNetwork, seed: int
) -> dict[str, NDArray[np.float32]]:
    """The network's own initial weights: PyTorch name -> float32 [*shape]."""
    return initial_parameters(
        architecture,
        seed,
        network.class_name,
        network.index,
        initialisation=Initialisation(
            network.initialisation,
            network.initialisation_scale,
            network.initial_bias,
            network.bias_initialisation,
        ),
    )


def _flat(architecture: Architecture, network: str, given: Parameters) -> NDArray[np.float32]:
    table = architecture.parameters
    if set(given) != {parameter.name for parameter in table}:
        raise EngineError(
            f"the start of {network} must have the parameters of '{architecture.name}' "
            f"({', '.join(parameter.name for parameter in table)}), got {', '.join(given)}"
        )
    for parameter in table:
        tensor, what = (
            np.asarray(given[parameter.name]),
            f"{parameter.name} in the start of {network}",
        )
        if tensor.dtype != np.float32 or tensor.shape != tuple(parameter.shape):
            raise EngineError(
                f"{what} must be float32 of shape {tuple(parameter.shape)}, got {tensor.dtype} "
                f"of shape {tensor.shape}"
            )
        if not np.isfinite(tensor).all():
            wrong = int(np.count_nonzero(~np.isfinite(tensor)))
            raise EngineError(
                f"{what} must be finite, got {wrong} of {tensor.size} numbers that are not"
            )
    return np.concatenate([np.ravel(given[parameter.name]) for parameter in table])
