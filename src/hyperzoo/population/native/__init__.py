"""The native engine: C++ kernels that run near the arithmetic peak of a CPU.

`docs/native-engine.md` tells how. The kernels are an optional part of an install: where they were
not built, `reason_unavailable` says so and the PyTorch engine does the work.
"""

from hyperzoo.population.native.engine import NativeEngine
from hyperzoo.population.native.library import reason_unavailable

__all__ = ["NativeEngine", "reason_unavailable"]
