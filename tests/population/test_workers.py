import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from hyperzoo.population.engine import TrainedNetwork
from hyperzoo.population.workers import run_on_threads


def trained(position: int) -> TrainedNetwork:
    return TrainedNetwork(
        network=position, epoch=1, parameters={}, logits=np.zeros((0, 1), np.float32)
    )


def test_every_network_is_trained_once():
    def train_one(position: int, _stopped: Callable[[], bool]) -> Iterator[TrainedNetwork]:
        yield trained(position)

    for workers in (1, 3, 20):
        events = list(run_on_threads(train_one, 7, workers))
        assert sorted(event.network for event in events) == list(range(7))
    assert list(run_on_threads(train_one, 0, 2)) == []


def test_an_error_in_a_worker_reaches_the_caller_and_ends_the_work():
    def train_one(position: int, stopped: Callable[[], bool]) -> Iterator[TrainedNetwork]:
        if position == 1:
            raise ValueError("network 1 is broken")
        while not stopped():
            time.sleep(0.001)
        yield trained(position)

    before = threading.active_count()
    with pytest.raises(ValueError, match="network 1 is broken"):
        list(run_on_threads(train_one, 5, 2))
    assert threading.active_count() == before


def test_closing_stops_the_threads():
    def train_one(position: int, stopped: Callable[[], bool]) -> Iterator[TrainedNetwork]:
        yield trained(position)
        while not stopped():
            time.sleep(0.001)

    before = threading.active_count()
    events = run_on_threads(train_one, 5, 2)
    next(events)
    events.close()
    assert threading.active_count() == before
