import pytest

from hyperzoo.exchange.published.plots import Plots
from tests.exchange.format_contract import FormatContract

pytest.importorskip("matplotlib")


class TestPlots(FormatContract):
    format = Plots()
