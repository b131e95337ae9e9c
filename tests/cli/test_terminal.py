"""The command line on terminals that lack characters, and interrupted before it has begun."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from rich.cells import cell_len

from hyperzoo.images import ImageSet
from hyperzoo.images.npz import write_npz
from hyperzoo.version import VERSION
from tests.images.samples import random_set

MODULE = [sys.executable, "-m", "hyperzoo"]
COMMAND = [sys.executable, "-c", "from hyperzoo.cli import main; main()"]

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
    rows_shown = [
        line for line in table.stdout.splitlines() if line.startswith((bear, shown["猫"]))
    ]
    # Columns lie below one another.
    assert len({cell_len(line.partition("  1  ")[0]) for line in rows_shown}) == 1, table.stdout
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


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("moment", ["hyperzoo.cli.interrupts", "hyperzoo.cli.command", "typer"])
def test_an_interrupt_while_modules_are_loaded(moment: str, number: signal.Signals):
    """Whatever is being loaded: the command has not begun, so nothing is to be said."""
    program = f"""
import os, sys
class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == "{moment}":
            os.kill(os.getpid(), {int(number)})
from hyperzoo.cli import main
sys.meta_path.insert(0, Interrupting())
main()
"""
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    unhandled = number == signal.SIGTERM and moment == "hyperzoo.cli.interrupts"
    assert (found.returncode, found.stderr) == (-signal.SIGTERM if unhandled else 130, "")


def test_nothing_is_loaded_before_interrupts_are_handled():
    """But what Python's start has loaded by itself."""
    program = """
import sys
before = set(sys.modules)
from hyperzoo.cli import main
print(*sorted(set(sys.modules) - before))
"""
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert found.stdout.split() == [
        *("gc", "hyperzoo", "hyperzoo.cli", "hyperzoo.cli.main", "hyperzoo.version"),
    ]


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("start", [COMMAND, MODULE])
def test_an_interrupt_at_any_moment_of_the_start(start: Sequence[str], tmp_path: Path):
    """From the moment on at which the first of what takes time to load is asked for."""
    hook = tmp_path / "sitecustomize.py"
    hook.write_text("""
import sys
class Telling:
    def find_spec(self, name, path=None, target=None):
        if name == "hyperzoo.cli.command":
            print("begun", file=sys.stderr, flush=True)
            sys.meta_path.remove(self)
sys.meta_path.insert(0, Telling())
""")
    paths = [str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    for delay in (0.0, 0.02, 0.05, 0.1, 0.2):
        with subprocess.Popen(
            [*start, "show", "nowhere"], stderr=subprocess.PIPE, text=True, env=environment
        ) as process:
            assert process.stderr is not None
            assert process.stderr.readline() == "begun\n"
            time.sleep(delay)
            process.send_signal(signal.SIGINT)
            rest = process.communicate()[1]
        assert "Traceback" not in rest
        assert process.returncode == 130 or "nowhere" in rest


def test_the_module_is_the_command(tmp_path: Path):
    done = hyperzoo("--version", cwd=tmp_path, encoding="utf-8")
    assert (done.returncode, done.stdout) == (0, f"hyperzoo {VERSION}\n")


@pytest.mark.parametrize("encoding", ["ascii", "cp437"])
def test_figures_are_whole_however_long_names_become(encoding: str):
    """Escapes take six characters for one: the table grows, and no figure is cut short."""
    program = """
from hyperzoo.cli.console import out, print_table, write_what_the_terminal_lacks_as_escapes
from hyperzoo.cli.show import _performance_table
from hyperzoo.analysis.performance import PERFORMANCE_METRICS
write_what_the_terminal_lacks_as_escapes()
row = {"class": "猫" * 40, "networks": 12}
for metric in PERFORMANCE_METRICS:
    row |= {f"{metric}_min": 0.125, f"{metric}_max": 0.875, f"{metric}_avg": 0.5}
width = out.width
print_table(_performance_table([row]))
assert out.width == width
print(len(PERFORMANCE_METRICS))
"""
    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, encoding=encoding,
        env=os.environ | {"PYTHONIOENCODING": encoding, "COLUMNS": "80"},
    )  # fmt: skip
    *table, count = found.stdout.splitlines()
    assert table[-1].split() == ["\\u732b" * 40, "12", *["0.125", "0.875", "0.500"] * int(count)]


def test_names_in_errors_do_nothing_to_a_terminal(tmp_path: Path):
    """Files from others have any names, and a name may hold a terminal's commands."""
    done = hyperzoo("show", "\x1b[2J\nzoo", cwd=tmp_path, encoding="utf-8")
    assert done.returncode == 1
    assert "\\x1b[2J" in done.stderr
    assert "\x1b" not in done.stderr
