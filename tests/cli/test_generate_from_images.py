"""`hyperzoo generate --images-of`, and what other commands say of such a zoo."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from hyperzoo.cli.command import app
from hyperzoo.errors import (
    GenerationError,
    HyperzooError,
    ImageError,
    VerificationError,
    ZooMismatchError,
)
from hyperzoo.generation.from_images import heads, steps
from hyperzoo.images.npz import write_npz
from hyperzoo.zoo import open_zoo
from tests.generation.makers import LEFT_OUT, digits, task_zoo


def run(*arguments: object) -> str:
    result = CliRunner().invoke(app, list(map(str, arguments)))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return " ".join(result.output.split())


def pictures(folder: Path, name: str = LEFT_OUT) -> Path:
    """Six images of a class, as files."""
    images = digits()
    (folder / name).mkdir(parents=True)
    own = images.train_images[images.train_labels == images.class_names.index(LEFT_OUT)][:6]
    for number, image in enumerate(own):
        Image.fromarray(np.squeeze(image)).save(folder / name / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A zoo of tasks, its images, given ones, a generator, and a zoo that it made."""
    folder = tmp_path_factory.mktemp("from-images")
    task_zoo(folder / "tasks", epochs=1)
    write_npz(digits(), folder / "digits.npz")
    pictures(folder / "few")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(heads, "EPISODES", 20)
        patch.setattr(steps, "EPISODES", 10)
        said = run(
            "generate", folder / "tasks", "--images-of", folder / "few" / LEFT_OUT,
            "--images", folder / "digits.npz", "--out", folder / "zoo",
            "--networks-per-class", 2, "--save", folder / "g",
        )  # fmt: skip
    assert "2 networks boundary made from images: 6 of zero" in said
    return folder


def test_show(place: Path):
    said = run("show", place / "zoo")
    assert "not trained: generated from 6 given images by the method 'boundary'" in said
    assert "given 6 of zero, fingerprint" in said
    facts = json.loads(CliRunner().invoke(app, ["show", str(place / "zoo"), "--json"]).output)
    assert facts["generated"]["given"]["counts"] == [6]
    assert facts["generated"]["fitted_on"]["name"] == "tasks"


def test_a_kept_generator_goes_on_without_its_zoo(place: Path):
    common = ("generate", "--with", place / "g", "--images", place / "digits.npz")
    said = run(
        *common, "--images-of", place / "few", "--out", place / "again", "--networks-per-class", 2
    )
    assert "again is complete: 2 networks" in said
    for name in open_zoo(place / "zoo").arrays("zero_0"):
        one, other = (open_zoo(place / own).weights(name) for own in ("zoo", "again"))
        assert one.tobytes() == other.tobytes()


def test_a_kept_generator_has_every_way(place: Path):
    """Another than the one it was kept by, which its zoo is verified by."""
    common = ("--with", place / "g", "--images-of", place / "few")
    said = run(
        "generate", *common, "--method", "density", "--images", place / "digits.npz",
        "--out", place / "density", "--networks-per-class", 1,
    )  # fmt: skip
    assert "1 network density made from images" in said
    assert open_zoo(place / "density").generated.method == "density"  # type: ignore[union-attr]
    id = f"{LEFT_OUT}_0"
    assert "bit for bit" in run("verify", place / "density", "--regenerate", id, *common)
    one, other = (open_zoo(place / name).arrays(id) for name in ("density", "zoo"))
    assert any(not np.array_equal(one[name], other[name]) for name in one)
    with pytest.raises(GenerationError, match="did you mean 'density'"):
        run("generate", *common, "--method", "densty", "--out", place / "none")
    assert not (place / "none").exists()


def test_verify(place: Path):
    common = ("verify", place / "zoo", "--regenerate", "zero_1", "--with", place / "g")
    assert "equal bit for bit" in run(*common, "--images-of", place / "few")
    with pytest.raises(VerificationError, match="made from 6 images that the zoo does not hold"):
        run(*common)
    with pytest.raises(VerificationError, match="give the same images"):
        run(*common, "--images-of", pictures(place / "other", "gizmo"))
    with pytest.raises(VerificationError, match=r"--with GENERATOR --images-of FOLDER` makes it"):
        run("verify", place / "zoo", "--retrain", "zero_1")
    assert "--images-of is for --regenerate" in run(
        "verify", place / "zoo", "--images-of", place / "few"
    )
    with pytest.raises(VerificationError, match="were not made from images"):
        run(
            "verify", place / "tasks", "--regenerate", "one_0", "--with", place / "g",
            "--images-of", place / "few",
        )  # fmt: skip


def test_what_figures_mean_is_said(place: Path, tmp_path: Path):
    common = ("generate", "--with", place / "g", "--networks-per-class", 1)
    said = run(*common, "--images-of", pictures(tmp_path / "a", "gizmo"), "--out", tmp_path / "b")
    assert "networks are not evaluated, for there are no validation images of gizmo" in said
    assert "none to evaluate on" in run("show", tmp_path / "b")
    said = run(*common, "--images-of", pictures(tmp_path / "c", "one"), "--out", tmp_path / "d")
    assert "the generator has seen images of one, and takes them for others" in said


def test_mistakes(place: Path, tmp_path: Path):
    common = ("generate", "--images-of", place / "few", "--out", tmp_path / "new")
    assert "give ZOO, the zoo of tasks to fit on, or --with FILE" in run(*common)
    assert "leave --split" in run(*common, place / "tasks", "--split", "1/1/1")
    assert "leave --split, --save" in run(*common, "--with", place / "g", "--save", tmp_path / "g")
    assert "give ZOO, the zoo to fit on" in run("generate", "--out", tmp_path / "new")
    with pytest.raises(GenerationError, match=r"subsets of classes .*ZOO --images-of FOLDER"):
        run(
            "generate", place / "tasks", "--out", tmp_path / "new",
            "--images", place / "digits.npz",
        )  # fmt: skip
    with pytest.raises(GenerationError, match="no method 'copy' of networks from images"):
        run(*common, place / "tasks", "--images", place / "digits.npz", "--method", "copy")
    with pytest.raises(GenerationError, match="give these with --images-of FOLDER"):
        run(
            "generate", place / "tasks", "--with", place / "g", "--out", tmp_path / "new",
            "--images", place / "digits.npz",
        )  # fmt: skip
    with pytest.raises(ImageError, match="there is no such folder"):
        run(
            "generate", "--with", place / "g", "--images-of", tmp_path / "none",
            "--out", tmp_path / "new",
        )  # fmt: skip
    assert not (tmp_path / "new").exists()


def test_folder_and_file_are_refused_before_the_fit(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def no_fit(*arguments: object, **named: object) -> None:
        raise AssertionError("it was fitted")

    monkeypatch.setattr("hyperzoo.cli.generate_from_images.fit", no_fit)
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "notes.txt").touch()
    common = ("generate", place / "tasks", "--images-of", place / "few")
    common += ("--images", place / "digits.npz", "--networks-per-class", 2, "--out")
    for words, message in (
        ((tmp_path / "files",), "holds no zoo but other files"),
        ((place / "tasks",), "holds a zoo of networks that were trained"),
        ((place / "zoo", "--seed", 1), r"otherwise:\n  - fit_seed: the zoo has 0, you asked for 1"),
        (
            (place / "zoo", "--method", "density"),
            'method: the zoo has "boundary", you asked for "d',
        ),
        (
            (tmp_path / "new", "--save", tmp_path / "new" / "g"),
            "which holds a zoo, or will, and nothing else",
        ),
        ((tmp_path / "new", "--save", tmp_path), "Is a directory; the generator is not kept"),
    ):
        with pytest.raises(HyperzooError, match=message):
            run(*common, *words)
    others = pictures(tmp_path / "others", "gizmo")
    with pytest.raises(ZooMismatchError, match=r"given\.fingerprint: the zoo has"):
        run("generate", place / "tasks", "--images-of", others, "--images", place / "digits.npz",
            "--out", place / "zoo")  # fmt: skip
    with pytest.raises(AssertionError, match="it was fitted"):
        run(*common, place / "zoo")  # it goes on with what is its own
    assert not (tmp_path / "new").exists()


def test_an_interrupted_fit_says_how_to_begin_again(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def stop(*arguments: object, **named: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("hyperzoo.cli.generate_from_images.fit", stop)
    monkeypatch.setattr("sys.argv", ["hyperzoo", "generate", "tasks", "--images-of", "few"])
    words = ["generate", place / "tasks", "--images", place / "digits.npz"]
    words += ["--images-of", place / "few", "--out", tmp_path / "new"]
    done = CliRunner().invoke(app, list(map(str, words)))
    assert done.exit_code == 130
    assert "  hyperzoo generate tasks --images-of few" in done.output
    assert not (tmp_path / "new").exists()
