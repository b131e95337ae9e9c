import errno
import io
import json
import os
import shutil
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hyperzoo.architectures import smallcnn
from hyperzoo.errors import (
    ZooFormatError,
    ZooLockedError,
    ZooMismatchError,
    ZooWriteError,
)
from hyperzoo.zoo import card, open_zoo, verify_zoo
from tests.helpers import part_files
from tests.zoo.makers import finished, make_zoo, recipe, writer


def everything(folder: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file()
    }


def test_the_files_of_a_zoo(tmp_path: Path):
    zoo = make_zoo(tmp_path / "deep" / "zoo")
    assert sorted(everything(zoo)) == [
        ".lock",
        "README.md",
        "epochs/e001/part-00000.safetensors",
        "epochs/e001/part-00001.safetensors",
        "history/part-00000.parquet",
        "history/part-00001.parquet",
        "models/part-00000.parquet",
        "models/part-00001.parquet",
        "weights/part-00000.safetensors",
        "weights/part-00001.safetensors",
        "zoo.json",
    ]
    # As the umask says, not 0600 as safetensors' own writer.
    (tmp_path / "other").touch()
    mode = (tmp_path / "other").stat().st_mode
    assert {file.stat().st_mode for file in zoo.rglob("*.*") if file.name != ".lock"} == {mode}


def test_resuming_writes_what_is_missing_and_the_same_bytes(tmp_path: Path):
    whole, zoo = make_zoo(tmp_path / "whole"), make_zoo(tmp_path / "zoo", parts=1)
    assert len(open_zoo(zoo)) == 50
    # What a killed run leaves: a part without its mark, and a temporary file.
    (zoo / "weights" / "part-00001.safetensors").write_bytes(b"half")
    (zoo / "models" / ".part-00001.parquet.partial").write_bytes(b"half")
    assert len(open_zoo(zoo)) == 50
    with writer(zoo) as resumed:
        assert list(resumed.missing_parts) == [1]
    make_zoo(zoo)
    assert everything(zoo) == everything(whole)


def test_growing(tmp_path: Path):
    zoo = make_zoo(tmp_path / "zoo", recipe(networks_per_class=2))
    before = part_files(zoo)
    make_zoo(zoo, recipe(networks_per_class=13))
    assert before.items() <= part_files(zoo).items()
    grown = open_zoo(zoo)
    assert [len(part) for part in grown.plan] == [10, 50, 5]
    assert grown.recipe.networks_per_class == 13
    assert verify_zoo(zoo).problems == ()
    assert "65 trained neural networks" in (zoo / "README.md").read_text()


def test_a_card_of_an_earlier_version_is_brought_up_to_date(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with monkeypatch.context() as patch:
        patch.setattr(card, "card", lambda document: "An earlier version's card.\n")
        zoo = make_zoo(tmp_path / "zoo", recipe(networks_per_class=2))
    assert (zoo / "README.md").read_text().startswith("An earlier version's card.\n<!-- hyperzoo")
    make_zoo(zoo)
    text = (zoo / "README.md").read_text()
    assert "60 trained neural networks" in text
    (zoo / "README.md").write_text(text.replace("A zoo of", "My zoo of"))
    make_zoo(zoo, recipe(networks_per_class=13))
    assert "My zoo of 60 trained" in (zoo / "README.md").read_text()


def test_a_run_killed_in_its_first_write(tmp_path: Path):
    (tmp_path / ".zoo.json.partial").write_bytes(b"half")
    assert ".zoo.json.partial" not in everything(make_zoo(tmp_path))
    (tmp_path / "README.md").unlink()
    make_zoo(tmp_path)
    assert "60 trained" in (tmp_path / "README.md").read_text()


def test_a_card_that_somebody_has_edited_is_theirs(tmp_path: Path):
    zoo = make_zoo(tmp_path / "zoo", recipe(networks_per_class=2))
    (zoo / "README.md").write_text("mine")
    make_zoo(zoo)
    assert (zoo / "README.md").read_text() == "mine"


def test_runs_tell_what_trained_a_part(tmp_path: Path):
    zoo = make_zoo(tmp_path / "zoo", parts=1)
    for _ in range(3):  # resumed and killed again, on the same machine
        writer(zoo).close()
    with writer(zoo, provenance={"engine": "torch", "device": "cuda"}) as second:
        second.write_part(1, finished(second.parts[1], recipe()))
    for device in ("cpu", "cuda") * 5:  # resumed elsewhere each time, nothing left to train
        writer(zoo, provenance={"engine": "torch", "device": device}).close()
    opened = open_zoo(zoo)
    assert opened.provenance_of("cat_0")["device"] == "cpu"
    assert opened.provenance_of("yak_11")["device"] == "cuda"
    assert len(json.loads((zoo / "zoo.json").read_text())["runs"]) == 2


def test_runs_that_come_to_nothing_are_forgotten(tmp_path: Path):
    zoo = make_zoo(tmp_path / "zoo", parts=1)
    for device in ("cuda", "cpu") * 5:
        writer(zoo, provenance={"engine": "torch", "device": device}).close()
    runs = json.loads((zoo / "zoo.json").read_text())["runs"]
    assert [(run["parts"], run["provenance"]["device"]) for run in runs] == [([0, 1], "cpu")]


@pytest.mark.parametrize(
    ("chosen", "changes", "message"),
    [
        ({"seed": 4}, {}, "seed: the zoo has 0, you asked for 4"),
        (
            {"training": {"epochs": 3, "checkpoint_epochs": [1]}},
            {},
            r"training\.epochs: the zoo has 2, you asked for 3",
        ),
        (
            {"vary": {"learning_rate": {"choice": [0.1]}}},
            {},
            r"vary\.learning_rate: the zoo has nothing, you asked for \{",
        ),
        ({"networks_per_class": 11}, {}, "a zoo only grows"),
        ({}, {"image_fingerprint": "ff" * 32}, "ffffffffffffffff; give the same images"),
        ({}, {"image_classes": ("cat", "dog", "owl", "rat", "ant")}, "other images"),
    ],
)
def test_another_recipe_or_other_images_are_refused_and_nothing_changes(
    tmp_path: Path, chosen: dict[str, Any], changes: dict[str, Any], message: str
):
    zoo = make_zoo(tmp_path / "zoo", parts=1)
    before = everything(zoo)
    with pytest.raises(ZooMismatchError, match=message):
        writer(zoo, recipe(**chosen), **changes)
    assert everything(zoo) == before


def test_another_name_or_path_is_no_difference(tmp_path: Path):
    zoo = make_zoo(tmp_path / "zoo")
    images = {"source": "npz", "path": "elsewhere.npz", "channels": 1}
    with writer(zoo, recipe(name="other", images=images)) as same:
        assert same.missing_parts == {}
    assert open_zoo(zoo).recipe.name == "made-up"


def test_folders_that_are_no_zoos(tmp_path: Path):
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(ZooMismatchError, match=r"no zoo but other files \(thesis.tex\)"):
        writer(tmp_path)
    with pytest.raises(ZooMismatchError, match=r"thesis\.tex is a file"):
        writer(tmp_path / "thesis.tex")
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.tex"]


def test_other_format_versions_are_refused(tmp_path: Path):
    zoo = make_zoo(tmp_path / "zoo")
    document = json.loads((zoo / "zoo.json").read_text())
    (zoo / "zoo.json").write_text(json.dumps(document | {"format_version": 2}))
    with pytest.raises(ZooMismatchError, match="format version 2, this hyperzoo reads version 1"):
        writer(zoo)


def test_two_writers(tmp_path: Path):
    with writer(tmp_path / "zoo"):
        program = (
            "import sys; from pathlib import Path; from tests.zoo.makers import writer\n"
            "from hyperzoo.errors import ZooLockedError\n"
            "try: writer(Path(sys.argv[1]))\n"
            "except ZooLockedError as error: print(error)"
        )
        other = subprocess.run(
            [sys.executable, "-c", program, str(tmp_path / "zoo")],
            capture_output=True,
            text=True,
            cwd=Path(__file__).parents[2],
            check=True,
        )
        assert other.stdout.startswith("another run is writing to")
        with pytest.raises(ZooLockedError, match="another run is writing to"):
            writer(tmp_path / "zoo")
    writer(tmp_path / "zoo").close()


class FullDisk:
    """Lets the system's calls pass until the n-th, which finds the disk full."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, fails_at: int) -> None:
        self.calls, self.fails_at = 0, fails_at
        disk, real_open = self, Path.open

        class File(io.FileIO):
            def write(self, content: Any) -> int:
                half = content[: len(content) // 2] if disk.next_is_last() else content
                written = super().write(half)
                disk.step()
                return written

        def opened(path: Path, mode: str = "r", *arguments: Any, **others: Any) -> Any:
            if mode != "wb":
                return real_open(path, mode, *arguments, **others)
            self.step()
            return io.BufferedWriter(File(path, "w"))

        monkeypatch.setattr(Path, "open", opened)
        for owner, name in [(os, "mkdir"), (os, "fsync"), (os, "replace")]:
            monkeypatch.setattr(owner, name, self.watched(getattr(owner, name)))

    def watched(self, call: Any) -> Any:
        def watched(*arguments: Any, **others: Any) -> Any:
            self.step()
            return call(*arguments, **others)

        return watched

    def next_is_last(self) -> bool:
        return self.calls + 1 == self.fails_at

    def step(self) -> None:
        self.calls += 1
        if self.calls == self.fails_at:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("grown_from", [None, 1])
def test_a_full_disk_at_any_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, grown_from: int | None
):
    """The n-th call fails, for every n: what is finished stays, and resuming mends the rest."""
    small = recipe(networks_per_class=2)
    start = tmp_path / "start"
    if grown_from is not None:
        make_zoo(start, recipe(networks_per_class=grown_from))
    whole = copied(start, tmp_path / "whole")
    whole_files = everything(make_zoo(whole, small))
    finished_files = part_files(start)
    for fails_at in range(1, 100):
        zoo = copied(start, tmp_path / f"zoo-{fails_at}")
        with monkeypatch.context() as patch:
            disk = FullDisk(patch, fails_at)
            try:
                make_zoo(zoo, small)
                break
            except ZooWriteError as error:
                message = str(error)
        assert "No space left on device" in message
        assert str(zoo) in message
        assert not list(zoo.rglob("*.partial"))
        assert finished_files.items() <= part_files(zoo).items()
        if (zoo / "zoo.json").exists():
            assert verify_zoo(zoo).problems == ()
        make_zoo(zoo, small)
        assert everything(zoo) == whole_files
    # Open, write, sync, rename and sync the folder, for each of six files; make and sync, for each
    # of five new folders; and what the lock does.
    assert disk.calls >= 30 + (10 if grown_from is None else 0)


def copied(zoo: Path, to: Path) -> Path:
    if zoo.exists():
        shutil.copytree(zoo, to)
    return to


def test_a_full_disk_of_the_system(tmp_path: Path):
    """The system itself refuses to let a file become larger."""
    program = (
        "import resource, sys; from pathlib import Path; from tests.zoo.makers import make_zoo\n"
        "from hyperzoo.errors import ZooWriteError\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))\n"
        "try: make_zoo(Path(sys.argv[1]))\n"
        "except ZooWriteError as error: print(error)"
    )
    zoo = tmp_path / "zoo"
    done = subprocess.run(
        [sys.executable, "-c", program, str(zoo)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        check=True,
    )
    assert "weights/part-00000.safetensors: File too large; all finished parts" in done.stdout
    assert sorted(everything(zoo)) == [".lock", "README.md", "zoo.json"]
    assert everything(make_zoo(zoo)) == everything(make_zoo(tmp_path / "whole"))


def test_an_interrupt_leaves_no_temporary_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def interrupt(_descriptor: int) -> None:
        raise KeyboardInterrupt

    with writer(tmp_path / "zoo") as open_writer:
        monkeypatch.setattr(os, "fsync", interrupt)
        with pytest.raises(KeyboardInterrupt):
            open_writer.write_part(0, finished(open_writer.parts[0], recipe()))
    assert part_files(tmp_path / "zoo") == {}


def test_networks_that_are_not_the_plans_are_refused(tmp_path: Path):
    with writer(tmp_path / "zoo") as open_writer:
        right = finished(open_writer.parts[0], recipe())
        short = {name: tensor[:1] for name, tensor in right[0].parameters.items()}
        double = {name: tensor.astype(float) for name, tensor in right[0].parameters.items()}
        for wrong, message in [
            (right[::-1], "not those of the part"),
            (right[:-1], "not those of the part"),
            (
                [replace(right[0], parameters=short), *right[1:]],
                "cat_0: parameter conv1.bias: expected float32 .16,., got float32 .1,.",
            ),
            (
                [replace(right[0], parameters=double), *right[1:]],
                "cat_0: parameter conv1.bias: .* got float64",
            ),
            (
                [replace(right[0], checkpoints={}), *right[1:]],
                r"cat_0: expected checkpoints of the epochs \[1\], got \[\]",
            ),
        ]:
            with pytest.raises(ZooWriteError, match=message):
                open_writer.write_part(0, wrong)
    assert part_files(tmp_path / "zoo") == {}


def test_what_a_caller_may_not_do(tmp_path: Path):
    zoo = make_zoo(tmp_path / "zoo", parts=1)
    before = part_files(zoo)
    with writer(zoo) as open_writer:
        right = finished(open_writer.parts[0], recipe())
        for part, message in [(0, "it is complete"), (2, "no such part"), (-1, "no such part")]:
            with pytest.raises(ZooWriteError, match=message):
                open_writer.write_part(part, right)
    with pytest.raises(ZooWriteError, match="the writer is closed"):
        open_writer.write_part(1, finished(open_writer.parts[1], recipe()))
    assert part_files(zoo) == before
    for changes, message in [
        ({"image_classes": ("cat", "../dog")}, "must consist of letters"),
        ({"architecture": smallcnn(3)}, "'smallcnn' with 3 outputs is not the recipe's"),
    ]:
        with pytest.raises(ZooWriteError, match=message):
            writer(tmp_path / "new", **changes)
    assert not (tmp_path / "new").exists()


def test_a_folder_that_can_not_be_made(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(ZooWriteError, match=r"can't write to .*Not a directory"):
        writer(tmp_path / "file" / "zoo")


def test_a_damaged_document_is_not_written_over(tmp_path: Path):
    zoo = make_zoo(tmp_path / "zoo", parts=1)
    (zoo / "zoo.json").write_text("{")
    before = everything(zoo)
    with pytest.raises(ZooFormatError, match=r"zoo\.json is not valid JSON"):
        writer(zoo)
    assert everything(zoo) == before


def test_a_writer_may_be_closed_in_another_thread(tmp_path: Path):
    open_writer = writer(tmp_path / "zoo")
    thread = threading.Thread(target=open_writer.close)
    thread.start()
    thread.join()
    writer(tmp_path / "zoo").close()


def test_a_failed_network_is_kept(tmp_path: Path):
    chosen = recipe(networks_per_class=1)
    with writer(tmp_path / "zoo", chosen) as open_writer:
        networks = finished(open_writer.parts[0], chosen)
        spoiled = {
            name: np.full_like(tensor, np.nan) for name, tensor in networks[1].parameters.items()
        }
        networks[1] = replace(
            networks[1],
            status="failed",
            parameters=spoiled,
            metrics=dict.fromkeys(networks[1].metrics),
            history={name: np.full(2, np.inf) for name in networks[1].history},
        )
        open_writer.write_part(0, networks)
    zoo = open_zoo(tmp_path / "zoo")
    assert zoo.models["status"].to_pylist() == ["ok", "failed", "ok", "ok", "ok"]
    assert np.isnan(zoo.weights("conv1.weight")[1]).all()
    assert verify_zoo(tmp_path / "zoo").problems == ()
