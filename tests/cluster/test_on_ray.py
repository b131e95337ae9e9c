"""The Ray driver as far as it needs no Ray: a stand-in says when which task is done."""

import socket
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hyperzoo.cluster import on_ray, ray_steps
from hyperzoo.cluster.on_ray import OnRay, _Driver
from hyperzoo.cluster.ray_steps import RaySteps, teller
from hyperzoo.errors import ClusterError, EngineError, MissingExtraError
from hyperzoo.population.torch_engine import TorchEngine
from hyperzoo.train import Machines, train_zoo
from tests.cluster.makers import images, tiny
from tests.cluster.trials import Trials


class StandIn:
    """A cluster of two cores; tasks are done in order, but for those that hang."""

    def __init__(self, hang: Sequence[str], cpus: int = 2) -> None:
        self.hang, self.cpus = list(hang), cpus
        self.tasks: dict[int, Any] = {}
        self.tells: list[tuple[Any, int, float]] = []
        self.most_out = 0
        self.far_is_lost = False
        self.exceptions = SimpleNamespace(RayTaskError=OSError, RayError=RuntimeError)

    def remote(self, **_options: Any) -> Any:
        def decorate(_function: Any) -> Any:
            if isinstance(_function, type):
                return SimpleNamespace(options=lambda **_options: self.started(_function))

            def call(maker: list[Any], names: Sequence[str], _version: str, tell: Any) -> int:
                self.tells.append(tell)
                number = len(self.tasks)
                hangs = names[0] in self.hang
                if hangs:
                    self.hang.remove(names[0])
                self.tasks[number] = None if hangs else list(maker[0].make(names, print))
                return number

            return SimpleNamespace(remote=call)

        return decorate

    def started(self, actor: type) -> Any:
        """An actor that does at once what it is called for; an answer is its own reference."""
        raise RuntimeError("none can be started")

    def put(self, value: Any) -> Any:
        return value

    def nodes(self) -> list[dict[str, Any]]:
        near = {"NodeID": "near", "Alive": True, "Resources": {"CPU": self.cpus}}
        return [near, {"NodeID": "far", "Alive": not self.far_is_lost, "Resources": {}}]

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": self.cpus}

    def wait(self, tasks: list[int], num_returns: int, timeout: float) -> tuple[list[int], list]:
        self.most_out = max(self.most_out, len(tasks))
        return [task for task in tasks if self.tasks[task] is not None][:num_returns], []

    def get(self, task: int) -> Any:
        return self.tasks[task]


def drive(ray: Any, work: Trials) -> list[int]:
    told: list[int] = []
    needs = {"CPU": 1, "GPU": 0}
    _Driver(ray, work, needs, 1, work.collect, told.append).run()
    return told


def test_work_of_any_kind_and_few_tasks_out(tmp_path: Path):
    ray, work = StandIn([]), Trials(tmp_path)
    assert drive(ray, work) == [1] * 5
    assert sorted(work.taken) == work.pieces
    assert ray.most_out == 4  # two cores, and as many that wait


def test_what_hangs_is_made_again_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    ray, work = StandIn(["trial-1", "trial-1", "trial-3"]), Trials(tmp_path)
    clock = iter(range(0, 100_000, 3))
    monkeypatch.setattr(on_ray.time, "monotonic", lambda: next(clock))
    drive(ray, work)
    assert sorted(work.taken) == work.pieces
    assert len(ray.tasks) == 5 + 3


def test_what_may_have_been_on_a_lost_node_is_made_again(tmp_path: Path):
    """Though nothing was finished yet by which one could tell what is late, and Ray waits long."""
    pieces = [f"trial-{number}" for number in range(5)]
    ray, work = StandIn(pieces, cpus=4), Trials(tmp_path)
    waited = 0

    def wait(tasks: list[int], num_returns: int, timeout: float) -> tuple[list[int], list]:
        nonlocal waited
        waited += 1
        assert waited < 50, "in vain"
        ray.far_is_lost = waited > 10
        return [task for task in tasks if ray.tasks[task] is not None][:num_returns], []

    ray.wait = wait  # type: ignore[method-assign]
    drive(ray, work)
    assert sorted(work.taken) == work.pieces
    assert len(ray.tasks) == 5 + 5


def test_that_all_nodes_are_lost_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    ray, work = StandIn(["trial-4"], cpus=1), Trials(tmp_path)
    waited = 0

    def wait(tasks: list[int], num_returns: int, timeout: float) -> tuple[list[int], list]:
        nonlocal waited
        waited += 1
        assert waited < 50, "in vain"
        ray.cpus = 0 if 5 < waited < 20 else 1
        if waited > 20:
            ray.tasks[4] = list(work.maker.make(["trial-4"], print))
        return [task for task in tasks if ray.tasks[task] is not None][:num_returns], []

    ray.wait = wait  # type: ignore[method-assign]
    drive(ray, work)
    assert sorted(work.taken) == work.pieces
    lost, back = (record.getMessage() for record in caplog.records)
    assert lost.startswith("no node of the Ray cluster is left")
    assert "Ctrl-C" in lost
    assert back == "the Ray cluster has nodes again"


class WithActors(StandIn):
    """One on which actors can be started."""

    lost = False

    def started(self, actor: type) -> Any:
        it = actor()

        def method(name: str) -> Any:
            return SimpleNamespace(remote=lambda *arguments: self.answer(it, name, *arguments))

        return SimpleNamespace(
            remote=lambda: SimpleNamespace(tell=method("tell"), take=method("take"))
        )

    def answer(self, actor: Any, name: str, *arguments: Any) -> Any:
        if self.lost:
            raise RuntimeError("the actor died")
        return (getattr(actor, name)(*arguments),)

    def wait(self, tasks: list[Any], num_returns: int, timeout: float) -> tuple[list, list]:
        if isinstance(tasks[0], tuple):
            return tasks, []
        return super().wait(tasks, num_returns, timeout)

    def get(self, task: Any) -> Any:
        return task[0] if isinstance(task, tuple) else super().get(task)


class LongTrials(Trials):
    """Trials of ten steps."""

    def steps(self, name: str) -> int:
        return 10


@pytest.mark.parametrize(
    ("lost_after", "expected"), [(99, [10] * 4 + [3, 2, 2, 3, 0]), (3, [10] * 4 + [3, 2, 5])]
)
def test_steps_are_told_while_they_are_done_and_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lost_after: int, expected: list[int]
):
    """Of a part that is made twice, the copy that is ahead counts; the rest when it is there."""
    ray, work, told = WithActors(["trial-4"] * 9), LongTrials(tmp_path), []
    monkeypatch.setattr(on_ray, "_LEAST_SECONDS", 0.0)
    monkeypatch.setattr(on_ray, "STRAGGLES_AFTER", 0.0)
    script = iter([(0, 3), (1, 2), (0, 5), (1, 4), (1, 7), (0, 99), (0, 1)])
    said = 0

    def wait(tasks: list[Any], num_returns: int, timeout: float) -> tuple[list, list]:
        nonlocal said
        copies = [tell for tell in ray.tells if tell[1] == 4]
        if timeout == 1.0 and len(copies) > 1:  # nothing else is out
            copy, steps = next(script, (0, 0))
            if not steps:
                ray.tasks[4] = list(work.maker.make(["trial-4"], print))
            elif not ray.lost:
                copies[copy][0].tell.remote(4, steps)
                said += 1
                ray.lost = said > lost_after
        return WithActors.wait(ray, tasks, num_returns, timeout)

    ray.wait = wait  # type: ignore[method-assign]
    _Driver(ray, work, {"CPU": 1, "GPU": 0}, 1, work.collect, told.append).run()
    assert sorted(work.taken) == work.pieces
    assert told == expected


def test_a_task_tells_how_many_steps_there_were_since_its_begin(monkeypatch: pytest.MonkeyPatch):
    seconds, messages = 0.0, []
    monkeypatch.setattr(ray_steps.time, "monotonic", lambda: seconds)

    def tell(*message: int) -> None:
        messages.append(message)
        if len(messages) == 2:
            raise ConnectionError

    told = teller(SimpleNamespace(tell=SimpleNamespace(remote=tell)), 7, 2.0)
    for seconds in (0.0, 1.0, 2.0, 3.0, 4.0):  # noqa: B007
        told(10)
    assert messages == [(7, 10), (7, 30), (7, 50)]
    teller(None, 7, 2.0)(10)  # where no actor could be started


def test_the_more_tasks_the_more_seldom_each_tells():
    steps = RaySteps(WithActors([]))  # type: ignore[arg-type]
    assert steps.told_by(3, 2)[1:] == (3, 1.0)
    assert steps.told_by(3, 10_000)[1:] == (3, 50.0)


def test_an_interrupt_comes_through(tmp_path: Path):
    ray, work = StandIn(["trial-1"]), Trials(tmp_path)

    def interrupt(_steps: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _Driver(ray, work, {"CPU": 1, "GPU": 0}, 1, work.collect, interrupt).run()  # type: ignore[arg-type]
    assert work.taken


def test_what_a_task_raises(tmp_path: Path):
    class TaskError(OSError):
        cause: BaseException = EngineError("the native engine is not built")

    ray, work = StandIn([]), Trials(tmp_path)

    def get(_task: int) -> None:
        raise TaskError

    ray.get = get  # type: ignore[method-assign]
    with pytest.raises(EngineError, match="native engine is not built"):
        drive(ray, work)
    TaskError.cause = ValueError("something")
    with pytest.raises(ClusterError, match="a Ray task failed: something"):
        drive(ray, work)


def test_nodes_that_are_too_small(tmp_path: Path):
    with pytest.raises(ClusterError, match="no node of the Ray cluster has 1 CPUs"):
        drive(StandIn([], cpus=0), Trials(tmp_path))


def test_without_ray(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r'pip install "hyperzoo\[ray\]"'):
        train_zoo(tiny(1), tmp_path / "zoo", images=images(), on=OnRay())
    assert not (tmp_path / "zoo").exists()


@pytest.mark.parametrize("form", ["127.0.0.1:{}", "localhost:{}", "ray://127.0.0.1:{}", "[::1]:{}"])
def test_an_address_where_nothing_listens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
):
    def init(*_arguments: Any, **_options: Any) -> None:
        raise AssertionError("Ray would try for a quarter of an hour")

    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(init=init, __version__="2.60.0"))
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        address = form.format(unheard.getsockname()[1])
        with pytest.raises(ClusterError, match="can't reach a Ray cluster at") as caught:
            train_zoo(tiny(1), tmp_path / "zoo", images=images(), on=OnRay(address=address))
    assert address in str(caught.value)
    assert "check that it runs" in str(caught.value)


def test_what_listens_but_is_no_ray_is_waited_for_with_a_word(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(on_ray, "_SAY_AFTER", 0.0)
    said = threading.Event()
    monkeypatch.setattr(on_ray._logger, "handle", lambda record: said.set())

    def init(*_arguments: Any, **_options: Any) -> None:
        assert said.wait(60)
        raise ConnectionError("no Ray")

    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(init=init, __version__="2.60.0"))
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(ClusterError, match="no Ray"), OnRay(address=address)._connected():
            raise AssertionError


@pytest.mark.parametrize("address", ["auto", "local", "a/b:1", "node:99999", "node"])
def test_addresses_of_which_nothing_can_be_said_are_left_to_ray(address: str):
    on_ray._knock(address)


def test_an_engine_can_not_travel(tmp_path: Path):
    class Nobody(Machines):
        def train(self, *_arguments: Any) -> None:
            raise AssertionError

    with pytest.raises(EngineError, match="other machines make an engine of their own"):
        train_zoo(tiny(1), tmp_path / "zoo", images=images(), on=Nobody(), engine=TorchEngine())
