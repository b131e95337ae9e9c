from dataclasses import replace
from pathlib import Path

import pytest

from hyperzoo.analysis import performance
from hyperzoo.analysis.published import PUBLISHED
from hyperzoo.zoo import open_zoo
from tests.zoo.makers import finished, make_zoo, recipe, writer


def test_the_table_by_class_and_over_all(tmp_path: Path):
    # The made-up accuracy of network i of any class is 1 + (i + 1) / 1000.
    table = performance(open_zoo(make_zoo(tmp_path / "zoo"))).to_pylist()
    assert [row["class"] for row in table] == ["cat", "dog", "owl", "rat", "yak", "all classes"]
    assert [row["networks"] for row in table] == [12] * 5 + [60]
    for row in table:
        assert row["accuracy_min"] == pytest.approx(1.001)
        assert row["accuracy_max"] == pytest.approx(1.012)
        assert row["accuracy_avg"] == pytest.approx(1.0065)
        assert row["failed"] == 0


def test_failed_networks_are_counted_and_left_out(tmp_path: Path):
    chosen = recipe(networks_per_class=2)
    with writer(tmp_path / "zoo", chosen) as open_writer:
        networks = finished(open_writer.parts[0], chosen)
        for row in (0, 1, 6):  # cat_0 and both dogs
            none = dict.fromkeys(networks[row].metrics)
            networks[row] = replace(networks[row], status="failed", metrics=none)
        open_writer.write_part(0, networks)
    cat, dog, *_, overall = performance(open_zoo(tmp_path / "zoo")).to_pylist()
    assert (cat["networks"], cat["failed"], cat["accuracy_avg"]) == (2, 1, pytest.approx(1.002))
    assert (dog["networks"], dog["failed"], dog["accuracy_avg"]) == (2, 2, None)
    assert (overall["networks"], overall["failed"]) == (10, 3)


def test_a_zoo_of_one_class_has_one_row(tmp_path: Path):
    chosen = recipe(networks_per_class=2, task={"kind": "multi-class"})
    (row,) = performance(open_zoo(make_zoo(tmp_path / "zoo", chosen))).to_pylist()
    assert (row["class"], row["networks"]) == ("all", 2)


def test_the_published_table_is_whole():
    assert len(PUBLISHED) == 10
    for metrics in PUBLISHED.values():
        assert list(metrics) == ["accuracy", "precision", "recall", "f1"]
        for low, high, average in metrics.values():
            assert low < average < high
