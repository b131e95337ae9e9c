"""The sections of a report, in their order."""

from collections.abc import Iterator, Sequence

from hyperzoo.analysis.aligned import aligned_structure
from hyperzoo.analysis.stream import Meter
from hyperzoo.analysis.weights import Weights, check_decimals, read_weights
from hyperzoo.errors import AnalysisError
from hyperzoo.generation.judging import Beside
from hyperzoo.prediction import Benchmark
from hyperzoo.prediction.target import CLASS
from hyperzoo.report.figure import Section
from hyperzoo.report.figures import beside as side_by_side
from hyperzoo.report.figures import (
    common,
    distributions,
    divergence,
    performance,
    prediction,
    structure,
    training,
)
from hyperzoo.report.figures.score_scale import title_of
from hyperzoo.report.style import check_drawing
from hyperzoo.zoo import Zoo

WEIGHT_TITLES = ("Weight distributions", "Common weights", divergence.TITLE, "Structure")


def sections(
    zoo: Zoo,
    *,
    seed: int = 0,
    decimals: int = 4,
    png: bool = False,
    meter: Meter | None = None,
    benchmarks: Sequence[Benchmark] = (),
    beside: Beside | None = None,
) -> Iterator[Section]:
    """Study a zoo: performance, training, then weights: distributions to structure.

    Each section is made when it is asked for. Weights are read once for all that need them.

    Args:
        zoo: the zoo.
        seed: of all random draws of the studies.
        decimals: decimals that common weights are rounded to, 1 to 5.
        png: whether figures are wanted as PNG as well.
        meter: is told of progress in reading weights: how many of how many parts are done.
        benchmarks: results of `classify` and `predict` on this zoo, shown at the end.
        beside: the zoo beside the one that it was generated from, shown first.

    Raises:
        AnalysisError: a benchmark or the comparison is of another zoo, two have the same target,
            the zoo has no networks yet, or the decimals are out of range.
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
    for benchmark in benchmarks:
        _check_benchmark(zoo, benchmark)
    if beside is not None:
        if beside.zoo.path != zoo.path:
            raise AnalysisError(
                f"this comparison is of {beside.zoo.path}, not of {zoo.path}; put this zoo beside "
                "the one that it was generated from"
            )
        yield side_by_side.section(beside, png=png)
    titles = [title_of(benchmark) for benchmark in benchmarks]
    if twice := sorted({title for title in titles if titles.count(title) > 1}):
        raise AnalysisError(f"two results of '{twice[0]}' were given; give one of each")
    yield performance.section(zoo, png=png)
    yield training.section(zoo, png=png)
    try:
        weights = read_weights(zoo, decimals=decimals, meter=meter)
    except AnalysisError as error:
        reason = f"{error}."
        reason = reason[0].upper() + reason[1:]
        for title in WEIGHT_TITLES:
            yield Section(title=title, text="", figures=(), missing=reason)
    else:
        yield from _of_weights(zoo, weights, seed=seed, decimals=decimals, png=png)
    for benchmark in benchmarks:
        yield prediction.section(benchmark, png=png)


def _of_weights(
    zoo: Zoo, weights: Weights, *, seed: int, decimals: int, png: bool
) -> Iterator[Section]:
    yield distributions.section(weights, png=png)
    yield common.section(weights, decimals=decimals, png=png)
    yield divergence.section(weights, seed=seed, png=png)
    yield structure.section(weights, aligned_structure(zoo, weights), png=png)


def _check_benchmark(zoo: Zoo, benchmark: Benchmark) -> None:
    """Refuse results of another zoo: its classes or its recipe differ."""
    naming = benchmark.target.name == CLASS
    if benchmark.about.get("recipe_digest") != zoo.origin.recipe_digest or (
        naming and not set(benchmark.about["classes"]) <= set(zoo.classes)
    ):
        raise AnalysisError(
            f"these results of prediction are of zoo '{benchmark.about.get('zoo')}', not of "
            f"{zoo.path}: recipe or classes differ; run `hyperzoo classify` or `predict` on it"
        )
