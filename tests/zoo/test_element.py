from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hyperzoo.errors import NetworkKeyError, NetworkNotFoundError
from hyperzoo.zoo import Zoo, open_zoo
from tests.zoo.makers import make_zoo, recipe


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Zoo:
    return open_zoo(make_zoo(tmp_path_factory.mktemp("zoo") / "zoo"))


def test_a_network_by_place_and_by_id(zoo: Zoo):
    assert [zoo[0].id, zoo[7].id, zoo[-1].id] == [zoo.ids[0], zoo.ids[7], zoo.ids[-1]]
    own = zoo["owl_3"]
    assert (own.id, own.class_name, own.index) == ("owl_3", "owl", 3)
    assert own.position == zoo.ids.index("owl_3")
    assert zoo[np.int64(own.position)] == own
    assert repr(own) == f"ZooNetwork(id='owl_3', position={own.position})"


def test_what_a_network_holds(zoo: Zoo):
    own = zoo["owl_3"]
    assert (own.facts["id"], own.facts["class"], own.facts["index"]) == ("owl_3", "owl", 3)
    assert own.facts["loss"] == 0.004
    kernel = zoo.weights("conv1.weight")[own.position]
    np.testing.assert_array_equal(own.parameters["conv1.weight"], kernel)
    state = own.network().state_dict()
    np.testing.assert_array_equal(state["conv1.weight"], torch.tensor(kernel))
    assert own.history()["id"].to_pylist() == ["owl_3", "owl_3"]
    last = zoo[-1]
    assert last.facts["id"] == last.id == zoo.ids[-1]


def test_iteration(zoo: Zoo):
    networks = list(zoo)
    assert [own.id for own in networks] == zoo.ids
    assert [own.position for own in networks] == list(range(len(zoo)))
    assert zoo["owl_3"] in zoo
    with pytest.raises(NetworkKeyError, match=r"gives one network at a time; for several: "):
        zoo[0:2]  # type: ignore[index]
    assert ("owl_3" in zoo, "owl_99" in zoo, 3 in zoo) == (True, False, False)
    assert [own.id for own in reversed(zoo)] == zoo.ids[::-1]


@pytest.mark.parametrize("place", [60, -61, 10**9])
def test_a_place_that_is_not_there(zoo: Zoo, place: int):
    with pytest.raises(NetworkNotFoundError, match=f"has 60 networks, and none at place {place}"):
        zoo[place]


def test_an_id_that_is_not_there(zoo: Zoo):
    with pytest.raises(NetworkNotFoundError, match="no network 'owl_31'; did you mean: owl_3"):
        zoo["owl_31"]


@pytest.mark.parametrize("key", [True, np.True_, 1.0, None, ("owl", 3)])
def test_keys_that_are_neither_ids_nor_places(zoo: Zoo, key: Any):
    with pytest.raises(NetworkKeyError, match=r"expected a network's id or its place, .* got "):
        zoo[key]


def test_a_zoo_without_networks(tmp_path: Path):
    empty = open_zoo(make_zoo(tmp_path / "zoo", recipe(networks_per_class=1), parts=0))
    assert list(empty) == []
    with pytest.raises(NetworkNotFoundError, match="has 0 networks, and none at place 0"):
        empty[0]


def test_a_layer_is_a_weight_or_a_bias(zoo: Zoo):
    with pytest.raises(
        NetworkNotFoundError,
        match=r"no parameter 'conv1'; did you mean: conv1\.weight, conv1\.bias$",
    ):
        zoo.weights("conv1")
    with pytest.raises(
        NetworkNotFoundError, match=r"no parameter 'conv'; did you mean: conv1\.weight"
    ):
        zoo.weights("conv")
