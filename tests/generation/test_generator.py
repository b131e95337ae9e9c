"""Fitting, sampling, and a generator's file."""

from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hyperzoo as hz
from hyperzoo.errors import GenerationError
from hyperzoo.generation import Split, default_split, fit, leaderboard, load_generator
from hyperzoo.zoo import Zoo
from hyperzoo.zoo.tensors import encode_tensors, open_tensors
from tests.generation.makers import images, source_zoo
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


def on(**changes: object) -> dict[str, object]:
    """What a file may say of the zoo that it was fitted on, with changes."""
    told = {"name": "", "recipe_digest": "", "image_fingerprint": "", "images_name": ""}
    return {"fitted_on": told | {"split": asdict(SPLIT)} | changes}


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
        (on(split={"training": 10**18, "held_out": 2, "fresh": 2}), "training: .* to 1000000, got"),
        (on(split={"training": 0, "held_out": 2, "fresh": 2}), "training: .* from 2 to .*, got 0"),
        (on(image_fingerprint="not hex"), "fitted_on.image_fingerprint: expected 64 digits"),
        (on(image_fingerprint="A" * 64), "fitted_on.image_fingerprint: expected 64 digits"),
        (on(recipe_digest="0" * 63), "fitted_on.recipe_digest: expected 64 digits of hexadec"),
        ({"settings": {"a": float("nan")}}, "setting 'a': expected a finite number, got nan"),
        ({"settings": {"a": float("-inf")}}, "setting 'a': expected a finite number, got -inf"),
        ({"settings": {"a": 10**400}}, "setting 'a': expected a finite number, got 1"),
        ({"image_classes": ["cat", "dog"]}, "classes: expected some of image_classes, in their"),
        (
            {"image_classes": ["yak", "rat", "owl", "dog", "cat"]},
            "classes: expected some of image_classes, in their order",
        ),
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


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image_classes": ["a", "b"]}, "image_classes: expected one for each of 5 outputs, got 2"),
        ({"classes": ["cat"]}, "classes: expected 'all' of networks with several outputs, got"),
    ],
)
def test_classes_of_networks_with_several_outputs(tmp_path: Path, changes: dict, message: str):
    path = tmp_path / "g"
    generator = fit(source_zoo(tmp_path / "zoo", "multi-class"), "copy")
    generator.save(path)
    assert load_generator(path).digest == generator.digest
    metadata = {**open_tensors(path).metadata, **changes}
    path.write_bytes(encode_tensors(dict(generator.state.tensors), metadata))
    with pytest.raises(GenerationError, match=message):
        load_generator(path)


def test_what_is_not_known_of_a_zoo_may_be_said_with_nothing(zoo: Zoo, tmp_path: Path):
    path = tmp_path / "g"
    generator = fit(zoo, "copy", split=SPLIT)
    generator.save(path)
    metadata = {**open_tensors(path).metadata, **on()}
    path.write_bytes(encode_tensors(dict(generator.state.tensors), metadata))
    assert load_generator(path).fitted_on.image_fingerprint == ""


WRONG = (1.5, "0", True, None, [1], np.float64(2), np.bool_(True))


@pytest.mark.parametrize("value", WRONG)
def test_what_is_no_whole_number_is_refused(zoo: Zoo, tmp_path: Path, value: Any):
    generator, name = fit(zoo, "copy", split=SPLIT), zoo.classes[0]
    odd = Split(training=4, held_out=value, fresh=2)
    board = partial(leaderboard.run, zoo, tmp_path / "board", images=images(), methods=["copy"])
    for argument, ask in (
        ("seed", lambda: fit(zoo, "copy", seed=value)),
        ("split.held_out", lambda: fit(zoo, "copy", split=odd)),
        ("count", lambda: generator.sample(name, value)),
        ("seed", lambda: generator.sample(name, 1, seed=value)),
        ("first", lambda: generator.sample(name, 1, first=value)),
        ("index", lambda: generator.make(name, value)),
        ("seed", lambda: board(seed=value)),
        ("networks_per_class", lambda: board(networks_per_class=value)),
    ):
        with pytest.raises(GenerationError, match=f"^{argument}: expected a whole number, got "):
            ask()
    assert not (tmp_path / "board").exists()


def test_what_is_of_another_type_is_refused(zoo: Zoo):
    generator: Any = fit(zoo, "copy", split=SPLIT)
    asked: Any = fit
    with pytest.raises(GenerationError, match=r"split: expected a Split\(training=.*, got \(4, 2"):
        asked(zoo, "copy", split=(4, 2, 2))
    for split in ((), 0, ""):  # no default in place of what is none
        with pytest.raises(GenerationError, match="split: expected a Split"):
            asked(zoo, "copy", split=split)
    for wrong in (None, 3, ["cat"], np.zeros(2)):
        with pytest.raises(GenerationError, match="makes no networks of class"):
            generator.sample(wrong, 1)
        with pytest.raises(GenerationError, match="no method '"):
            asked(zoo, wrong)


def test_numbers_of_numpy_are_numbers(zoo: Zoo, tmp_path: Path):
    plain = fit(zoo, "copy", split=SPLIT, seed=7)
    one, two, four = map(np.int64, (1, 2, 4))
    split: Any = Split(training=four, held_out=two, fresh=np.uint8(2))
    other = fit(zoo, "copy", split=split, seed=np.int32(7))
    assert other.digest == plain.digest
    other.save(tmp_path / "g")
    name = zoo.classes[0]
    made = other.sample(name, two, seed=np.int64(5), first=one)
    for parameter, tensor in plain.sample(name, 2, seed=5, first=1).items():
        np.testing.assert_array_equal(made[parameter], tensor)


@pytest.mark.parametrize(
    ("split", "message"),
    [
        ((8, 8, 8), "the split needs 24 networks of every class, but .* has 8"),
        ((4, 2, 3), "the split needs 9 networks of every class, but .* has 8"),
        ((7, 1, 0), "2 or more held out to judge by and 0 or more fresh ones, got 7/1/0"),
        ((1, 4, 3), "expected 2 or more training networks of every class, .* got 1/4/3"),
    ],
)
def test_what_could_not_be_judged_is_not_fitted(
    zoo: Zoo, split: tuple[int, int, int], message: str
):
    training, held_out, fresh = split
    with pytest.raises(GenerationError, match=message):
        fit(zoo, "copy", split=Split(training=training, held_out=held_out, fresh=fresh))


def test_a_split_needs_no_fresh_networks(zoo: Zoo):
    found = fit(zoo, "copy", split=Split(training=6, held_out=2, fresh=0))
    assert found.fitted_on.split.fresh == 0


def test_bad_requests_get_one_line(zoo: Zoo, tmp_path: Path):
    with pytest.raises(GenerationError, match=r"no method 'copi'; did you mean 'copy'\?"):
        hz.generation.fit(zoo, "copi")
    generator = fit(zoo, "copy", split=SPLIT)
    with pytest.raises(GenerationError, match=r"makes no networks of class 'cup' .*it knows: "):
        generator.sample("cup", 1)
    with pytest.raises(GenerationError, match=r"count: expected 1 to .*, got 0"):
        generator.sample(zoo.classes[0], 0)
    with pytest.raises(GenerationError, match=r"no such file; `hyperzoo generate"):
        load_generator(tmp_path / "none.safetensors")
