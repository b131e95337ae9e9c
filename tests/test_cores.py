import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hyperzoo import cores
from hyperzoo.cores import usable_cores

SOURCE = Path(__file__).parents[1] / "src" / "hyperzoo"


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine of 64 cores that grants all of them; the folder of its control groups."""
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(os, "process_cpu_count", lambda: 64, raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
    monkeypatch.delenv("SLURM_CPUS_PER_TASK", raising=False)
    (tmp_path / "groups" / "job" / "step").mkdir(parents=True)
    (tmp_path / "cgroup").write_text("12:cpu:/elsewhere\n0::/job/step\n")
    monkeypatch.setattr(cores, "_PROCESS_GROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(cores, "_GROUPS", tmp_path / "groups")
    return tmp_path / "groups"


def test_a_machine_that_grants_everything(machine: Path):
    assert usable_cores() == 64


def test_affinity(machine: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 5, 9})
    assert usable_cores() == 3


def test_the_count_of_newer_pythons(machine: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(os, "process_cpu_count", lambda: 5)
    assert usable_cores() == 5
    monkeypatch.setattr(os, "process_cpu_count", lambda: None)
    assert usable_cores() == 1


@pytest.mark.parametrize(("value", "count"), [("4", 4), ("0", 1), ("200", 64), ("x", 64), ("", 64)])
def test_slurm(machine: Path, monkeypatch: pytest.MonkeyPatch, value: str, count: int):
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", value)
    assert usable_cores() == count


@pytest.mark.parametrize(
    ("quota", "count"),
    [
        ("max 100000", 64),
        ("200000 100000", 2),
        ("150000 100000", 2),
        ("5000 100000", 1),
        ("1 0", 64),
        ("nonsense", 64),
    ],
)
@pytest.mark.parametrize("group", ["job/step", "job", "."])
def test_a_quota_holds_for_the_groups_within(machine: Path, group: str, quota: str, count: int):
    (machine / group / "cpu.max").write_text(f"{quota}\n")
    assert usable_cores() == count


def test_a_group_of_another_name_is_no_limit(machine: Path):
    (machine / "other").mkdir()
    (machine / "other" / "cpu.max").write_text("100000 100000")
    assert usable_cores() == 64


@pytest.mark.parametrize("tree", ["cpu", "cpu,cpuacct"])
@pytest.mark.parametrize(
    ("quota", "period", "count"),
    [("-1", "100000", 64), ("300000", "100000", 3), ("50000", "100000", 1), ("1", "0", 64)],
)
@pytest.mark.parametrize("group", ["elsewhere", "."])
def test_quotas_of_older_control_groups(
    machine: Path, tree: str, quota: str, period: str, count: int, group: str
):
    folder = machine / tree / group
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cpu.cfs_quota_us").write_text(f"{quota}\n")
    (folder / "cpu.cfs_period_us").write_text(f"{period}\n")
    assert usable_cores() == count


def test_systems_that_can_not_tell(machine: Path, monkeypatch: pytest.MonkeyPatch):
    """As on macOS, and where nothing at all is known."""
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.delattr(os, "process_cpu_count")
    monkeypatch.setattr(cores, "_PROCESS_GROUPS", machine / "nowhere")
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    assert usable_cores() == 8
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert usable_cores() == 1


def test_nothing_else_counts_cores():
    for file in (*SOURCE.rglob("*.py"), *(Path(__file__).parents[1] / "benchmarks").glob("*.py")):
        names = {
            node.attr for node in ast.walk(ast.parse(file.read_text())) if hasattr(node, "attr")
        }
        asked = names & {"cpu_count", "sched_getaffinity", "process_cpu_count"}
        # A benchmark that binds processes to cores needs to know which ones, not how many.
        binds = file.name == "cluster_train.py" and asked == {"sched_getaffinity"}
        assert not asked or file.name == "cores.py" or binds, file


def test_engines_do_without_affinity():
    program = """
import os
del os.sched_getaffinity
from hyperzoo.architectures import lenet5
from hyperzoo.population import make_engine
from hyperzoo.analysis.stream import map_in_order
print(make_engine("torch", lenet5(1), "cpu").preferred_cohort > 0, list(map_in_order(abs, [-1])))
"""
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (found.stdout, found.stderr) == ("True [1]\n", "")
