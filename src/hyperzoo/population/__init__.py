"""Trains and evaluates many networks at once, behind one interface: `Engine`."""

import logging
from typing import Literal

from hyperzoo.architectures import Architecture
from hyperzoo.errors import EngineError
from hyperzoo.population.engine import Engine, EpochRecord, Parameters, Settings, TrainedNetwork
from hyperzoo.population.evaluate import evaluate
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
    "evaluate",
    "make_engine",
    "metrics",
    "targets",
]

EngineName = Literal["auto", "native", "torch"]
Device = Literal["auto", "cpu", "cuda"]

_logger = logging.getLogger(__name__)


def make_engine(
    name: EngineName, architecture: Architecture, device: Device = "auto", workers: int = 0
) -> Engine:
    """Make the engine that was asked for.

    Args:
        name: "native", "torch", or "auto": the native engine where it was built, runs the
            architecture and no GPU is asked for; PyTorch otherwise, which is logged.
        architecture: what it is to train.
        device: "cpu", "cuda", or "auto" for what the engine does best.
        workers: threads on a CPU; 0 for one a core.

    Raises:
        EngineError: the engine or its device is not there, or can't run the architecture.
    """
    if workers < 0:
        raise EngineError(f"workers must be 0 (one a core) or more, got {workers}")
    if name == "native" and device == "cuda":
        raise EngineError("the native engine runs on CPUs only; use engine 'torch' on a GPU")
    if name != "torch" and device != "cuda":
        from hyperzoo.population.native import NativeEngine

        if name == "native":
            return NativeEngine(workers=workers)
        reason = NativeEngine.unsupported(architecture)
        if reason is None:
            return NativeEngine(workers=workers)
        _logger.warning("training with PyTorch, because %s", reason)
    import torch

    from hyperzoo.population.torch_engine import TorchEngine

    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    return TorchEngine(device=device, workers=workers)
