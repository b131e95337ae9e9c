"""What the machine is called."""

import ctypes
import platform
import sys
from pathlib import Path


def processor_name() -> str:
    """The processor's name as its maker gives it, or the instruction set where it has none."""
    try:
        for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def keep_freed_memory() -> None:
    """Ask the C library to keep freed memory for the next allocation.

    A training step allocates and frees megabytes at a time. By default glibc gives them back to
    the system, which then has to clear and map every page anew: a sixth of the time of LeNet-5
    steps on a CPU. The setting holds for the whole process; without glibc nothing happens.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        trim_threshold, mmap_threshold, limit = -1, -3, 1 << 30
        mallopt(trim_threshold, limit)
        mallopt(mmap_threshold, limit)
