"""`hyperzoo judge`: what it writes and says, and what it refuses without writing anything."""

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from hyperzoo.cli.command import app
from hyperzoo.errors import HyperzooError
from hyperzoo.generation import Generator, fit, generate_zoo
from hyperzoo.images.npz import write_npz
from hyperzoo.zoo import open_zoo
from tests.generation.makers import images
from tests.prediction.makers import planted_zoo
from tests.zoo.makers import make_zoo, recipe

IMAGES = images(count=100)


@pytest.fixture(scope="module")
def generator(place: Path) -> Generator:
    return fit(open_zoo(place / "source"), "copy")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a trained zoo, its images, and a zoo of copies."""
    folder = tmp_path_factory.mktemp("judge")
    source = planted_zoo(folder / "source", image_fingerprint=IMAGES.fingerprint)
    write_npz(IMAGES, folder / "noise.npz")
    write_npz(images(seed=1, count=100), folder / "other.npz")
    generate_zoo(fit(source, "copy"), folder / "made", networks_per_class=3, images=IMAGES)
    return folder


def judge(made: Path, place: Path, out: Path, *more: object, shown: str = "noise.npz") -> Result:
    words = ["judge", made, "--against", place / "source", "--out", out]
    words += ["--images", place / shown, *more]
    return CliRunner().invoke(app, list(map(str, words)))


def test_copies_are_judged(place: Path, tmp_path: Path):
    done = judge(place / "made", place, tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert "fault: copies training networks: 100% of networks are training" in done.output
    assert f"tables and verdicts are in {tmp_path / 'out'}" in done.output.replace("\n", "")
    files = {file.name for file in (tmp_path / "out").iterdir()}
    families = ("quality", "diversity", "novelty", "detection", "coverage", "use", "cost")
    tables = {f"{name}.csv" for name in (*families, "verdicts", "faults")}
    assert files == tables | {"verdict.json", "verdict.md"}
    document = json.loads((tmp_path / "out" / "verdict.json").read_text())
    assert document["about"]["split"] == {"training": 4, "held_out": 2, "fresh": 2}
    assert [row["fault"] for row in document["faults"]] == ["copies training networks"]
    assert "Faults:\n\n- copies training networks" in (tmp_path / "out" / "verdict.md").read_text()


def lacking_a_class(place: Path, folder: Path, generator: Generator) -> None:
    few = replace(generator, classes=generator.classes[:3])
    generate_zoo(few, folder, networks_per_class=3, images=IMAGES)


def one_a_class(place: Path, folder: Path, generator: Generator) -> None:
    generate_zoo(generator, folder, networks_per_class=1, images=IMAGES)


def of_lenet5(place: Path, folder: Path, generator: Generator) -> None:
    chosen = recipe(networks_per_class=2, architecture={"name": "lenet5"})
    make_zoo(folder, chosen)


def of_other_images(place: Path, folder: Path, generator: Generator) -> None:
    planted_zoo(folder, seed=1)


def the_same(place: Path, folder: Path, generator: Generator) -> None:
    shutil.copytree(place / "source", folder)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lacking_a_class, "there are none of 'rat'"),
        (one_a_class, r"class 'cat' has 1 network\(s\), but 2 are needed .*; generate more"),
        (of_lenet5, r"its networks are 'lenet5' with 1 output.*a zoo of the same architecture"),
        (of_other_images, "images with fingerprint 0123456789abcdef.*a zoo of the same images"),
        (the_same, "is the zoo that it is to be judged against"),
    ],
)
def test_what_can_not_be_judged_leaves_nothing(
    place: Path,
    tmp_path: Path,
    generator: Generator,
    make: Callable[[Path, Path, Generator], None],
    message: str,
):
    make(place, tmp_path / "made", generator)
    refused(message, tmp_path, judge(tmp_path / "made", place, tmp_path / "out"))


@pytest.mark.parametrize(
    ("made", "against", "message"),
    [
        ("made", "made", "made: is the zoo that it is to be judged against; name a zoo of other"),
        ("source", "source", "source: is the zoo that it is to be judged against; name a zoo of"),
        ("source", "made", ".*made: its networks were generated, and networks are judg"),
        ("made", "copied", ".*copied: its networks were generated, .* was fitted on"),
    ],
)
def test_a_pair_is_looked_at_before_images_are(
    place: Path, tmp_path: Path, made: str, against: str, message: str
):
    if against == "copied":
        shutil.copytree(place / "made", tmp_path / "copied")
    other = tmp_path / "copied" if against == "copied" else place / against
    words = ["judge", place / made, "--against", other, "--out", tmp_path / "out"]
    for more in ([], ["--images", place / "noise.npz"]):
        refused(message, tmp_path, CliRunner().invoke(app, list(map(str, [*words, *more]))))


@pytest.mark.parametrize(
    ("more", "shown", "message"),
    [
        ((), "other.npz", "not on 'other' with fingerprint .*; give the same images"),
        (("--split", "7/2/2"), "noise.npz", r"needs 9 networks of every class, but 'cat' has 8"),
        (("--split", "2/2/2"), "noise.npz", "has seen the first 4 networks of every class"),
        (("--fine-tune", 4), "noise.npz", "fine_tune: expected 0 to 3 networks"),
    ],
)
def test_bad_choices_leave_nothing(
    place: Path, tmp_path: Path, more: tuple[Any, ...], shown: str, message: str
):
    done = judge(place / "made", place, tmp_path / "out", *more, shown=shown)
    refused(message, tmp_path, done)


def refused(message: str, folder: Path, done: Result) -> None:
    """One line that says so, and no folder of results."""
    assert isinstance(done.exception, HyperzooError), done.output
    with pytest.raises(HyperzooError, match=message) as caught:
        raise done.exception
    assert "\n" not in str(caught.value)
    assert not (folder / "out").exists()


def test_an_interrupted_judgement_leaves_nothing(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def stop(*arguments: object, **named: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.modules["hyperzoo.generation.judging.judge"], "detection", stop)
    done = judge(place / "made", place, tmp_path / "out")
    assert done.exit_code == 130
    assert "interrupted: nothing was written to" in done.output
    assert not (tmp_path / "out").exists()
