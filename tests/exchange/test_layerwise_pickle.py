from hyperzoo.exchange.layerwise_pickle import LayerwisePickle
from tests.exchange.format_contract import FormatContract


class TestLayerwisePickle(FormatContract):
    format = LayerwisePickle()
