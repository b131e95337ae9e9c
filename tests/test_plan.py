import numpy as np
import pytest

from hyperzoo.errors import RecipeError
from hyperzoo.plan import PART_SIZE, PlannedNetwork, network_classes, plan_parts, positives_of
from hyperzoo.recipe import Recipe, parse_recipe

CLASSES = ("cat", "dog", "owl")


def recipe(**sections: object) -> Recipe:
    document = {
        "name": "mine",
        "networks_per_class": 40,
        "images": {"source": "digits"},
        "architecture": {"name": "lenet5"},
    }
    return parse_recipe(document | sections)


def test_networks_are_ordered_by_index_then_class_and_cut_into_parts():
    parts = plan_parts(recipe(), CLASSES, [40])
    ids = [network.id for part in parts for network in part]
    assert ids[:4] == ["cat_0", "dog_0", "owl_0", "cat_1"]
    assert ids[-1] == "owl_39"
    assert [len(part) for part in parts] == [PART_SIZE, PART_SIZE, 20]


def test_a_zoo_begins_with_the_networks_of_a_smaller_one():
    small, large = (plan_parts(recipe(), CLASSES, [size]) for size in (2, 20))
    networks = [network for part in large for network in part]
    assert networks[:6] == list(small[0])


def test_growing_leaves_the_parts_that_are_there_alone():
    grown = plan_parts(recipe(), CLASSES, [2, 20])
    assert grown[0] == plan_parts(recipe(), CLASSES, [2])[0]
    assert [len(part) for part in grown] == [6, 50, 4]
    networks = {network.id for part in grown for network in part}
    assert networks == {n.id for part in plan_parts(recipe(), CLASSES, [20]) for n in part}


def test_multi_class_networks_belong_to_all_classes():
    parts = plan_parts(recipe(task={"kind": "multi-class"}), CLASSES, [2])
    assert [network.id for network in parts[0]] == ["all_0", "all_1"]


def subsets(**keys: object) -> Recipe:
    return recipe(task={"kind": "subset-vs-rest", "positives": [1, 2]} | keys)


def test_subsets_are_classes_ordered_by_size_and_label():
    parts = plan_parts(subsets(), CLASSES, [2])
    ids = ["cat_0", "dog_0", "owl_0", "cat+dog_0", "cat+owl_0", "dog+owl_0", "cat_1"]
    assert [network.id for network in parts[0]][:7] == ids
    assert len(parts[0]) == 12
    assert positives_of("cat+owl") == ("cat", "owl")
    assert positives_of("cat") == ("cat",)


def test_a_number_of_subsets_is_drawn_by_the_seed_alone():
    classes = tuple("abcdefgh")
    everything = network_classes(subsets(), classes)
    assert len(everything) == 8 + 28
    drawn = network_classes(subsets(subsets=5), classes)
    # Part of a zoo's identity: they must never change.
    assert drawn == DRAWN
    assert set(network_classes(subsets(subsets=4), classes)) < set(drawn)
    assert [name for name in everything if name in drawn] == list(drawn)
    other = parse_recipe(subsets(subsets=5).model_dump(exclude_none=True) | {"seed": 1})
    assert network_classes(other, classes) != drawn


DRAWN = ("b", "a+d", "c+f", "d+f", "d+h")


@pytest.mark.parametrize(
    ("keys", "networks", "problem"),
    [
        ({"positives": [1, 3]}, 1, "fewer than the 3 classes of the images.* got 3"),
        ({"subsets": 7}, 1, "make 6 subsets, got 7 to draw"),
        ({"subsets": 6}, 1_000_000, None),
        ({}, 1_000_000, None),
    ],
)
def test_subsets_that_there_are_not(keys: dict[str, object], networks: int, problem: str | None):
    asked = parse_recipe(
        subsets(**keys).model_dump(exclude_none=True) | {"networks_per_class": networks}
    )
    if problem is None:
        assert len(network_classes(asked, CLASSES)) == 6
        return
    with pytest.raises(RecipeError, match=problem):
        network_classes(asked, CLASSES)


def test_a_few_words_do_not_ask_for_more_than_fits_in_memory():
    many = [f"c{number}" for number in range(2000)]
    with pytest.raises(RecipeError, match="make 1,331,336,000 subsets; expected up to 1,000,000"):
        network_classes(subsets(positives=[1, 3]), many)
    with pytest.raises(RecipeError, match="too many; expected up to 10,000,000"):
        network_classes(
            parse_recipe(
                subsets().model_dump(exclude_none=True) | {"networks_per_class": 1_000_000}
            ),
            many[:10],
        )


@pytest.mark.parametrize(
    ("distribution", "low", "high", "mean"),
    [
        ({"uniform": [0.001, 0.003]}, 0.001, 0.003, 0.002),
        ({"log_uniform": [1e-4, 1e-2]}, 1e-4, 1e-2, 1e-3),
    ],
)
def test_drawn_learning_rates(distribution: object, low: float, high: float, mean: float):
    varied = recipe(vary={"learning_rate": distribution})
    rates = np.array([n.learning_rate for part in plan_parts(varied, CLASSES, [400]) for n in part])
    assert rates.min() >= low
    assert rates.max() <= high
    middle = np.exp(np.log(rates).mean()) if mean == 1e-3 else rates.mean()
    assert middle == pytest.approx(mean, rel=0.1)
    assert all(rate == float(f"{rate:.6g}") for rate in rates)
    # The draw belongs to the network, not to the zoo's size.
    few = [n.learning_rate for n in plan_parts(varied, CLASSES, [3])[0]]
    assert few == rates[:9].tolist()


def test_drawn_batch_sizes():
    varied = recipe(vary={"batch_size": {"choice": [32, 64, 128]}})
    sizes = [n.batch_size for part in plan_parts(varied, CLASSES, [300]) for n in part]
    counts = {size: sizes.count(size) for size in (32, 64, 128)}
    assert sum(counts.values()) == 900
    # 300 of each expected, with a standard deviation of 14.
    assert all(abs(count - 300) < 70 for count in counts.values())


def test_learning_rates_of_schedules():
    """As CosineAnnealingLR (T_max: all epochs) and StepLR of torch.optim.lr_scheduler have them."""
    values = {"class_name": "a", "index": 0, "learning_rate": 0.1, "batch_size": 1}
    cosine = PlannedNetwork(**values, schedule="cosine")
    found = [cosine.learning_rate_in(epoch, 4) for epoch in (1, 2, 3, 4)]
    assert found == pytest.approx([0.1, 0.0853553390593, 0.05, 0.0146446609407], rel=1e-11)
    step = PlannedNetwork(**values, schedule="step", step_epochs=2, step_factor=0.5)
    assert [step.learning_rate_in(epoch, 9) for epoch in (1, 2, 3, 4, 5)] == [
        0.1, 0.1, 0.05, 0.05, 0.025,
    ]  # fmt: skip
    assert PlannedNetwork(**values).learning_rate_in(7, 9) == 0.1


EVERY = {
    "optimizer": {"choice": ["adam", "sgd", "rmsprop"]},
    "momentum": {"choice": [0, 0.9]},
    "nesterov": {"choice": [False, True]},
    "weight_decay": {"log_uniform": [1e-4, 1e-2]},
    "l2": {"log_uniform": [1e-8, 1e-2]},
    "schedule": {"choice": ["constant", "cosine", "step"]},
    "step_epochs": {"choice": [1, 2, 3]},
    "step_factor": {"log_uniform": [0.1, 0.9]},
    "initialisation": {"choice": ["he_normal", "uniform"]},
    "initialisation_scale": {"uniform": [0.01, 0.5]},
    "initial_bias": {"uniform": [-0.1, 0.1]},
    "bias_initialisation": {"choice": ["constant", "as_kernels"]},
    "train_fraction": {"choice": [0.1, 0.25, 0.5, 1]},
    "label_noise": {"uniform": [0, 0.5]},
}


def test_every_hyper_parameter_can_be_drawn():
    (part,) = plan_parts(recipe(vary=EVERY, networks_per_class=10), CLASSES, [10])
    for key, distribution in EVERY.items():
        values = [getattr(network, key) for network in part]
        if "choice" in distribution:
            assert set(values) == set(distribution["choice"]), key
        else:
            low, high = distribution.get("uniform") or distribution["log_uniform"]
            assert all(low <= value <= high for value in values), key
            assert len(set(values)) == len(part), key
    assert all(type(network.momentum) is float for network in part)
    assert all(type(network.nesterov) is bool for network in part)
    assert all(type(network.step_epochs) is int for network in part)
    # What one key draws does not depend on the others.
    alone = plan_parts(recipe(vary={"l2": EVERY["l2"]}, networks_per_class=10), CLASSES, [10])[0]
    assert [network.l2 for network in part] == [network.l2 for network in alone]


def test_a_grid_is_a_full_factorial_by_index():
    vary = {
        "grid": True,
        "learning_rate": {"choice": [0.1, 0.2]},
        "optimizer": {"choice": ["adam", "sgd", "rmsprop"]},
        "l2": {"log_uniform": [1e-4, 1e-2]},
    }
    (part,) = plan_parts(recipe(vary=vary, networks_per_class=12), ["cat", "dog"], [12])
    points = [(n.learning_rate, n.optimizer) for n in part if n.class_name == "dog"]
    assert points[:6] == [
        *((0.1, "adam"), (0.1, "sgd"), (0.1, "rmsprop")),
        *((0.2, "adam"), (0.2, "sgd"), (0.2, "rmsprop")),
    ]
    assert points[6:] == points[:6]
    assert len({network.l2 for network in part}) == len(part)
