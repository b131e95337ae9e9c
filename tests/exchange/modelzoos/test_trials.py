"""The parser of a trial's results takes what was written, and nothing makes it fall."""

import json
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hyperzoo.errors import ForeignFileError
from hyperzoo.exchange.modelzoos.networks import image_set_of
from hyperzoo.exchange.modelzoos.trials import FIGURES, config_of, read_trial

ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
SETTINGS = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@given(st.lists(st.tuples(*[st.floats(0, 9)] * 4), max_size=6), st.booleans(), st.integers(0, 1))
@SETTINGS
def test_results_come_back(
    tmp_path: Path, figures: list[tuple[float, ...]], told: bool, first: int
):
    lines = [dict(zip(FIGURES, own, strict=True)) for own in figures]
    for epoch, line in enumerate(lines, start=first):
        if told:
            line["training_iteration"] = epoch
    (tmp_path / "result.json").write_text("".join(json.dumps(line) + "\n" for line in lines))
    found = read_trial(tmp_path, tmp_path)
    start = first if told else 0 if not lines else 1
    assert found.figures == dict(enumerate(figures, start=start))
    assert not found.cut


@given(st.lists(ANY, max_size=4), st.text(max_size=20))
@SETTINGS
def test_no_results_make_it_fall(tmp_path: Path, lines: list[object], rest: str):
    text = "\n".join([*map(json.dumps, lines), rest])
    (tmp_path / "result.json").write_text(text, encoding="utf-8", errors="replace")
    (tmp_path / "params.json").write_text(json.dumps(lines[0] if lines else {}))
    for read in (lambda: read_trial(tmp_path, tmp_path), lambda: config_of(tmp_path)):
        with suppress(ForeignFileError):
            read()


@pytest.mark.parametrize(
    ("words", "name", "scale"),
    [
        ("zoos/MNIST/tune_zoo_mnist_uniform", "MNIST", (0.1307, 0.3081)),
        ("tune_zoo_f_mnist_uniform", "Fashion-MNIST", (0.5, 0.5)),
        ("zoos/SVHN/tune_zoo_svhn_uniform", "SVHN", (0.5, 0.5)),
        ("tune_zoo_svhn_hyperparameter_10_fixed_seeds", "SVHN", (0.5, 0.5)),
        ("tune_zoo_usps_uniform", "USPS", (0.1307, 0.3081)),
        ("tune_zoo_cifar10_uniform_small", "CIFAR-10", (0.5, 0.5)),
        ("tune_zoo_cifar100_resnet18", "", None),
        ("tune_zoo_stl_uniform_large", "STL-10", (0.5, 0.5)),
        ("experiment", "", None),
    ],
)
def test_image_sets(words: str, name: str, scale: tuple[float, float] | None):
    assert image_set_of(words) == (name, scale)
