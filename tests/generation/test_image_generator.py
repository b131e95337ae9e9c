"""The file of a generator that is given images, and zoos that it makes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hyperzoo.errors import GenerationError, VerificationError, ZooFormatError, ZooMismatchError
from hyperzoo.generation import fit, load_generator, regenerate_network
from hyperzoo.generation.from_images import (
    ImageGenerator,
    conditioned,
    generate_from_images,
    load_image_generator,
)
from hyperzoo.generation.from_images.making import met_again
from hyperzoo.generation.registry import FROM_IMAGES
from hyperzoo.images.given import GivenImages
from hyperzoo.zoo import Given, Zoo, verify_zoo
from hyperzoo.zoo.tensors import encode_tensors, open_tensors
from tests.generation.makers import LEFT_OUT, digits, source_zoo
from tests.helpers import part_files


def given(count: int = 10, name: str = LEFT_OUT) -> GivenImages:
    images = digits()
    own = images.train_images[images.train_labels == images.class_names.index(LEFT_OUT)]
    return GivenImages(name="few", images={name: own[:count]})


@pytest.mark.parametrize("head", FROM_IMAGES)
def test_a_generator_comes_back_from_its_file(generator: ImageGenerator, tmp_path: Path, head: str):
    chosen = generator.by(head)
    chosen.save(tmp_path / "g")
    found = load_image_generator(tmp_path / "g")
    assert (found.method, found.digest, found.fitted_on) == (head, chosen.digest, chosen.fitted_on)
    images = given().images[LEFT_OUT]
    before, after = chosen.sample(images, 2, seed=5), found.sample(images, 2, seed=5)
    for name, tensor in before.items():
        assert tensor.tobytes() == after[name].tobytes()


def test_the_order_of_images_is_nothing(generator: ImageGenerator):
    images = given().images[LEFT_OUT]
    assert len({image.tobytes() for image in images}) == len(images)
    one, other = (generator.sample(own, 1, seed=3) for own in (images, images[::-1]))
    for name, tensor in one.items():
        assert tensor.tobytes() == other[name].tobytes()


def test_a_file_says_what_the_generator_was_fitted_on(
    generator: ImageGenerator, tasks: Zoo, tmp_path: Path
):
    generator.save(tmp_path / "g")
    found = load_image_generator(tmp_path / "g")
    assert tasks.recipe is not None
    assert found.fitted_on.recipe_digest == tasks.recipe.digest
    assert found.fitted_on.image_fingerprint == digits().without([LEFT_OUT]).fingerprint
    assert (found.fitted_on.name, found.seed, found.left_out) == ("tasks", 0, (LEFT_OUT,))
    assert LEFT_OUT not in found.image_classes
    assert found.fitted_on.split.training == 1


def test_the_other_kind_of_generator_is_told(generator: ImageGenerator, tmp_path: Path):
    generator.save(tmp_path / "images")
    with pytest.raises(GenerationError, match=r"from images of a class; give these with --images"):
        load_generator(tmp_path / "images")
    fit(source_zoo(tmp_path / "zoo"), "copy").save(tmp_path / "names")
    with pytest.raises(GenerationError, match=r"takes no images; leave --images-of out"):
        load_image_generator(tmp_path / "names")
    with pytest.raises(GenerationError, match=r"no such file; `hyperzoo generate ZOO --images-of"):
        load_image_generator(tmp_path / "none")


def fitted_on(**counts: int) -> dict[str, object]:
    split = {"training": 1, "held_out": 0, "fresh": 0} | counts
    names = ("name", "recipe_digest", "image_fingerprint", "images_name")
    return dict.fromkeys(names, "") | {"split": split}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "other"}, "expected a 'hyperzoo generator' of version 1"),
        ({"given": ["images"]}, "given: expected 'images' or nothing"),
        ({"method": "boundry"}, "no method 'boundry' .*did you mean 'boundary'"),
        ({"method": "copy"}, "no method 'copy' of networks from images"),
        ({"outputs": 9, "kind": "multi-class"}, "expected an architecture with one output"),
        ({"classes": ["one"]}, "classes: 'one' is not one"),
        ({"left_out": ["one"]}, "classes: 'one' is not one"),
        ({"left_out": "zero"}, "left_out: expected a list of class names"),
        ({"image_classes": ["a", "b"]}, "seen.labels': expected two or more of 0 to 1"),
        ({"architecture": "lenet5"}, "tensor '.*': expected"),
        ({"fitted_on": 3}, "fitted_on: expected an object"),
        ({"fitted_on": fitted_on(training=0)}, "training: expected a whole number from 1 to 10000"),
        ({"fitted_on": fitted_on(held_out=10**18)}, "held_out: expected a whole number from 0 to"),
    ],
)
def test_a_hostile_text_is_refused(
    generator: ImageGenerator, tmp_path: Path, changes: dict, message: str
):
    _write(generator, tmp_path / "g", changes, {}, {})
    with pytest.raises(GenerationError, match=message):
        load_image_generator(tmp_path / "g")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("tasks", 10**9, "'tasks': expected a whole number from 1 to 10000"),
        ("tasks", 3, r"tensor 'trunk.*': expected \(3"),
        ("shrinkage", 0.5, "'shrinkage': expected one of 0.01"),
        ("length.conv1.weight", -1.0, "'length.conv1.weight': expected a number from 0"),
        ("length.conv1.weight", float("nan"), "'length.conv1.weight': expected a finite number"),
        ("length.conv1.weight", "1", "'length.conv1.weight': expected a number from 0"),
        ("more", 1, "settings: expected tasks, seen"),
    ],
)
def test_hostile_settings_are_refused(
    generator: ImageGenerator, tmp_path: Path, name: str, value: object, message: str
):
    _write(generator, tmp_path / "g", {}, {name: value}, {})
    with pytest.raises(GenerationError, match=message):
        load_image_generator(tmp_path / "g")


def test_hostile_tensors_are_refused(generator: ImageGenerator, tmp_path: Path):
    known = generator.state.tensors
    for name, tensor, message in (
        ("seen.labels", known["seen.labels"] + 0.5, "seen.labels': expected two or more of 0 to 8"),
        ("seen.labels", known["seen.labels"] * 0, "seen.labels': expected two or more"),
        ("seen.features", known["seen.features"][:, 1:], "'seen.features': expected"),
        ("seen.features", known["seen.features"] * np.nan, "not finite"),
        ("references", known["references"].astype(np.float32), "'references': expected uint8"),
        ("more", np.ones(3, np.float32), "tensor 'more': expected none"),
    ):
        _write(generator, tmp_path / "g", {}, {}, {name: tensor})
        with pytest.raises(GenerationError, match=message):
            load_image_generator(tmp_path / "g")


def test_huge_numbers_are_refused_when_the_file_is_read(generator: ImageGenerator, tmp_path: Path):
    huge = np.full_like(generator.state.tensors["trunk.conv1.weight"], 3e38)
    _write(generator, tmp_path / "g", {}, {}, {"trunk.conv1.weight": huge})
    with pytest.raises(GenerationError, match=r"'trunk.conv1.weight': expected numbers up to 1e"):
        load_image_generator(tmp_path / "g")


def test_numbers_that_make_no_network_are_refused_when_one_is_made(generator: ImageGenerator):
    huge = np.full_like(generator.state.tensors["trunk.conv1.weight"], 3e38)
    tensors = {**generator.state.tensors, "trunk.conv1.weight": huge}
    odd = replace(generator, state=replace(generator.state, tensors=tensors))
    for head in FROM_IMAGES:
        with pytest.raises(GenerationError, match="its fit came to nothing"):
            odd.by(head).sample(given().images[LEFT_OUT], 1)


def test_a_file_that_is_cut_short_is_refused(generator: ImageGenerator, tmp_path: Path):
    (tmp_path / "g").write_bytes(generator.encoded[:-100])
    with pytest.raises(ZooFormatError, match="cut short"):
        load_image_generator(tmp_path / "g")


def _write(
    generator: ImageGenerator, path: Path, text: dict, settings: dict, tensors: dict
) -> None:
    """A generator's file with some of it changed."""
    generator.save(path)
    metadata = dict(open_tensors(path, widths={"F32": 4, "U8": 1}).metadata)
    metadata["settings"] = metadata["settings"] | settings
    path.write_bytes(encode_tensors({**generator.state.tensors, **tensors}, metadata | text))


def test_a_zoo_from_images(generator: ImageGenerator, tasks: Zoo, tmp_path: Path):
    images = digits()
    zoo = generate_from_images(
        generator, given(), tmp_path / "zoo", networks_per_class=2, images=images, seed=4
    )
    assert zoo.ids == ["zero_0", "zero_1"]
    origin = zoo.generated
    assert origin is not None
    assert origin.given == Given(counts=(10,), fingerprint=given().fingerprint)
    assert (origin.method, origin.seed, origin.generator_digest) == (
        "boundary",
        4,
        generator.digest,
    )
    assert origin.fitted_on.name == tasks.name
    assert origin.how == (
        "generated from 10 given images by the method 'boundary', fitted on 1 network a task of "
        "the zoo 'tasks'"
    )
    assert zoo.image_fingerprint == images.fingerprint
    assert min(zoo.models["auc"].to_pylist()) > 0.8
    assert verify_zoo(zoo.path).problems == ()
    # Grown and made at once by other workers: the same files but for the parts' bounds.
    again = generate_from_images(
        generator, given(), tmp_path / "zoo", networks_per_class=3, images=images, seed=4, workers=1
    )
    whole = generate_from_images(
        generator, given(), tmp_path / "all", networks_per_class=3, images=images, seed=4, workers=2
    )
    for p in generator.architecture.parameters:
        assert again.weights(p.name).tobytes() == whole.weights(p.name).tobytes()


def test_a_class_without_validation_images_has_no_metrics(
    generator: ImageGenerator, tmp_path: Path
):
    shown = given(name="gizmo")
    zoo = generate_from_images(
        generator, shown, tmp_path / "a", networks_per_class=1, images=digits()
    )
    alone = generate_from_images(generator, shown, tmp_path / "b", networks_per_class=1)
    assert zoo.image_classes == (*generator.image_classes, "gizmo")
    assert (zoo.ids, zoo.image_fingerprint, zoo.image_counts) == (["gizmo_0"], "", None)
    assert zoo.models["accuracy"].to_pylist() == [None]
    assert zoo.models["status"].to_pylist() == ["ok"]
    assert part_files(zoo.path) == part_files(alone.path)
    assert verify_zoo(zoo.path).problems == ()


def test_a_network_is_made_again_from_the_same_images_alone(
    generator: ImageGenerator, tmp_path: Path
):
    zoo = generate_from_images(generator, given(), tmp_path / "zoo", networks_per_class=1)
    found = regenerate_network(zoo, "zero_0", conditioned(generator, given()))
    assert (found.differing, found.weights) == (0, generator.architecture.parameter_count)
    with pytest.raises(VerificationError, match=r"from 10 images with .* now are 9 with finger"):
        regenerate_network(zoo, "zero_0", conditioned(generator, given(9)))
    with pytest.raises(VerificationError, match="give the same generator"):
        regenerate_network(zoo, "zero_0", conditioned(generator.by("density"), given()))
    with pytest.raises(ZooMismatchError, match=r"given\.fingerprint: the zoo has"):
        generate_from_images(generator, given(9), tmp_path / "zoo", networks_per_class=1)


def test_images_that_do_not_fit(generator: ImageGenerator, tmp_path: Path):
    small = GivenImages(name="few", images={"gizmo": np.zeros((2, 8, 8, 1), np.uint8)})
    with pytest.raises(GenerationError, match=r"networks' shape \(32, 32, 1\), got \(8, 8, 1\)"):
        generate_from_images(generator, small, tmp_path / "zoo", networks_per_class=1)
    with pytest.raises(GenerationError, match="networks_per_class: expected 1 to"):
        generate_from_images(generator, given(), tmp_path / "zoo", networks_per_class=0)
    assert not (tmp_path / "zoo").exists()


def test_validation_images_among_the_given_ones_are_counted():
    images = digits()
    assert met_again(given(), images) == 0
    shown = {"zero": images.validation_images[:3].copy()}
    assert met_again(GivenImages(name="few", images=shown), images) == 3
