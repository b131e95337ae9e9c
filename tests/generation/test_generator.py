"""Fitting, sampling, and a generator's file."""

from pathlib import Path

import numpy as np
import pytest

import hyperzoo as hz
from hyperzoo.errors import GenerationError
from hyperzoo.generation import Split, default_split, fit, load_generator
from hyperzoo.zoo import Zoo
from hyperzoo.zoo.tensors import encode_tensors, open_tensors
from tests.prediction.makers import planted_zoo

SPLIT = Split(training=4, held_out=2, fresh=2)


@pytest.fixture(scope="session")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Zoo:
    """40 networks of five classes."""
    return planted_zoo(tmp_path_factory.mktemp("planted") / "zoo")


def test_roles_follow_the_indices(zoo: Zoo):
    assert default_split(zoo) == SPLIT
    for role, indices in (("training", {0, 1, 2, 3}), ("held_out", {4, 5}), ("fresh", {6, 7})):
        rows = SPLIT.rows(zoo, role)
        assert {int(zoo.ids[row].rsplit("_", 1)[1]) for row in rows} == indices
        assert len(rows) == len(indices) * len(zoo.classes)


def test_a_split_that_the_zoo_can_not_fill_is_refused(zoo: Zoo):
    with pytest.raises(GenerationError, match=r"needs 9 networks of every class, but .* has 8"):
        Split(training=7, held_out=2, fresh=0).rows(zoo, "held_out")


def test_copies_are_training_networks(zoo: Zoo, tmp_path: Path):
    generator = fit(zoo, "copy", split=SPLIT)
    name = zoo.classes[2]
    made = generator.sample(name, 5, seed=3)
    own = [row for row in SPLIT.rows(zoo, "training") if zoo.ids[row].startswith(name)]
    for parameter, tensor in made.items():
        known = zoo.weights(parameter)[own]
        assert all(any(np.array_equal(one, other) for other in known) for one in tensor)


def test_a_network_follows_from_its_own_index(zoo: Zoo):
    generator = fit(zoo, "copy", split=SPLIT)
    name = zoo.classes[0]
    together, alone = generator.sample(name, 6), generator.sample(name, 1, first=5)
    for parameter in together:
        np.testing.assert_array_equal(together[parameter][5], alone[parameter][0])


def test_a_generator_comes_back_from_its_file(zoo: Zoo, tmp_path: Path):
    generator = fit(zoo, "copy", split=SPLIT, seed=7)
    generator.save(tmp_path / "g.safetensors")
    found = load_generator(tmp_path / "g.safetensors")
    assert (found.digest, found.fitted_on, found.seed) == (
        generator.digest,
        generator.fitted_on,
        7,
    )
    name = zoo.classes[1]
    given, same = generator.sample(name, 2), found.sample(name, 2)
    for parameter in given:
        np.testing.assert_array_equal(given[parameter], same[parameter])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "other"}, "expected a 'hyperzoo generator' of version 1"),
        ({"method": "copi"}, "no method 'copi'; did you mean 'copy'"),
        ({"method": 3}, "method: expected a printable text, got 3"),
        ({"outputs": 10**9}, "outputs: expected a whole number from 1 to 10000"),
        ({"kind": "multi-class"}, "kind 'multi-class' does not fit 1 output"),
        ({"classes": ["a/b"]}, "class name 'a/b' must consist of letters"),
        ({"classes": []}, "expected 1 or more different class names"),
        ({"fitted_on": None}, "fitted_on: expected an object of"),
        ({"settings": {"a": [1]}}, "settings: expected an object of numbers and texts"),
        ({"seed": -1}, "seed: expected a whole number from 0"),
    ],
)
def test_a_hostile_file_is_refused(zoo: Zoo, tmp_path: Path, changes: dict, message: str):
    path = tmp_path / "g.safetensors"
    fit(zoo, "copy", split=SPLIT).save(path)
    file = open_tensors(path)
    tensors = {name: np.array(file.tensor(name)) for name in file.places}
    path.write_bytes(encode_tensors(tensors, {**file.metadata, **changes}))
    with pytest.raises(GenerationError, match=message):
        load_generator(path)


def test_tensors_of_other_shapes_are_refused(zoo: Zoo, tmp_path: Path):
    path = tmp_path / "g.safetensors"
    fit(zoo, "copy", split=SPLIT).save(path)
    file = open_tensors(path)
    tensors = {name: np.array(file.tensor(name)) for name in file.places}
    metadata = dict(file.metadata)
    for name, tensor, message in [
        ("fc1.bias", tensors["fc1.bias"][:-1], r"'fc1.bias': expected \(20, 1\), got \(19, 1\)"),
        ("more", np.ones(3, np.float32), "tensor 'more': expected none"),
        ("fc1.bias", tensors["fc1.bias"] * np.nan, "'fc1.bias': numbers that are not finite"),
        ("fc1.bias", tensors["fc1.bias"] + 2e12, r"expected numbers up to 1e\+12, got more"),
    ]:
        path.write_bytes(encode_tensors({**tensors, name: tensor}, metadata))
        with pytest.raises(GenerationError, match=message):
            load_generator(path)


def test_bad_requests_get_one_line(zoo: Zoo, tmp_path: Path):
    with pytest.raises(GenerationError, match=r"no method 'copi'; did you mean 'copy'\?"):
        hz.generation.fit(zoo, "copi")
    generator = fit(zoo, "copy", split=SPLIT)
    with pytest.raises(GenerationError, match=r"makes no networks of class 'cup' .*it knows: "):
        generator.sample("cup", 1)
    with pytest.raises(GenerationError, match="count: expected 1 or more, got 0"):
        generator.sample(zoo.classes[0], 0)
    with pytest.raises(GenerationError, match=r"no such file; `hyperzoo generate"):
        load_generator(tmp_path / "none.safetensors")
