from pathlib import Path

import pytest

from hyperzoo.train import train_zoo
from tests.cluster.makers import images, prepared, tiny


@pytest.fixture(scope="session")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The zoo that all ways must lead to: trained by one process in one go."""
    folder = prepared(tmp_path_factory.mktemp("reference") / "zoo")
    train_zoo(tiny(), folder, images=images())
    return folder


@pytest.fixture(scope="session")
def long_reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with so many epochs that there is time to kill what trains it."""
    folder = prepared(tmp_path_factory.mktemp("long") / "zoo", parts=3, epochs=20)
    train_zoo(tiny(3, 20), folder, images=images())
    return folder
