"""Goes through a zoo's weights part by part, on all cores, in order, without keeping them."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from hyperzoo.cores import usable_cores

T = TypeVar("T")
S = TypeVar("S")

Meter = Callable[[int, int | None], None]
"""Is told how many of how many parts are done."""


def map_in_order(work: Callable[[S], T], items: Iterable[S], workers: int = 0) -> Iterator[T]:
    """Like `map`, on threads; results come in order, and few are kept waiting.

    NumPy gives up Python's lock during its arithmetic.

    Args:
        work: what to do with an item.
        items: the items; taken only when a thread is about to be free.
        workers: threads; 0 for one a core.
    """
    threads = workers or usable_cores()
    waiting: deque[Future[T]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) > threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
