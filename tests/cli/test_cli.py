"""The command line as a user meets it: real processes for what only they have."""

import csv
import io
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hyperzoo.cluster.training import prepare_zoo
from hyperzoo.images import load_images
from hyperzoo.images.npz import write_npz
from hyperzoo.recipe import load_recipe
from tests.helpers import few, part_files

COMMAND = [sys.executable, "-c", "from hyperzoo.cli import main; main()"]

RECIPE = """
name = "tiny"
networks_per_class = {networks}
[images]
source = "npz"
path = "images.npz"
channels = 1
[architecture]
name = "smallcnn"
[training]
epochs = {epochs}
"""


PARTS = 3
IMAGES = "150 training and 60 validation images of 10 classes\n"


def hyperzoo(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *map(str, arguments)], capture_output=True, text=True, cwd=cwd, check=False
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with images, recipes and a zoo."""
    folder = tmp_path_factory.mktemp("cli")
    write_npz(few(load_images("digits", channels=1), 150, 60), folder / "images.npz")
    (folder / "tiny.toml").write_text(RECIPE.format(networks=1, epochs=1))
    (folder / "long.toml").write_text(RECIPE.format(networks=PARTS, epochs=10))
    done = hyperzoo("train", "tiny.toml", "--out", "zoo", "--engine", "torch", cwd=folder)
    assert (done.returncode, done.stdout) == (0, "zoo is complete: 10 networks\n"), done.stderr
    return folder


def long_zoo(place: Path, folder: Path) -> list[str]:
    """What trains long.toml in a zoo of small parts: each size that a zoo has had begins one."""
    long = load_recipe(place / "long.toml")
    for size in range(1, PARTS + 1):
        prepare_zoo(long.with_changes(networks_per_class=size), folder / "zoo")
    return ["train", str(place / "long.toml"), "--out", "zoo", "--engine", "torch"]


@pytest.fixture(scope="module")
def whole(place: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The zoo of long.toml, trained in one go."""
    folder = tmp_path_factory.mktemp("whole")
    done = hyperzoo(*long_zoo(place, folder), cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder / "zoo"


def test_a_second_run_has_nothing_to_do(place: Path):
    done = hyperzoo("train", "tiny.toml", "--out", "zoo", cwd=place)
    assert (done.returncode, done.stderr) == (0, IMAGES)
    assert done.stdout == "zoo is complete: 10 networks; nothing to train\n"


def test_show(place: Path):
    done = hyperzoo("show", "zoo", cwd=place)
    assert done.returncode == 0
    assert "smallcnn, 4,817 parameters, 1 output" in done.stdout
    assert "one-vs-all" in done.stdout
    assert "all classes" in done.stdout


def test_show_as_csv_and_json(place: Path):
    rows = list(csv.DictReader(io.StringIO(hyperzoo("show", "zoo", "--csv", cwd=place).stdout)))
    assert [row["class"] for row in rows][-3:] == ["eight", "nine", "all classes"]
    facts = json.loads(hyperzoo("show", "zoo", "--json", cwd=place).stdout)
    assert facts["networks"] == facts["networks_planned"] == 10
    assert facts["recipe"]["name"] == "tiny"
    for row, exact in zip(rows, facts["performance"], strict=True):
        assert float(row["accuracy_avg"]) == exact["accuracy_avg"]
        assert 0 <= exact["accuracy_min"] <= exact["accuracy_avg"] <= exact["accuracy_max"] <= 1


def test_verify_and_retrain(place: Path):
    # The images are found where they lay when the zoo was trained, and at --images.
    for images in ([], ["--images", "images.npz"]):
        done = hyperzoo("verify", "zoo", "--retrain", "three_0", *images, cwd=place)
        assert done.returncode == 0, done.stderr
        assert "10 networks in 1 part are sound" in done.stdout
        assert "three_0: trained again, all 4,817 weights equal bit for bit" in done.stdout


def test_verify_finds_damage(place: Path, tmp_path: Path):
    done = hyperzoo("train", place / "tiny.toml", "--out", "zoo", cwd=tmp_path)
    file = tmp_path / "zoo" / "weights" / "part-00000.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    done = hyperzoo("verify", "zoo", cwd=tmp_path)
    assert done.returncode == 1
    assert "part-00000.safetensors" in done.stderr
    assert "1 problem found" in done.stderr


def test_recipes(place: Path):
    listed = hyperzoo("recipes", cwd=place).stdout
    assert all(name in listed for name in ("digits-lenet5", "digits-smallcnn", "imagenette-lenet5"))
    text = hyperzoo("recipes", "digits-lenet5", cwd=place).stdout
    (place / "copy.toml").write_text(text)
    assert 'source = "digits"' in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "digits-lenet", "--out", "x"], "did you mean 'digits-lenet5'?"),
        (["train", "tiny.toml", "--out", "zoo", "--epochs", "2"], "training.epochs"),
        (["train", "tiny.toml", "--out", "x", "--epochs", "0"], "training.epochs"),
        (["train", "tiny.toml", "--out", "x", "--images", "none.npz"], "none.npz"),
        (["show", "nowhere"], "nowhere"),
        (["verify", "nowhere"], "nowhere"),
        (["verify", "zoo", "--retrain", "three_7"], "three_7"),
    ],
)
def test_failures_are_one_message_and_status_1(place: Path, arguments: list[str], message: str):
    done = hyperzoo(*arguments, cwd=place)
    assert done.returncode == 1
    assert done.stderr.removeprefix(IMAGES).startswith("error: ")
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (place / "x").exists()


def test_debug_shows_a_traceback_too(place: Path):
    done = hyperzoo("show", "nowhere", "--debug", cwd=place)
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("error: no zoo in nowhere")


@pytest.mark.parametrize(
    "arguments",
    [["train"], ["trian"], ["show", "zoo", "--csv", "--json"], ["train", "a", "--engine", "b"]],
)
def test_wrong_usage_is_status_2(place: Path, arguments: list[str]):
    done = hyperzoo(*arguments, cwd=place)
    assert done.returncode == 2
    assert "Usage" in done.stderr


def wait_for(file: Path) -> None:
    deadline = time.monotonic() + 60
    while not file.exists():
        assert time.monotonic() < deadline, f"{file} did not appear"
        time.sleep(0.005)


@pytest.mark.slow
@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_keeps_what_is_done_and_says_how_to_resume(
    place: Path, whole: Path, tmp_path: Path, number: signal.Signals
):
    arguments = long_zoo(place, tmp_path)
    with subprocess.Popen(
        [*COMMAND, *arguments], stderr=subprocess.PIPE, text=True, cwd=tmp_path
    ) as process:
        wait_for(tmp_path / "zoo" / "models" / "part-00000.parquet")
        process.send_signal(number)
        _, rest = process.communicate()
    assert process.returncode == 130
    assert "10 of 30 networks are kept in zoo; resume with" in rest
    assert f"hyperzoo train {place / 'long.toml'} --out zoo" in rest
    assert "Traceback" not in rest
    assert hyperzoo(*arguments, cwd=tmp_path).returncode == 0
    assert part_files(tmp_path / "zoo") == part_files(whole)


@pytest.mark.slow
def test_two_runs_on_one_folder(place: Path, tmp_path: Path):
    arguments = ["train", str(place / "long.toml"), "--out", "zoo", "--engine", "torch"]
    with subprocess.Popen(
        [*COMMAND, *arguments], stderr=subprocess.DEVNULL, cwd=tmp_path
    ) as process:
        wait_for(tmp_path / "zoo" / "zoo.json")
        second = hyperzoo(*arguments, cwd=tmp_path)
        process.kill()
    assert second.returncode == 1
    assert "another" in second.stderr
