"""Zoos trained by a real Slurm: requeued, preempted, cancelled, out of time, cut off, no room."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from hyperzoo.cluster.beats import Beat, beats
from hyperzoo.cluster.status import zoo_status
from hyperzoo.cluster.training import open_training
from hyperzoo.images.npz import write_npz
from hyperzoo.train import train_zoo
from hyperzoo.zoo import open_zoo
from tests.cluster.makers import (
    assert_same,
    command,
    images,
    prepared,
    running,
    tiny,
    wait_until,
)
from tests.cluster.slurm_site import Site, slurm_site, why_not

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(400)]

RECIPE = """
name = "tiny"
networks_per_class = {networks}
[images]
source = "digits"
channels = 1
[architecture]
name = "smallcnn"
[training]
epochs = {epochs}
checkpoint_epochs = [1]
"""

# What the queue tells of workers: not of the collector, which waits for them.
WORKERS = ("--name=hyperzoo-work", "--format=%i %T")


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    yield from running(slurm_site, why_not(), "HYPERZOO_REQUIRE_SLURM")


def submit(
    site: Site, zoo: Path, *options: str, parts: int, epochs: int
) -> "subprocess.CompletedProcess[str]":
    """`hyperzoo submit` as on a login node."""
    recipe, pictures = zoo.parent / "tiny.toml", zoo.parent / "images.npz"
    if not recipe.exists():
        recipe.write_text(RECIPE.format(networks=parts, epochs=epochs))
        write_npz(images(), pictures)
    arguments = ["submit", recipe, "--images", pictures, "--out", zoo, *options]
    return command(*arguments, env=site.environment)


def frozen(zoo: Path, workers: int) -> list[Beat]:
    """Workers in the middle of a part: each is stopped as soon as it has begun one.

    Who begins first must not make its part, and then the others', before the last has started.
    """
    found: dict[int, Beat] = {}

    def all_stopped() -> bool:
        for beat in beats(zoo):
            if beat.pieces and beat.process not in found:
                os.kill(beat.process, signal.SIGSTOP)
                found[beat.process] = beat
        return len(found) == workers

    wait_until(all_stopped)
    return list(found.values())


def go_on(*workers: Beat) -> None:
    for beat in workers:
        with suppress(ProcessLookupError):
            os.kill(beat.process, signal.SIGCONT)


def wait_for_the_queue(site: Site) -> None:
    """Until all jobs have ended; those that were put back need not wait their two minutes."""

    def ended() -> bool:
        for line in site.queue("--format=%i %T %r"):
            job, state, reason = line.split(maxsplit=2)
            if state == "PENDING" and reason == "BeginTime":
                with suppress(AssertionError):  # it may have begun meanwhile
                    site.hurry(job)
        return site.is_idle()

    wait_until(ended)


def test_more_tasks_than_an_array_may_have_and_two_submissions(
    site: Site, tmp_path: Path, reference: Path
):
    """This Slurm allows four tasks an array."""
    zoo = prepared(tmp_path / "zoo")
    first = submit(site, zoo, "--tasks", "6", "--cpus", "1", "--time", "10", parts=6, epochs=1)
    assert first.returncode == 0, first.stderr
    assert "6 parts to make, by 6 tasks\nsubmitted arrays " in first.stdout
    second = submit(site, zoo, "--tasks", "2", parts=6, epochs=1)
    assert second.returncode == 1
    assert "an earlier submission" in second.stderr
    assert "--anyway" in second.stderr
    anyway = submit(site, zoo, "--tasks", "3", "--anyway", parts=6, epochs=1)
    assert anyway.returncode == 0, anyway.stderr
    said = command("status", zoo, env=site.environment).stdout
    assert "slurm     " in said
    assert "pending" in said or "running" in said
    wait_for_the_queue(site)
    assert_same(zoo, reference)
    said = command("status", zoo, env=site.environment).stdout
    assert "parts     6 of 6 done, 0 running, 0 waiting, 0 failed\n" in said
    assert "slurm     no task is left\n" in said
    assert "failed    " not in said
    again = submit(site, zoo, "--tasks", "2", parts=6, epochs=1)
    assert (again.returncode, again.stdout) == (0, f"{zoo} lacks no part; nothing to submit\n")


def test_requeued_cancelled_and_out_of_time_in_mid_part(
    site: Site, tmp_path: Path, long_reference: Path
):
    zoo = prepared(tmp_path / "zoo", parts=3, epochs=20)
    assert submit(site, zoo, "--tasks", "3", parts=3, epochs=20).returncode == 0
    first, *others = frozen(zoo, 3)
    requeued, cancelled, late = (beat.job for beat in (first, *others))
    site.call("scontrol", "requeuehold", requeued)  # until the others have ended
    site.call("scancel", cancelled)
    # The time limit comes while the worker is stopped, which no drain can help.
    site.call("scontrol", "update", f"jobid={late}", "TimeLimit=1")
    site.call("scontrol", "update", f"jobid={late}", "EndTime=now+10")
    wait_until(lambda: [line.split()[1:] for line in site.queue(*WORKERS)] == [["PENDING"]])
    assert open_zoo(zoo).parts_complete == ()
    assert beats(zoo) == []
    said = command("status", zoo, env=site.environment).stdout
    assert "parts     0 of 3 done, 0 running, 1 waiting, 2 failed\n" in said
    for beat, why in ((others[0], "CANCELLED AT "), (others[1], "DUE TO TIME LIMIT")):
        line = (
            rf"^failed    task {beat.job}: .*{why}.*, which leaves {beat.pieces[0]}; see .*\.out$"
        )
        assert re.search(line, said, re.MULTILINE), said
    logs = "".join(log.read_text() for log in (zoo / ".cluster" / "run-0001" / "logs").iterdir())
    assert "DUE TO TIME LIMIT" in logs
    assert "DUE TO JOB REQUEUE" in logs
    assert logs.count("CANCELLED") == 3  # so Slurm says of all three
    site.call("scontrol", "release", requeued)
    site.hurry(requeued)
    # The first makes its part, and goes on with those that nobody works on any more.
    wait_until(lambda: _part(first) in open_zoo(zoo).parts_complete)
    site.call("scancel", requeued)
    wait_for_the_queue(site)
    assert submit(site, zoo, "--tasks", "3", parts=3, epochs=20).returncode == 0
    wait_for_the_queue(site)
    assert_same(zoo, long_reference)


def test_a_worker_that_is_killed_is_known_as_failed_at_once(
    site: Site, tmp_path: Path, long_reference: Path
):
    """kill -9: it leaves a sign of life that is fresh, a log without a word, and no job."""
    zoo = prepared(tmp_path / "zoo", parts=3, epochs=20)
    assert submit(site, zoo, "--tasks", "2", parts=3, epochs=20).returncode == 0
    killed, other = sorted(frozen(zoo, 2), key=_part, reverse=True)
    os.kill(killed.process, signal.SIGKILL)
    wait_until(lambda: len(site.queue(*WORKERS)) == 1)
    said = command("status", zoo, env=site.environment).stdout
    assert "parts     0 of 3 done, 1 running, 0 waiting, 2 failed\n" in said
    assert "workers   1 on 1 machine" in said
    log = zoo / ".cluster" / "run-0001" / "logs" / f"{killed.job}.out"
    assert (
        f"failed    task {killed.job}: it ended without a word: killed, or its node was lost, "
        f"which leaves part-00001, part-00002; see {log}\n"
    ) in said
    assert said.count("failed    ") == 1
    go_on(other)  # it helps, but not with what somebody seems to have worked on a moment ago
    wait_for_the_queue(site)
    said = command("status", zoo, env=site.environment).stdout
    assert "parts     2 of 3 done, 0 running, 0 waiting, 1 failed\n" in said
    assert re.search(rf"failed    task {killed.job}: .*, which leaves part-00001; see ", said)
    assert submit(site, zoo, "--tasks", "1", parts=3, epochs=20).returncode == 0
    wait_for_the_queue(site)
    assert_same(zoo, long_reference)
    said = command("status", zoo, env=site.environment).stdout
    assert "parts     3 of 3 done, 0 running, 0 waiting, 0 failed\n" in said
    assert "failed    " not in said


def _part(beat: Beat) -> int:
    return int(beat.pieces[0].removeprefix("part-"))


def test_preempted_in_mid_part(site: Site, tmp_path: Path, long_reference: Path):
    zoo = prepared(tmp_path / "zoo", parts=3, epochs=20)
    assert submit(site, zoo, "--tasks", "3", parts=3, epochs=20).returncode == 0
    workers = frozen(zoo, 3)
    site.call("sbatch", "--partition=urgent", "--nodes=3", "--output=/dev/null", "--wrap=true")
    wait_until(lambda: not any(Path(f"/proc/{beat.process}").exists() for beat in workers))
    wait_for_the_queue(site)
    assert_same(zoo, long_reference)


def test_a_lost_daemon_whose_job_lives_on_and_a_power_cut(
    site: Site, tmp_path: Path, long_reference: Path
):
    """Slurm takes both nodes for dead and starts their jobs again, so that one runs twice."""
    zoo = prepared(tmp_path / "zoo", parts=3, epochs=20)
    assert submit(site, zoo, "--tasks", "2", parts=3, epochs=20).returncode == 0
    workers = frozen(zoo, 2)
    running = site.queue("--format=%i %N", "--states=RUNNING")
    nodes = {job: node for job, _, node in (line.partition(" ") for line in running)}
    alive, cut = workers
    try:
        for node in nodes.values():
            site.kill_node(node)
        for process in (cut.process, _parent(cut.process)):
            os.kill(process, signal.SIGKILL)

        def second_copy() -> bool:
            for job in nodes:
                with suppress(AssertionError):
                    site.hurry(job)
            # The other job's second copy may make all parts but that of the one that lives on.
            return _part(alive) in open_zoo(zoo).parts_complete

        wait_until(second_copy)
    finally:
        go_on(alive)
        for node in nodes.values():
            site.start_node(node)
    wait_until(lambda: not Path(f"/proc/{alive.process}").exists())
    wait_for_the_queue(site)
    assert_same(zoo, long_reference)


def _parent(process: int) -> int:
    """slurmstepd, which looks after a job's processes."""
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])


def test_train_during_an_array(site: Site, tmp_path: Path, long_reference: Path):
    zoo = prepared(tmp_path / "zoo", parts=3, epochs=20)
    assert submit(site, zoo, "--tasks", "2", parts=3, epochs=20).returncode == 0
    workers = frozen(zoo, 2)

    def meter(_progress: object) -> None:
        go_on(*workers)

    assert train_zoo(tiny(3, 20), zoo, images=images(), meter=meter).is_complete
    wait_for_the_queue(site)
    assert_same(zoo, long_reference)


def test_a_full_disk(site: Site, tmp_path: Path, reference: Path):
    """A disk with room for some parts: each worker says once that there is no room, and ends."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("may not mount a small disk")
    try:
        zoo = prepared(disk / "zoo")
        room = open_training(zoo).bytes_needed(["part-00000"]) + 900_000  # and a part takes 410,000
        free = os.statvfs(disk)
        (disk / "ballast").write_bytes(bytes(max(0, free.f_bavail * free.f_frsize - room)))
        assert submit(site, zoo, "--tasks", "3", parts=6, epochs=1).returncode == 0
        wait_for_the_queue(site)
        found = zoo_status(zoo)
        assert 1 <= found.done < 6
        assert (found.delivered, found.running) == (0, 0)
        said = command("status", zoo, env=site.environment).stdout
        assert "failed    " in said
        assert "no room for the next pieces" in said
        logs = [log.read_text() for log in (zoo / ".cluster" / "run-0001" / "logs").iterdir()]
        assert all(log.count("error: ") <= 1 and "Traceback" not in log for log in logs)
        (disk / "ballast").unlink()
        assert submit(site, zoo, "--tasks", "3", parts=6, epochs=1).returncode == 0
        wait_for_the_queue(site)
        assert_same(zoo, reference)
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_what_slurm_refuses(site: Site, tmp_path: Path):
    zoo = prepared(tmp_path / "zoo", parts=1)
    done = submit(site, zoo, "--tasks", "1", "--partition", "nowhere", parts=1, epochs=1)
    assert done.returncode == 1
    assert "error: Slurm refused: " in done.stderr
    assert "invalid partition" in done.stderr
    left = sorted(path.name for path in (zoo / ".cluster").iterdir())
    assert left == [".lock", "images.npz"]
    assert site.is_idle()
