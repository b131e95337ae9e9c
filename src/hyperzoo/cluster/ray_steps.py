"""Counts the steps of what a Ray cluster is making, so that progress shows before it is done."""

import math
import time
from collections.abc import Callable
from contextlib import suppress
from types import ModuleType
from typing import Any

_CALLS_A_SECOND = 200
"""What all tasks together may ask of the one actor that counts."""
_LEAST_SECONDS = 1.0


class RaySteps:
    """What tasks tell of their steps: to an actor, a small process on the cluster.

    Nothing but progress hangs on it: where it can't be started, is lost or does not answer, the
    work goes on and less is told of it.

    Args:
        ray: the module, connected.
    """

    def __init__(self, ray: ModuleType) -> None:
        self._ray = ray
        self._actor: Any = None
        self._answer: Any = None
        with suppress(Exception):
            make = ray.remote(num_cpus=0, max_restarts=-1)(_counter())
            self._actor = make.options(**self._beside_the_driver()).remote()

    def _beside_the_driver(self) -> dict[str, Any]:
        """Where it is lost with the driver and never without, if that machine is of the cluster."""
        with suppress(Exception):
            from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

            node = self._ray.get_runtime_context().get_node_id()
            return {"scheduling_strategy": NodeAffinitySchedulingStrategy(node, soft=True)}
        return {}

    def told_by(self, key: int, slots: int) -> tuple[Any, int, float]:
        """What a task needs to tell of its steps (see `teller`).

        Args:
            key: what it makes; copies of a task have the same.
            slots: how many tasks may run at one time: the more, the more seldom each of them tells.
        """
        return self._actor, key, max(_LEAST_SECONDS, slots / _CALLS_A_SECOND)

    def news(self) -> dict[int, int]:
        """Key -> most steps that a copy told of, of those that told since; does not wait."""
        if self._actor is None:
            return {}
        try:
            if self._answer is None:
                self._answer = self._actor.take.remote()
            done, _ = self._ray.wait([self._answer], num_returns=1, timeout=0)
            if not done:
                return {}
            answer, self._answer = self._answer, None
            news: dict[int, int] = self._ray.get(answer)
        except Exception:  # noqa: BLE001  (progress alone suffers)
            self._answer = None
            return {}
        return news


def _counter() -> type:
    """The actor. A class within a function travels by value, to nodes without hyperzoo too."""

    class Counter:
        def __init__(self) -> None:
            self.counts: dict[int, int] = {}

        def tell(self, key: int, steps: int) -> None:
            self.counts[key] = max(steps, self.counts.get(key, 0))

        def take(self) -> dict[int, int]:
            counts, self.counts = self.counts, {}
            return counts

    return Counter


def teller(actor: Any, key: int, seconds: float) -> Callable[[int], None]:
    """What a task tells of its steps as they are done.

    It passes on how many there were since its begin, so that nothing counts twice when a message
    is lost, a copy runs elsewhere, or Ray starts the task again.

    Args:
        actor: where to tell; None not to.
        key: what the task makes.
        seconds: between two messages at the least.
    """
    total, last = 0, -math.inf

    def told(steps: int) -> None:
        nonlocal total, last
        total += steps
        if actor is not None and time.monotonic() - last >= seconds:
            last = time.monotonic()
            with suppress(Exception):
                actor.tell.remote(key, total)

    return told
