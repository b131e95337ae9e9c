"""Trains and evaluates many networks at once, behind one interface: `Engine`."""

from typing import Literal

from hyperzoo.architectures import Architecture
from hyperzoo.errors import EngineError
from hyperzoo.population.engine import Engine, EpochRecord, Parameters, Settings, TrainedNetwork
from hyperzoo.population.metrics import METRICS, metrics
from hyperzoo.population.task import targets

__all__ = [
    "METRICS",
    "Device",
    "Engine",
    "EngineName",
    "EpochRecord",
    "Parameters",
    "Settings",
    "TrainedNetwork",
    "make_engine",
    "metrics",
    "targets",
]

EngineName = Literal["auto", "torch"]
Device = Literal["auto", "cpu", "cuda"]


def make_engine(
    name: EngineName, architecture: Architecture, device: Device = "auto", workers: int = 0
) -> Engine:
    """Make the engine that was asked for.

    Args:
        name: "torch", or "auto" for the best engine that can do the work.
        architecture: what it is to train.
        device: "cpu", "cuda", or "auto" for a GPU when there is one.
        workers: threads on a CPU; 0 for one a core.

    Raises:
        EngineError: the engine or its device is not there.
    """
    if workers < 0:
        raise EngineError(f"workers must be 0 (one a core) or more, got {workers}")
    import torch

    from hyperzoo.population.torch_engine import TorchEngine

    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    return TorchEngine(device=device, workers=workers)
