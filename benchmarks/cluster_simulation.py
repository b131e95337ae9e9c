"""Thousands of cores, simulated: scheduling, one writer, and nodes that fail.

    python benchmarks/cluster_simulation.py [--no-helping]

A node has 50 cores and fails 0.01 times an hour: what it was making is lost, it is away for 15
minutes, and its tasks start again, where there is room, after two (as Slurm has it). A task takes
20 seconds to start, makes its share of parts one after another, delivers each, and then helps with
those of others, unless `--no-helping` has it end. One process puts bundles in place one after
another, 30 ms each (as measured by
cluster_overhead.py). A network takes 9.8 core-seconds. Of cores a task and seconds a task the best
are shown. docs/cluster.md has a result.
"""

import argparse
import heapq
import itertools
import random
from collections import deque
from dataclasses import dataclass, field

SECONDS_A_NETWORK = 9.8
PART = 50
CORES_A_NODE = 50
START = 20.0
AWAY = 900.0
REQUEUE = 120.0
FAILURES_A_SECOND = 0.01 / 3600
TAKE = 0.030


@dataclass(frozen=True)
class Result:
    """What came of a run: its length, tasks, parts lost, and useful core-seconds of all."""

    seconds: float
    tasks: int
    lost: int
    efficiency: float


@dataclass(eq=False)
class _Task:
    free: int  # parts of its share that nobody has begun


@dataclass
class _Node:
    slots: int
    running: dict[int, tuple[_Task, _Task]] = field(default_factory=dict)  # run -> its own, now at
    life: int = 0  # counts failures, so that events of an earlier life are ignored


class _Cluster:
    def __init__(
        self, parts: int, part_seconds: float, nodes: int, slots: int, tasks: int, helping: bool
    ) -> None:
        self.part_seconds, self.left, self.helping = part_seconds, parts, helping
        shares = (parts * (n + 1) // tasks - parts * n // tasks for n in range(tasks))
        self.tasks = [_Task(share) for share in shares]
        self.queue = deque(self.tasks)
        self.nodes = [_Node(slots) for _ in range(nodes)]
        self.slots, self.lost, self.written = slots, 0, 0.0
        self.draw = random.Random(0)
        self.numbers = itertools.count()
        self.events: list[tuple[float, int, str, int, object, int]] = []

    def at(self, time: float, what: str, node: int, detail: object = None) -> None:
        life = self.nodes[node].life
        heapq.heappush(self.events, (time, next(self.numbers), what, node, detail, life))

    def fill(self, now: float) -> None:
        """Start tasks that wait, wherever there is room."""
        for number, node in enumerate(self.nodes):
            while self.queue and len(node.running) < node.slots:
                self.begin(now + START, number, self.queue.popleft())
            if not self.queue:
                return

    def begin(self, now: float, number: int, own: _Task) -> bool:
        """Have a worker begin a part, of its own share or of another's, if there is one."""
        task = own if own.free else self.any_task() if self.helping else None
        if task is None:
            return False
        task.free -= 1
        run = next(self.numbers)
        self.nodes[number].running[run] = own, task
        self.at(now + self.part_seconds, "part", number, run)
        return True

    def any_task(self) -> _Task | None:
        while self.tasks:
            place = self.draw.randrange(len(self.tasks))
            if self.tasks[place].free:
                return self.tasks[place]
            self.tasks[place] = self.tasks[-1]
            self.tasks.pop()
        return None

    def run(self) -> None:
        for number in range(len(self.nodes)):
            self.at(self.draw.expovariate(FAILURES_A_SECOND), "fails", number)
        self.fill(0.0)
        while self.left:
            now, _, what, number, detail, life = heapq.heappop(self.events)
            node = self.nodes[number]
            if what == "requeue":
                for own, task in detail:
                    task.free += 1
                    self.tasks.append(task)
                    self.queue.appendleft(own)
                self.fill(now)
            elif life == node.life:
                getattr(self, f"_{what}")(now, number, node, detail)

    def _part(self, now: float, number: int, node: _Node, run: int) -> None:
        self.left -= 1
        self.written = max(self.written, now) + TAKE
        own, _ = node.running.pop(run)
        if not self.begin(now, number, own):
            self.fill(now)

    def _fails(self, now: float, number: int, node: _Node, _detail: object) -> None:
        self.lost += len(node.running)
        self.at(now + REQUEUE, "requeue", number, list(node.running.values()))
        node.running.clear()
        node.slots, node.life = 0, node.life + 1
        self.at(now + AWAY, "back", number)

    def _back(self, now: float, number: int, node: _Node, _detail: object) -> None:
        node.slots = self.slots
        self.at(now + self.draw.expovariate(FAILURES_A_SECOND), "fails", number)
        self.fill(now)


def simulate(
    networks: int, cores: int, cpus: int, task_seconds: float, helping: bool = True
) -> Result:
    """Train a zoo.

    Args:
        networks: networks of the zoo.
        cores: of the cluster.
        cpus: cores a task.
        task_seconds: how long a task should take.
        helping: whether workers whose share is done help with those of others.
    """
    parts = -(-networks // PART)
    part_seconds = -(-PART // cpus) * SECONDS_A_NETWORK
    tasks = min(parts, max(cores // cpus, round(parts * part_seconds / task_seconds)))
    nodes, slots = max(1, cores // CORES_A_NODE), CORES_A_NODE // cpus
    cluster = _Cluster(parts, part_seconds, nodes, slots, tasks, helping)
    cluster.run()
    useful = networks * SECONDS_A_NETWORK
    return Result(
        seconds=cluster.written,
        tasks=tasks,
        lost=cluster.lost,
        efficiency=useful / (cores * cluster.written),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--no-helping", action="store_true", help="a worker ends when its share is done"
    )
    helping = not parser.parse_args().no_helping
    print("  networks    cores  cores a task    tasks    hours  parts lost  efficiency")
    for networks, cores in itertools.product((10_610, 1_000_000), (100, 1_000, 10_000)):
        choices = {
            (cpus, seconds): simulate(networks, cores, cpus, seconds, helping)
            for cpus in (1, 2, 5, 10, 25, 50)
            for seconds in (900.0, 1800.0, 3600.0, 7200.0)
        }
        cpus, seconds = max(choices, key=lambda choice: choices[choice].efficiency)
        best = choices[cpus, seconds]
        print(
            f"{networks:10,} {cores:8,} {cpus:13} {best.tasks:8,} {best.seconds / 3600:8.2f} "
            f"{best.lost:11} {best.efficiency:11.0%}"
        )


if __name__ == "__main__":
    main()
