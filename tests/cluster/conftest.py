from pathlib import Path

import pytest

from tests.cluster.makers import trained


@pytest.fixture(scope="session")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The zoo that all ways must lead to: trained by `train_zoo` alone."""
    return trained(tmp_path_factory.mktemp("reference") / "zoo")


@pytest.fixture(scope="session")
def long_reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with so many epochs that there is time to kill what trains it."""
    return trained(tmp_path_factory.mktemp("long") / "zoo", parts=3, epochs=20)
