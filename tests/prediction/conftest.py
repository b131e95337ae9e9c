import pytest

from hyperzoo.zoo import Zoo
from tests.prediction.makers import planted_zoo


@pytest.fixture(scope="session")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Zoo:
    """40 networks of five classes."""
    return planted_zoo(tmp_path_factory.mktemp("planted") / "zoo")
