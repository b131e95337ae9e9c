"""hyperzoo makes, keeps, reads and studies datasets whose samples are trained neural networks."""

from hyperzoo.version import VERSION

TYPE_CHECKING = False  # typing takes a moment to load, in which Ctrl-C would show a traceback
if TYPE_CHECKING:
    from typing import Any

    from hyperzoo import generation, prediction
    from hyperzoo.analysis import Alignment, align
    from hyperzoo.cluster.on_ray import OnRay
    from hyperzoo.errors import HyperzooError
    from hyperzoo.exchange.exporting import export_zoo
    from hyperzoo.exchange.hub.push import Pushed, push_zoo
    from hyperzoo.exchange.importing import ImportedZoo, import_zoo
    from hyperzoo.finetune import FineTuned, fine_tune
    from hyperzoo.generation.making import generate_zoo
    from hyperzoo.images import ImageSet, load_images
    from hyperzoo.recipe import Recipe, load_recipe, parse_recipe
    from hyperzoo.report.page import write_report
    from hyperzoo.retrain import Retrained, retrain_network
    from hyperzoo.train import Progress, train_zoo
    from hyperzoo.zoo import Verification, Zoo, open_zoo, verify_zoo

__version__ = VERSION

__all__ = [
    "Alignment",
    "FineTuned",
    "HyperzooError",
    "ImageSet",
    "ImportedZoo",
    "OnRay",
    "Progress",
    "Pushed",
    "Recipe",
    "Retrained",
    "Verification",
    "Zoo",
    "align",
    "export_zoo",
    "fine_tune",
    "generate_zoo",
    "generation",
    "import_zoo",
    "load_images",
    "load_recipe",
    "open_zoo",
    "parse_recipe",
    "prediction",
    "push_zoo",
    "retrain_network",
    "train_zoo",
    "verify_zoo",
    "write_report",
]

_HOMES = {
    "Alignment": "analysis",
    "FineTuned": "finetune",
    "HyperzooError": "errors",
    "ImageSet": "images",
    "ImportedZoo": "exchange.importing",
    "OnRay": "cluster.on_ray",
    "Progress": "train",
    "Pushed": "exchange.hub.push",
    "Recipe": "recipe",
    "Retrained": "retrain",
    "Verification": "zoo",
    "Zoo": "zoo",
    "align": "analysis",
    "export_zoo": "exchange.exporting",
    "fine_tune": "finetune",
    "generate_zoo": "generation.making",
    "import_zoo": "exchange.importing",
    "load_images": "images",
    "load_recipe": "recipe",
    "open_zoo": "zoo",
    "parse_recipe": "recipe",
    "push_zoo": "exchange.hub.push",
    "retrain_network": "retrain",
    "train_zoo": "train",
    "verify_zoo": "zoo",
    "write_report": "report.page",
}
"""Public name -> the module that has it."""


def __getattr__(name: str) -> "Any":
    """Import a public name's module when it is first asked for.

    Engines and images then work where what recipes and zoos need is not installed.
    """
    import importlib

    if name in ("generation", "prediction"):
        return importlib.import_module(f"hyperzoo.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'hyperzoo' has no attribute '{name}'")
    value = getattr(importlib.import_module(f"hyperzoo.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
