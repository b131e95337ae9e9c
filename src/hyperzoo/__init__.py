"""hyperzoo makes, keeps, reads and studies datasets whose samples are trained neural networks."""

from hyperzoo import classification
from hyperzoo.analysis import Alignment, align
from hyperzoo.errors import HyperzooError
from hyperzoo.exchange.exporting import export_zoo
from hyperzoo.exchange.hub import Pushed, push_zoo
from hyperzoo.exchange.importing import ImportedZoo, import_zoo
from hyperzoo.images import ImageSet, load_images
from hyperzoo.recipe import Recipe, load_recipe, parse_recipe
from hyperzoo.report.page import write_report
from hyperzoo.retrain import Retrained, retrain_network
from hyperzoo.train import Progress, train_zoo
from hyperzoo.version import VERSION
from hyperzoo.zoo import Verification, Zoo, open_zoo, verify_zoo

__version__ = VERSION

__all__ = [
    "Alignment",
    "HyperzooError",
    "ImageSet",
    "ImportedZoo",
    "Progress",
    "Pushed",
    "Recipe",
    "Retrained",
    "Verification",
    "Zoo",
    "align",
    "classification",
    "export_zoo",
    "import_zoo",
    "load_images",
    "load_recipe",
    "open_zoo",
    "parse_recipe",
    "push_zoo",
    "retrain_network",
    "train_zoo",
    "verify_zoo",
    "write_report",
]
