from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperzoo.errors import HyperzooError, PredictionError
from hyperzoo.prediction.condition import Condition, parse_condition
from hyperzoo.prediction.networks import networks_of
from hyperzoo.prediction.target import known_values, target_of
from hyperzoo.zoo import Zoo, open_zoo
from tests.prediction.makers import graded_zoo
from tests.report.makers import page_zoo
from tests.zoo.makers import make_zoo, recipe


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> Zoo:
    return graded_zoo(tmp_path_factory.mktemp("graded") / "zoo")


def test_words_are_categories_and_numbers_are_numbers(graded: Zoo):
    assert known_values(graded, "class")[:2].tolist() == ["cat", "dog"]
    assert known_values(graded, "batch_size").dtype == np.float64
    assert target_of("x", np.array(["a", "b"], dtype=object)).kind == "category"
    assert not target_of("x", np.array([1.0, 100.0])).logarithmic
    assert not target_of("x", np.array([-1.0, 1e6])).logarithmic
    wide = target_of("rate", np.array([1e-4, 2e-2]))
    assert (wide.kind, wide.quantity) == ("number", "log10 rate")


def test_logarithms_are_taken_where_numbers_span_powers_of_ten(graded: Zoo):
    networks = networks_of(graded, "learning_rate")
    assert networks.target.logarithmic
    rates = dict(zip(graded.ids, graded.models["learning_rate"].to_pylist(), strict=True))
    np.testing.assert_allclose(10**networks.values, [rates[name] for name in networks.ids])


def test_what_can_not_be_asked_is_refused(graded: Zoo):
    with pytest.raises(PredictionError, match=r"no 'acuracy'; did you mean 'accuracy'\?"):
        networks_of(graded, "acuracy")
    with pytest.raises(PredictionError, match=r"'index' says where a network stands in the zoo"):
        networks_of(graded, "index")
    with pytest.raises(
        PredictionError, match=r"all networks have batch_size 128, .* differ in class, learning_ra"
    ):
        networks_of(graded, "batch_size")
    with pytest.raises(PredictionError, match=r"no checkpoint of epoch 7; epochs kept: 1; giv"):
        networks_of(graded, "accuracy", from_epoch=7)
    with pytest.raises(PredictionError, match=r"the epoch can't be predicted from one epoch"):
        networks_of(graded, "epoch", from_epoch=1)


def test_what_is_not_known_is_left_out(tmp_path: Path):
    failed = page_zoo(tmp_path / "failed")
    assert networks_of(failed, "f1").failed == 1
    alike = make_zoo(tmp_path / "zoo", recipe(task={"kind": "multi-class"}))
    with pytest.raises(PredictionError, match=r"of no network is auc known, .* differ in loss"):
        networks_of(open_zoo(alike), "auc")


def test_what_meant_nothing_to_a_network_is_not_known(tmp_path: Path):
    """Drawn for each network; but Adam has no momentum, and Glorot's scheme no scale."""
    zoo = graded_zoo(
        tmp_path / "zoo",
        optimizer={"choice": ["adam", "sgd"]},
        momentum={"uniform": [0.1, 0.9]},
        nesterov={"choice": [True, False]},
        initialisation={"choice": ["glorot_uniform", "normal"]},
        initialisation_scale={"uniform": [0.1, 0.5]},
    )
    for name, other, meant in (
        ("momentum", "optimizer", "sgd"),
        ("initialisation_scale", "initialisation", "normal"),
    ):
        own = np.array(zoo.models[other].to_pylist()) == meant
        assert 0 < own.sum() < len(zoo)
        drawn = zoo.models[name].to_numpy()
        np.testing.assert_array_equal(known_values(zoo, name), np.where(own, drawn, np.nan))
        networks = networks_of(zoo, name)
        assert networks.unknown == (~own).sum()
        assert set(networks.ids) == set(np.array(zoo.ids)[own])
    ahead = known_values(zoo, "nesterov")  # as recipes write it
    sgd = np.array(zoo.models["optimizer"].to_pylist()) == "sgd"
    told = np.array(["true" if own else "false" for own in zoo.models["nesterov"].to_pylist()])
    assert ahead.tolist() == np.where(sgd, told.astype(object), None).tolist()
    held_out = parse_condition("nesterov=true").of(zoo)
    assert held_out.tolist() == (sgd & (told == "true")).tolist()


def test_networks_too_large_to_compute_with_are_left_out(tmp_path: Path):
    zoo = graded_zoo(tmp_path / "zoo", large=("cat_1", "dog_3"))
    networks = networks_of(zoo, "accuracy")
    assert networks.too_large == ("cat_1", "dog_3")
    assert set(networks.ids) == set(zoo.ids) - {"cat_1", "dog_3"}
    assert len(networks.ids) == len(networks.matrix) == len(networks.values)
    assert np.abs(networks.matrix).max() < 1e3
    all_large = graded_zoo(tmp_path / "all", 1, large=zoo.ids)
    with pytest.raises(PredictionError, match=r"weights of all 5 networks are too large to comp"):
        networks_of(all_large, "accuracy")


def test_of_every_network_one_epoch(graded: Zoo):
    networks = networks_of(graded, "epoch")
    assert networks.epochs_drawn == (1, 2)
    assert set(networks.values) == {1, 2}
    for row in (0, 7, 30):
        epoch = None if networks.values[row] == 2 else 1
        place = graded.ids.index(networks.ids[row])
        np.testing.assert_array_equal(networks.matrix[row], graded.matrix(epoch=epoch)[place])


def test_early_weights_and_the_curves_so_far(graded: Zoo):
    networks = networks_of(graded, "accuracy", from_epoch=1)
    place = graded.ids.index(networks.ids[3])
    np.testing.assert_array_equal(networks.matrix[3], graded.matrix(epoch=1)[place])
    history = graded.history(networks.ids[3]).slice(0, 1).to_pylist()[0]
    assert networks.curves is not None
    assert networks.curves[3].tolist() == list(history.values())[2:]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("class=cat", ["cat"]),
        ("class != cat", ["dog", "owl", "rat", "yak"]),
        ("index>=0", None),
        ("accuracy > 0.5", []),
    ],
)
def test_conditions_choose_networks(graded: Zoo, text: str, expected: list[str] | None):
    condition = parse_condition(text)
    if expected is None:
        with pytest.raises(PredictionError, match=r"'index' says where"):
            condition.of(graded)
        return
    chosen = condition.of(graded)
    values = graded.models["class" if "class" in text else "accuracy"].to_pylist()
    if "class" in text:
        assert sorted({value for value, own in zip(values, chosen, strict=True) if own}) == expected
    else:
        assert chosen.tolist() == [value > 0.5 for value in values]


def test_conditions_that_are_none(graded: Zoo):
    with pytest.raises(PredictionError, match=r"'tanh': expected a column, one of >= <= != = > <"):
        parse_condition("tanh")
    with pytest.raises(PredictionError, match=r"'class' is a word, which is compared by = or !="):
        parse_condition("class>cat").of(graded)
    with pytest.raises(PredictionError, match=r"'accuracy' is a number, got 'high' to compare"):
        parse_condition("accuracy>high").of(graded)
    with pytest.raises(PredictionError, match=r"no 'activation'"):
        parse_condition("activation=tanh").of(graded)


@given(st.text(max_size=20))
def test_any_text_is_a_condition_or_refused(text: str):
    try:
        found = parse_condition(text)
    except HyperzooError:
        return
    assert isinstance(found, Condition)
    assert parse_condition(str(found)) == found
