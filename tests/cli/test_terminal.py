"""The command line on terminals that lack characters, and interrupted before it has begun."""

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hyperzoo.images import ImageSet
from hyperzoo.images.npz import write_npz
from hyperzoo.version import VERSION
from tests.images.samples import random_set

MODULE = [sys.executable, "-m", "hyperzoo"]

RECIPE = """
name = "tiny"
networks_per_class = 1
[images]
source = "npz"
path = "images.npz"
channels = 1
[architecture]
name = "smallcnn"
[training]
epochs = 1
"""


def hyperzoo(*arguments: str, cwd: Path, encoding: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*MODULE, *arguments],
        capture_output=True,
        text=True,
        encoding=encoding,
        cwd=cwd,
        env=os.environ | {"PYTHONIOENCODING": encoding},
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a zoo of classes that few terminals can show."""
    folder = tmp_path_factory.mktemp("terminal")
    plain = random_set(size=32, channels=1)
    images = ImageSet(**(vars(plain) | {"class_names": ("Bär", "猫")}))
    write_npz(images, folder / "images.npz")
    (folder / "tiny.toml").write_text(RECIPE)
    done = hyperzoo("train", "tiny.toml", "--out", "猫zoo", cwd=folder, encoding="ascii")
    assert (done.returncode, done.stdout) == (0, "\\u732bzoo is complete: 2 networks\n"), done
    return folder


@pytest.mark.parametrize(
    "encoding",
    [
        "ascii",
        pytest.param("latin-1", marks=pytest.mark.slow),
        pytest.param("cp1252", marks=pytest.mark.slow),
        "utf-8",
    ],
)
def test_what_a_terminal_lacks_is_escaped(place: Path, encoding: str):
    shown = {name: name.encode(encoding, "backslashreplace").decode(encoding) for name in "猫ä"}
    bear = f"B{shown['ä']}r"
    table = hyperzoo("show", "猫zoo", cwd=place, encoding=encoding)
    assert (table.returncode, table.stderr) == (0, "")
    assert [f"{name} " in table.stdout for name in (bear, shown["猫"])] == [True, True]
    text = hyperzoo("show", "猫zoo", "--csv", cwd=place, encoding=encoding).stdout
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["class"] for row in rows] == [bear, shown["猫"], "all classes"]
    # JSON has escapes of its own: nothing is lost.
    facts = json.loads(hyperzoo("show", "猫zoo", "--json", cwd=place, encoding=encoding).stdout)
    assert facts["classes"] == ["Bär", "猫"]
    missing = hyperzoo("show", "犬", cwd=place, encoding=encoding)
    assert (missing.returncode, "no zoo in" in missing.stderr) == (1, True)
    assert "fault" not in missing.stderr
    assert hyperzoo("train", "--help", cwd=place, encoding=encoding).returncode == 0


def test_the_progress_bar_of_a_terminal_that_lacks_its_characters(place: Path):
    program = """
import io, os, sys
os.environ["FORCE_COLOR"] = "1"
sys.stderr = io.TextIOWrapper(io.BytesIO(), "ascii")
from hyperzoo.cli.console import err, write_what_the_terminal_lacks_as_escapes
from hyperzoo.cli.progress import counting_meter
write_what_the_terminal_lacks_as_escapes()
assert err.is_terminal
with counting_meter("Bilder der 猫") as meter:
    meter(1, 2)
sys.stderr.flush()
print(sys.stderr.buffer.getvalue().decode("ascii").count("1/2"))
"""
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (int(found.stdout) > 0, found.stderr) == (True, "")


def test_an_interrupt_while_modules_are_loaded():
    program = """
import sys
class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == "hyperzoo.cli.main":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupting())
import hyperzoo.cli
"""
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (found.returncode, found.stderr) == (130, "")


def test_the_module_is_the_command(tmp_path: Path):
    done = hyperzoo("--version", cwd=tmp_path, encoding="utf-8")
    assert (done.returncode, done.stdout) == (0, f"hyperzoo {VERSION}\n")
