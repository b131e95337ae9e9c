"""Work on a Ray cluster: the driver is the only writer, and no disk need be shared."""

import logging
import math
import re
import signal
import socket
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address
from types import ModuleType
from typing import Any

from hyperzoo.cluster.ray_steps import RaySteps
from hyperzoo.cluster.training import Training, TrainingMaker
from hyperzoo.cluster.work import Work
from hyperzoo.errors import ClusterError, HyperzooError, MissingExtraError
from hyperzoo.images import ImageSet
from hyperzoo.population import Device, EngineName
from hyperzoo.train import Machines
from hyperzoo.version import VERSION
from hyperzoo.zoo import ZooWriter
from hyperzoo.zoo.bundle import Bundle, deliver

STRAGGLES_AFTER = 3.0
"""Times the median of what was made so far, after which a batch is made once more elsewhere."""
_LEAST_SECONDS = 5.0
_MOST_COPIES = 4
PARTS_A_GPU = 10
"""Parts that a GPU trains at once: it wants many networks, and results wait for all of them."""
_QUEUED_A_SLOT = 2
"""Batches submitted for each that can run, so that no slot waits for the driver."""
_HOST_AND_PORT = re.compile(r"(?:ray://)?(\[[0-9A-Fa-f:.]+\]|[^\[\]:/]+):([0-9]{1,5})")
_KNOCK_SECONDS = 10.0
_SAY_AFTER = 20.0
"""Seconds until it is said that Ray has not connected yet."""


_logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class OnRay(Machines):
    """Trains on a Ray cluster.

    Results come back through Ray's object store, and the images go out through it once. What a
    node that is lost was making is made again. Batches that take unusually long, or were out when
    a node was lost, are made a second time elsewhere once there is nothing else to do; the first
    result counts.

    Attributes:
        address: the cluster's address as Ray takes it, "auto" for the one of this machine; None
            starts a local one, which ends with the run and listens on loopback alone.
        cpus_per_part: cores that train a part.
        dashboard: of a local one: start Ray's dashboard.

    Raises:
        MissingExtraError: Ray is not installed.
    """

    address: str | None = None
    cpus_per_part: int = 1
    dashboard: bool = False

    def __post_init__(self) -> None:
        _import_ray()  # that it is missing is said before anything is written

    def train(
        self,
        writer: ZooWriter,
        images: ImageSet,
        engine: EngineName,
        device: Device,
        told: Callable[[int], None],
    ) -> None:
        """Train all parts that are missing, and have the writer take the bundles.

        Raises:
            ClusterError: the cluster can't be reached, or a node has another hyperzoo.
        """
        maker = TrainingMaker(writer.document, images, engine, device, self.cpus_per_part)
        work = Training(writer.path, maker)
        resources = {"CPU": self.cpus_per_part, "GPU": int(device == "cuda")}
        together = PARTS_A_GPU if device == "cuda" else 1
        with self._connected() as ray:
            _Driver(ray, work, resources, together, writer.take_bundles, told).run()

    @contextmanager
    def _connected(self) -> Iterator[ModuleType]:
        ray = _import_ray()
        options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
        if self.address is None:
            options["include_dashboard"] = self.dashboard
        # Ray takes SIGTERM for itself; to the command line it is Ctrl-C.
        in_main = threading.current_thread() is threading.main_thread()
        handler = signal.getsignal(signal.SIGTERM)
        try:
            if self.address is not None:
                _knock(self.address)
            with _on_loopback(ray) if self.address is None else _say_if_it_waits(self.address):
                ray.init(self.address or "local", **options)
        except (ConnectionError, RuntimeError, ValueError, OSError) as error:
            raise ClusterError(
                f"can't reach a Ray cluster at {self.address or 'this machine'}: "
                f"{str(error).strip().splitlines()[0]}; check that it runs, that its Ray is "
                f"{ray.__version__} as here, and, if it asks for a token, that this process has it "
                "(RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH)"
            ) from error
        if in_main:
            signal.signal(signal.SIGTERM, handler)
        if self.address is None and (open_to := _reachable_addresses(ray)):
            _logger.warning(
                "this version of Ray listens on %s, not on loopback alone; its token protects it",
                ", ".join(open_to),
            )
        try:
            yield ray
        finally:
            ray.shutdown()


def _knock(address: str) -> None:
    """Try whether anything listens at an address; Ray itself would try for a quarter of an hour.

    Args:
        address: as Ray takes it; only of "host:port" something can be said.

    Raises:
        OSError: nothing does.
    """
    match = _HOST_AND_PORT.fullmatch(address)
    if match is not None and int(match[2]) < 2**16:
        socket.create_connection((match[1].strip("[]"), int(match[2])), _KNOCK_SECONDS).close()


@contextmanager
def _say_if_it_waits(address: str) -> Iterator[None]:
    """Say what it waits for, should Ray take long to connect."""
    timer = threading.Timer(
        _SAY_AFTER,
        _logger.warning,
        (
            "waiting for the Ray cluster at %s, which has not answered for %d s; it may be "
            "something else that listens there, or an ended cluster's address (Ctrl-C ends this)",
            address,
            int(_SAY_AFTER),
        ),
    )
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


@contextmanager
def _on_loopback(ray: ModuleType) -> Iterator[None]:
    """Have a Ray that is started here listen on loopback alone.

    Ray does so by itself on macOS and Windows. On Linux it is told by RAY_ENABLE_WINDOWS_OR_OSX_
    CLUSTER=0, which it reads when it is imported, perhaps long ago: so what it has read is changed.
    Its servers are then told 127.0.0.1 as this node's address, by which they choose.
    """
    constants = ray._private.ray_constants
    before = getattr(constants, "ENABLE_RAY_CLUSTER", True)
    constants.ENABLE_RAY_CLUSTER = False
    try:
        yield
    finally:
        constants.ENABLE_RAY_CLUSTER = before


def _reachable_addresses(ray: ModuleType) -> list[str]:
    """The addresses of nodes that others can reach."""
    addresses = {str(node["NodeManagerAddress"]) for node in ray.nodes() if node["Alive"]}
    return sorted(address for address in addresses if not ip_address(address).is_loopback)


def _import_ray() -> ModuleType:
    try:
        import ray
    except ImportError as error:
        raise MissingExtraError('training on Ray needs Ray: pip install "hyperzoo[ray]"') from error
    module: ModuleType = ray
    return module


@dataclass(eq=False)
class _Batch:
    """Pieces that one task makes, and the copies of that task that are out."""

    number: int
    names: tuple[str, ...]
    tasks: dict[Any, float] = field(default_factory=dict)  # task -> when it was submitted
    told: int = 0  # steps that were told of

    @property
    def newest(self) -> float:
        return max(self.tasks.values())


class _Driver:
    """Keeps a cluster busy with pieces of work, and delivers what comes back."""

    def __init__(
        self,
        ray: ModuleType,
        work: Work,
        resources: dict[str, int],
        together: int,
        take: Callable[[], object],
        told: Callable[[int], None],
    ) -> None:
        self._ray, self._work, self._take, self._told = ray, work, take, told
        self._resources, self._together = resources, together
        self._check_nodes()
        # No retries for what a task raises, any number for lost nodes.
        self._make = ray.remote(
            max_retries=-1,
            retry_exceptions=False,
            num_cpus=resources["CPU"],
            num_gpus=resources["GPU"],
        )(_task())
        self._maker = ray.put(work.maker)
        self._steps = RaySteps(ray)
        self._out: list[_Batch] = []
        self._alive = self._alive_nodes()
        self._lost_one = -math.inf  # when a node was last missed
        self._stands_still = False  # no node that could make a part is left
        self._seconds: list[float] = []

    def run(self) -> None:
        """Make all pieces that wait.

        What is out when this ends (by an error, an interrupt, or as a copy that came second) ends
        as the driver leaves the cluster. It is not cancelled: a forced cancel that meets the task's
        answer makes Ray abort the driver ("Tried to complete task that was not pending", Ray 2.60).
        """
        todo = [_Batch(*batch) for batch in enumerate(self._batches())]
        while todo or self._out:
            while todo and len(self._out) < max(1, self._slots() * _QUEUED_A_SLOT):
                batch = todo.pop(0)
                self._submit(batch)
                self._out.append(batch)
            self._miss_nodes()
            self._say_if_nothing_runs()
            if not todo:
                self._copy_stragglers()
            self._wait()

    def _check_nodes(self) -> None:
        """Refuse what no node can do; Ray would wait for ever for one that can."""
        nodes = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        for name, needed in self._resources.items():
            largest = int(max((node.get(name, 0) for node in nodes), default=0))
            if largest < needed:
                raise ClusterError(
                    f"no node of the Ray cluster has {needed} {name}s: the largest has {largest}; "
                    "give fewer --cpus-per-part, or start larger nodes"
                )

    def _batches(self) -> list[tuple[str, ...]]:
        waiting, size = self._work.waiting(), self._together
        return [tuple(waiting[at : at + size]) for at in range(0, len(waiting), size)]

    def _slots(self) -> int:
        """How many batches the cluster as it is now can run at one time."""
        there = self._ray.cluster_resources()
        needs = {name: needed for name, needed in self._resources.items() if needed}
        return int(min(there.get(name, 0) // needed for name, needed in needs.items()))

    def _submit(self, batch: _Batch) -> None:
        # In a list, so that it is unpacked by the task, after it has looked at the node.
        tell = self._steps.told_by(batch.number, self._slots())
        task = self._make.remote([self._maker], batch.names, VERSION, tell)
        batch.tasks[task] = time.monotonic()

    def _alive_nodes(self) -> set[str]:
        return {node["NodeID"] for node in self._ray.nodes() if node["Alive"]}

    def _miss_nodes(self) -> None:
        """Note when a node is gone: Ray itself may start what it was making minutes later."""
        alive = self._alive_nodes()
        if not self._alive <= alive:
            self._lost_one = time.monotonic()
        self._alive = alive

    def _say_if_nothing_runs(self) -> None:
        """Ray waits for nodes for ever, and without a word."""
        still = self._slots() == 0
        if still and not self._stands_still:
            _logger.warning(
                "no node of the Ray cluster is left that could go on; waiting for others (Ctrl-C "
                "keeps what is done, and the same command goes on)"
            )
        elif self._stands_still and not still:
            _logger.warning("the Ray cluster has nodes again")
        self._stands_still = still

    def _copy_stragglers(self) -> None:
        """Make once more what takes unusually long, or may have been on a node that is gone."""
        limit = math.inf
        if self._seconds:
            limit = max(_LEAST_SECONDS, STRAGGLES_AFTER * statistics.median(self._seconds))
        for batch in self._out:
            late = time.monotonic() - batch.newest > limit or batch.newest < self._lost_one
            if late and len(batch.tasks) < _MOST_COPIES:
                self._submit(batch)

    def _wait(self) -> None:
        """Wait a second for results, and deliver them."""
        home = {task: batch for batch in self._out for task in batch.tasks}
        done, _ = self._ray.wait(list(home), num_returns=len(home), timeout=0.1)
        if not done:
            done, _ = self._ray.wait(list(home), num_returns=1, timeout=1.0)
        for task in done:
            batch = home[task]
            if batch in self._out:
                bundles = self._result(task)
                self._seconds.append(time.monotonic() - batch.tasks.pop(task))
                self._out.remove(batch)
                self._deliver(bundles)
                self._told(self._whole(batch) - batch.told)
        self._tell_of_what_is_out()

    def _whole(self, batch: _Batch) -> int:
        return sum(map(self._work.steps, batch.names))

    def _tell_of_what_is_out(self) -> None:
        """Tell how many steps are done of what is not, by whichever copy is ahead."""
        news, more = self._steps.news(), 0
        for batch in self._out:
            steps = max(batch.told, min(news.get(batch.number, 0), self._whole(batch)))
            more, batch.told = more + steps - batch.told, steps
        if more:
            self._told(more)

    def _result(self, task: Any) -> list[Bundle]:
        try:
            bundles: list[Bundle] = self._ray.get(task)
        except self._ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, HyperzooError):
                raise error.cause from None
            raise ClusterError(f"a Ray task failed: {error.cause}") from error
        except self._ray.exceptions.RayError as error:
            raise ClusterError(f"Ray gave up on a task: {error}") from error
        return bundles

    def _deliver(self, bundles: Sequence[Bundle]) -> None:
        finished = self._work.finished()
        for bundle in bundles:
            if bundle.piece not in finished:
                deliver(bundle, self._work.folder)
        self._take()


def _task() -> Callable[..., list[Bundle]]:
    """What runs on a node.

    A function within a function travels by value: so a node without hyperzoo, or with another
    one, can say so.
    """

    def make(
        maker: list[Any], names: Sequence[str], version: str, tell: tuple[Any, int, float]
    ) -> list[Any]:
        import socket

        try:
            import ray

            from hyperzoo.version import VERSION as VERSION_THERE
        except ImportError as error:
            raise RuntimeError(
                f"node {socket.gethostname()} has no hyperzoo ({error}); install hyperzoo "
                f"{version} there"
            ) from None
        if version != VERSION_THERE:
            raise RuntimeError(
                f"node {socket.gethostname()} has hyperzoo {VERSION_THERE}, the driver has "
                f"{version}: bits may differ, so install the same version on all nodes"
            )
        from hyperzoo.cluster.ray_steps import teller

        return list(ray.get(maker[0]).make(names, teller(*tell)))

    return make
