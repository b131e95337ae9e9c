"""The zoo on disk: written part by part, opened by mapping, verified. See docs/zoo-format.md."""

from hyperzoo.zoo.origin import FittedZoo, Generated, Given, Imported, Trained
from hyperzoo.zoo.parts import FinishedNetwork
from hyperzoo.zoo.read import Zoo, open_zoo
from hyperzoo.zoo.verify import Verification, verify_zoo
from hyperzoo.zoo.write import ZooWriter

__all__ = [
    "FinishedNetwork",
    "FittedZoo",
    "Generated",
    "Given",
    "Imported",
    "Trained",
    "Verification",
    "Zoo",
    "ZooWriter",
    "open_zoo",
    "verify_zoo",
]
