from hyperzoo.exchange.modelwise_pickle import ModelwisePickle
from tests.exchange.format_contract import FormatContract


class TestModelwisePickle(FormatContract):
    format = ModelwisePickle()
