"""Zoos of generated networks: made, resumed, grown, made again, refused."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hyperzoo as hz
from hyperzoo.analysis import performance
from hyperzoo.errors import (
    GenerationError,
    HyperzooError,
    VerificationError,
    ZooFormatError,
    ZooMismatchError,
)
from hyperzoo.generation import Generator, fit, generate_zoo, regenerate_network
from hyperzoo.population import evaluate, metrics
from hyperzoo.zoo import Zoo, open_zoo
from tests.generation.makers import images, source_zoo
from tests.helpers import part_files
from tests.zoo.makers import make_zoo


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Zoo:
    return source_zoo(tmp_path_factory.mktemp("source") / "zoo")


@pytest.fixture(scope="module")
def generator(source: Zoo) -> Generator:
    return fit(source, "copy", seed=3)


@pytest.fixture(scope="module")
def made(generator: Generator, tmp_path_factory: pytest.TempPathFactory) -> Zoo:
    """60 networks in two parts."""
    folder = tmp_path_factory.mktemp("made") / "zoo"
    return generate_zoo(generator, folder, networks_per_class=12, images=images(), seed=5)


def test_a_generated_zoo_says_what_made_it(made: Zoo, generator: Generator, source: Zoo):
    origin = made.generated
    assert origin is not None
    assert (made.recipe, made.imported, made.epochs) == (None, None, 0)
    assert (origin.method, origin.fit_seed, origin.seed) == ("copy", 3, 5)
    assert origin.generator_digest == generator.digest
    assert source.recipe is not None
    assert origin.fitted_on.recipe_digest == source.recipe.digest
    assert (origin.fitted_on.training, origin.fitted_on.held_out) == (4, 2)
    assert made.image_fingerprint == images().fingerprint
    assert made.ids[:3] == ["cat_0", "dog_0", "owl_0"]
    assert [len(part) for part in made.plan] == [50, 10]


def test_its_networks_are_those_of_the_generator(made: Zoo, generator: Generator):
    alone = generator.make("owl", 7, seed=5)
    row = made.ids.index("owl_7")
    for name, tensor in alone.items():
        np.testing.assert_array_equal(made.weights(name)[row], tensor)


def test_metrics_are_those_on_the_validation_split(made: Zoo, generator: Generator):
    weights = generator.make("dog", 2, seed=5)
    (logits,) = evaluate(made.architecture, [weights], images().validation_images)
    expected = metrics(logits, np.equal(images().validation_labels, 1).astype(np.int64))
    row = made.models.to_pylist()[made.ids.index("dog_2")]
    assert {name: row[name] for name in expected} == expected
    assert (row["epoch"], row["learning_rate"], row["batch_size"]) == (None, None, None)


def test_an_interrupted_zoo_goes_on_to_the_same_bytes(
    made: Zoo, generator: Generator, tmp_path: Path
):
    def stop(done: int, total: int) -> None:
        if done == 50:
            raise KeyboardInterrupt

    folder = tmp_path / "zoo"
    with pytest.raises(KeyboardInterrupt):
        generate_zoo(generator, folder, networks_per_class=12, images=images(), seed=5, meter=stop)
    assert len(open_zoo(folder)) == 50
    generate_zoo(generator, folder, networks_per_class=12, images=images(), seed=5, workers=3)
    assert part_files(folder) == part_files(made.path)


def test_it_grows(generator: Generator, tmp_path: Path):
    for count in (2, 3):
        zoo = generate_zoo(generator, tmp_path, networks_per_class=count, images=images())
        assert len(zoo) == 5 * count
    assert zoo.parts_complete == (0, 1)
    assert hz.verify_zoo(tmp_path).problems == ()
    with pytest.raises(ZooMismatchError, match="only grows"):
        generate_zoo(generator, tmp_path, networks_per_class=1, images=images())


def test_numbers_of_numpy_are_numbers_and_others_are_none(generator: Generator, tmp_path: Path):
    numbers: dict[str, Any] = {"networks_per_class": np.int64(2), "seed": np.uint8(5)}
    zoo = generate_zoo(generator, tmp_path / "zoo", images=images(), **numbers)
    assert (len(zoo), zoo.generated and zoo.generated.seed) == (10, 5)
    for name in ("networks_per_class", "seed", "workers"):
        for wrong in (1.5, "2", True, None):
            asked: dict[str, Any] = {"networks_per_class": 2, name: wrong}
            with pytest.raises(GenerationError, match=f"^{name}: expected a whole number, got "):
                generate_zoo(generator, tmp_path / "new", images=images(), **asked)
    assert not (tmp_path / "new").exists()


def test_multi_class_networks(tmp_path: Path):
    generator = fit(source_zoo(tmp_path / "zoo", "multi-class"), "copy")
    zoo = generate_zoo(generator, tmp_path / "made", networks_per_class=3, images=images())
    assert (zoo.ids, zoo.kind) == (["all_0", "all_1", "all_2"], "multi-class")


def test_what_is_refused_leaves_nothing(
    made: Zoo, generator: Generator, source: Zoo, tmp_path: Path
):
    def again(folder: Path, **changes: Any) -> Zoo:
        arguments: dict[str, Any] = {"networks_per_class": 12, "images": images(), "seed": 5}
        return generate_zoo(generator, folder, **(arguments | changes))

    with pytest.raises(GenerationError, match="not 'noise' with fingerprint"):
        again(tmp_path / "new", images=images(seed=1))
    with pytest.raises(GenerationError, match="networks_per_class: expected 1 to"):
        again(tmp_path / "new", networks_per_class=0)
    assert not (tmp_path / "new").exists()
    with pytest.raises(ZooMismatchError, match=r"generated otherwise:\n  - seed: the zoo has 5"):
        again(made.path, seed=6)
    with pytest.raises(ZooMismatchError, match="networks that were trained; give another"):
        again(source.path)


def test_a_network_is_made_again(made: Zoo, generator: Generator, source: Zoo, tmp_path: Path):
    found = regenerate_network(made, "yak_11", generator)
    assert (found.differing, found.weights) == (0, made.architecture.parameter_count)
    with pytest.raises(VerificationError, match="made by a generator with digest"):
        regenerate_network(made, "yak_11", fit(source, "copy", seed=4))
    with pytest.raises(VerificationError, match="was not generated"):
        regenerate_network(source, "cat_0", generator)
    with pytest.raises(VerificationError, match="never trained, so it can't be trained again"):
        hz.retrain_network(made, "yak_11")


def test_it_is_sound_and_damage_is_found(made: Zoo, tmp_path: Path):
    assert hz.verify_zoo(made.path).problems == ()
    shutil.copytree(made.path, tmp_path / "zoo")
    document = json.loads((tmp_path / "zoo" / "zoo.json").read_text())
    document["generated"]["seed"] = 6
    (tmp_path / "zoo" / "zoo.json").write_text(json.dumps(document))
    problems = hz.verify_zoo(tmp_path / "zoo").problems
    assert any("the mark has seed 5, expected 6" in problem for problem in problems)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(generated=[]), "generated: expected an object"),
        (lambda d: d["generated"].pop("method"), "it has no 'method'"),
        (lambda d: d["generated"].update(seed=-1), "generated.seed: expected whole"),
        (lambda d: d["generated"].update(seed=True), "generated.seed: expected whole"),
        (lambda d: d["generated"].update(classes=["cup"]), "generated.classes: expected classes"),
        (lambda d: d["generated"].update(classes=["dog", "cat"]), "in their order"),
        (lambda d: d["generated"].update(classes=[]), "generated.classes: expected classes"),
        (lambda d: d["generated"].update(generator_digest=3), "generator_digest: expected a text"),
        (lambda d: d["generated"]["fitted_on"].update(training="4"), "training: expected whole"),
        (lambda d: d["generated"].update(fitted_on=None), "fitted_on: expected an object"),
        (lambda d: d.update(sizes=[]), "sizes must increase"),
        (lambda d: d.update(sizes=[5, 4]), "sizes must increase"),
        (lambda d: d.update(sizes=[10**12]), "sizes: expected up to 1,000,000"),
        (lambda d: d["architecture"].update(outputs=10**9), "architecture.outputs: expected"),
    ],
)
def test_a_hostile_document_is_refused(
    made: Zoo, tmp_path: Path, change: Callable[[Any], Any], message: str
):
    document = json.loads((made.path / "zoo.json").read_text())
    change(document)
    (tmp_path / "zoo.json").write_text(json.dumps(document))
    with pytest.raises(ZooFormatError, match=message):
        open_zoo(tmp_path)


def test_training_does_not_go_on_with_it(made: Zoo):
    with pytest.raises(HyperzooError, match="networks that were generated; give another folder"):
        make_zoo(made.path)


def test_it_is_studied_as_any_zoo(made: Zoo):
    rows = performance(made).to_pylist()
    assert rows[-1]["networks"] == 60
    assert made.network("cat_0") is not None
    assert made.history().num_rows == 0


def test_export(made: Zoo, tmp_path: Path):
    assert hz.export_zoo(made, "pytorch", tmp_path / "torch") > 0
