"""Every format by its name, and every zoo of others that is read as a whole.

To add a format: a file with a subclass of `Format`, and a line here. To add a zoo: a room with the
functions of `ZooReader` in a module, and a line here.
"""

from pathlib import Path
from typing import Protocol

from hyperzoo.exchange.format import Format
from hyperzoo.exchange.keras.formats import KerasArchives, KerasModels, KerasWeights
from hyperzoo.exchange.modelzoos import zoo as modelzoos
from hyperzoo.exchange.pickles.layerwise import LayerwisePickle
from hyperzoo.exchange.pickles.modelwise import ModelwisePickle
from hyperzoo.exchange.published.metrics_csv import MetricsCsv
from hyperzoo.exchange.published.plots import Plots
from hyperzoo.exchange.pytorch.state_dict import Pytorch
from hyperzoo.exchange.runs.foreign_zoo import ForeignZoo
from hyperzoo.exchange.smallcnn_zoo import zoo as smallcnn_zoo

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


class ZooReader(Protocol):
    """A module that reads another's zoo."""

    NAME: str
    """What the zoo is called in `zoo.json` and messages."""

    def recognises(self, folder: Path) -> bool:
        """Whether a folder holds such a zoo; raises nothing."""

    def read_zoo(self, folder: Path) -> ForeignZoo:
        """Read it; a `ForeignFileError` where it is damaged."""


ZOOS: tuple[ZooReader, ...] = (smallcnn_zoo, modelzoos)
"""The zoos of others; the first that recognises a folder reads it."""
