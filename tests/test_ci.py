"""What CI makes of the tests that start a Slurm and a Ray, with stand-ins for these tests."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / ".ci" / "cluster"


def cluster(
    folder: Path, sites: dict[str, str], make: str, limit: str = "1m"
) -> "subprocess.CompletedProcess[str]":
    """Run `.ci/cluster` where trying a site, and `make`, are what scripts of the shell say."""
    for name in (".ci", ".venv/bin", "bin"):
        (folder / name).mkdir(parents=True)
    shutil.copy(SCRIPT, folder / ".ci" / "cluster")
    cases = " ".join(f"tests.cluster.{site}_site) {script};;" for site, script in sites.items())
    for path, script in ((".venv/bin/python", f'case "$2" in {cases} esac'), ("bin/make", make)):
        (folder / path).write_text(f"#!/bin/sh\n{script}\n")
        (folder / path).chmod(0o755)
    environment = {key: value for key, value in os.environ.items() if "REQUIRE" not in key}
    environment |= {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "CLUSTER_TESTS_LIMIT": limit}
    return subprocess.run(
        [folder / ".ci" / "cluster"], env=environment, capture_output=True, text=True, check=False
    )


BOTH = {"slurm": "exit 0", "ray": "exit 0"}
SHOW = 'echo "$@; slurm $HYPERZOO_REQUIRE_SLURM, ray $HYPERZOO_REQUIRE_RAY"'


def test_what_can_run_is_required_and_passes(tmp_path: Path):
    done = cluster(tmp_path, BOTH, SHOW)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "test-cluster SITES=slurm or ray; slurm 1, ray 1\n"


def test_a_failure_fails(tmp_path: Path):
    assert cluster(tmp_path, BOTH, "exit 2").returncode == 2


def test_running_out_of_time_fails(tmp_path: Path):
    done = cluster(tmp_path, BOTH, "exec sleep 60", limit="0.2")
    assert done.returncode == 124
    assert done.stdout == "failed: the tests of many machines did not end within 0.2\n"


@pytest.mark.parametrize(("missing", "other"), [("slurm", "ray"), ("ray", "slurm")])
def test_what_can_not_run_is_skipped_with_a_reason(tmp_path: Path, missing: str, other: str):
    done = cluster(
        tmp_path, BOTH | {missing: "echo lines; echo 'no packages' >&2; exit 1"}, SHOW + "; exit 3"
    )
    assert done.returncode == 3
    first, second = done.stdout.splitlines()
    assert first == f"skipped: the tests with {missing}, which can't run here: no packages"
    assert second.startswith(f"test-cluster SITES={other}; ")
    assert f"{other} 1" in second


def test_where_nothing_can_run(tmp_path: Path):
    """A machine that reaches no packages passes, and `make` is not even called."""
    done = cluster(tmp_path, {"slurm": "exit 1", "ray": "echo no; exit 1"}, "exit 9")
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 2
