"""The judge on honest networks, and on generators with one fault each."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import hyperzoo as hz
from hyperzoo.errors import GenerationError
from hyperzoo.features.matrix import tensors_of
from hyperzoo.generation import Split, leaderboard
from hyperzoo.generation.judging import Reference, judge, prepare_reference
from hyperzoo.generation.judging.judge import weights_by_class
from hyperzoo.images import ImageSet
from hyperzoo.zoo import Zoo
from tests.helpers import few

pytestmark = pytest.mark.slow  # trains a zoo

SPLIT = Split(training=6, held_out=3, fresh=3)
COUNT = 4

Weights = dict[str, dict[str, NDArray[np.float32]]]


@pytest.fixture(scope="session")
def images() -> ImageSet:
    return few(hz.load_images("digits", size=32, channels=1), 600, 200)


@pytest.fixture(scope="session")
def zoo(images: ImageSet, tmp_path_factory: pytest.TempPathFactory) -> Zoo:
    """Trained networks: 12 a class of ten classes."""
    given = hz.load_recipe("digits-smallcnn")
    changes = {
        "networks_per_class": 12,
        "task": given.task.model_copy(update={"kind": "one-vs-all"}),
        "training": given.training.model_copy(update={"epochs": 12, "checkpoint_epochs": ()}),
    }
    recipe = given.model_copy(update=changes)
    return hz.train_zoo(recipe, tmp_path_factory.mktemp("judged") / "zoo", images=images)


@pytest.fixture(scope="session")
def reference(zoo: Zoo, images: ImageSet) -> Reference:
    return prepare_reference(zoo, images, SPLIT)


def by_class(reference: Reference, matrix: NDArray[np.float32]) -> Weights:
    """[class x network, parameter], class by class, as the judge takes it."""
    blocks = matrix.reshape(len(reference.questions.classes), -1, matrix.shape[1])
    return {
        name: tensors_of(reference.architecture, block)
        for name, block in zip(reference.questions.classes, blocks, strict=True)
    }


def copies(reference: Reference) -> NDArray[np.float32]:
    return reference.training.matrix[np.concatenate([r[:COUNT] for r in reference.training.rows])]


def noisy(reference: Reference) -> NDArray[np.float32]:
    made = copies(reference)
    noise = np.random.default_rng(0).standard_normal(made.shape)
    return made + np.float32(0.02) * noise.astype(np.float32)


def one(reference: Reference) -> NDArray[np.float32]:
    """Always one network of a class, which was trained but not seen: no copy."""
    fresh = reference.fresh
    assert fresh is not None
    return fresh.matrix[np.concatenate([rows[:1].repeat(COUNT) for rows in fresh.rows])]


def strangers(reference: Reference) -> NDArray[np.float32]:
    """Honest networks, of the class after."""
    fresh = reference.fresh
    assert fresh is not None
    return fresh.matrix[np.concatenate([*fresh.rows[1:], fresh.rows[0]])]


def mixtures(reference: Reference) -> NDArray[np.float32]:
    training = reference.training
    return np.concatenate(
        [
            (training.aligned[r[:COUNT]] + training.aligned[r[1 : COUNT + 1]]) / 2
            for r in training.rows
        ]
    )


@pytest.mark.parametrize(
    ("generator", "fault"),
    [
        (copies, "copies training networks"),
        (noisy, "adds noise to copies"),
        (one, "always one network"),
        (strangers, "ignores the class"),
        (mixtures, "mixes training networks"),
    ],
)
def test_sabotage_is_named(
    reference: Reference, generator: Callable[[Reference], NDArray[np.float32]], fault: str
):
    found = judge(by_class(reference, generator(reference)), reference)
    assert [row["fault"] for row in found.faults.to_pylist()] == [fault]


def test_trained_networks_have_no_fault(reference: Reference):
    fresh = reference.fresh
    assert fresh is not None
    order = np.concatenate(fresh.rows)
    found = judge(by_class(reference, fresh.matrix[order]), reference)
    assert found.faults.to_pylist() == []
    rows = {row["measure"]: row for row in found.verdicts.to_pylist()}
    # The same networks under another name have the same figures.
    for measure in ("AUC", "correlation of logits", "detection, logits", "coverage"):
        assert rows[measure]["generated"] == pytest.approx(rows[measure]["fresh"])
    assert rows["AUC"]["passed"]
    assert "v" in rows["AUC"]["sentence"]


def test_files(reference: Reference, tmp_path: Path):
    found = judge(by_class(reference, copies(reference)), reference, name="copies")
    found.write(tmp_path)
    document = json.loads((tmp_path / "verdict.json").read_text())
    assert document["faults"][0]["fault"] == "copies training networks"
    assert (tmp_path / "verdict.md").read_text().startswith("# copies against")
    assert (tmp_path / "novelty.csv").read_text().startswith('"measure","group","class","value"')


def test_a_missing_class_is_refused(reference: Reference):
    made = by_class(reference, copies(reference))
    del made["three"]
    with pytest.raises(GenerationError, match="there are none of 'three'"):
        judge(made, reference)


def test_too_few_networks_are_refused(reference: Reference):
    made = by_class(reference, copies(reference))
    made["two"] = {name: tensor[:1] for name, tensor in made["two"].items()}
    with pytest.raises(GenerationError, match=r"class 'two' has 1 network\(s\)"):
        judge(made, reference)


def test_another_architecture_is_refused(reference: Reference):
    made = by_class(reference, copies(reference))
    made["two"]["conv1.weight"] = made["two"]["conv1.weight"][:, :2]
    with pytest.raises(GenerationError, match=r"class 'two', conv1.weight: expected"):
        judge(made, reference)


def test_weights_that_are_no_numbers_are_refused(reference: Reference):
    made = by_class(reference, copies(reference).copy())
    made["two"]["conv1.weight"][0] = np.nan
    with pytest.raises(GenerationError, match="not finite"):
        judge(made, reference)


def test_the_zoo_itself_is_refused(zoo: Zoo, images: ImageSet):
    with pytest.raises(GenerationError, match="is the zoo that it is to be judged against"):
        judge(zoo, zoo, images=images)


def test_other_images_are_refused(zoo: Zoo, images: ImageSet):
    with pytest.raises(GenerationError, match="give the same images"):
        judge(weights_by_class(zoo), zoo, images=few(images, 500, 200), split=SPLIT)


def test_the_halves_are_apart(zoo: Zoo, images: ImageSet, reference: Reference):
    other = prepare_reference(zoo, images, SPLIT, half="settings")
    counts = len(reference.questions.labels), len(other.questions.labels)
    assert sum(counts) == len(images.validation_labels)
    assert min(counts) > 0.3 * sum(counts)


def test_a_leaderboard_goes_on_where_it_was(zoo: Zoo, images: ImageSet, tmp_path: Path):
    def board() -> leaderboard.Leaderboard:
        return leaderboard.run(
            zoo, tmp_path, images=images, methods=["copy"], split=SPLIT, networks_per_class=4
        )

    first = board().table.to_pylist()
    assert [row["method"] for row in first] == ["(held-out)", "(fresh)", "copy"]
    assert first[2]["faults"] == "copies training networks"
    row = tmp_path / "copy" / "row.json"
    row.write_text(row.read_text().replace("copies training", "kept from before, training"))
    assert board().table.to_pylist()[2]["faults"] == "kept from before, training networks"


def test_a_leaderboard_of_another_run_is_left_alone(zoo: Zoo, images: ImageSet, tmp_path: Path):
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(GenerationError, match="leaderboard of another"):
        leaderboard.run(zoo, tmp_path, images=images, methods=["copy"], split=SPLIT)
