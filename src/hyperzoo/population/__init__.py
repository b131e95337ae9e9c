"""Trains and evaluates many networks at once, behind one interface: `Engine`."""

import logging
from typing import Literal

from hyperzoo.architectures import Architecture
from hyperzoo.errors import EngineError
from hyperzoo.population.engine import (
    Engine,
    EpochRecord,
    Parameters,
    Precision,
    Settings,
    TrainedNetwork,
)
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
    "Precision",
    "Settings",
    "TrainedNetwork",
    "engine_kind",
    "evaluate",
    "make_engine",
    "metrics",
    "targets",
]

EngineName = Literal["auto", "native", "torch", "gpu"]
Device = Literal["auto", "cpu", "cuda"]

_logger = logging.getLogger(__name__)


def make_engine(
    name: EngineName,
    architecture: Architecture,
    device: Device = "auto",
    workers: int = 0,
    precision: Precision = "float32",
) -> Engine:
    """Make the engine that was asked for.

    Args:
        name: "native", "torch", "gpu", or "auto": the GPU engine where device is "cuda", else the
            native engine where it was built. Where these can't run the architecture it is PyTorch,
            which is logged. In another precision than float32 "auto" is the GPU engine always,
            which also runs, slowly, on a CPU.
        architecture: what it is to train.
        device: "cpu", "cuda", or "auto" for what the engine does best.
        workers: threads on a CPU; 0 for one a core.
        precision: what it is to train in.

    Raises:
        EngineError: the engine or its device is not there, or can't run the architecture, or not
            in this precision.
    """
    if workers < 0:
        raise EngineError(f"workers must be 0 (one a core) or more, got {workers}")
    if name == "native" and device == "cuda":
        raise EngineError("the native engine runs on CPUs only; use engine 'gpu' on a GPU")
    if name in ("native", "torch") and precision != "float32":
        raise EngineError(
            f"the {name} engine trains in precision 'float32' only, and the recipe asks for "
            f"'{precision}'; use engine 'gpu'"
        )
    if name == "gpu" or (name == "auto" and (device == "cuda" or precision != "float32")):
        return _on_gpu(name, architecture, device, precision)
    if name != "torch":
        from hyperzoo.population.native import NativeEngine

        reason = NativeEngine.unsupported(architecture) if name == "auto" else None
        if reason is None:
            return NativeEngine(workers=workers)
        _logger.warning("training with PyTorch, because %s", reason)
    return _with_pytorch(device, workers)


def engine_kind(name: EngineName) -> type[Engine] | None:
    """The engine of a name, made or not; None for "auto", which takes one that fits."""
    if name == "native":
        from hyperzoo.population.native import NativeEngine

        return NativeEngine
    if name == "gpu":
        from hyperzoo.population.gpu import GpuEngine

        return GpuEngine
    if name == "torch":
        from hyperzoo.population.torch_engine import TorchEngine

        return TorchEngine
    return None


def _on_gpu(
    name: EngineName, architecture: Architecture, device: Device, precision: Precision
) -> Engine:
    """The GPU engine; in its place PyTorch, where that was left open and can do what it can't."""
    import torch

    from hyperzoo.population.gpu import GpuEngine

    reason = GpuEngine.unsupported(architecture)
    if reason is not None:
        if name == "gpu" or precision != "float32":
            raise EngineError(reason)
        _logger.warning("training with PyTorch, because %s", reason)
        return _with_pytorch(device, 0)
    if device == "auto":
        device = "cuda" if name == "gpu" or torch.cuda.is_available() else "cpu"
    if device == "cpu":
        _logger.warning("the GPU engine is slow on a CPU")
    return GpuEngine(device=device)


def _with_pytorch(device: Device, workers: int) -> Engine:
    import torch

    from hyperzoo.population.torch_engine import TorchEngine

    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    return TorchEngine(device=device, workers=workers)
