"""Other people's formats: read into a zoo, written from a zoo.

A format's module imports what it needs (h5py, torch, matplotlib) inside its functions, so that the
registry loads none of it.
"""

from hyperzoo.exchange.format import Format, Meter
from hyperzoo.exchange.names import parse_id
from hyperzoo.exchange.network import ForeignNetwork, match_architecture
from hyperzoo.exchange.registry import FORMATS

__all__ = [
    "FORMATS",
    "ForeignNetwork",
    "Format",
    "Meter",
    "match_architecture",
    "parse_id",
]
