"""Calls Slurm's own commands: the only place that does."""

import re
import shutil
import subprocess
from collections.abc import Sequence

from hyperzoo.errors import ClusterError

_TIMEOUT = 120
DEFAULT_ARRAY = 1001
"""Slurm's own limit where a site has set none."""
_JOB = re.compile(r"([0-9]+)(?:;.*)?")


def submit(arguments: Sequence[str]) -> str:
    """Submit a job.

    Args:
        arguments: what `sbatch` is given.

    Returns:
        The job's number.

    Raises:
        ClusterError: there is no Slurm here, or it refused; with what it said.
    """
    said = _call(["sbatch", "--parsable", *arguments]).strip()
    match = _JOB.fullmatch(said)
    if match is None:
        raise ClusterError(f"expected a job's number from sbatch, got {said!r}")
    return match[1]


def largest_array() -> int:
    """How many tasks an array may have at most."""
    match = re.search(r"^MaxArraySize\s*=\s*([0-9]+)", _call(["scontrol", "show", "config"]), re.M)
    return max(1, int(match[1])) if match else DEFAULT_ARRAY


def states(jobs: Sequence[str]) -> dict[str, str]:
    """The states of jobs' tasks, by their names, such as "4711_3"; ended ones have none.

    A state is "running", or with Slurm's reason "pending (Resources)": some reasons, such as
    BadConstraints, never pass.

    One call for all of them: each costs the controller time that it needs for its work.
    """
    if not jobs:
        return {}
    command = ["squeue", "--noheader", "--array", f"--jobs={','.join(jobs)}", "--format=%i %T %r"]
    try:
        return dict(map(_state, _call(command).splitlines()))
    except ClusterError as error:
        # What it says of jobs that ended long ago.
        if "Invalid job id" in str(error):
            return {}
        raise


def _state(line: str) -> tuple[str, str]:
    name, _, said = line.strip().partition(" ")
    state, _, reason = said.partition(" ")
    why = f" ({reason})" if state == "PENDING" and reason not in ("", "None") else ""
    return name, state.lower() + why


def _call(command: list[str]) -> str:
    if shutil.which(command[0]) is None:
        raise ClusterError(
            f"no `{command[0]}` on this machine: submit where Slurm is, usually a login node; "
            "elsewhere, --dry-run makes all ready and prints what to run"
        )
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_TIMEOUT, check=False
        )
    except subprocess.TimeoutExpired:
        raise ClusterError(
            f"`{command[0]}` has not answered for {_TIMEOUT} s; Slurm's controller is down or "
            "overloaded, so try again later"
        ) from None
    if done.returncode:
        raise ClusterError(f"Slurm refused: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout
