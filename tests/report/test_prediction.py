"""The sections on predictions, from results as `classify` and `predict` write them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from hyperzoo.errors import AnalysisError, PredictionError
from hyperzoo.prediction import Benchmark, read_benchmark, run
from hyperzoo.report.figures.prediction import _apart, section
from hyperzoo.report.figures.score_scale import title_of
from hyperzoo.report.sections import sections
from hyperzoo.zoo import Zoo
from tests.prediction.makers import graded_zoo, planted_zoo
from tests.report.makers import page_zoo


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Zoo:
    return planted_zoo(tmp_path_factory.mktemp("classified") / "zoo")


@pytest.fixture(scope="module")
def folder(zoo: Zoo, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("results")
    run(zoo, ["linear-response", "logistic", "perceptron"], splits=2, workers=1).write(out)
    return out


@pytest.fixture(scope="module")
def found(folder: Path) -> Benchmark:
    return read_benchmark(folder)


def test_what_is_read_is_what_was_written(zoo: Zoo, folder: Path, found: Benchmark):
    assert json.loads(json.dumps(found.about)) == found.about
    found.write(folder.parent / "again")
    again = (folder.parent / "again" / "results.json").read_text()
    assert again == (folder / "results.json").read_text()


def test_a_section_has_its_figures(found: Benchmark):
    shown = section(found, png=True)
    names = [figure.name.removeprefix("classification-") for figure in shown.figures]
    assert names == ["methods", "curve", "layers", "confusion", "training"]
    assert "guessing names 20 %" in shown.text
    assert "A 100 % (" in shown.text
    assert "by linear-response" in shown.text
    for figure in shown.figures:
        assert figure.svg is not None
        assert figure.png is not None
        ElementTree.fromstring(figure.svg)
        assert len(figure.table)
    counts = shown.figures[3].table.to_pylist()
    best = [row for row in counts if row["method"] == "linear-response"]
    test = found.about["test_networks"] * found.about["splits"]
    assert sum(row["networks"] for row in best) == test
    assert sum(row["networks"] for row in best if row["class"] == row["named"]) == test
    epochs = shown.figures[4].table
    assert epochs["epoch"].to_pylist() == list(range(1, len(epochs) + 1))


def test_it_is_the_last_of_a_report(zoo: Zoo, found: Benchmark):
    assert [own.title for own in sections(zoo, benchmarks=[found])][-2:] == [
        "Structure",
        "Naming the class",
    ]


PREFIX = "prediction-accuracy-from-epoch-1-without-class-cat-"


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> Zoo:
    return graded_zoo(tmp_path_factory.mktemp("graded") / "zoo")


@pytest.fixture(scope="module")
def numbers(graded: Zoo) -> Benchmark:
    methods = ["class-mean", "statistics", "ridge"]
    return run(
        graded, methods, target="accuracy", hold_out="class=cat", from_epoch=1, splits=2, workers=1
    )


def test_a_section_of_a_number(numbers: Benchmark):
    shown = section(numbers, png=True)
    names = [figure.name.removeprefix(PREFIX) for figure in shown.figures]
    assert names == ["methods", "transfer", "curve", "layers", "answers"]
    assert shown.title == "Predicting the accuracy from epoch 1 without class=cat"
    assert "given its weights after epoch 1?" in shown.text
    assert "0: no weights; A: weights alone" in shown.text
    best = max(numbers.summary.to_pylist(), key=lambda row: row["r2"])
    assert f"A {best['r2']:.3g} (" in shown.text
    assert shown.figures[1].title == "Does it transfer to class=cat?"
    assert shown.figures[4].title == "What is predicted: statistics"
    for figure in shown.figures:
        assert figure.svg is not None
        ElementTree.fromstring(figure.svg)


def test_two_results_of_one_target_are_refused(graded: Zoo, numbers: Benchmark):
    with pytest.raises(AnalysisError, match=r"two results of 'Predicting the accuracy from epoch"):
        next(sections(graded, benchmarks=[numbers, numbers]))


def test_the_first_version_s_results_are_of_classes(folder: Path, tmp_path: Path):
    document = json.loads((folder / "results.json").read_text())
    for key in ("target", "kind", "logarithmic"):
        del document["about"][key]
    for name in ("transfer", "answers"):
        del document[name]
    (tmp_path / "results.json").write_text(json.dumps(document))
    assert title_of(read_benchmark(tmp_path)) == "Naming the class"


def test_results_of_another_zoo_are_refused(found: Benchmark, tmp_path: Path):
    other = page_zoo(tmp_path / "other")
    with pytest.raises(AnalysisError, match=r"these results .* not of .*other: recipe or classes"):
        next(sections(other, benchmarks=[found]))


def test_no_results(tmp_path: Path):
    with pytest.raises(PredictionError, match=r"results\.json can't be read: No such file"):
        read_benchmark(tmp_path)


def broken(change: Callable[[dict[str, Any]], object]) -> Callable[[str], str]:
    def apply(text: str) -> str:
        document = json.loads(text)
        change(document)
        return json.dumps(document)

    return apply


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text[:200], r"JSONDecodeError"),
        (lambda text: "[" * 100_000, r"RecursionError"),
        (lambda text: "[]", r"TypeError"),
        (broken(lambda d: d.pop("curve")), r"KeyError: 'curve'"),
        (broken(lambda d: d.update(summary=[])), r"no accuracies"),
        (broken(lambda d: d.update(summary=[{"track": "A"}])), r"'summary' has no column"),
        (broken(lambda d: d["summary"][0].update(accuracy=7)), r"no accuracies from 0 to 1"),
        (broken(lambda d: d["summary"][0].update(accuracy="high")), r"ArrowInvalid|TypeError"),
        (broken(lambda d: d["summary"][0].update(track="D")), r"a track that is not known"),
        (broken(lambda d: d["about"].update(classes=[1, 2])), r"does not name classes"),
        (broken(lambda d: d["about"].update(splits=None)), r"does not name classes"),
    ],
)
def test_damaged_results(folder: Path, tmp_path: Path, change: Callable[[str], str], message: str):
    (tmp_path / "results.json").write_text(change((folder / "results.json").read_text()))
    with pytest.raises(PredictionError, match=rf"is not what .* writes \(.*({message})"):
        read_benchmark(tmp_path)


def test_labels_of_the_curve_do_not_touch():
    assert _apart([1, 2, 3, 5, 10, 20, 40, 42]) == [1, 2, 3, 5, 10, 20, 42]
    assert _apart([1, 6]) == [1, 6]
