"""Submissions as far as they need no Slurm: the script, the frozen list, what is refused."""

import os
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from hyperzoo.cli.submit import _words, submit
from hyperzoo.cli.train import train
from hyperzoo.cli.work import seconds_of
from hyperzoo.cluster import slurm, submission
from hyperzoo.cluster.submission import Request, Submission, submit_zoo
from hyperzoo.cluster.training import open_training
from hyperzoo.cluster.work import read_pieces
from hyperzoo.cluster.worker import run_worker
from hyperzoo.errors import ClusterError, EngineError, ImageError, ZooLockedError, ZooWriteError
from hyperzoo.images.npz import write_npz
from hyperzoo.zoo import open_zoo
from hyperzoo.zoo.bundle import lying_bundles
from hyperzoo.zoo.document import read_document
from hyperzoo.zoo.lock import take_lock
from tests.cluster.makers import assert_same, images, prepared, stand_in, tiny
from tests.helpers import part_files


def request(tasks: int = 2, **changes: object) -> Request:
    arguments: dict[str, object] = {
        "tasks": tasks,
        "cpus": 1,
        "time": "2:00:00",
        "seconds": 7200,
        "at_once": None,
        "partition": None,
        "more": (),
        "worker": (),
    }
    return Request(**(arguments | changes))  # type: ignore[arg-type]


def dry(folder: Path, chosen: Request) -> Submission:
    pictures = folder.parent / "images.npz"
    write_npz(images(), pictures)
    made = submit_zoo(tiny(), folder, chosen, images=pictures, dry_run=True)
    assert made is not None
    return made


def test_a_script_that_people_can_read(tmp_path: Path):
    zoo = prepared(tmp_path / "my 100% zoo")
    chosen = request(tasks=9, cpus=16, partition="long", more=("--account=abc", "--gres=gpu:1"))
    made = dry(zoo, chosen)
    assert (made.parts, made.tasks, made.jobs) == (6, 6, ())
    assert made.commands[0] == ("sbatch", "--array=0-5", str(made.folder / "work.sh"), "0")
    assert made.commands[1][1] == "--dependency=afterany:JOBS"
    script = (made.folder / "work.sh").read_text()
    logs = str(made.folder / "logs").replace("%", "%%")
    for line in (
        "#!/bin/bash",
        "#SBATCH --cpus-per-task=16",
        "#SBATCH --time=2:00:00",
        "#SBATCH --partition=long",
        "#SBATCH --account=abc",
        "#SBATCH --gres=gpu:1",
        f'#SBATCH --output="{logs}/%A_%a.out"',
    ):
        assert f"{line}\n" in script
    assert "--workers 16 --time 119:00 --shard" in script
    assert read_pieces(made.folder / "pieces") == [f"part-{part:05}" for part in range(6)]


@pytest.mark.slow
def test_the_script_is_what_a_task_runs(tmp_path: Path, reference: Path):
    zoo = prepared(tmp_path / "zoo")
    made = dry(zoo, request(tasks=1))
    done = subprocess.run(
        ["bash", str(made.folder / "work.sh"), "0"],
        env=os.environ | {"SLURM_ARRAY_TASK_ID": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "shard 0/1: trained 6 parts" in done.stdout
    assert_same(zoo, reference)
    assert submit_zoo(tiny(), zoo, request(), images=tmp_path / "images.npz", dry_run=True) is None


def test_arrays_no_larger_than_is_allowed(tmp_path: Path):
    from hyperzoo.cluster.submission import _array_commands

    commands = _array_commands(Path("run"), request(at_once=20), 2500, 1001)
    after = "--dependency=afterany:JOBS"  # side by side they would run three times as many
    assert commands == [
        ("--array=0-1000%20", "run/work.sh", "0"),
        ("--array=0-1000%20", after, "run/work.sh", "1001"),
        ("--array=0-497%20", after, "run/work.sh", "2002"),
    ]
    commands = _array_commands(Path("run"), request(), 1500, 1001)
    assert [command[0] for command in commands] == ["--array=0-1000", "--array=0-498"]
    assert all(after not in command for command in commands)


def test_where_there_is_no_slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    for call in (slurm.largest_array, lambda: slurm.submit(["x"]), lambda: slurm.states(["1"])):
        with pytest.raises(ClusterError, match=r"no `s.*` on this machine: submit where Slurm is"):
            call()


def test_what_slurm_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    stand_in(tmp_path, "sbatch", "echo '4711;cluster'")
    stand_in(tmp_path, "scontrol", "echo 'MaxArraySize            = 20'")
    said = ("4711_0 RUNNING None", "4711_1 PENDING None", "4712 PENDING Dependency")
    stand_in(tmp_path, "squeue", "; ".join(f"echo '{line}'" for line in said))
    assert slurm.submit(["job.sh"]) == "4711"
    assert slurm.largest_array() == 20
    assert slurm.states(["4711", "4712"]) == {
        "4711_0": "running",
        "4711_1": "pending",
        "4712": "pending (Dependency)",
    }
    assert slurm.states([]) == {}
    stand_in(
        tmp_path, "squeue", "echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1"
    )
    assert slurm.states(["4711"]) == {}
    stand_in(tmp_path, "squeue", "echo 'Unable to contact slurm controller' >&2; exit 1")
    with pytest.raises(ClusterError, match="Slurm refused: Unable to contact"):
        slurm.states(["4711"])
    stand_in(tmp_path, "sbatch", "echo 'Submitted'")
    with pytest.raises(ClusterError, match="expected a job's number from sbatch, got 'Submitted'"):
        slurm.submit(["job.sh"])


def test_a_collector_that_is_refused_is_told_with_the_jobs_that_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    refusal = "echo 'Requested time limit is invalid' >&2; exit 1"
    stand_in(tmp_path, "sbatch", f'case "$*" in *collect.sh) {refusal};; *) echo 26;; esac')
    stand_in(tmp_path, "scontrol", "echo 'MaxArraySize = 20'")
    stand_in(tmp_path, "squeue", "exit 0")
    asked = request(time="10", more=("--account=abc",))
    with pytest.raises(ClusterError, match=r"limit is invalid\nBut jobs 26 are submitted already"):
        submit_zoo(tiny(), tmp_path / "zoo", asked)
    script = (tmp_path / "zoo/.cluster/run-0001/collect.sh").read_text()
    assert "#SBATCH --account=abc" in script
    assert "#SBATCH --time=10\n" in script


@pytest.mark.parametrize("where", ["the images", "the submission's folder"])
def test_a_full_disk_is_told_with_what_can_not_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
):
    def full(*_arguments: object, **_options: object) -> None:
        raise OSError(28, "No space left on device")

    pictures, zoo = tmp_path / "images.npz", tmp_path / "zoo"
    write_npz(images(), pictures)
    if where == "the images":
        monkeypatch.setattr("numpy.savez", full)
        expected = rf"can't write {zoo}/.cluster/images.npz: No space left on device; make room"
    else:
        make = Path.mkdir
        monkeypatch.setattr(
            Path, "mkdir", lambda path, **o: (full if "run-" in path.name else make)(path, **o)
        )
        expected = rf"can't write {zoo}/.cluster/run-0001: No space left on device; make room"
    with pytest.raises((ImageError, ZooWriteError), match=expected) as caught:
        submit_zoo(tiny(), zoo, request(), images=pictures, dry_run=True)
    assert "HYPERZOO_CACHE" not in str(caught.value)


def test_two_submissions_at_the_same_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Both find the zoo idle; the second to have the lock looks again, and is refused."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    jobs, pictures, zoo = tmp_path / "jobs", tmp_path / "images.npz", tmp_path / "zoo"
    stand_in(tmp_path, "sbatch", f"sleep 0.2; echo x >> {jobs}; wc -l < {jobs}")
    stand_in(tmp_path, "scontrol", "echo 'MaxArraySize = 20'")
    stand_in(tmp_path, "squeue", "echo '1_0 RUNNING None'")
    write_npz(images(), pictures)
    prepared(zoo)
    ready, prepare = threading.Barrier(2), submission.prepare_zoo

    def together(*arguments: Any, **options: Any) -> None:
        ready.wait(100)
        prepare(*arguments, **options)

    monkeypatch.setattr(submission, "prepare_zoo", together)

    def attempt(_number: int) -> str:
        try:
            submit_zoo(tiny(), zoo, request(), images=pictures)
        except ClusterError as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(2) as pool:
        first, second = sorted(pool.map(attempt, range(2)))
    assert first == ""
    assert f"an earlier submission for {zoo} is not over (1 running)" in second
    assert jobs.read_text() == "x\n" * 2  # an array and its collector
    assert [path.name for path in zoo.glob(".cluster/run-*")] == ["run-0001"]


def test_while_somebody_else_submits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(submission, "PATIENCE", 0.0)
    write_npz(images(), tmp_path / "images.npz")
    zoo = prepared(tmp_path / "zoo", parts=1)
    with take_lock(zoo / ".cluster"), pytest.raises(ClusterError, match="somebody else is submit"):
        submit_zoo(tiny(1), zoo, request(), images=tmp_path / "images.npz", dry_run=True)


def test_parts_that_are_only_delivered_are_put_in_place(
    tmp_path: Path, reference: Path, caplog: pytest.LogCaptureFixture
):
    """As when all who delivered them found the lock held, by a run that was then killed."""
    zoo = prepared(tmp_path / "zoo")
    work = open_training(zoo)
    with take_lock(zoo):
        run_worker(work, work.pieces)
    assert not open_zoo(zoo).parts_complete
    broken = lying_bundles(zoo)[0].path
    (broken / "bundle.json").write_text("{")
    assert dry(zoo, request()).parts == 1
    assert "5 parts of" in caplog.text
    work = open_training(zoo)
    with take_lock(zoo):
        run_worker(work, work.pieces)
    again = submit_zoo(tiny(), zoo, request(), images=tmp_path / "images.npz", dry_run=True)
    assert again is None
    assert open_zoo(zoo).is_complete
    assert part_files(zoo) == part_files(reference)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 5400),
        ("90:30", 5430),
        ("2:00:00", 7200),
        ("1-12", 129600),
        ("1-12:30", 131400),
        ("0-0:0:5", 5),
    ],
)
def test_times_as_slurm_takes_them(text: str, seconds: float):
    assert seconds_of(text) == seconds


def test_epochs_drop_late_checkpoints_as_train_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    recipe, pictures, zoo = tmp_path / "r.toml", tmp_path / "images.npz", tmp_path / "zoo"
    recipe.write_text(
        'name = "r"\nnetworks_per_class = 1\n[images]\nsource = "digits"\nchannels = 1\n'
        '[architecture]\nname = "smallcnn"\n[training]\nepochs = 9\ncheckpoint_epochs = [1, 5, 8]\n'
    )
    write_npz(images(), pictures)
    submit(str(recipe), zoo, tasks=1, epochs=1, images=pictures, dry_run=True)
    assert (
        "note: no checkpoint after epoch 5, 8, beyond the 1 of --epochs" in capsys.readouterr().err
    )
    train(str(recipe), tmp_path / "trained", epochs=1, images=str(pictures))
    trained, submitted = read_document(tmp_path / "trained").origin, read_document(zoo).origin
    assert trained.recipe_digest == submitted.recipe_digest
    assert read_document(zoo).checkpoint_epochs == (1,)


def test_what_the_engine_can_not_train_leaves_no_folder(tmp_path: Path):
    recipe, zoo = tmp_path / "r.toml", tmp_path / "zoo"
    recipe.write_text(
        'name = "r"\nnetworks_per_class = 1\n[images]\nsource = "digits"\nsize = 8\n'
        '[architecture]\nname = "own"\n'
        'layers = [{ residual = [{ norm = "batch" }] }, { dense = "outputs" }]\n'
    )
    with pytest.raises(EngineError, match="has residual blocks, which the native engine has not"):
        submit(str(recipe), zoo, tasks=1, engine="native", dry_run=True)
    assert not zoo.exists()
    submit(str(recipe), zoo, tasks=1, dry_run=True)
    assert read_document(zoo).architecture.name == "own"


def test_a_lock_that_a_killed_run_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("hyperzoo.cluster.training.PATIENCE", 0.0)
    zoo, pictures = prepared(tmp_path / "zoo", parts=1), tmp_path / "images.npz"
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(
        'name = "tiny"\nnetworks_per_class = 1\n[images]\nsource = "digits"\nchannels = 1\n'
        '[architecture]\nname = "smallcnn"\n[training]\nepochs = 1\ncheckpoint_epochs = [1]\n'
    )
    write_npz(images(), pictures)
    (zoo / ".lock-owner").write_text("somebody")
    with pytest.raises(ZooLockedError, match="--break-lock"):
        submit(str(recipe), zoo, tasks=1, images=pictures, dry_run=True)
    submit(str(recipe), zoo, tasks=1, images=pictures, dry_run=True, break_lock=True)
    assert not (zoo / ".lock-owner").exists()


def test_what_is_no_time_or_no_option():
    for text in ("", "two hours", "1:2:3:4", "-5"):
        with pytest.raises(ClusterError, match="expected a time such as 90"):
            seconds_of(text)
    assert _words("--account=abc '--comment=my zoo'") == ("--account=abc", "--comment=my zoo")
    with pytest.raises(ClusterError, match="No closing quotation"):
        _words("'--account")
    for text in ("--account abc", "'--comment=a\n#SBATCH --x'"):
        with pytest.raises(ClusterError, match="expected options such as --account=abc"):
            _words(text)
