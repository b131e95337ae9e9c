"""`hyperzoo push`, and commands on a zoo on the Hub, in real processes beside a stand-in."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.exchange.hub.stand_in import TOKEN, Hub, running
from tests.zoo.makers import make_zoo, recipe

Run = Callable[..., subprocess.CompletedProcess[str]]

pytest.importorskip("huggingface_hub")


@pytest.fixture
def hub() -> Iterator[Hub]:
    with running() as server:
        yield server


@pytest.fixture
def hyperzoo(hub: Hub, tmp_path: Path) -> Run:
    ours = {"HF_ENDPOINT": hub.address, "HF_HOME": str(tmp_path), "HF_HUB_DISABLE_XET": "1"}

    def run(*arguments: object, token: str = TOKEN) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", "from hyperzoo.cli import main; main()", *map(str, arguments)],
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | ours | {"HF_TOKEN": token},
        )

    return run


def test_push_show_and_verify(hyperzoo: Run, hub: Hub, tmp_path: Path):
    zoo = make_zoo(tmp_path / "zoo", recipe(networks_per_class=2))
    done = hyperzoo("push", zoo, "ann/zoo", "--private", "--license", "cc-by-4.0")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        "hf://datasets/ann/zoo: 10 networks; 6 files uploaded, 0 were there\n"
        "open it with hz.open_zoo('hf://datasets/ann/zoo')\n"
    )
    assert hub.repositories["ann/zoo"].private
    shown = hyperzoo("show", "hf://datasets/ann/zoo")
    assert "smallcnn, 4,817 parameters" in shown.stdout, shown.stderr
    assert hub.asked("weights/part-00000.safetensors") == []
    verified = hyperzoo("verify", "hf://datasets/ann/zoo")
    assert "10 networks in 1 part are sound" in verified.stdout, verified.stderr


def test_errors_are_one_line(hyperzoo: Run, tmp_path: Path):
    zoo = make_zoo(tmp_path / "zoo", recipe(networks_per_class=2))
    done = hyperzoo("push", zoo, "ann/zoo", token="hf_nobody")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert (
        "error: can't push to hf://datasets/ann/zoo: the Hub says that you may not" in done.stderr
    )
    done = hyperzoo("show", "hf://datasets/ann/none")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "there is no such dataset repository, or it is private" in done.stderr
