"""What the figures mean: a plain sentence a measure, and whether it is within its bar."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hyperzoo.generation.judging.diversity import CORRELATION, REPEATS
from hyperzoo.generation.judging.mixing import MIXTURES, ONE_NETWORK
from hyperzoo.generation.judging.novelty import C_T_BAR, COPIES, NEARER, farthest_c_t
from hyperzoo.generation.judging.quality import OTHER_CLASS, OWN_CLASS

Row = dict[str, Any]
Figures = Mapping[tuple[str, str], float | None]
"""(measure, group) -> the figure over all classes."""


@dataclass(frozen=True)
class Bar:
    """What a measure is held to.

    Attributes:
        family: the table that the measure is in.
        measure: its name there.
        text: the bar in words; "" where there is none.
        holds: of the figures of generated and held-out networks; None where there is no bar.
        says: the beginning of the sentence.
    """

    family: str
    measure: str
    text: str
    holds: Callable[[float, float], bool] | None
    says: str


def _within(bound: float) -> Callable[[float, float], bool]:
    return lambda made, trained: abs(made - trained) <= bound


def _near(family: str, measure: str, bound: float, says: str) -> Bar:
    return Bar(family, measure, f"within {bound:g} of held-out", _within(bound), says)


def _not_worse(measure: str, bound: float, says: str) -> Bar:
    return Bar(
        "quality",
        measure,
        f"at most {bound:g} below held-out",
        lambda made, trained: made >= trained - bound,
        says,
    )


def _told(features: str, bar: bool) -> Bar:
    return Bar(
        "detection",
        f"detection, {features}",
        "at most .60" if bar else "",
        (lambda made, _: made <= 0.6) if bar else None,
        f"a classifier tells generated from held-out networks by {features} with AUC",
    )


def _cells(features: str, bar: bool) -> Bar:
    return Bar(
        "novelty",
        f"C_T, {features}: classes within 2",
        "at least .8" if bar else "",
        (lambda made, _: made >= 0.8 - 1e-9) if bar else None,
        f"share of classes whose C_T in {features} lies between -2 and 2:",
    )


def _plain(family: str, measure: str, says: str) -> Bar:
    return Bar(family, measure, "", None, says)


BARS = (
    _not_worse("AUC", 0.01, "generated networks reach an AUC of"),
    _not_worse("accuracy", 0.005, "generated networks reach an accuracy of"),
    _not_worse("F1", 0.05, "generated networks reach an F1 of"),
    _plain("quality", "F1, threshold refitted", "with a threshold refitted, their F1 is"),
    _plain("quality", "calibration error", "their expected calibration error is"),
    _near("diversity", CORRELATION, 0.03, "logits of two networks of a class correlate"),
    _near("diversity", "overlap of wrong predictions", 0.05, "wrong predictions of two overlap"),
    _plain("diversity", "aligned distance", "two networks of a class lie apart by"),
    _plain("diversity", "gain of an ensemble of 5", "an ensemble of five gains"),
    Bar(
        "novelty",
        NEARER,
        "at most .01, but for chance",
        None,
        "share of networks nearer to a training network than the nearest 1 % of held-out ones:",
    ),
    _cells("logits", True),
    _cells("linear response", True),
    _cells("weights", False),
    _plain("novelty", "nearest aligned distance", "the nearest training network lies away by"),
    _plain("novelty", "largest overlap of wrong predictions", "the largest overlap with one is"),
    _plain("novelty", "share of deviation outside the span", "share outside the training span:"),
    _plain(
        "novelty",
        "largest share of one training network",
        "the largest share of one training network is",
    ),
    _told("logits", True),
    _told("linear response", True),
    _told("invariants", False),
    _told("statistics", False),
    _plain("coverage", "precision", "share of networks that lie among held-out ones:"),
    _plain("coverage", "coverage", "share of held-out networks that have one near:"),
    _plain("use", "barrier", "the barrier between two networks is"),
)


TOO_FEW = "; of so few networks that nothing could miss this bar"


def verdicts(figures: Figures, counts: Mapping[str, int], least: tuple[int, int]) -> list[Row]:
    """A row for each measure that was taken.

    Args:
        figures: over all classes.
        counts: how many networks are "generated" and "held-out".
        least: how many generated and held-out networks the class has that has fewest.
    """
    rows = []
    for bar in BARS:
        made = figures.get((bar.measure, "generated"))
        if made is None:
            continue
        trained = figures.get((bar.measure, "held-out"))
        fresh = figures.get((bar.measure, "fresh"))
        if bar.measure == NEARER:
            passed: bool | None = _no_nearer(made, trained or 0.0, counts)
        elif bar.holds is None or (trained is None and bar.text.endswith("held-out")):
            passed = None
        else:
            passed = bar.holds(made, trained if trained is not None else 0.0)
        too_few = bar.measure == NEARER and _no_nearer(1.0, trained or 0.0, counts)
        too_few |= bar.measure.startswith("C_T") and farthest_c_t(*least) <= C_T_BAR
        too_few &= bool(bar.text)
        if too_few:
            passed = None
        beside = [
            f"{value:.3f} ({name})"
            for name, value in (("held-out", trained), ("fresh", fresh))
            if value is not None
        ]
        sentence = f"{bar.says} {made:.3f}" + (f" v {', '.join(beside)}" if beside else "")
        if bar.measure == NEARER:
            sentence += _strictly(made, counts["generated"])
        sentence += TOO_FEW if too_few else ""
        rows.append(
            {
                "family": bar.family,
                "measure": bar.measure,
                "generated": made,
                "held_out": trained,
                "fresh": fresh,
                "bar": bar.text,
                "passed": passed,
                "sentence": sentence,
            }
        )
    return rows


def _strictly(made: float, count: int) -> str:
    """The bar in its strict words, which chance alone makes most honest samples miss."""
    near = round(made * count)
    return (
        f"; strictly, none may be, and {near} of {count} are (of honest samples of {count}, "
        f"{0.99**count:.0%} have none)"
    )


def _no_nearer(made: float, trained: float, counts: Mapping[str, int]) -> bool:
    """Whether no more generated networks are that near than chance gives (Fisher's exact test).

    An honest sample has 1 % nearer than the nearest 1 %.
    """
    from scipy.stats import fisher_exact

    table = []
    for share, total in ((made, counts["generated"]), (trained, counts["held-out"])):
        near = round(share * total)
        table.append([near, total - near])
    return bool(fisher_exact(table, alternative="greater").pvalue > 0.05)


_SOME = 0.1
"""Share of networks with a fault, beyond that of held-out ones, from which it is named."""

_ONE_FUNCTION = 0.1
"""Of 1 less the correlation of held-out networks' logits: what differs by less has one function."""


def faults(figures: Figures) -> list[Row]:
    """Faults by their plain names, of which a generator may have several."""
    found: list[tuple[str, str]] = []
    for measure, fault, words in (
        (COPIES, "copies training networks", "of networks are training networks as such"),
        (
            ONE_NETWORK,
            "adds noise to copies",
            "of the networks looked at are one training network under noise",
        ),
        (
            MIXTURES,
            "mixes training networks",
            "of the networks looked at are combinations of training networks",
        ),
    ):
        made, trained = (figures.get((measure, g)) or 0.0 for g in ("generated", "held-out"))
        whole = any(name == "copies training networks" for name, _ in found)
        if made - trained >= _SOME and not (measure == ONE_NETWORK and whole):
            found.append((fault, f"{made:.0%} {words} (held-out: {trained:.0%})"))
    apart = _ratio(figures, "aligned distance")
    if apart < 0.1:
        found.append(
            (
                "always one network",
                f"two networks of a class lie apart by {apart:.3f} of what held-out ones do",
            )
        )
    made, trained = (figures.get((REPEATS, g)) or 0.0 for g in ("generated", "held-out"))
    # What is made of few training networks lies near others by that, and has been named.
    if not found and made - trained >= _SOME:
        found.append(
            (
                "repeats its own networks",
                f"{made:.0%} of networks are another one of their class again, by weights or by "
                f"logits (held-out: {trained:.0%})",
            )
        )
    differ, differ_trained = (
        1 - (figures.get((CORRELATION, group)) or 0.0) for group in ("generated", "held-out")
    )
    if not found and differ < _ONE_FUNCTION * differ_trained:
        found.append(
            (
                "always one function",
                "two networks of a class have other weights and the same answers: their logits "
                f"differ by {differ / differ_trained:.3f} of what those of held-out ones do (1 "
                "less the correlation)",
            )
        )
    honoured = figures.get((OWN_CLASS, "generated"))
    usual = figures.get((OWN_CLASS, "held-out"))
    made, trained = (figures.get((OTHER_CLASS, g)) or 0.0 for g in ("generated", "held-out"))
    few = honoured is not None and usual and honoured <= 0.5 * usual
    # A mixture may be good at nothing, and so at another class as well as at its own.
    if few or (not found and made - trained >= _SOME):
        found.append(
            (
                "ignores the class",
                f"{honoured or 0:.0%} of networks, or of their outputs, are best at their own "
                f"class (held-out: {usual or 0:.0%}), {made:.0%} are better at another by far "
                f"({trained:.0%}); that they work at all is told by their {_quality(figures)}",
            )
        )
    return [{"fault": fault, "sentence": sentence} for fault, sentence in found]


def _quality(figures: Figures) -> str:
    """AUC, or accuracy of multi-class networks, in words."""
    name = "AUC" if ("AUC", "generated") in figures else "accuracy"
    made, trained = (figures.get((name, group)) or 0.0 for group in ("generated", "held-out"))
    return f"{name}, {made:.2f} (held-out: {trained:.2f})"


def _ratio(figures: Figures, measure: str) -> float:
    trained = figures.get((measure, "held-out"))
    made = figures.get((measure, "generated"))
    return 1.0 if made is None or not trained else made / trained
