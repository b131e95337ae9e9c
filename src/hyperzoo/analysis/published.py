"""The published performance table of the dataset that `imagenette-lenet5` reproduces.

Kurtenbach and Shamir, "An open dataset of neural networks for hypernetwork research", 2025:
1,061 networks a class, on the validation split, at probability 0.5.
"""

_METRICS = ("accuracy", "precision", "recall", "f1")

# Minimum, maximum and average of each metric in turn.
_TABLE = """
tench            .932 .949 .942  .663 .872 .769  .478 .672 .587  .604 .713 .665
english_springer .894 .920 .911  .473 .779 .619  .134 .496 .315  .219 .522 .412
cassette_player  .916 .937 .928  .544 .845 .675  .272 .569 .408  .407 .581 .506
chain_saw        .897 .908 .903  .349 .933 .576  .008 .127 .068  .015 .214 .120
church           .901 .921 .911  .533 .844 .666  .134 .438 .301  .226 .518 .411
french_horn      .886 .907 .900  .300 .634 .507  .008 .353 .186  .015 .406 .265
garbage_truck    .892 .927 .917  .464 .846 .645  .193 .584 .395  .303 .565 .484
gas_pump         .870 .901 .892  .295 .684 .480  .062 .234 .151  .109 .306 .228
golf_ball        .898 .919 .912  .496 .836 .658  .128 .434 .298  .222 .494 .407
parachute        .920 .944 .937  .583 .875 .773  .313 .674 .532  .448 .685 .626
"""


def _parse(line: str) -> dict[str, tuple[float, ...]]:
    figures = [float(figure) for figure in line.split()[1:]]
    return {
        metric: tuple(figures[3 * place : 3 * place + 3]) for place, metric in enumerate(_METRICS)
    }


PUBLISHED: dict[str, dict[str, tuple[float, ...]]] = {
    line.split()[0]: _parse(line) for line in _TABLE.strip().splitlines()
}
"""Class -> metric -> (minimum, maximum, average)."""
