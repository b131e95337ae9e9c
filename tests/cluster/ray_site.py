"""A Ray of one's own: nodes in two network namespaces that a cable joins, out of others' reach.

`python -m tests.cluster.ray_site` tells by its exit code whether one can run here.
"""

import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from ipaddress import ip_address
from pathlib import Path

from tests.cluster.makers import wait_until

HEAD, FAR = "10.77.0.1", "10.77.0.2"
ADDRESS = f"{HEAD}:6379"
RAY = str(Path(sys.executable).with_name("ray"))


# What a site that wants to notice a lost node soon sets on all nodes and drivers.
KEEPALIVE = {
    "RAY_grpc_client_keepalive_time_ms": "5000",
    "RAY_grpc_client_keepalive_timeout_ms": "5000",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "3000",
    "RAY_health_check_failure_threshold": "3",
}


_MISSED_AFTER = 10.0
"""Seconds; with these settings Ray takes some seven."""


def why_not() -> str:
    """Why no such cluster can be started here; "" if it can."""
    if not Path(RAY).exists():
        return "Ray is not installed"
    for program in ("unshare", "nsenter", "ip"):
        if shutil.which(program) is None:
            return f"no {program} here"
    if subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False).returncode:
        return "may not make a network namespace"
    return ""


def descendants(process: int) -> list[int]:
    """A process's children, their children and so on."""
    parents: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, IndexError):
            status = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()
            parents.setdefault(int(status[1]), []).append(int(folder.name))
    found, waiting = [], [process]
    while waiting:
        children = parents.get(waiting.pop(), [])
        found += children
        waiting += children
    return found


class Node:
    """One Ray node: `ray start --block` and all that it started.

    Attributes:
        stopped: the processes that were stopped as they made a piece of work.
    """

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self.process = process
        self.stopped: list[int] = []

    def working(self) -> list[int]:
        """The processes of this node that make a piece of work."""
        found = []
        for process in descendants(self.process.pid):
            with suppress(OSError):
                if Path(f"/proc/{process}/cmdline").read_bytes().startswith(b"ray::make"):
                    found.append(process)
        return found

    def stop_work(self) -> None:
        """Stop what makes a piece of work at this moment."""
        self.stopped = self.working()
        for process in self.stopped:
            os.kill(process, signal.SIGSTOP)

    def go_on(self) -> None:
        for process in self.stopped:
            os.kill(process, signal.SIGCONT)
        self.stopped = []

    def leave(self) -> None:
        """End, and wait until Ray has missed it: a driver on its machine would connect to it."""
        self.cut_power()
        time.sleep(_MISSED_AFTER)

    def cut_power(self) -> None:
        self._kill(descendants(self.process.pid))

    def _kill(self, others: Sequence[int]) -> None:
        self.process.kill()
        for process in others:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        self.process.wait()
        wait_until(lambda: not any(Path(f"/proc/{process}").exists() for process in others))


class Site:
    """Two namespaces, and the Ray nodes in them.

    Attributes:
        environment: what nodes and drivers need.
    """

    def __init__(self, folder: Path, keepalive: Mapping[str, str]) -> None:
        self.folder = folder
        token = folder / "token"
        token.write_text(secrets.token_hex(32))
        token.chmod(0o600)
        self.environment = (
            os.environ
            | dict(keepalive)
            | {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token)}
            | {"RAY_worker_niceness": "0"}  # 15 by default: no time for them on a busy machine
            | {"RAY_DISABLE_IMPORT_WARNING": "1", "RAY_USAGE_STATS_ENABLED": "0"}
        )
        self._holders = [
            subprocess.Popen(["unshare", "--net", "sleep", "infinity"]) for _ in range(2)
        ]
        self.nodes: list[Node] = []
        try:
            self._plug_in()
        except BaseException:
            self.stop()
            raise

    def _plug_in(self) -> None:
        mine = Path("/proc/self/ns/net").readlink()
        for holder in self._holders:
            wait_until(lambda: Path(f"/proc/{holder.pid}/ns/net").readlink() != mine)  # noqa: B023
        far = str(self._holders[1].pid)
        cable = ["ip", "link", "add", "near", "type", "veth", "peer", "name", "far", "netns", far]
        for where, line in (
            (0, cable),
            (0, ["ip", "address", "add", f"{HEAD}/24", "dev", "near"]),
            (1, ["ip", "address", "add", f"{FAR}/24", "dev", "far"]),
            (0, ["ip", "link", "set", "lo", "up"]),
            (1, ["ip", "link", "set", "lo", "up"]),
            (0, ["ip", "link", "set", "near", "up"]),
            (1, ["ip", "link", "set", "far", "up"]),
        ):
            subprocess.run(self.inside(line, where), check=True)

    def inside(self, command: Sequence[str], where: int = 0) -> list[str]:
        """A command as it is called to run in a namespace."""
        return ["nsenter", f"--net=/proc/{self._holders[where].pid}/ns/net", *command]

    def listening(self, where: int) -> set[str]:
        """The addresses on which something listens for TCP in a namespace."""
        found = set()
        for table in ("tcp", "tcp6"):
            lines = Path(f"/proc/{self._holders[where].pid}/net/{table}").read_text().splitlines()
            for _, local, _, state, *_ in map(str.split, lines[1:]):
                if state == "0A":
                    words = bytes.fromhex(local.partition(":")[0])  # of four bytes, each reversed
                    packed = b"".join(words[at : at + 4][::-1] for at in range(0, len(words), 4))
                    address = ip_address(packed)
                    found.add(str(getattr(address, "ipv4_mapped", None) or address))
        return found

    def pull_the_cable(self) -> None:
        subprocess.run(self.inside(["ip", "link", "set", "far", "down"], 1), check=True)

    def start_head(self) -> Node:
        """The head, on which nothing is computed."""
        options = ["--head", "--port=6379", "--include-dashboard=false", "--num-cpus=0"]
        options += [f"--node-ip-address={HEAD}", f"--temp-dir={self.folder / 'ray'}"]
        return self._start(options, 0, {})

    def start_node(self, where: int = 0, **environment: str) -> Node:
        """A node of one core."""
        address = f"--node-ip-address={(HEAD, FAR)[where]}"
        options = [f"--address={ADDRESS}", "--num-cpus=1", address]
        return self._start(options, where, environment)

    def _start(self, options: list[str], where: int, environment: dict[str, str]) -> Node:
        command = [RAY, "start", "--block", "--disable-usage-stats", *options]
        command.append("--object-store-memory=100000000")
        log = self.folder / f"node-{len(self.nodes)}.log"
        with log.open("wb") as file:
            process = subprocess.Popen(
                self.inside(command, where),
                stdout=file,
                stderr=subprocess.STDOUT,
                env=self.environment | environment,
            )
        node = Node(process)
        self.nodes.append(node)
        deadline = time.monotonic() + 90
        while b"Ray runtime started" not in log.read_bytes():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        return node

    def stop(self) -> None:
        for node in reversed(self.nodes):
            node.cut_power()
        for holder in self._holders:
            holder.kill()
            holder.wait()


@contextmanager
def ray_site(keepalive: Mapping[str, str] = KEEPALIVE) -> Iterator[Site]:
    # Sockets lie in it, whose paths may not be long.
    with tempfile.TemporaryDirectory(prefix="hz-", ignore_cleanup_errors=True) as folder:
        site = Site(Path(folder), keepalive)
        try:
            site.start_head()
            yield site
        finally:
            site.stop()


def main() -> None:
    if reason := why_not():
        raise SystemExit(reason)
    try:
        with ray_site():
            pass
    except (AssertionError, OSError) as error:
        raise SystemExit(f"it does not start: {error}") from None


if __name__ == "__main__":
    main()
