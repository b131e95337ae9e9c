"""A Slurm of one's own: three nodes of one core on loopback, from Debian's packages.

`python -m tests.cluster.slurm_site` tells by its exit code whether one can run here.
"""

import getpass
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path

from tests.cluster.makers import wait_until

NODES = ("n1", "n2", "n3")
_SOON = timedelta(seconds=5)
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scontrol", "scancel")

CONFIGURATION = """
ClusterName=hz
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
CredType=cred/munge
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
StateSaveLocation={folder}/state
SlurmctldPidFile={folder}/pid/slurmctld.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdSpoolDir={folder}/spool/%n
SlurmdPidFile={folder}/pid/slurmd.%n.pid
SlurmdLogFile={folder}/log/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SwitchType=switch/none
MailProg=/bin/true
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0,sched_min_interval=0
SlurmctldTimeout=10
SlurmdTimeout=6
KillWait=2
ReturnToService=2
MinJobAge=600
MaxArraySize=4
NodeName=n[1-3] NodeHostname={host} NodeAddr=127.0.0.1 Port=[{ports[1]}-{ports[3]}] CPUs=1
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE PriorityTier=1 PreemptMode=REQUEUE
PartitionName=urgent Nodes=ALL MaxTime=INFINITE PriorityTier=10 PreemptMode=OFF
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
"""


class Site:
    """A Slurm that runs.

    Attributes:
        folder: where all of it lies.
        environment: what Slurm's commands need to find it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = os.environ | {"SLURM_CONF": str(folder / "slurm.conf")}

    def call(self, *command: str) -> str:
        done = subprocess.run(
            command, capture_output=True, text=True, env=self.environment, check=False
        )
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        return done.stdout

    def start_node(self, node: str) -> None:
        self.call("slurmd", "-N", node)

    def kill_node(self, node: str) -> None:
        """Kill a node's daemon; what runs on the node lives on."""
        with suppress(ProcessLookupError):
            os.kill(self._process(f"slurmd.{node}"), signal.SIGKILL)

    def queue(self, *options: str) -> list[str]:
        return self.call("squeue", "--noheader", "--array", *options).splitlines()

    def is_idle(self) -> bool:
        return not self.queue()

    def hurry(self, job: str) -> None:
        """A job that was put back into the queue waits two minutes; let it start in two seconds.

        Not at once: within the second in which it was put back, its node takes what lets it start
        for revoked, and Slurm ends it as failed.
        """
        # The time before which it may not start, not the one at which Slurm expects it to: in the
        # very second in which the job may start that one is missing, and the job was put off anew.
        (eligible,) = {
            line.strip() for line in self.queue(f"--jobs={job}", "--Format=EligibleTime")
        } or {"N/A"}
        if eligible == "N/A" or datetime.fromisoformat(eligible) > datetime.now() + _SOON:
            self.call("scontrol", "update", f"jobid={job}", "StartTime=now+2")

    def _process(self, name: str) -> int:
        return int((self.folder / "pid" / f"{name}.pid").read_text())

    def stop(self) -> None:
        """End all daemons that still run, munged last: the others end faster with it."""
        for names in ((*(f"slurmd.{node}" for node in NODES), "slurmctld"), ("munged",)):
            processes = []
            for name in names:
                with suppress(OSError, ValueError):
                    processes.append(self._process(name))
                    os.kill(processes[-1], signal.SIGTERM)
            for process in processes:
                with suppress(AssertionError):
                    wait_until(lambda process=process: _has_ended(process), 10)
                if not _has_ended(process):
                    os.kill(process, signal.SIGKILL)


def _has_ended(process: int) -> bool:
    return not Path(f"/proc/{process}").exists()


def why_not() -> str:
    """Why no Slurm can be started here; "" if it seems that one can."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        return f"no Slurm here: {', '.join(missing)}; on Debian, install slurm-wlm and munge"
    return ""


@contextmanager
def slurm_site() -> Iterator[Site]:
    with tempfile.TemporaryDirectory(prefix="hz-slurm-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)  # munged wants its socket to be in everybody's reach
        site = Site(folder)
        try:
            _start(site)
            yield site
        finally:
            with suppress(AssertionError):
                site.call("scancel", f"--user={getpass.getuser()}")
                wait_until(site.is_idle, 30)
            site.stop()


def _start(site: Site) -> None:
    folder = site.folder
    for name in ("state", "log", "pid", *(f"spool/{node}" for node in NODES)):
        (folder / name).mkdir(parents=True)
    (folder / "munge").mkdir(mode=0o711)
    key = folder / "munge" / "key"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o400)
    (folder / "slurm.conf").write_text(
        CONFIGURATION.format(
            folder=folder,
            host=socket.gethostname().partition(".")[0],
            user=getpass.getuser(),
            ports=_free_ports(1 + len(NODES)),
        )
    )
    munge = folder / "munge"
    site.call(
        "munged",
        f"--key-file={key}",
        f"--socket={munge / 'socket'}",
        f"--pid-file={folder / 'pid' / 'munged.pid'}",
        f"--log-file={folder / 'log' / 'munged.log'}",
        f"--seed-file={munge / 'seed'}",
    )
    site.call("slurmctld", "-c")
    for node in NODES:
        site.start_node(node)
    wait_until(lambda: _idle_nodes(site) == len(NODES), 60)


def _idle_nodes(site: Site) -> int:
    with suppress(AssertionError):
        return len(site.call("sinfo", "-h", "-N", "-p", "main", "-t", "idle").splitlines())
    return 0


def _free_ports(count: int) -> Sequence[int]:
    """Ports in a row that nobody listens on; anywhere, since others may look at the same time."""
    for first in random.sample(range(16817, 32000, 10), k=100):
        ports = range(first, first + count)
        try:
            for port in ports:
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        return ports
    raise OSError("no free ports")


def main() -> None:
    if reason := why_not():
        raise SystemExit(reason)
    try:
        with slurm_site() as site:
            site.call("sbatch", "--output=/dev/null", "--wrap=true")
            wait_until(site.is_idle, 60)
    except (AssertionError, OSError) as error:
        raise SystemExit(f"it does not start: {error}") from None


if __name__ == "__main__":
    main()
