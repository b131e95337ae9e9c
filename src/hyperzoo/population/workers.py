"""Runs one network after another on each of several threads, for engines on CPUs."""

import queue
import threading
from collections.abc import Callable, Generator, Iterator

from hyperzoo.population.engine import EpochRecord, TrainedNetwork

Event = EpochRecord | TrainedNetwork
TrainOne = Callable[[int, Callable[[], bool]], Iterator[Event]]


def run_on_threads(
    train_one: TrainOne, networks: int, workers: int
) -> Generator[Event, None, None]:
    """Train networks side by side and pass on what they report as it comes.

    Threads and not processes: the arithmetic runs outside Python's lock, and threads need no
    copies of the images, no protected main module, and leave no orphans.

    Args:
        train_one: trains the network at a position, yielding its events; it is given a function
            that says whether to stop, to be asked at least once a second.
        networks: how many networks there are.
        workers: threads.

    Yields:
        The events of all networks; those of one network in their order.

    Raises:
        Exception: whatever the first failing network raised.
    """
    stop = threading.Event()
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    for position in range(networks):
        waiting.put(position)
    events: queue.SimpleQueue[Event | BaseException | None] = queue.SimpleQueue()
    threads = [
        threading.Thread(target=_work, args=(train_one, waiting, events, stop), daemon=True)
        for _ in range(min(workers, networks))
    ]
    try:
        for thread in threads:
            thread.start()
        running = len(threads)
        while running:
            event = events.get()
            if event is None:
                running -= 1
            elif isinstance(event, BaseException):
                raise event
            else:
                yield event
    finally:
        # Also after an interrupt: a thread that computes while Python ends would crash it.
        stop.set()
        for thread in threads:
            if thread.ident is not None:
                thread.join()


def _work(
    train_one: TrainOne,
    waiting: "queue.SimpleQueue[int]",
    events: "queue.SimpleQueue[Event | BaseException | None]",
    stop: threading.Event,
) -> None:
    try:
        while not stop.is_set():
            try:
                position = waiting.get_nowait()
            except queue.Empty:
                break
            for event in train_one(position, stop.is_set):
                events.put(event)
    except BaseException as error:  # noqa: BLE001  (handed to the thread that waits)
        events.put(error)
    events.put(None)
