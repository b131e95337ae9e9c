"""Every format by its name. To add one: a file with a subclass of `Format`, and a line here."""

from hyperzoo.exchange.format import Format
from hyperzoo.exchange.keras import KerasArchives, KerasModels, KerasWeights
from hyperzoo.exchange.layerwise_pickle import LayerwisePickle
from hyperzoo.exchange.metrics_csv import MetricsCsv
from hyperzoo.exchange.modelwise_pickle import ModelwisePickle
from hyperzoo.exchange.plots import Plots
from hyperzoo.exchange.pytorch import Pytorch

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
