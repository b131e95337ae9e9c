"""The GPU engine: thousands of networks trained as one, by batched matrix products.

`docs/gpu-engine.md` tells how. It needs PyTorch, which nothing above this package imports early.
"""

from hyperzoo.population.gpu.engine import GpuEngine

__all__ = ["GpuEngine"]
