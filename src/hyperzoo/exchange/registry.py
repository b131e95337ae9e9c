"""Every format by its name. To add one: a file with a subclass of `Format`, and a line here."""

from hyperzoo.exchange.format import Format
from hyperzoo.exchange.keras.formats import KerasArchives, KerasModels, KerasWeights
from hyperzoo.exchange.pickles.layerwise import LayerwisePickle
from hyperzoo.exchange.pickles.modelwise import ModelwisePickle
from hyperzoo.exchange.published.metrics_csv import MetricsCsv
from hyperzoo.exchange.published.plots import Plots
from hyperzoo.exchange.pytorch.state_dict import Pytorch

_ALL: tuple[Format, ...] = (
    KerasModels(),
    KerasWeights(),
    KerasArchives(),
    ModelwisePickle(),
    LayerwisePickle(),
    Pytorch(),
    MetricsCsv(),
    Plots(),
)

FORMATS: dict[str, Format] = {format.name: format for format in _ALL}
"""Name, as in `--format`, -> format; where several recognise a file, the first reads it."""
