import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from hyperzoo.architectures import architecture_facts, architecture_from, parse_layers
from hyperzoo.architectures.layers import ACTIVATIONS
from hyperzoo.errors import ImageError, RecipeError
from hyperzoo.recipe import builtin_recipes, load_recipe, parse_recipe
from hyperzoo.recipe.images import Images
from hyperzoo.recipe.task import Task
from hyperzoo.recipe.training import Training
from hyperzoo.recipe.vary import Vary
from hyperzoo.train import recipe_images

MINIMAL: dict[str, Any] = {
    "name": "mine",
    "networks_per_class": 2,
    "images": {"source": "digits"},
    "architecture": {"name": "lenet5"},
}


def changed(**sections: Any) -> dict[str, Any]:
    return MINIMAL | sections


def test_the_recipe_of_the_published_script_differs_in_its_epochs_alone():
    paper, script = load_recipe("imagenette-lenet5"), load_recipe("imagenette-lenet5-20")
    assert (paper.training.epochs, script.training.epochs) == (25, 20)
    assert script.with_changes(epochs=25).digest == paper.digest


def test_the_published_recipe():
    recipe = load_recipe("imagenette-lenet5")
    assert recipe.networks_per_class == 1061
    assert recipe.training.epochs == 25
    assert recipe.training.batch_size == 128
    assert recipe.training.learning_rate == 1e-3
    assert recipe.task.kind == "one-vs-all"


def test_every_built_in_recipe_has_its_own_name():
    names = [
        *("digits-lenet5", "digits-smallcnn", "imagenette-lenet5", "imagenette-lenet5-20"),
        *("modelzoos-cnn-m", "modelzoos-cnn-s", "smallcnn-zoo"),
    ]
    assert list(builtin_recipes()) == names
    for name in builtin_recipes():
        assert load_recipe(name).name == name


def test_defaults_are_written_out_in_the_canonical_form():
    assert parse_recipe(MINIMAL).canonical() == {
        "name": "mine",
        "seed": 0,
        "networks_per_class": 2,
        "images": {"source": "digits", "size": 32, "channels": 3},
        "task": {"kind": "one-vs-all", "negatives": "all"},
        "architecture": {"name": "lenet5"},
        "training": {
            "optimizer": "adam",
            "learning_rate": 0.001,
            "batch_size": 128,
            "epochs": 25,
            "keep": "last",
            "checkpoint_epochs": [],
        },
        "vary": {},
    }


@pytest.mark.parametrize(
    "sections",
    [
        {"task": {"negatives": "sampled", "positive_fraction": 0.5}},
        {"task": {"kind": "multi-class"}},
        {"training": {"keep": "best", "checkpoint_epochs": [0, 5, 25]}},
        {"vary": {"learning_rate": {"log_uniform": [1e-4, 1e-2]}}},
        {"vary": {"learning_rate": {"uniform": [0.1, 1]}, "batch_size": {"choice": [32, 64]}}},
    ],
)
def test_the_canonical_form_parses_to_the_same_recipe(sections: dict[str, Any]):
    recipe = parse_recipe(changed(**sections))
    assert parse_recipe(recipe.canonical()) == recipe


def test_a_key_that_resembles_none_gets_no_advice():
    with pytest.raises(RecipeError, match=r"nonsense: unknown key \(known here: "):
        parse_recipe({"name": "mine", "nonsense": 1, "architecture": {"name": "lenet5"}})


def test_all_problems_are_reported_at_once():
    document = {
        "name": "mine",
        "sed": 1,
        "networks_per_class": 0,
        "images": {"source": "imagenete", "channels": 2},
        "architecture": {},
        "training": {"optimiser": "adam", "epochs": 2.5, "checkpoint_epochs": [5, 3]},
        "vary": {"learning_rate": {"log_unifrm": [1, 2]}, "batch_size": {"uniform": [1, 2]}},
    }
    with pytest.raises(RecipeError, match="recipe has 10 problems") as caught:
        parse_recipe(document)
    message = str(caught.value)
    for problem in [
        "sed: unknown key; did you mean 'seed'?",
        "networks_per_class: expected 1 or more, got 0",
        "got 'imagenete'; did you mean 'imagenette'?",
        "images.channels: expected 1 or 3, got 2",
        "architecture.name: missing, and it has no default",
        "training.optimiser: unknown key; did you mean 'optimizer'?",
        "training.epochs: expected a whole number, got 2.5",
        "training.checkpoint_epochs: epochs must increase and not repeat, got [5, 3]",
        "vary.learning_rate.log_unifrm: unknown key; did you mean 'log_uniform'?",
        "vary.batch_size: can only be drawn by choice",
    ]:
        assert problem in message


@pytest.mark.parametrize(
    ("sections", "problem"),
    [
        ({"seed": -1}, "seed: expected 0 or more, got -1"),
        ({"seed": "0"}, "seed: expected a whole number, got '0'"),
        ({"name": "../up"}, "name: expected letters, digits, .* letter or digit, got '../up'"),
        ({"name": ""}, "name: expected a text that is not empty, got ''"),
        ({"images": {"source": "npz", "path": 3}}, "images.path: expected a text, got 3"),
        ({"training": {"nesterov": 1}}, "training.nesterov: expected true or false, got 1"),
        ({"training": {"epochs": {"most": 5}}}, "epochs: expected a whole number, got a table"),
        ({"training": {"checkpoint_epochs": 5}}, "checkpoint_epochs: expected a list, got 5"),
        (
            {"task": {"kind": "subset-vs-rest", "positives": list(range(1, 102))}},
            r"expected a list of at most 100 values, got \[1, 2, 3, .*\]; take some out",
        ),
        ({"task": {"exclude": [3]}}, "task.exclude.0: expected a text, got 3"),
        ({"images": 3}, "images: expected a table of keys, got 3"),
        ({"images": {"source": "digits", "path": "x"}}, "path has no meaning"),
        ({"task": {"negatives": "sampled"}}, "positive_fraction and negatives = 'sampled' go"),
        ({"task": {"positive_fraction": 0.5}}, "positive_fraction and negatives = 'sampled' go"),
        (
            {"task": {"kind": "multi-class", "negatives": "sampled", "positive_fraction": 0.5}},
            "needs kind = 'one-vs-all'",
        ),
        ({"task": {"kind": "subset-vs-rest"}}, "positives = .*go together: give both or neither"),
        ({"task": {"positives": [1]}}, "go together: give both or neither"),
        ({"task": {"kind": "subset-vs-rest", "positives": [2, 1]}}, "sizes must increase"),
        (
            {"task": {"kind": "subset-vs-rest", "positives": [0]}},
            "task.positives.0: expected 1 or more, got 0",
        ),
        ({"task": {"subsets": 3}}, "subsets is of kind = 'subset-vs-rest'; leave it out"),
        ({"task": {"exclude": ["cat", "cat"]}}, "task.exclude: expected every class once"),
        ({"task": {"parts": {}}}, r"expected 2 or more of something, as in parts = \{ bright"),
        ({"task": {"parts": {"edges": 11}}}, "task.parts.edges: expected at most 10, got 11"),
        ({"task": {"parts": {"hue": 2}}}, "task.parts.hue: unknown key"),
        ({"training": {"learning_rate": float("nan")}}, "expected a finite number, got nan"),
        ({"training": {"learning_rate": 0}}, "expected a number above 0, got 0"),
        ({"training": {"epochs": 5, "checkpoint_epochs": [6]}}, r"\[6\] lie beyond the last"),
        ({"vary": {"learning_rate": {}}}, "expected exactly one of"),
        (
            {"vary": {"learning_rate": {"choice": []}}},
            r"vary.learning_rate.choice: expected a value or more, got \[\]; give one, or leave th",
        ),
        *(
            (
                {"vary": {"learning_rate": {key: bounds}}},
                rf"recipe has 1 problem:\n.*vary.learning_rate.{key}: expected two bounds, "
                rf"\[low, high\], got {re.escape(str(bounds))}",
            )
            for key in ("uniform", "log_uniform")
            for bounds in ([0.1, 0.2, 0.3], [0.1], [], 0.1)
        ),
        (
            {"vary": {"learning_rate": {"choice": [[0.1]]}}},
            "recipe has 1 problem:\n.*choice.0: expected a finite number, .* or false, got .0.1.$",
        ),
        ({"vary": {"learning_rate": {"choice": [0.1, 20]}}}, "20 is impossible"),
        ({"vary": {"learning_rate": {"uniform": [2, 1]}}}, "lower bound must be less"),
        ({"vary": {"batch_size": {"choice": [32, 1.5]}}}, "1.5 is impossible"),
        ({"vary": {"momentun": {"choice": [0.9]}}}, "unknown key; did you mean 'momentum'"),
        (
            {"vary": {"learning_rate": {"log_uniform": [0, 1]}}},
            "lower bound must be above 0, which",
        ),
        (
            {"vary": {"optimizer": {"choice": ["adam", "sdg"]}}},
            "sdg is impossible: expected 'adam', .*; did you mean 'sgd'?",
        ),
        ({"vary": {"schedule": {"uniform": [0, 1]}}}, "can only be drawn by choice"),
        (
            {"vary": {"train_fraction": {"uniform": [0.0, 1.0]}}},
            "0.0 is impossible: expected a number above 0",
        ),
        (
            {"vary": {"activation": {"choice": ["tanh", "elu"]}}},
            "elu is impossible: expected 'tanh', ",
        ),
        ({"vary": {"dropout": {"uniform": [0, 0.5]}}}, "vary.dropout: the architecture has no dro"),
        ({"vary": {"grid": True}}, "grid = true needs a key that is drawn by choice"),
        (
            {"vary": {"grid": True, "l2": {"choice": [0, 1e-3, 1e-2]}}},
            "vary.grid has 3 points, so networks_per_class must be a multiple of that, got 2",
        ),
    ],
)
def test_impossible_values(sections: dict[str, Any], problem: str):
    with pytest.raises(RecipeError, match=problem):
        parse_recipe(changed(**sections))


_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([2**63, -(2**63) - 1, 10**400])
    | st.floats()
    | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=4,
)
_PLACES = [
    (section, key)
    for section, kept in (
        ("task", Task),
        ("training", Training),
        ("images", Images),
        ("vary", Vary),
    )
    for key in kept.model_fields
]


@given(st.sampled_from(_PLACES), _VALUES, st.sampled_from(["choice", "uniform", "log_uniform", ""]))
def test_no_words_but_a_recipe_s_own(place: tuple[str, str], value: Any, drawn: str):
    """Those of the library that checks the types are of Python and not of TOML."""
    section, key = place
    own = {drawn: value} if drawn and section == "vary" else value
    try:
        parse_recipe(changed(**{section: MINIMAL.get(section, {}) | {key: own}}))
    except RecipeError as error:
        message = re.sub(r", got .*", "", str(error))
        assert not re.search("input|valid|tuple|should|string|boolean|integer|dictionary", message)


def test_how_keys_fit_together_is_checked_beside_other_mistakes():
    """Else a user who mends one mistake is told of the next."""
    document = {
        "name": "mine",
        "networks_per_class": 2,
        "images": {"source": "digits", "path": "x", "size": 0},
        "task": {"kind": "multi-class", "negatives": "sampled", "kid": 1},
        "architecture": {"name": "lennet5"},
        "training": {"epochs": 2, "checkpoint_epochs": [5], "batch_size": "x"},
    }
    with pytest.raises(RecipeError, match="recipe has 7 problems") as caught:
        parse_recipe(document)
    for problem in [
        "images.size: expected 1 or more, got 0",
        "images: path has no meaning for source = 'digits'",
        "task.kid: unknown key; did you mean 'kind'?",
        "task: negatives = 'sampled' needs kind = 'one-vs-all'",
        "architecture.name: expected one of lenet5, smallcnn, resnet8, resnet20 (or give layers of "
        "your own), got 'lennet5'; did you mean 'lenet5'",
        "training: checkpoint_epochs [5] lie beyond the last epoch, 2; leave them out",
        "training.batch_size: expected a whole number, got 'x'",
    ]:
        assert problem in str(caught.value)


def test_what_rests_on_a_mistake_is_not_reported():
    """Without epochs, 25 would be the last: but 100 were meant."""
    with pytest.raises(RecipeError, match=r"recipe has 1 problem:\n  - training\.epochs"):
        parse_recipe(changed(training={"epochs": "100", "checkpoint_epochs": [50]}))
    with pytest.raises(RecipeError, match=r"recipe has 1 problem:\n  - training\.epoch: unknown"):
        parse_recipe(changed(training={"epoch": 100, "checkpoint_epochs": [50]}))


def test_a_byte_order_mark_is_no_matter(tmp_path: Path):
    text = builtin_recipes()["digits-lenet5"]
    (tmp_path / "mine.toml").write_text(text, "utf-8-sig")
    assert load_recipe(tmp_path / "mine.toml").digest == load_recipe("digits-lenet5").digest
    (tmp_path / "mine.toml").write_text(text, "utf-16")
    with pytest.raises(RecipeError, match=r"can't be read: .*; save it as UTF-8"):
        load_recipe(tmp_path / "mine.toml")


def test_other_checkpoints():
    recipe = load_recipe("digits-smallcnn")
    with pytest.raises(RecipeError, match=r"\[5\] lie beyond the last epoch, 3; leave them out"):
        recipe.with_changes(epochs=3)
    shorter = recipe.with_changes(epochs=3, checkpoint_epochs=(0,))
    assert (shorter.training.epochs, shorter.training.checkpoint_epochs) == (3, (0,))
    assert recipe.with_changes(epochs=7).training.checkpoint_epochs == (0, 5)


def test_the_digest_tells_what_changes_a_network_from_what_does_not():
    recipe = parse_recipe(MINIMAL)
    assert recipe.digest == parse_recipe(changed(name="other", networks_per_class=9)).digest
    folder = {"source": "folder", "path": "a"}
    elsewhere = {"source": "folder", "path": "b"}
    assert (
        parse_recipe(changed(images=folder)).digest
        == parse_recipe(changed(images=elsewhere)).digest
    )
    for sections in ({"seed": 1}, {"training": {"epochs": 5}}, {"task": {"kind": "multi-class"}}):
        assert parse_recipe(changed(**sections)).digest != recipe.digest


def test_subsets_and_classes_left_out_are_in_the_digest_where_they_are_no_default():
    plain = parse_recipe(MINIMAL)
    assert plain.canonical()["task"] == {"kind": "one-vs-all", "negatives": "all"}
    task = {"kind": "subset-vs-rest", "positives": [1, 3], "subsets": 5, "exclude": ["church"]}
    recipe = parse_recipe(changed(task=task))
    assert recipe.canonical()["task"] == task | {"negatives": "all"}
    assert parse_recipe(recipe.canonical()).digest == recipe.digest != plain.digest
    assert parse_recipe(changed(task={"exclude": []})).digest == plain.digest
    assert recipe.network(1).outputs == 1


DIGESTS = {
    "digits-lenet5": "b1aa71107d0cc86118545af783efee4221cfb001f79a9060e6e6ff87afc8b834",
    "digits-smallcnn": "31d91a34450b7ed1850aa0d799e431ef9271b4872091a326501bdfe8abc3ad8d",
    "imagenette-lenet5": "3fc626e37d0a6cd00b815a3d18274e952c1009b85715f5a6e54b46961aa14342",
    "imagenette-lenet5-20": "5c6747c7406e185a47b1c2c3665bfcfa5904608a7a152a6a2afe4b422a459833",
    "modelzoos-cnn-m": "203eda8ff1678b895b80d81a7cb37999aa7fdaa682c46bccc30bd78bf8cbe70f",
    "modelzoos-cnn-s": "afb6bd7274167d63efe3ec532600f2078d39d05ae4ecc93e098fade6d5f3579f",
    "smallcnn-zoo": "306a3be2e14ff93ec75f0fc315c40023398a478cc21d4c712ad7289140fa9b1c",
}


def test_the_digests_of_all_built_in_recipes_are_pinned():
    """A zoo stores the digest, so that of a recipe must never change."""
    assert {name: load_recipe(name).digest for name in builtin_recipes()} == DIGESTS


def test_precision():
    assert load_recipe("imagenette-lenet5").training.precision == "float32"
    plain = parse_recipe(MINIMAL)
    assert parse_recipe(changed(training={"precision": "float32"})).digest == plain.digest
    coarse = parse_recipe(changed(training={"precision": "bfloat16"}))
    assert coarse.digest != plain.digest
    assert coarse.canonical()["training"]["precision"] == "bfloat16"
    assert coarse.with_changes(epochs=2).training.precision == "bfloat16"
    with pytest.raises(RecipeError, match=r"training.precision: .*got 'bfloat'; did you mean"):
        parse_recipe(changed(training={"precision": "bfloat"}))


def test_a_file(tmp_path: Path):
    file = tmp_path / "mine.toml"
    file.write_text(
        'name = "mine"\nnetworks_per_class = 2\n[images]\nsource = "npz"\npath = "set.npz"\n'
        '[architecture]\nname = "lenet5"\n'
    )
    recipe = load_recipe(file)
    assert recipe.images_path == tmp_path / "set.npz"
    assert "path" not in recipe.canonical()["images"]
    longer = recipe.with_changes(epochs=7, networks_per_class=3)
    assert (longer.training.epochs, longer.networks_per_class) == (7, 3)
    assert longer.images_path == tmp_path / "set.npz"


def test_files_that_are_no_recipes(tmp_path: Path):
    with pytest.raises(RecipeError, match="did you mean 'digits-lenet5'"):
        load_recipe("digit-lenet5")
    broken = tmp_path / "broken.toml"
    broken.write_text("seed = 0\nname = mine\n")
    with pytest.raises(RecipeError, match=r"broken\.toml is not valid TOML: .*line 2"):
        load_recipe(broken)
    nested, decimal, hexadecimal = "[" * 5000 + "]" * 5000, "9" * 5000, "0x" + "f" * 9000
    for value in (nested, decimal, hexadecimal):
        broken.write_text(f"seed = {value}\n")
        with pytest.raises(RecipeError, match="can't be read: it has an integer of thousands"):
            load_recipe(broken)
    broken.write_bytes(b"\xff\xfe")
    with pytest.raises(RecipeError, match=r"broken\.toml can't be read"):
        load_recipe(broken)
    with pytest.raises(RecipeError, match="epochs: expected 1 or more, got 0"):
        load_recipe("digits-lenet5").with_changes(epochs=0)


OWN_LAYERS: list[Any] = [
    {"conv": 8, "kernel": 5, "activation": "tanh"},
    {"pool": "max"},
    {"dense": 20, "activation": "tanh"},
    {"dense": "outputs"},
]


def own(layers: Any, name: str = "my-net", **images: Any) -> dict[str, Any]:
    return changed(
        architecture={"name": name, "layers": layers}, images={"source": "digits"} | images
    )


def test_layers_of_its_own():
    recipe = parse_recipe(own(OWN_LAYERS, size=28, channels=1))
    network = recipe.network(10)
    assert network.name == "my-net"
    assert network.input_shape == (28, 28, 1)
    assert network.outputs == 10
    assert [p.shape for p in network.parameters] == [
        (8, 1, 5, 5), (8,), (20, 1152), (20,), (10, 20), (10,),
    ]  # fmt: skip
    assert parse_recipe(recipe.canonical()) == recipe
    assert recipe.with_changes(epochs=2).network(10) == network


def test_a_default_that_is_spelled_out_changes_no_digest():
    spelled = [{"conv": 8, "kernel": 5, "activation": "tanh", "stride": 1}, *OWN_LAYERS[1:]]
    other = [{"conv": 9, "kernel": 5, "activation": "tanh"}, *OWN_LAYERS[1:]]
    digest = parse_recipe(own(OWN_LAYERS)).digest
    assert parse_recipe(own(spelled)).digest == digest
    assert parse_recipe(own(other)).digest != digest
    assert parse_recipe(own(OWN_LAYERS, size=16)).digest != digest


def test_outputs_before_the_last_layer_stays_outputs():
    """How many there are follows from the images, which a recipe does not know."""
    layers = [{"dense": "outputs", "activation": "relu"}, {"dense": "outputs"}]
    recipe = parse_recipe(own(layers) | {"task": {"kind": "multi-class"}})
    assert recipe.canonical()["architecture"]["layers"] == layers
    assert [p.shape for p in recipe.network(10).parameters[2:]] == [(10, 10), (10,)]
    narrow = [layers[0] | {"dense": 1}, layers[1]]
    assert recipe.digest != parse_recipe(own(narrow) | {"task": {"kind": "multi-class"}}).digest
    # Where a network says yes or no it is 1, however it was written.
    assert parse_recipe(own(layers)).digest == parse_recipe(own(narrow)).digest


def _tables(needed: dict[str, Any], **optional: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    optional["activation"] = st.sampled_from(ACTIVATIONS)
    return st.fixed_dictionaries(
        {key: st.just(value) if isinstance(value, str) else value for key, value in needed.items()},
        optional=optional,
    )


_STEPS: dict[str, st.SearchStrategy[Any]] = {
    "stride": st.integers(1, 2),
    "padding": st.sampled_from(["valid", "same", "symmetric"]),
    "bias": st.booleans(),
}
_CONV = _tables({"conv": st.integers(1, 3), "kernel": st.integers(1, 3)}, **_STEPS)
_CONV_OF_1 = _tables({"conv": st.integers(1, 3), "kernel": st.just(1)}, **_STEPS)
_NORM = _tables(
    {"norm": "batch"},
    momentum=st.sampled_from([0, 0.5, 0.99]),
    epsilon=st.sampled_from([1, 1e-3, 1e-5]),
)
_DROPOUT = st.fixed_dictionaries({"dropout": st.sampled_from([0, 0.5])})
_POOL = _tables(
    {"pool": st.sampled_from(["average", "max"])}, size=st.integers(1, 3), stride=st.integers(1, 3)
)
_BLOCK = _tables(
    {"residual": st.lists(_CONV | _NORM | _DROPOUT, min_size=1, max_size=2)},
    shortcut=st.lists(_CONV_OF_1 | _NORM, max_size=2),
)
_DENSE = _tables({"dense": st.just("outputs") | st.integers(1, 4)}, bias=st.booleans())
_NUMBERS = st.sampled_from([0.5, 1, 1.0, 1e-3])
_SCALE = _NUMBERS | st.lists(_NUMBERS, min_size=3, max_size=3)
_NORMALIZE = st.fixed_dictionaries({"normalize": st.just("inputs"), "mean": _SCALE, "std": _SCALE})
_LAST = st.fixed_dictionaries({"dense": st.just("outputs")}, optional={"bias": st.booleans()})
_LAYERS = st.tuples(
    st.lists(_NORMALIZE, max_size=1),
    st.lists(_CONV | _NORM | _DROPOUT | _POOL | _BLOCK, max_size=3),
    st.lists(_tables({"pool": "global"}) | st.just({"flatten": True}), max_size=1),
    st.lists(_DENSE | _DROPOUT | _NORM, max_size=3),
    st.lists(_LAST, min_size=1, max_size=1),
).map(lambda parts: [layer for part in parts for layer in part])


@given(_LAYERS, st.sampled_from([("one-vs-all", 1), ("multi-class", 7)]))
def test_what_is_told_of_layers_gives_the_same_network(layers: list[Any], task: tuple[str, int]):
    kind, outputs = task
    assume(not parse_layers(layers, (8, 8, 3), outputs)[1])
    recipe = parse_recipe(own(layers, size=8) | {"task": {"kind": kind}})
    network = recipe.network(outputs)
    again = parse_recipe(json.loads(json.dumps(recipe.canonical())))
    assert again.network(outputs) == network
    assert (again.canonical(), again.digest) == (recipe.canonical(), recipe.digest)
    assert architecture_from(json.loads(json.dumps(architecture_facts(network)))) == network


def test_mistakes_in_layers_stand_beside_all_others():
    broken = own([{"conv": 8, "kernel": "5"}, {"dense": "outputs"}]) | {"seed": -1}
    with pytest.raises(RecipeError, match="2 problems") as caught:
        parse_recipe(broken)
    assert "architecture.layers: layer 1: kernel: expected a whole number" in str(caught.value)
    assert "seed: expected 0 or more" in str(caught.value)


def test_layers_that_do_not_fit_the_images():
    with pytest.raises(RecipeError, match=r"layer 1: a 5x5 .* got 4x4.* \(arriving: 4x4x3\)"):
        parse_recipe(own(OWN_LAYERS, size=4))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("lenet5", "'lenet5' is a built-in network, which has its own layers"),
        ("my/net", r"expected letters, digits.* got 'my/net'"),
    ],
)
def test_names_that_layers_can_not_have(name: str, message: str):
    with pytest.raises(RecipeError, match=message):
        parse_recipe(own(OWN_LAYERS, name=name))


def test_broken_images_say_nothing_of_layers():
    with pytest.raises(RecipeError, match="1 problem") as caught:
        parse_recipe(own(OWN_LAYERS, size="28"))
    assert "architecture" not in str(caught.value)


def test_a_share_of_the_images_and_noisy_labels():
    plain = parse_recipe(MINIMAL)
    spelled = parse_recipe(changed(training={"train_fraction": 1.0, "label_noise": 0.0}))
    assert spelled.digest == plain.digest
    varied = parse_recipe(changed(training={"train_fraction": 0.5, "label_noise": 0.1}))
    assert varied.digest != plain.digest
    assert varied.canonical()["training"]["train_fraction"] == 0.5
    assert parse_recipe(varied.canonical()) == varied


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("train_fraction", 0.0, "train_fraction: expected a number above 0"),
        ("train_fraction", 1.5, "train_fraction: expected at most 1"),
        ("label_noise", 1.0, "label_noise: expected a number below 1"),
        ("label_noise", -0.1, "label_noise: expected 0 or more"),
    ],
)
def test_shares_that_there_are_not(key: str, value: float, message: str):
    with pytest.raises(RecipeError, match=message):
        parse_recipe(changed(training={key: value}))


def test_optimizers_have_their_keys():
    plain = parse_recipe(MINIMAL)
    same = {"optimizer": "adam", "momentum": 0.0, "nesterov": False, "weight_decay": 0.0, "l2": 0.0}
    assert parse_recipe(changed(training=same)).digest == plain.digest
    descent = {"optimizer": "sgd", "momentum": 0.9, "nesterov": True, "l2": 1e-4}
    own = parse_recipe(changed(training=descent))
    assert own.canonical()["training"] == plain.canonical()["training"] | descent
    assert parse_recipe(own.canonical()) == own


@pytest.mark.parametrize(
    ("training", "message"),
    [
        ({"optimizer": "sdg"}, "training.optimizer: .* got 'sdg'; did you mean 'sgd'"),
        ({"momentum": 0.9}, "momentum is of optimizer = 'sgd' or 'rmsprop'; leave it out"),
        ({"optimizer": "sgd", "nesterov": True}, "nesterov = true needs a momentum above 0"),
        ({"optimizer": "rmsprop", "momentum": 0.5, "nesterov": True}, "nesterov is of optimizer ="),
        ({"optimizer": "adamw"}, "'adamw' needs a training.weight_decay above 0, such as 0.01"),
        ({"bias_initialisation": "as_kernels", "initial_bias": 0.2}, "leave one of them out"),
        ({"step_epochs": 3}, "training.step_epochs is of schedule = 'step'; leave it out"),
        ({"schedule": "cosin"}, "training.schedule: .* did you mean 'cosine'"),
        ({"initialisation_scale": 0.1}, "is of initialisation = 'uniform', 'normal', 'truncated_"),
        ({"initialisation": "he_norm"}, "training.initialisation: .* did you mean 'he_normal'"),
        ({"l2": -1.0}, "training.l2: expected 0 or more, got -1.0"),
    ],
)
def test_optimizers_without_what_they_need(training: dict[str, Any], message: str):
    with pytest.raises(RecipeError, match=message):
        parse_recipe(changed(training=training))


@pytest.mark.parametrize(
    ("vary", "training", "message"),
    [
        ({"momentum": {"choice": [0.0, 0.9]}}, {}, "momentum is of optimizer = 'sgd' or 'rmsprop'"),
        (
            {"initialisation_scale": {"uniform": [0.1, 0.2]}},
            {"initialisation": "he_normal"},
            "vary.initialisation_scale is of initialisation = 'uniform'",
        ),
        (
            {"nesterov": {"choice": [True]}},
            {"optimizer": "rmsprop", "momentum": 0.9},
            "nesterov is of optimizer = 'sgd'",
        ),
        ({"step_epochs": {"choice": [1, 2]}}, {}, "vary.step_epochs is of schedule = 'step'"),
        (
            {"step_factor": {"uniform": [0.1, 0.5]}},
            {"schedule": "cosine"},
            "vary.step_factor is of schedule = 'step'",
        ),
        ({"optimizer": {"choice": ["adam", "adamw"]}}, {}, "'adamw' needs a training.weight_decay"),
        (
            {"optimizer": {"choice": ["adam", "rmsprop"]}},
            {"momentum": 0.9, "nesterov": True},
            "'sgd'",
        ),
        ({"initial_bias": {"choice": [0.1]}}, {"bias_initialisation": "as_kernels"}, "one of them"),
    ],
)
def test_what_is_drawn_without_what_it_needs(
    vary: dict[str, Any], training: dict[str, Any], message: str
):
    """Beside what would have it: then those that have it not pass it over."""
    with pytest.raises(RecipeError, match=message):
        parse_recipe(changed(vary=vary, training=training))
    needed = {
        "optimizer": {"choice": ["adamw", "sgd"]},
        "weight_decay": {"choice": [0.1]},
        "initialisation": {"choice": ["he_normal", "normal"]},
        "bias_initialisation": {"choice": ["as_kernels", "constant"]},
        "schedule": {"choice": ["constant", "step"]},
    }
    assert parse_recipe(changed(vary=vary | needed, training=training)).vary.drawn


def test_whether_to_look_ahead_is_drawn_by_choice_and_with_a_momentum():
    nesterov = {"choice": [True, False]}
    descent = {"optimizer": "sgd", "momentum": 0.9}
    drawn = parse_recipe(changed(vary={"nesterov": nesterov}, training=descent))
    assert drawn.vary.drawn == ("nesterov",)
    for vary, training, message in (
        ({"nesterov": nesterov}, {"optimizer": "sgd"}, "nesterov needs a training.momentum above"),
        ({"nesterov": {"uniform": [0, 1]}}, descent, "can only be drawn by choice"),
        ({"nesterov": {"choice": ["true"]}}, descent, "'true' is impossible: expected true or fal"),
        ({"nesterov": {"choice": [1]}}, descent, "1 is impossible: expected true or false"),
        ({"step_epochs": {"choice": [0.5]}}, {"schedule": "step"}, "expected a whole number"),
        ({"step_factor": {"uniform": [0.5, 2]}}, {"schedule": "step"}, "expected at most 1"),
        ({"batch_size": {"choice": [True]}}, {}, "true is impossible: expected a whole number"),
        ({"learning_rate": {"choice": [True]}}, {}, "true is impossible: expected a number"),
    ):
        with pytest.raises(RecipeError, match=message):
            parse_recipe(changed(vary=vary, training=training))


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("smallcnn-zoo", 4970), ("modelzoos-cnn-s", 2464), ("modelzoos-cnn-m", 10853)],
)
def test_recipes_after_published_zoos_have_their_parameters(name: str, parameters: int):
    assert load_recipe(name).network(10).parameter_count == parameters


def test_the_shape_of_images_is_told_with_all_else(monkeypatch: pytest.MonkeyPatch):
    document = {
        "name": "a",
        "networks_per_class": 1,
        "images": {"source": "digits", "size": 28, "channels": 3},
        "architecture": {"name": "smallcnn"},
        "training": {"batch_size": 0},
    }
    with pytest.raises(RecipeError, match="recipe has 3 problems") as error:
        parse_recipe(document)
    assert "images.size: architecture 'smallcnn' takes 32, got 28" in str(error.value)
    assert "images.channels: architecture 'smallcnn' takes 1, got 3" in str(error.value)
    document["training"] = {}
    chosen = parse_recipe(document)

    def never(*arguments: object, **named: object) -> None:
        raise AssertionError("images are read in vain")

    monkeypatch.setattr("hyperzoo.train.load_images", never)
    with pytest.raises(ImageError, match=r"takes images of shape \(32, 32, 1\)"):
        recipe_images(chosen)
