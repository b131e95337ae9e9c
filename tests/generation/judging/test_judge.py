"""The judge on honest networks, and on generators with one fault each."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from hyperzoo.analysis import align
from hyperzoo.architectures.symmetry import hidden_units, move_units
from hyperzoo.errors import GenerationError
from hyperzoo.features.matrix import matrix_of, tensors_of
from hyperzoo.generation import Split, fit, generate_zoo, leaderboard
from hyperzoo.generation.judging import Reference, detection, judge, novelty, prepare_reference
from hyperzoo.generation.judging.judge import split_of, weights_by_class
from hyperzoo.generation.judging.reference import Half
from hyperzoo.generation.judging.verdicts import faults
from hyperzoo.images import ImageSet
from hyperzoo.randomness import uniforms
from hyperzoo.zoo import Zoo, open_zoo
from tests.helpers import few

SPLIT = Split(training=6, held_out=3, fresh=3)
COUNT = 4

Weights = dict[str, dict[str, NDArray[np.float32]]]
Matrix = NDArray[np.float32]


@pytest.fixture(scope="session")
def reference(zoo: Zoo, images: ImageSet) -> Reference:
    return prepare_reference(zoo, images, SPLIT)


@pytest.fixture(scope="session")
def multi_reference(multi: Zoo, images: ImageSet) -> Reference:
    return prepare_reference(multi, images, SPLIT)


def by_class(reference: Reference, matrix: NDArray[np.float32]) -> Weights:
    """[class x network, parameter], class by class, as the judge takes it."""
    blocks = matrix.reshape(len(reference.questions.classes), -1, matrix.shape[1])
    return {
        name: tensors_of(reference.architecture, block)
        for name, block in zip(reference.questions.classes, blocks, strict=True)
    }


def copies(reference: Reference) -> Matrix:
    return reference.training.matrix[np.concatenate([r[:COUNT] for r in reference.training.rows])]


def noisy(
    scale: float, clean: Callable[[Reference], Matrix] = copies
) -> Callable[[Reference], Matrix]:
    """Networks with noise, their units in an order by chance."""

    def make(reference: Reference) -> Matrix:
        made = clean(reference)
        noise = np.random.default_rng(0).standard_normal(made.shape)
        return shuffled(reference, made + np.float32(scale) * noise.astype(np.float32))

    return make


def shuffled(reference: Reference, matrix: Matrix) -> Matrix:
    """The same functions, their hidden units in an order and with signs by chance."""
    random, architecture = np.random.default_rng(1), reference.architecture
    groups = hidden_units(architecture)
    orders = {g.layer: np.stack([random.permutation(g.units) for _ in matrix]) for g in groups}
    signs = {g.layer: random.choice([-1, 1], (len(matrix), g.units)) for g in groups if g.signs}
    return matrix_of(
        architecture, move_units(architecture, tensors_of(architecture, matrix), orders, signs)
    )


def one(reference: Reference) -> Matrix:
    """Always one network of a class, which was trained but not seen: no copy."""
    fresh = reference.fresh
    assert fresh is not None
    return fresh.matrix[np.concatenate([rows[:1].repeat(COUNT) for rows in fresh.rows])]


def in_turn(reference: Reference) -> Matrix:
    """Two networks of a class in turn."""
    fresh = reference.fresh
    assert fresh is not None
    return fresh.matrix[np.concatenate([np.resize(rows[:2], COUNT) for rows in fresh.rows])]


def strangers(reference: Reference) -> Matrix:
    """Honest networks, of the class after; of multi-class networks, outputs of the class after."""
    fresh = reference.fresh
    assert fresh is not None
    if len(fresh.rows) > 1:
        return fresh.matrix[np.concatenate([*fresh.rows[1:], fresh.rows[0]])]
    tensors = tensors_of(reference.architecture, fresh.matrix.copy())
    last = reference.architecture.layer_names[-1]
    for kind in ("weight", "bias"):
        tensors[f"{last}.{kind}"] = np.roll(tensors[f"{last}.{kind}"], 1, axis=1)
    return matrix_of(reference.architecture, tensors)


def partly(reference: Reference) -> Matrix:
    """Honest networks, one of three of which is of the class after."""
    fresh = reference.fresh
    assert fresh is not None
    if len(fresh.rows) == 1:
        return strangers(reference)
    after = [*fresh.rows[1:], fresh.rows[0]]
    mixed = [np.r_[rows[:2], others[:1]] for rows, others in zip(fresh.rows, after, strict=True)]
    return fresh.matrix[np.concatenate(mixed)]


def silent(reference: Reference) -> Matrix:
    """Honest networks whose last layer says the same to every image."""
    fresh = reference.fresh
    assert fresh is not None
    tensors = tensors_of(reference.architecture, fresh.matrix.copy())
    tensors[f"{reference.architecture.layer_names[-1]}.weight"][:] = 0
    return matrix_of(reference.architecture, tensors)


def pairs(aligned: bool) -> Callable[[Reference], Matrix]:
    """Averages of two training networks, as they are or aligned to each other, then shuffled."""

    def make(reference: Reference) -> Matrix:
        architecture, found = reference.architecture, []
        for rows in reference.training.rows:
            first, others = reference.training.matrix[rows[:1]], reference.training.matrix[rows[1:]]
            if aligned:
                target = {n: t[0] for n, t in tensors_of(architecture, first).items()}
                tensors = tensors_of(architecture, others)
                moved = align(tensors, target, architecture=architecture).weights
                others = matrix_of(architecture, moved)
            found.append((first + others[:COUNT]) / 2)
        return shuffled(reference, np.concatenate(found))

    return make


def control(method: str) -> Callable[[Reference], Matrix]:
    """What a control makes that was fitted on the same networks."""

    def make(reference: Reference) -> Matrix:
        generator = fit(reference.zoo, method, images=reference.images, split=SPLIT)
        made = [generator.sample(name, COUNT) for name in generator.classes]
        return np.concatenate([matrix_of(reference.architecture, own) for own in made])

    return make


COPIES, NOISE, MIXES = "copies training networks", "adds noise to copies", "mixes training networks"
ONE, IGNORES = "always one network", "ignores the class"
REPEATS = "repeats its own networks"

SABOTAGE: list[tuple[Callable[[Reference], Matrix], set[str]]] = [
    (copies, {COPIES}),
    (lambda r: shuffled(r, copies(r)), {COPIES}),
    (noisy(0.02), {NOISE}),
    (noisy(0.04), {NOISE}),
    (noisy(0.08), {NOISE}),
    (control("noise-distance"), {NOISE}),
    (pairs(aligned=True), {MIXES}),
    (pairs(aligned=False), {MIXES}),
    (control("average"), {MIXES}),
    (control("gaussian-span"), {MIXES}),
    (control("mean"), {MIXES, ONE}),
    (one, {ONE}),
    (noisy(0.01, one), {REPEATS}),
    (in_turn, {REPEATS}),
    (strangers, {IGNORES}),
    (partly, {IGNORES}),
    (silent, {IGNORES, REPEATS}),
]


@pytest.mark.parametrize("kind", ["one-vs-all", "multi-class"])
@pytest.mark.parametrize(
    ("generator", "faults"),
    SABOTAGE,
    ids=[
        *("copies", "copies shuffled", "noise .02", "noise .04", "noise .08", "noise-distance"),
        *(
            "pairs",
            "pairs as they are",
            "average",
            "gaussian-span",
            "mean",
            "one",
            "one under noise",
            "two in turn",
            "strangers",
            "a third of strangers",
        ),
        "silent",
    ],
)
def test_sabotage_is_named(
    reference: Reference,
    multi_reference: Reference,
    generator: Callable[[Reference], Matrix],
    faults: set[str],
    kind: str,
):
    chosen = reference if kind == "one-vs-all" else multi_reference
    found = judge(by_class(chosen, generator(chosen)), chosen)
    assert {row["fault"] for row in found.faults.to_pylist()} == faults


def test_other_weights_and_the_same_answers():
    """Nothing lies near another network, and all say the same; one class has no other."""
    held_out = {("correlation of logits", "held-out"): 0.98, ("share of repeats", "held-out"): 0.0}
    made = {("correlation of logits", "generated"): 0.9985, ("share of repeats", "generated"): 0.0}
    (fault,) = faults(held_out | made)
    assert fault["fault"] == "always one function"
    assert "differ by 0.075 of what those of held-out ones do" in fault["sentence"]
    made["correlation of logits", "generated"] = 0.9975
    assert faults(held_out | made) == []
    made |= {("share of repeats", "generated"): 0.5, ("correlation of logits", "generated"): 1.0}
    assert [row["fault"] for row in faults(held_out | made)] == ["repeats its own networks"]


def test_trained_networks_have_no_fault(reference: Reference, multi_reference: Reference):
    for chosen in (reference, multi_reference):
        fresh = chosen.fresh
        assert fresh is not None
        found = judge(by_class(chosen, fresh.matrix[np.concatenate(fresh.rows)]), chosen)
        assert found.faults.to_pylist() == []
        rows = {row["measure"]: row for row in found.verdicts.to_pylist()}
        # The same networks under another name have the same figures.
        for measure in ("accuracy", "correlation of logits", "detection, logits", "coverage"):
            assert rows[measure]["generated"] == pytest.approx(rows[measure]["fresh"])
        assert "v" in rows["accuracy"]["sentence"]


def test_a_judgement_of_multi_class_networks(multi_reference: Reference):
    found = judge(by_class(multi_reference, copies(multi_reference)), multi_reference)
    figures = {(r["measure"], r["group"]): r["value"] for r in found.quality.to_pylist()}
    assert figures["accuracy", "generated"] > 0.4  # by chance .25
    assert figures["share best at their own class", "held-out"] > 0.5
    assert ("AUC", "generated") not in figures
    questions = multi_reference.questions
    said = multi_reference.held_out.logits.argmax(axis=2)
    expected = float((said == questions.labels).mean())
    assert figures["accuracy", "held-out"] == pytest.approx(expected)
    novelty = {(r["measure"], r["group"]): r["value"] for r in found.novelty.to_pylist()}
    assert novelty["nearest aligned distance", "generated"] == pytest.approx(0, abs=1e-3)


def test_the_strict_bar_is_told_beside_what_chance_gives(reference: Reference):
    found = judge(by_class(reference, copies(reference)), reference)
    rows = {row["measure"]: row for row in found.verdicts.to_pylist()}
    row = rows["share nearer than 1 % of held-out"]
    assert (row["generated"], row["passed"]) == (1.0, False)
    assert (
        "strictly, none may be, and 16 of 16 are (of honest samples of 16, 85% have none)"
        in (row["sentence"])
    )


def test_of_too_few_networks_nothing_is_said(zoo: Zoo, images: ImageSet):
    few_held = prepare_reference(zoo, images, Split(training=6, held_out=2, fresh=2))
    found = judge(by_class(few_held, copies(few_held)), few_held)
    rows = {row["measure"]: row for row in found.verdicts.to_pylist()}
    for measure in ("logits", "linear response"):
        row = rows[f"C_T, {measure}: classes within 2"]
        assert row["passed"] is None
        assert "of so few networks that nothing could miss this bar" in row["sentence"]
    assert rows["share nearer than 1 % of held-out"]["passed"] is False
    assert "- not told: share of classes whose C_T in logits" in found.text
    assert "- no bar: share of classes whose C_T in weights" in found.text
    assert novelty.farthest_c_t(6, 2) == 2.0
    assert novelty.c_t(np.arange(6.0), np.arange(10.0, 12.0)) == pytest.approx(-2.0)


def test_networks_that_are_all_the_same_are_no_traceback(reference: Reference):
    """Both sides bit for bit: nothing is left for a classifier to look at."""
    same = np.ones((12, 40), np.float32)
    sides, classes = np.repeat([1, 0], 6), np.zeros(12, np.int64)
    assert detection._auc(same, sides, classes).value == 0.5


def test_files(reference: Reference, tmp_path: Path):
    found = judge(by_class(reference, copies(reference)), reference, name="copies")
    assert replace(found, about={**found.about, "name": "<b>"}).text.startswith("# &lt;b&gt; ag")
    found.write(tmp_path)
    document = json.loads((tmp_path / "verdict.json").read_text())
    assert document["faults"][0]["fault"] == "copies training networks"
    assert (tmp_path / "verdict.md").read_text().startswith("# copies against")
    assert (tmp_path / "novelty.csv").read_text().startswith('"measure","group","class","value"')


def test_a_missing_class_is_refused(reference: Reference):
    made = by_class(reference, copies(reference))
    del made["two"]
    with pytest.raises(GenerationError, match="there are none of 'two'"):
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


def test_networks_of_the_same_recipe_are_refused(zoo: Zoo, images: ImageSet, tmp_path: Path):
    """A zoo grows, so a copy of it from before holds the same networks."""
    shutil.copytree(zoo.path, tmp_path / "zoo")
    with pytest.raises(GenerationError, match="is the zoo that it is to be judged against"):
        judge(open_zoo(tmp_path / "zoo"), zoo, images=images)


def test_the_split_is_that_of_the_fit(zoo: Zoo, images: ImageSet, tmp_path: Path):
    split = Split(training=4, held_out=2, fresh=2)
    generator = fit(zoo, "copy", split=split)
    made = generate_zoo(generator, tmp_path, networks_per_class=2, images=images)
    assert split_of(made, zoo) == split
    assert split_of(made, zoo, SPLIT) == SPLIT
    with pytest.raises(GenerationError, match="has seen the first 4 networks of every class"):
        judge(made, zoo, images=images, split=Split(training=3, held_out=3, fresh=3))
    assert split_of(zoo, zoo) is None


def test_other_images_are_refused(zoo: Zoo, images: ImageSet):
    with pytest.raises(GenerationError, match="give the same images"):
        judge(weights_by_class(zoo), zoo, images=few(images, 100, 80), split=SPLIT)


def test_the_halves_are_apart(zoo: Zoo, images: ImageSet, reference: Reference):
    other = prepare_reference(zoo, images, SPLIT, half="settings")
    counts = len(reference.questions.labels), len(other.questions.labels)
    assert sum(counts) == len(images.validation_labels)
    assert min(counts) > 0.3 * sum(counts)


def test_a_class_without_images_is_refused(zoo: Zoo, images: ImageSet):
    """The only image of a class can't be in both halves."""
    threes = np.flatnonzero(images.validation_labels == 3)
    kept = np.delete(np.arange(len(images.validation_labels)), threes[1:])
    few_threes = replace(
        images,
        validation_images=images.validation_images[kept],
        validation_labels=images.validation_labels[kept],
    )
    few_threes.__dict__["fingerprint"] = images.fingerprint  # or it would be refused at once
    in_report = uniforms(0, "", 0, "judge/half", len(kept))[threes[0]] < 0.5
    without: Half = "settings" if in_report else "report"
    with pytest.raises(GenerationError, match=f"the {without} half .* has none of class 'three'"):
        prepare_reference(zoo, few_threes, SPLIT, half=without)


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
