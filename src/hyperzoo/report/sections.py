"""The sections of a report, in their order."""

from collections.abc import Iterator

from hyperzoo.analysis.aligned import aligned_structure
from hyperzoo.analysis.stream import Meter
from hyperzoo.analysis.weights import check_decimals, read_weights
from hyperzoo.errors import AnalysisError
from hyperzoo.report.figure import Section
from hyperzoo.report.figures import (
    common,
    distributions,
    divergence,
    performance,
    structure,
    training,
)
from hyperzoo.report.style import check_drawing
from hyperzoo.zoo import Zoo

WEIGHT_TITLES = ("Weight distributions", "Common weights", divergence.TITLE, "Structure")


def sections(
    zoo: Zoo, *, seed: int = 0, decimals: int = 4, png: bool = False, meter: Meter | None = None
) -> Iterator[Section]:
    """Study a zoo: performance, training, then weights: distributions to structure.

    Each section is made when it is asked for. Weights are read once for all that need them.

    Args:
        zoo: the zoo.
        seed: of all random draws of the studies.
        decimals: decimals that common weights are rounded to, 1 to 5.
        png: whether figures are wanted as PNG as well.
        meter: is told of progress in reading weights: how many of how many parts are done.

    Raises:
        AnalysisError: the zoo has no networks yet, or the decimals are out of range.
        MissingExtraError: matplotlib is not installed.
        ZooFormatError: a file of the zoo is missing or damaged.
    """
    check_drawing()
    check_decimals(decimals)
    if not len(zoo):
        raise AnalysisError(
            f"{zoo.path} has no networks yet: none of its {len(zoo.plan)} parts is complete; "
            "train it first"
        )
    yield performance.section(zoo, png=png)
    yield training.section(zoo, png=png)
    try:
        weights = read_weights(zoo, decimals=decimals, meter=meter)
    except AnalysisError as error:
        reason = str(error)
        for title in WEIGHT_TITLES:
            yield Section(title=title, text="", figures=(), missing=reason)
        return
    yield distributions.section(weights, png=png)
    yield common.section(weights, decimals=decimals, png=png)
    yield divergence.section(weights, seed=seed, png=png)
    yield structure.section(weights, aligned_structure(zoo, weights), png=png)
