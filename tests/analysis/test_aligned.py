from pathlib import Path

import numpy as np
import pytest

from hyperzoo.analysis.aligned import aligned_structure
from hyperzoo.analysis.weights import read_weights
from hyperzoo.architectures import initial_parameters, lenet5
from hyperzoo.architectures.symmetry import hidden_units, move_units
from hyperzoo.plan import PlannedNetwork
from tests.analysis.makers import zoo_of

LENET = {"name": "lenet5"}
PROTOTYPE = initial_parameters(lenet5(1), 7, "prototype", 0)


def disordered(network: PlannedNetwork, weights: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """A prototype that differs a little by class and network, its hidden units in disorder."""
    random = np.random.default_rng([network.index, *network.class_name.encode()])
    of_class = np.random.default_rng(list(network.class_name.encode()))
    own = {}
    for name, tensor in PROTOTYPE.items():
        spread = 0.2 * tensor.std() + 0.01
        own[name] = (
            tensor
            + spread * of_class.standard_normal(tensor.shape)
            + spread * random.standard_normal(tensor.shape)
        ).astype(np.float32)[None]
    groups = hidden_units(lenet5(1))
    orders = {group.layer: random.permutation(group.units)[None] for group in groups}
    signs = {group.layer: random.choice([-1, 1], (1, group.units)) for group in groups}
    return {name: t[0] for name, t in move_units(lenet5(1), own, orders, signs).items()}


def test_alignment_uncovers_what_disorder_hides(tmp_path: Path):
    zoo = zoo_of(tmp_path / "zoo", disordered, architecture=LENET, networks_per_class=6)
    weights = read_weights(zoo)
    found = aligned_structure(zoo, weights, most=25)
    assert found is not None
    assert found.moved == ("conv1", "conv2", "conv3", "fc1")
    assert sorted(found.ids) == sorted(f"{c}_{i}" for c in zoo.classes for i in range(5))
    for layer in ("conv2", "conv3", "fc1"):
        before, after = found.before[layer].distances, found.after[layer].distances
        assert after.within < 0.5 * before.within
        # Half of what is left lies between classes; before, nothing to speak of.
        assert before.share == pytest.approx(before.share_by_chance, abs=0.05)
        assert after.share > 0.4
    assert all(len(own.components.scores) == 25 for own in found.after.values())


def test_networks_are_taken_from_every_class(tmp_path: Path):
    zoo = zoo_of(
        tmp_path / "zoo", disordered, architecture=LENET, failed=("cat_0",), networks_per_class=2
    )
    found = aligned_structure(zoo, read_weights(zoo), most=1)
    assert found is not None
    assert sorted(found.ids) == ["cat_1", "dog_0", "owl_0", "rat_0", "yak_0"]


def test_too_few_networks(tmp_path: Path):
    failed = tuple(f"{name}_0" for name in ("cat", "dog", "owl"))
    zoo = zoo_of(
        tmp_path / "zoo", disordered, architecture=LENET, failed=failed, networks_per_class=1
    )
    assert aligned_structure(zoo, read_weights(zoo)) is None
