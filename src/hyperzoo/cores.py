"""How many processor cores this process may use, and how to keep to one of them."""

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PROCESS_GROUPS = Path("/proc/self/cgroup")
_GROUPS = Path("/sys/fs/cgroup")


def usable_cores() -> int:
    """How many cores this process may use: the least of all that is granted, and at least 1.

    A machine's cores are not those of a job: batch systems and `taskset` bind a process to some
    of them, containers have a quota of processor time, and Slurm tells how many cores a task was
    given even where it binds nothing. Not every system can tell each of these.
    """
    return max(1, min(_granted()))


@contextmanager
def one_thread() -> Iterator[None]:
    """Hold PyTorch and every library of linear algebra to one thread.

    For many small steps, which several threads make slower rather than faster, and much slower on
    a busy machine. The results are then also the same on any number of cores.
    """
    import torch
    from threadpoolctl import threadpool_limits

    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        with threadpool_limits(limits=1):
            yield
    finally:
        torch.set_num_threads(threads)


def _granted() -> Iterator[int]:
    yield os.cpu_count() or 1
    if hasattr(os, "process_cpu_count"):  # Python 3.13
        yield os.process_cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        with suppress(OSError):
            yield len(os.sched_getaffinity(0))
    yield from _quotas()
    with suppress(KeyError, ValueError):
        yield int(os.environ["SLURM_CPUS_PER_TASK"])


def _quotas() -> Iterator[int]:
    """The cores that control groups grant: a quota holds for all groups within."""
    own, first = "", ""
    with suppress(OSError, UnicodeDecodeError):
        for line in _PROCESS_GROUPS.read_text("utf-8").splitlines():
            _, _, rest = line.partition(":")
            controllers, _, place = rest.partition(":")
            if line.startswith("0::"):
                own = place.strip("/")
            elif "cpu" in controllers.split(","):
                first = place.strip("/")
    for folder in _within(_GROUPS / own, _GROUPS):
        with suppress(OSError, ValueError, ZeroDivisionError):
            quota, period = (folder / "cpu.max").read_text("ascii").split()
            if quota != "max":
                yield math.ceil(int(quota) / int(period))
    # Version 1 has a tree for each controller; -1 is no quota.
    for root in (_GROUPS / "cpu", _GROUPS / "cpu,cpuacct"):
        for folder in _within(root / first, root):
            with suppress(OSError, ValueError, ZeroDivisionError):
                quota = (folder / "cpu.cfs_quota_us").read_text("ascii")
                period = (folder / "cpu.cfs_period_us").read_text("ascii")
                if int(quota) > 0:
                    yield math.ceil(int(quota) / int(period))


def _within(group: Path, root: Path) -> Iterator[Path]:
    """A group and all around it, up to the tree's root."""
    return (folder for folder in (group, *group.parents) if folder.is_relative_to(root))
