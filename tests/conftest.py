import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from hyperzoo.cores import usable_cores

MOST_PROCESSES = 8
"""Each takes half a gigabyte of memory."""

# Beside other tests there is one core for each. Set before PyTorch and OpenBLAS are loaded; the
# processes that a test starts inherit it.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """How many processes run tests where nobody says: one a core, and none for a single file."""
    paths = {Path(argument.partition("::")[0]) for argument in config.args}
    if len(paths) == 1 and paths.pop().is_file():
        return 0
    return min(usable_cores(), MOST_PROCESSES)


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A cache of the tests' own, where training notes which images it has read."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HYPERZOO_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real Imagenette images and Keras files, which lie beside the checkout where there are any."""
    folder = Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"the shared data is not at hand: no folder {folder}")
    return folder


@pytest.fixture
def interruptible() -> Iterator[None]:
    """SIGINT reaches the processes that a test starts.

    A shell starts a job in the background with SIGINT ignored, and so its children inherit it.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
